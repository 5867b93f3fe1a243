// Stores keys as systemd credentials: one file for each in a private directory, and a drop-in that makes the manager pass
// them to the service. They are encrypted with the machine's key where the manager can decrypt them.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { replaceFile } from '../platform/replace-file.ts'
import type { RunProgram } from './programs.ts'
import { doctorUnit, type Scope, scopeOptions, type ServicePaths, serviceUnit, unitFile } from './scope.ts'

export interface StoredCredential {
  readonly name: string
  readonly path: string
  readonly isEncrypted: boolean
  readonly changedAtMs: number
}

const encryptedEnding = '.cred'

/** Whether systemd accepts the name (systemd.exec(5), LoadCredential=) and it is a file name that is not hidden. */
export function isCredentialName(name: string): boolean {
  return /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$/.test(name) && !name.endsWith(encryptedEnding)
}

/** Sorted by name; empty when the directory can't be listed. @throws when a file in it can't be examined. */
export function listCredentials(directory: string): StoredCredential[] {
  let files: string[]
  try {
    files = readdirSync(directory)
  } catch {
    return []
  }
  const found = files.map((file) => {
    const isEncrypted = file.endsWith(encryptedEnding)
    const name = isEncrypted ? file.slice(0, -encryptedEnding.length) : file
    const path = join(directory, file)
    return { name, path, isEncrypted, changedAtMs: statSync(path).mtimeMs }
  })
  return found.filter(({ name }) => isCredentialName(name)).sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * Stores a key, atomically in place of an older one of that name; encrypted if the manager of this scope can decrypt it.
 * @throws when it can't be written.
 */
export function storeCredential(
  paths: ServicePaths,
  { name, value }: { name: string; value: string },
  run: RunProgram,
): StoredCredential {
  const directory = paths.credentialsDirectory
  makePrivateDirectory(directory)
  const encrypted = encrypt(paths.scope, name, value, run)
  const isEncrypted = encrypted !== undefined
  const path = join(directory, isEncrypted ? name + encryptedEnding : name)
  replaceFile(path, encrypted ?? value, { mode: 0o600 })
  // systemd would be told to load the older form too.
  rmSync(join(directory, isEncrypted ? name : name + encryptedEnding), { force: true })
  return { name, path, isEncrypted, changedAtMs: statSync(path).mtimeMs }
}

export type ReadCredential =
  | { readonly kind: 'read'; readonly text: string }
  | { readonly kind: 'absent' }
  /** A clause: why. */
  | { readonly kind: 'unreadable'; readonly message: string }

/** Reads a stored key, which takes the rights of the manager that it is encrypted for. The encrypted form comes first. */
export function readCredential(paths: ServicePaths, name: string, run: RunProgram): ReadCredential {
  const path = join(paths.credentialsDirectory, name)
  const encrypted = path + encryptedEnding
  if (existsSync(encrypted)) {
    const args = [...scopeOptions(paths.scope), 'decrypt', `--name=${name}`, encrypted, '-']
    const { status, stdout, stderr } = run('systemd-creds', args)
    if (status === 0) return { kind: 'read', text: stdout }
    return { kind: 'unreadable', message: stderr.trim() || 'systemd-creds cannot be run' }
  }
  try {
    return { kind: 'read', text: readFileSync(path, 'utf8') }
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR'
      ? { kind: 'absent' }
      : { kind: 'unreadable', message: `it cannot be read (${code})` }
  }
}

/** Creates it if necessary; the mode is 0700 in any case. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  chmodSync(path, 0o700)
}

/** First version of systemd whose manager decrypts credentials of a unit: systemd.exec(5), NEWS of 250 and 258. */
const decryptsFrom: Readonly<Record<Scope, number>> = { system: 250, user: 258 }

/** Undefined where encryption is not available: an older systemd, no systemd-creds, or no machine key. */
function encrypt(scope: Scope, name: string, value: string, run: RunProgram): string | undefined {
  const { stdout: about } = run('systemctl', ['--version'])
  const version = Number(/^systemd (\d+)/.exec(about)?.[1] ?? 0)
  if (version < decryptsFrom[scope]) return undefined
  const args = [...scopeOptions(scope), 'encrypt', `--name=${name}`, '-', '-']
  const { status, stdout } = run('systemd-creds', args, value)
  return status === 0 && stdout !== '' ? stdout : undefined
}

/** The path of the drop-in that passes the stored keys to a unit. */
export function credentialsDropIn(paths: ServicePaths, unit = serviceUnit): string {
  return join(paths.unitDirectory, `${unit}.d`, '50-credentials.conf')
}

/** The drop-ins of the service and, where it is installed, of the weekly check. */
function credentialsDropIns(paths: ServicePaths): string[] {
  const hasDoctor = existsSync(unitFile(paths, doctorUnit))
  return [serviceUnit, ...(hasDoctor ? [doctorUnit] : [])].map((unit) => credentialsDropIn(paths, unit))
}

/** Writes the drop-ins for the keys that are stored, or removes them if none is. @throws when that fails. */
export function updateDropIns(paths: ServicePaths): void {
  const stored = listCredentials(paths.credentialsDirectory)
  for (const dropIn of credentialsDropIns(paths)) {
    if (stored.length === 0) {
      rmSync(dropIn, { force: true })
      continue
    }
    mkdirSync(dirname(dropIn), { recursive: true })
    writeFileSync(dropIn, renderDropIn(stored), { mode: 0o644 })
  }
}

/** Removes a stored key. @returns whether there was one. @throws when it cannot be removed. */
export function removeCredential({ credentialsDirectory }: ServicePaths, name: string): boolean {
  const stored = listCredentials(credentialsDirectory).filter((one) => one.name === name)
  for (const { path } of stored) rmSync(path)
  return stored.length > 0
}

/**
 * The text of the drop-in. The unit would also fail without the assertions when a file is missing; with them
 * `systemctl status` names the file.
 */
export function renderDropIn(stored: readonly StoredCredential[]): string {
  const literal = (path: string) => path.replaceAll('%', '%%')
  return [
    '# Written by `llm-gateway credential set`: passes these keys to the service, in $CREDENTIALS_DIRECTORY.',
    '[Unit]',
    ...stored.map(({ path }) => `AssertPathExists=${literal(path)}`),
    '',
    '[Service]',
    ...stored.map(
      ({ name, path, isEncrypted }) =>
        `LoadCredential${isEncrypted ? 'Encrypted' : ''}=${name}:${literal(path)}`,
    ),
    '',
  ].join('\n')
}
