// Keys as systemd credentials: a file each in a directory of their own, and the drop-in that has the manager pass them.
// Encrypted with the machine's key where the manager can decrypt them.
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunProgram } from './programs.ts'
import { type Places, type Scope, serviceUnit } from './scope.ts'

export interface StoredCredential {
  readonly name: string
  readonly path: string
  readonly isEncrypted: boolean
  readonly changedAtMs: number
}

const encryptedEnding = '.cred'

/** Names that systemd takes, that are file names, and that do not hide: systemd.exec(5), LoadCredential=. */
export function isCredentialName(name: string): boolean {
  return /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$/.test(name) && !name.endsWith(encryptedEnding)
}

/** Sorted by name; none when the directory does not exist. */
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
 * Stores a key in the place of an older one, or not at all.
 * @returns how: encrypted when the manager of this scope can decrypt it.
 * @throws when it can't be written.
 */
export function storeCredential(
  places: Places,
  { name, value }: { name: string; value: string },
  run: RunProgram,
): StoredCredential {
  const directory = places.credentialsDirectory
  makePrivateDirectory(directory)
  const encrypted = encrypt(places.scope, name, value, run)
  const isEncrypted = encrypted !== undefined
  const path = join(directory, isEncrypted ? name + encryptedEnding : name)
  const draft = join(directory, `.${name}.new`)
  rmSync(draft, { force: true })
  writeFileSync(draft, encrypted ?? value, { mode: 0o600, flag: 'wx', flush: true })
  renameSync(draft, path)
  // The same name in the other form would be passed too.
  rmSync(join(directory, isEncrypted ? name : name + encryptedEnding), { force: true })
  return { name, path, isEncrypted, changedAtMs: statSync(path).mtimeMs }
}

/** Mode 0700 whatever the umask is, and whatever it was. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  chmodSync(path, 0o700)
}

/** First version whose manager decrypts credentials for a unit: systemd.exec(5), NEWS of 250 and 258. */
const decryptsFrom: Readonly<Record<Scope, number>> = { system: 250, user: 258 }

/** Undefined where it can't be had: an older systemd, no systemd-creds, or no key of the machine. */
function encrypt(scope: Scope, name: string, value: string, run: RunProgram): string | undefined {
  const { stdout: about } = run('systemctl', ['--version'])
  const version = Number(/^systemd (\d+)/.exec(about)?.[1] ?? 0)
  if (version < decryptsFrom[scope]) return undefined
  const args = [...(scope === 'user' ? ['--user'] : []), 'encrypt', `--name=${name}`, '-', '-']
  const { status, stdout } = run('systemd-creds', args, value)
  return status === 0 && stdout !== '' ? stdout : undefined
}

/** Where the drop-in with the stored keys is. */
export function credentialsDropIn(places: Places): string {
  return join(places.unitDirectory, `${serviceUnit}.d`, '50-credentials.conf')
}

/**
 * Has the manager pass each key. Without the assertion the unit would fail too when a file is gone, but say neither
 * which nor where; so `systemctl status` names it.
 */
export function renderDropIn(stored: readonly StoredCredential[]): string {
  const literal = (path: string) => path.replaceAll('%', '%%')
  return [
    '# Written by `llm-gateway credential set`: the keys that the service gets, in $CREDENTIALS_DIRECTORY.',
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
