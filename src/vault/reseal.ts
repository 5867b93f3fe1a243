// Encrypts stored secrets anew, for other recipients: one file after the other, each in place of the old one at once, so that
// every file opens at every moment. Nothing is written before what is to be written has been opened again.
import { decrypt, encrypt } from './age.ts'
import { replaceFile } from '../platform/replace-file.ts'
import { listSecretFiles, type SecretFile } from './secret-files.ts'

/** Reads a file that only trusted users can have written. A message is a predicate. */
export type ReadBytes = (
  path: string,
) =>
  | { readonly kind: 'read'; readonly bytes: Uint8Array }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly message: string }

export interface ExaminedSecret extends SecretFile {
  /** Why it does not open, as a predicate; undefined if it does. */
  readonly fault: string | undefined
}

/** Tries to open each stored secret. @param identities any of them may open it. @throws when the directory cannot be read. */
export async function examineSecrets(
  directory: string,
  identities: readonly string[],
  read: ReadBytes,
): Promise<ExaminedSecret[]> {
  const examined: ExaminedSecret[] = []
  for (const file of listSecretFiles(directory)) {
    const opened = await open(file.path, identities, read)
    examined.push({ ...file, fault: opened.kind === 'opened' ? undefined : opened.message })
  }
  return examined
}

export interface Resealing {
  readonly directory: string
  /** Of the files. */
  readonly mode: number
  /** Any of them may open a file as it is. */
  readonly identities: readonly string[]
  readonly recipients: readonly string[]
  /** Each of them alone has to open every file afterwards. */
  readonly openers: readonly string[]
  readonly read: ReadBytes
}

export type ResealResult =
  | { readonly kind: 'done'; readonly count: number }
  /** Files before this one are encrypted anew, this one and those after it are as they were. `message` is a predicate. */
  | { readonly kind: 'stopped'; readonly name: string; readonly message: string }

/** Encrypts every secret anew and opens each again from the disk. @throws when a file cannot be written; the old one stays. */
export async function resealAll(resealing: Resealing): Promise<ResealResult> {
  const { directory, mode, identities, recipients, openers, read } = resealing
  const files = listSecretFiles(directory)
  for (const { name, path, changedAtMs } of files) {
    const before = await open(path, identities, read)
    if (before.kind === 'fault') return { kind: 'stopped', name, message: before.message }
    const text = await encrypt(before.value, recipients)
    const draft = Buffer.from(text)
    if (!(await isOpenedByEach(openers, before.value, () => ({ kind: 'read', bytes: draft })))) {
      return { kind: 'stopped', name, message: 'did not open again after it was encrypted' }
    }
    replaceFile(path, text, { mode, changedAtMs })
    if (!(await isOpenedByEach(openers, before.value, () => read(path)))) {
      return { kind: 'stopped', name, message: 'did not open again after it was written' }
    }
  }
  return { kind: 'done', count: files.length }
}

async function isOpenedByEach(
  openers: readonly string[],
  value: string,
  read: () => ReturnType<ReadBytes>,
): Promise<boolean> {
  for (const opener of openers) {
    const opened = await open('', [opener], read)
    if (opened.kind !== 'opened' || opened.value !== value) return false
  }
  return true
}

type Opened =
  | { readonly kind: 'opened'; readonly value: string }
  | { readonly kind: 'fault'; readonly message: string }

async function open(path: string, identities: readonly string[], read: ReadBytes): Promise<Opened> {
  const file = read(path)
  if (file.kind === 'absent') return { kind: 'fault', message: 'has been removed' }
  if (file.kind === 'refused') return { kind: 'fault', message: file.message }
  const decrypted = await decrypt(file.bytes, identities)
  if (decrypted.kind === 'opened') return decrypted
  const isDamaged = decrypted.kind === 'damaged'
  return { kind: 'fault', message: isDamaged ? 'is damaged' : 'is encrypted for other identities' }
}
