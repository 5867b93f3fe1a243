// Which program listens on a port, as far as Linux lets this user see: proc_pid_net(5), proc_pid_fd(5). Its command
// line is not shown, because others put keys there.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tableForms } from '../../server/peer-table.ts'
import { systemUsers } from '../../platform/unix-users.ts'

interface Listening {
  readonly uid: number
  readonly inode: string
}

/** `ollama (pid 4711)`, `a program of the user root`, or `another program`. */
export function findListener(host: string, port: number): string {
  const listening = readListening(host, port)
  if (listening === undefined) return 'another program'
  const pid = readOr([], () => readdirSync('/proc'))
    .filter((name) => /^\d+$/.test(name))
    .find((name) => holds(name, `socket:[${listening.inode}]`))
  if (pid === undefined)
    return `a program of the user ${systemUsers().nameOf(listening.uid) ?? listening.uid}`
  return `${readOr('a program', () => readFileSync(`/proc/${pid}/comm`, 'utf8')).trim()} (pid ${pid})`
}

function holds(pid: string, socket: string): boolean {
  const folder = `/proc/${pid}/fd`
  return readOr([], () => readdirSync(folder)).some(
    (fd) => readOr('', () => readlinkSync(`${folder}/${fd}`)) === socket,
  )
}

function readListening(host: string, port: number): Listening | undefined {
  const tables = ['tcp', 'tcp6'].map((file) =>
    readOr('', () => readFileSync(`/proc/self/net/${file}`, 'latin1')),
  )
  return findRow(tables.join('\n'), host, port)
}

/** The row of the address itself before one of all addresses (0.0.0.0, ::). State `0A` is LISTEN. */
export function findRow(tables: string, host: string, port: number): Listening | undefined {
  const own = Object.values(tableForms(host))
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const form = /^ *\d+: ([\dA-F]+):([\dA-F]{4}) [\dA-F]+:0000 0A \w+:\w+ \w+:\w+ \w+ +(\d+) +\d+ (\d+) /gm
  const rows = [...tables.matchAll(form)].filter(([, , rowPort]) => rowPort === hexPort)
  const row =
    rows.find(([, address = '']) => own.includes(address)) ??
    rows.find(([, address = '']) => /^0+$/.test(address))
  return row === undefined ? undefined : { uid: Number(row[3]), inode: row[4]! }
}

function readOr<Value>(otherwise: Value, read: () => Value): Value {
  try {
    return read()
  } catch {
    return otherwise
  }
}
