// Whose program listens at the address of a server. Every user of the machine can listen on a port while the server of a service
// is not there, and answer in its place.
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from 'node:fs'
import { addressForms, parseSocketRow, upperHex } from '../../platform/proc-net.ts'

/** What a process in a user namespace sees in place of a user that its namespace lacks: user_namespaces(7). */
const overflowUid = 65_534

/** The kernel lists the sockets that listen before all others. */
const pieceBytes = 65_536

/** What a list of the kernel says of sockets that listen. */
interface PortTable {
  /** Its lines; others may be among them. */
  readonly lines: string
  /** `/proc/PID/uid_map` of whoever has opened it: the users that it can name. */
  readonly uidMap: string
}

interface PortTables {
  /** @throws what reading it throws. */
  readonly tcp: () => PortTable
  readonly tcp6: () => PortTable
}

const kernelTables: PortTables = {
  tcp() {
    if (isList(standardInput)) return { lines: readListening(standardInput), uidMap: allUsers }
    return openTable('/proc/self/net/tcp')
  },
  tcp6: () => openTable('/proc/self/net/tcp6'),
}

/** Where the unit passes the list of IPv4 as the service manager sees it, which knows root from other users. */
const standardInput = 0

const allUsers = '0 0 4294967295'

/**
 * `own`: only programs of this user, or of root, listen where a connection to the origin would end. `none`: nobody does.
 * @param uid whose server it is. One that this process's user namespace lacks is told from others of that kind by nothing.
 */
export function portOwner(origin: string, uid: number, tables = kernelTables): 'own' | 'foreign' | 'none' {
  const { hostname, port, protocol } = new URL(origin)
  const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
  const listening = [tables.tcp(), tables.tcp6()].flatMap((table) => listenersOf(table, number, uid))
  const found = addressesOf(hostname).flatMap((address) => listenersAt(address, listening))
  if (found.length === 0) return 'none'
  return found.every(({ isOwn }) => isOwn) ? 'own' : 'foreign'
}

interface Listener {
  readonly address: string
  readonly isOwn: boolean
}

function listenersOf({ lines, uidMap }: PortTable, port: number, uid: number): Listener[] {
  const hex = upperHex(port, 4)
  const shown = isMapped(uidMap, uid) ? uid : overflowUid
  return lines.split('\n').flatMap((line) => {
    const row = parseSocketRow(line)
    if (row?.state !== '0A') return []
    const [address = '', localPort] = row.ends.split(/[: ]/)
    return localPort === hex ? [{ address, isOwn: row.uid === shown || row.uid === 0 }] : []
  })
}

/** Of a name, a connection tries both. */
function addressesOf(hostname: string): readonly string[] {
  const address = hostname.replace(/^\[|\]$/g, '')
  return /^[\d.]+$|:/.test(address) ? [address] : ['127.0.0.1', '::1']
}

/** The kernel prefers a socket at the address itself to one at all of its family, and that to one at all of IPv6. */
function listenersAt(address: string, listening: readonly Listener[]): readonly Listener[] {
  const { tcp, tcp6 } = addressForms(address)
  const all = [[tcp, tcp6], tcp === undefined ? [] : ['0'.repeat(8)], ['0'.repeat(32)]]
  const nearest = all
    .map((forms) => listening.filter((each) => forms.includes(each.address)))
    .find((found) => found.length > 0)
  return nearest ?? []
}

function isMapped(uidMap: string, uid: number): boolean {
  return uidMap.split('\n').some((line) => {
    const [inside = NaN, , count = 0] = line.trim().split(/ +/).map(Number)
    return uid >= inside && uid < inside + count
  })
}

/** The link of one that is open for long may end in ` (deleted)`. */
function isList(descriptor: number): boolean {
  try {
    return /\/\d+\/net\/tcp(?: \(deleted\))?$/.test(readlinkSync(`/proc/self/fd/${descriptor}`))
  } catch {
    return false
  }
}

function openTable(path: string): PortTable {
  const descriptor = openSync(path, 'r')
  try {
    return { lines: readListening(descriptor), uidMap: readFileSync('/proc/self/uid_map', 'latin1') }
  } finally {
    closeSync(descriptor)
  }
}

/** From its beginning until a row of another state. */
function readListening(descriptor: number): string {
  const buffer = Buffer.allocUnsafe(pieceBytes)
  let text = ''
  let at = 0
  for (;;) {
    const count = readSync(descriptor, buffer, 0, pieceBytes, at)
    at += count
    text += buffer.toString('latin1', 0, count)
    const last = text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1) ?? ''
    const row = parseSocketRow(last)
    if (count === 0 || (row !== undefined && row.state !== '0A')) return text
  }
}
