// Checks owners and modes of files that the gateway trusts: whoever can write the configuration can redirect every prompt
// and key.
import { accessSync, constants, realpathSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { type Accounts, ownershipFault } from '../../platform/ownership.ts'
import { listCredentials } from '../../systemd/credentials.ts'
import { shellWord } from '../../platform/shell-word.ts'
import { systemUsers } from '../../platform/unix-users.ts'
import type { StateDirectory } from '../state-directory.ts'
import type { Finding } from './finding.ts'

export interface FilesToExamine {
  readonly config: string
  /** Files named by the configuration that hold a key each. */
  readonly secrets: readonly string[]
  readonly credentialsDirectory: string
  readonly stateDirectory: StateDirectory | undefined
}

/** Missing files are skipped: other findings name them. */
export function examineFiles(files: FilesToExamine, accounts: Accounts): Finding[] {
  const { config, secrets, credentialsDirectory, stateDirectory } = files
  const stored = namesOf(credentialsDirectory).map((path) => ({
    path,
    subject: 'stored key',
    isSecret: true,
  }))
  const trusted = [
    { path: config, subject: 'configuration', isSecret: false },
    { path: dirname(config), subject: "configuration's directory", isSecret: false },
    ...secrets.map((path) => ({ path, subject: 'key file', isSecret: true })),
    { path: credentialsDirectory, subject: 'credential store', isSecret: true },
    ...stored,
  ].flatMap((file) => examineFile(file, accounts))
  return stateDirectory === undefined ? trusted : [...trusted, ...examineState(stateDirectory, accounts)]
}

interface FileToExamine {
  readonly path: string
  readonly subject: string
  /** No other user may read it. */
  readonly isSecret: boolean
}

function examineFile({ path, subject, isSecret }: FileToExamine, accounts: Accounts): Finding[] {
  const status = statOf(path)
  if (status === 'absent') return []
  if (typeof status === 'string') {
    return [{ subject, state: 'skipped', detail: `${path} cannot be examined (${status})` }]
  }
  // The configuration check refuses devices and pipes; their modes are set by the system.
  if (!status.isFile() && !status.isDirectory()) return []
  // In a sticky directory of root (/tmp) no user can remove another user's file.
  const isSticky = status.isDirectory() && status.uid === 0 && (status.mode & 0o1000) !== 0
  const fault = isSticky && !isSecret ? undefined : ownershipFault(path, status, { isSecret }, accounts)
  if (fault === undefined) return [{ subject, state: 'ok', detail: `${path} (${formatMode(status)})` }]
  return [{ subject, state: 'fail', detail: `${path} ${fault.message}`, fix: fault.hint }]
}

/** Its counters are not secret, but whoever can write them can lift every limit. */
function examineState({ path, owner, uid: ofGateway }: StateDirectory, accounts: Accounts): Finding[] {
  const subject = 'state directory'
  const status = statOf(path)
  const named = `${path}, ${owner},`
  const uid = ofGateway ?? accounts.uid
  if (typeof status === 'string' && status !== 'absent')
    return [{ subject, state: 'skipped', detail: `${named} cannot be examined (${status})` }]
  if (status === 'absent')
    return [{ subject, state: 'ok', detail: `${named} will be created when the gateway starts` }]
  if (isDynamic(path)) return examineDynamicState(path, accounts)
  const [finding] = examineFile({ path, subject, isSecret: false }, { ...accounts, uid })
  if (finding === undefined || finding.state !== 'ok') return finding === undefined ? [] : [finding]
  // What another user may write can only be inferred from the owner.
  const isUsable = uid === accounts.uid ? isWritable(path) : uid === 0 || status.uid === uid
  if (isUsable) {
    return [{ ...finding, detail: `${path}, ${owner} (${formatMode(status)})` }]
  }
  const detail = `${named} is not writable: the counters of the limits would not survive a restart`
  return [{ subject, state: 'warn', detail, fix: `sudo chown ${uid} ${shellWord(path)}` }]
}

/** systemd.exec(5), DynamicUser=: root alone can enter this directory, and systemd sets the owner of those in it. */
function isDynamic(path: string): boolean {
  return realpathSync(path).startsWith('/var/lib/private/')
}

function examineDynamicState(path: string, accounts: Accounts): Finding[] {
  const { uid } = statSync(path)
  const subject = 'state directory'
  const [finding] = examineFile({ path, subject, isSecret: false }, { ...accounts, uid })
  if (finding?.state !== 'ok') return finding === undefined ? [] : [finding]
  return [{ subject, state: 'ok', detail: `${path} belongs to the user of the service (uid ${uid})` }]
}

function namesOf(directory: string): string[] {
  try {
    return listCredentials(directory).map(({ path }) => path)
  } catch {
    // The directory's own finding reports that.
    return []
  }
}

function statOf(path: string): Stats | string {
  try {
    return statSync(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'absent' : code
  }
}

/** A read-only file system is taken for the sandbox of this process, which need not be the gateway's. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS'
  }
}

function formatMode({ mode, uid }: Stats): string {
  const user = systemUsers().nameOf(uid) ?? `uid ${uid}`
  const owner = uid === process.getuid!() && uid !== 0 ? 'you' : user
  return `mode ${(mode & 0o777).toString(8).padStart(3, '0')}, owned by ${owner}`
}
