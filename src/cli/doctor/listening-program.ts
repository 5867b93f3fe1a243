// Finds the program that listens on a port, as far as Linux shows it to this user: proc_pid_net(5), proc_pid_fd(5). The
// command line stays hidden, because it may contain keys.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { addressForms, parseSocketRow, type SocketRow, upperHex } from '../../platform/proc-net.ts'
import { systemUsers } from '../../platform/unix-users.ts'

/**
 * @param name what the program is, where that is known; else the system's name of it.
 * @returns `ollama (pid 4711)`, `a program of user root`, or `another program`.
 */
export function describeListener(host: string, port: number, name?: string): string {
  const row = findListenRow(readTables(), host, port)
  if (row === undefined) return name ?? 'another program'
  const pid = findHolder(row)
  if (pid === undefined) return `${name ?? 'a program'} of user ${systemUsers().nameOf(row.uid) ?? row.uid}`
  const systemName = () => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  return `${name ?? readOr('a program', systemName)} (pid ${pid})`
}

/** Whether any program listens on a port of the address, or of all addresses. */
export function isListening(host: string, port: number): boolean {
  return findListenRow(readTables(), host, port) !== undefined
}

/** The process that listens on a port, as far as this user may see it. */
export function findListener(host: string, port: number): number | undefined {
  const row = findListenRow(readTables(), host, port)
  const pid = row === undefined ? undefined : findHolder(row)
  return pid === undefined ? undefined : Number(pid)
}

function findHolder({ inode }: SocketRow): string | undefined {
  return readOr([], () => readdirSync('/proc'))
    .filter((name) => /^\d+$/.test(name))
    .find((name) => holdsSocket(name, `socket:[${inode}]`))
}

function holdsSocket(pid: string, socket: string): boolean {
  const folder = `/proc/${pid}/fd`
  return readOr([], () => readdirSync(folder)).some(
    (fd) => readOr('', () => readlinkSync(`${folder}/${fd}`)) === socket,
  )
}

function readTables(): string {
  const tables = ['tcp', 'tcp6'].map((file) =>
    readOr('', () => readFileSync(`/proc/self/net/${file}`, 'latin1')),
  )
  return tables.join('\n')
}

/** The row that listens on the address itself, else one that listens on all addresses (0.0.0.0, ::). */
export function findListenRow(tables: string, host: string, port: number): SocketRow | undefined {
  const hosts = Object.values(addressForms(host))
  const listening = tables
    .split('\n')
    .map(parseSocketRow)
    .filter((row) => row?.state === '0A')
    .map((row) => ({ row, local: row!.ends.split(/[: ]/) }))
    .filter(({ local }) => local[1] === upperHex(port, 4))
  const found =
    listening.find(({ local: [address = ''] }) => hosts.includes(address)) ??
    listening.find(({ local: [address = ''] }) => /^0+$/.test(address))
  return found?.row
}

function readOr<Value>(fallback: Value, read: () => Value): Value {
  try {
    return read()
  } catch {
    return fallback
  }
}
