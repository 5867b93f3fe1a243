// The box as deploy works on it: an open connection, the account, the scope, and what is installed.
import { printable } from '../../platform/printable.ts'
import { shellWord } from '../../platform/shell-word.ts'
import type { Scope } from '../../systemd/scope.ts'
import type { Output } from '../output.ts'
import {
  type Account,
  type BoxPaths,
  boxPaths,
  type Installed,
  type Read,
  readAccount,
  readInstalled,
} from './box.ts'
import { filesToRead } from './box-files.ts'
import { lookScript, rootScript, whoScript } from './box-scripts.ts'
import type { EndedSession, Session, SshConnection } from './ssh.ts'

export interface Site {
  readonly destination: string
  readonly account: Account
  readonly paths: BoxPaths
  readonly installed: Installed
  /** Runs a script with the rights that the scope needs. */
  run(
    script: string,
    args: readonly string[],
    more?: Pick<Session, 'input' | 'secret' | 'onLine'>,
  ): Promise<EndedSession>
  /** Why a session has failed, as a sentence. */
  reasonOf(ended: EndedSession): string
}

/** Looks at the box, and changes nothing. */
export async function examineSite(
  connection: SshConnection,
  destination: string,
  isForSystem: boolean,
): Promise<Read<Site>> {
  const refuse = (message: string) => ({ kind: 'refused', message }) as const
  const reasonOf = (ended: EndedSession) => describeEnd(connection, destination, ended)
  const who = await connection.run({ text: whoScript, args: [], isPrivileged: false })
  if (who.status !== 0) return refuse(reasonOf(who))
  const read = readAccount(who.stdout)
  if (read.kind === 'refused') return read
  const account = read.value
  const scope: Scope = isForSystem || account.isRoot ? 'system' : 'user'
  const isPrivileged = scope === 'system' && !account.isRoot
  if (isPrivileged) {
    const root = await connection.run({ text: rootScript, args: [], isPrivileged })
    if (root.status === undefined) return refuse(reasonOf(root))
    if (root.status !== 0 || !/^uid 0$/m.test(root.stdout.toString())) {
      return refuse(withoutSudo(destination, account.user, root.stderr))
    }
  }
  if (scope === 'user' && !account.hasUserManager) {
    return refuse(
      `${printable(account.user)} has no systemd user manager on the box. To start it at boot, run: ssh -t ${destination} sudo loginctl enable-linger ${shellWord(account.user)}. Or install the system-wide service: --system.`,
    )
  }
  const paths = boxPaths(scope, account)
  const run: Site['run'] = (text, args, more = {}) => connection.run({ text, args, isPrivileged, ...more })
  const looked = await run(lookScript, [
    scope,
    paths.base,
    paths.credentialsDirectory,
    ...filesToRead(paths, account.nodePackage),
  ])
  const installed = looked.status === 0 ? readInstalled(looked.stdout) : undefined
  if (installed === undefined) return refuse(reasonOf(looked))
  if (installed.changeable !== undefined) return refuse(changeableByOthers(paths.base, installed.changeable))
  return { kind: 'read', value: { destination, account, paths, installed, run, reasonOf } }
}

function describeEnd(
  connection: SshConnection,
  destination: string,
  { status, stderr }: EndedSession,
): string {
  if (status === undefined || !connection.isOpen) return `The connection to ${destination} has ended.`
  const last = stderr.trim().split('\n').slice(-3).map(printable).join('; ')
  return `The box reports: ${last === '' ? `exit status ${status}` : last}`
}

/** /usr/local may belong to the group staff: https://www.debian.org/doc/debian-policy/ch-opersys.html#site-specific-programs */
function changeableByOthers(base: string, path: string): string {
  return [
    `Others than root can change ${printable(path)} on the box, and so any program below it. The system-wide service would run its own from ${printable(base)} with the rights of root while it is installed.`,
    `To allow it, run there: sudo chown root ${printable(shellWord(path))} && sudo chmod go-w ${printable(shellWord(path))}. Or leave out --system, and install that account's own service.`,
  ].join('\n')
}

/** `sudo -n` refuses where a password would be asked for; deploy never passes one on. */
function withoutSudo(destination: string, user: string, stderr: string): string {
  const seen = stderr.trim().split('\n').join('; ')
  const file = '/etc/sudoers.d/llm-gateway-deploy'
  return [
    `sudo on the box does not run commands without a password: ${printable(seen)}`,
    'Deploy passes no password on. Allow it while you deploy: run the first command, deploy, and run the second.',
    `  ssh -t ${destination} "echo '${printable(user)} ALL=(root) NOPASSWD: ALL' | sudo tee ${file}"`,
    `  ssh -t ${destination} sudo rm ${file}`,
    "Or leave out --system, and install that account's own service.",
  ].join('\n')
}

/** Lines of the box for people: nothing in them can control the terminal. */
export function relayLines(out: Output, err: Output): NonNullable<Session['onLine']> {
  return (line, stream) => (stream === 'stdout' ? out : err).line(`  ${printable(line)}`)
}
