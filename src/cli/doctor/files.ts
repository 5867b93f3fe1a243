// Owners and modes of what the gateway trusts. Who can write the configuration can send every prompt and key anywhere.
import { accessSync, constants, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { type Accounts, ownershipFault } from '../../config/trusted-file.ts'
import { listCredentials } from '../../systemd/credentials.ts'
import { shellWord } from '../../platform/shell-word.ts'
import type { Finding } from './finding.ts'

export interface ExaminedFiles {
  readonly config: string
  /** Files with a key each, which the configuration names. */
  readonly secrets: readonly string[]
  readonly credentialsDirectory: string
  readonly stateDirectory: string | undefined
}

/** Absent ones are passed over, but for the configuration: the credentials' own findings name them. */
export function examineFiles(files: ExaminedFiles, accounts: Accounts): Finding[] {
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

interface ExaminedFile {
  readonly path: string
  readonly subject: string
  /** Others may not read it either. */
  readonly isSecret: boolean
}

function examineFile({ path, subject, isSecret }: ExaminedFile, accounts: Accounts): Finding[] {
  const status = look(path)
  if (status === 'absent') return []
  if (typeof status === 'string') {
    return [{ subject, state: 'skipped', detail: `${path} can't be looked at (${status})` }]
  }
  // Devices and pipes are refused for what they are, and their modes are the system's.
  if (!status.isFile() && !status.isDirectory()) return []
  // In a sticky directory of root's (/tmp) nobody can take another one's file away.
  const isSticky = status.isDirectory() && status.uid === 0 && (status.mode & 0o1000) !== 0
  const fault = isSticky && !isSecret ? undefined : ownershipFault(path, status, { isSecret }, accounts)
  if (fault === undefined) return [{ subject, state: 'ok', detail: `${path} (${shownMode(status)})` }]
  return [{ subject, state: 'fail', detail: `${path} ${fault.message}`, fix: fault.hint }]
}

/** Its counters are no secret, but who can write them lifts every limit. */
function examineState(path: string, accounts: Accounts): Finding[] {
  const subject = 'state directory'
  const status = look(path)
  if (status === 'absent')
    return [{ subject, state: 'ok', detail: `${path} is made when the gateway starts` }]
  const [finding] = examineFile({ path, subject, isSecret: false }, accounts)
  if (finding === undefined || finding.state !== 'ok' || mayWrite(path))
    return finding === undefined ? [] : [finding]
  const detail = `${path} can't be written: the limits' counts would not survive a restart`
  return [{ subject, state: 'warn', detail, fix: `sudo chown ${accounts.uid} ${shellWord(path)}` }]
}

function namesOf(directory: string): string[] {
  try {
    return listCredentials(directory).map(({ path }) => path)
  } catch {
    // It may be listed and not entered; then its own finding says so.
    return []
  }
}

function look(path: string): Stats | string {
  try {
    return statSync(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'absent' : code
  }
}

/** A read-only file system is the sandbox of this process, and not the gateway's. */
function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS'
  }
}

function shownMode({ mode, uid }: Stats): string {
  const owner = uid === 0 ? "root's" : 'own'
  return `mode ${(mode & 0o777).toString(8).padStart(3, '0')}, ${owner}`
}
