// Reads and changes the key file. Changes are made one at a time, under a lock, to what the file holds then; each is a new file
// in the old one's place, so that a crash at any moment leaves one of the two, whole.
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import {
  formatKeyFile,
  type KeyFileFault,
  keyFileRules,
  noKeys,
  parseKeyFile,
} from '../clients/keys/key-file.ts'
import type { KeyFile, KeyRecord } from '../clients/keys/key-record.ts'
import { readTrustedFile } from '../config/trusted-file.ts'
import { type Accounts, pathFault } from '../platform/ownership.ts'
import { holdLock } from '../platform/process-lock.ts'
import { systemUsers } from '../platform/unix-users.ts'

export type ReadKeys =
  | { readonly kind: 'read'; readonly file: KeyFile }
  /** One line for each fault, with the name of the file. */
  | { readonly kind: 'refused'; readonly messages: readonly string[] }

/** What becomes of the keys. `result` is handed to the caller once the file is written. */
export type KeyChange<Result> =
  | { readonly kind: 'changed'; readonly keys: readonly KeyRecord[]; readonly result: Result }
  /** They are so already: nothing is written. */
  | { readonly kind: 'unchanged'; readonly result: Result }
  | { readonly kind: 'refused'; readonly message: string }

export type ChangedKeys<Result> =
  /** The keys are in the file as this generation. */
  | { readonly kind: 'written'; readonly generation: number; readonly result: Result }
  | { readonly kind: 'refused'; readonly messages: readonly string[] }

export interface ChangeParts {
  readonly accounts: Accounts
  readonly sleep: (ms: number) => Promise<void>
  /**
   * The generation that a gateway has in force. Where it is later than the file's, because an older file was put in its place,
   * the next one follows it: the gateway would seem to have the change in force before it has read it.
   */
  readonly after?: number | undefined
}

/** Called with the result of a change that is about to be written. @returns why it must not be; undefined: it may. */
export type BeforeWriting<Result> = (result: Result) => Promise<string | undefined>

/** A missing file holds no keys. */
export function readKeys(path: string, accounts: Accounts): ReadKeys {
  const read = readTrustedFile(path, keyFileRules, accounts)
  if (read.kind === 'absent') return { kind: 'read', file: noKeys }
  if (read.kind === 'refused') {
    const hint = read.hint === '' ? '' : ` (${read.hint})`
    return { kind: 'refused', messages: [`${path} ${read.message}${hint}`] }
  }
  const parsed = parseKeyFile(read.text)
  if (parsed.kind === 'parsed') return { kind: 'read', file: parsed.file }
  return { kind: 'refused', messages: parsed.faults.map((fault) => messageOf(path, fault)) }
}

/**
 * Changes the keys under the lock and writes the next generation. Nothing is written where the change is refused, the file
 * has a fault, another process holds the lock for 5 s, or the disk is full.
 */
export async function changeKeys<Result>(
  path: string,
  { accounts, sleep, after = 0 }: ChangeParts,
  change: (keys: readonly KeyRecord[]) => KeyChange<Result>,
  before: BeforeWriting<Result> = async () => undefined,
): Promise<ChangedKeys<Result>> {
  const file = realPathOf(path)
  const untrusted = pathFault(file, accounts)
  if (untrusted !== undefined) {
    const { path: step, message, hint } = untrusted
    return refused(`${file} could be replaced: ${step} ${message} (${hint})`)
  }
  const lock = await waitForLock(`${file}.lock`, sleep)
  if ('message' in lock) return refused(lock.message)
  try {
    const read = readKeys(file, accounts)
    if (read.kind === 'refused') return read
    const changed = change(read.file.keys)
    if (changed.kind === 'refused') return refused(changed.message)
    const { result } = changed
    const old = read.file
    if (changed.kind === 'unchanged' && after <= old.generation)
      return { kind: 'written', generation: old.generation, result }
    const keys = changed.kind === 'changed' ? changed.keys : old.keys
    const generation = Math.max(old.generation, after) + 1
    const text = formatKeyFile({ generation, keys })
    const faults = faultsOf(text)
    if (faults.length > 0) return { kind: 'refused', messages: faults.map((fault) => messageOf(file, fault)) }
    const objection = changed.kind === 'changed' ? await before(result) : undefined
    if (objection !== undefined) return refused(objection)
    const failure = replaceFile(file, text)
    return failure === undefined ? { kind: 'written', generation, result } : refused(failure)
  } finally {
    lock.release()
  }
}

function refused(message: string): { kind: 'refused'; messages: readonly string[] } {
  return { kind: 'refused', messages: [message] }
}

function messageOf(path: string, { place, message }: KeyFileFault): string {
  return place === '' ? `${path} ${message}` : `${path}: ${place} ${message}`
}

/** Whatever the gateway would refuse is not written. */
function faultsOf(text: string): readonly KeyFileFault[] {
  const { maxBytes } = keyFileRules
  if (Buffer.byteLength(text) > maxBytes)
    return [{ place: '', message: `would be larger than ${maxBytes} bytes` }]
  const parsed = parseKeyFile(text)
  return parsed.kind === 'parsed' ? [] : parsed.faults
}

/** Of a link, the file that it leads to: the link stays. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

const lockWaitMs = 5_000
const lockPollMs = 50

async function waitForLock(
  path: string,
  sleep: (ms: number) => Promise<void>,
): Promise<{ release(): void } | { readonly message: string }> {
  for (let waitedMs = 0; ; waitedMs += lockPollMs) {
    const held = holdLock(path)
    if (held.kind === 'held') return held.lock
    if (held.kind === 'unavailable') {
      // Only Linux shows what a stale lock needs: elsewhere the last of two changes at the same moment counts.
      if (process.platform !== 'linux') return { release: () => {} }
      return { message: `${path} cannot be written: ${obstacleAt(path) ?? unwritable(dirname(path))}` }
    }
    if (waitedMs >= lockWaitMs)
      return {
        message: `another command (pid ${held.pid}) is changing the keys; try again when it has ended`,
      }
    await sleep(lockPollMs)
  }
}

/** Why no file can be created in a directory. */
function unwritable(directory: string): string {
  const status = statSync(directory, { throwIfNoEntry: false })
  if (status === undefined) return `there is no directory ${directory}`
  const own = process.getuid?.()
  if (status.uid === own || own === 0) return `${directory} is read-only, or its file system is full`
  return `${directory} belongs to ${userNamed(status.uid)}; run the command as that user`
}

/** What stands at a path that this command has to create, and cannot be replaced. Undefined: nothing is in the way. */
function obstacleAt(path: string): string | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return undefined
  if (status.isDirectory()) return `${path} is a directory; remove it`
  const own = process.getuid?.()
  if (own === 0 || status.uid === own) return undefined
  return `${path} belongs to ${userNamed(status.uid)}; remove it as that user`
}

function userNamed(uid: number): string {
  return systemUsers().nameOf(uid) ?? `uid ${uid}`
}

/** @returns why it failed; the old file is then as it was. */
function replaceFile(path: string, text: string): string | undefined {
  const next = `${path}.new`
  // Left by a command that was killed: the lock is held by this one.
  if (!isRemoved(next)) {
    const obstacle = obstacleAt(next) ?? unwritable(dirname(next))
    return `${path} could not be written: ${obstacle}. The keys are as before`
  }
  try {
    const { mode, uid, gid } = ownershipFor(path)
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
    const descriptor = openSync(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      writeFileSync(descriptor, text)
      fchmodSync(descriptor, mode)
      if (process.getuid?.() === 0) fchownSync(descriptor, uid, gid)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(next, path)
    syncDirectory(dirname(path))
    return undefined
  } catch (error) {
    rmSync(next, { force: true })
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return `${path} could not be written (${code}); the keys are as before`
  }
}

/** Whether there is nothing at the path any more. */
function isRemoved(path: string): boolean {
  try {
    rmSync(path, { force: true })
    return true
  } catch {
    return false
  }
}

/** As the old file; a new one belongs to its directory's owner. Root's own is readable by the user that the service runs as. */
function ownershipFor(path: string): { mode: number; uid: number; gid: number } {
  const old = statSync(path, { throwIfNoEntry: false })
  if (old !== undefined) return { mode: old.mode & 0o644, uid: old.uid, gid: old.gid }
  const { uid, gid } = statSync(dirname(path))
  return { mode: uid === 0 ? 0o644 : 0o600, uid, gid }
}

/** Without it, the rename may be undone by a power cut. */
function syncDirectory(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
