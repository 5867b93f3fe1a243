// Whose program listens at the address of a server. Every user of the machine can listen on a port while the server of a service
// is not there, and answer in its place.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { addressForms, parseSocketRow, upperHex } from '../../platform/proc-net.ts'

/** What a process in a user namespace sees in place of a user that its namespace lacks: user_namespaces(7). */
const overflowUid = 65_534

/** The kernel lists the sockets that listen before all others. */
const pieceBytes = 65_536

export interface PortTables {
  /** The rows of sockets that listen, of `/proc/self/net/tcp` and `tcp6`. @throws what reading them throws. */
  readonly tcp: () => string
  readonly tcp6: () => string
  /** `/proc/self/uid_map`. */
  readonly uidMap: () => string
}

export const kernelTables: PortTables = {
  tcp: () => readListening('/proc/self/net/tcp'),
  tcp6: () => readListening('/proc/self/net/tcp6'),
  uidMap: () => readFileSync('/proc/self/uid_map', 'latin1'),
}

/**
 * `own`: only programs of this user, or of root, listen where a connection to the origin would end. `none`: nobody does.
 * @param uid whose server it is. One that this process's user namespace lacks is told from others of that kind by nothing.
 */
export function portOwner(origin: string, uid: number, tables = kernelTables): 'own' | 'foreign' | 'none' {
  const { hostname, port, protocol } = new URL(origin)
  const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
  const shown = isMapped(tables.uidMap(), uid) ? uid : overflowUid
  const listening = [...listenersOf(tables.tcp(), number), ...listenersOf(tables.tcp6(), number)]
  const owners = addressesOf(hostname).flatMap((address) => ownersAt(address, listening))
  if (owners.length === 0) return 'none'
  return owners.every((owner) => owner === shown || owner === 0) ? 'own' : 'foreign'
}

interface Listener {
  readonly address: string
  readonly uid: number
}

function listenersOf(table: string, port: number): Listener[] {
  const hex = upperHex(port, 4)
  return table.split('\n').flatMap((line) => {
    const row = parseSocketRow(line)
    if (row?.state !== '0A') return []
    const [address = '', localPort] = row.ends.split(/[: ]/)
    return localPort === hex ? [{ address, uid: row.uid }] : []
  })
}

/** Of a name, a connection tries both. */
function addressesOf(hostname: string): readonly string[] {
  const address = hostname.replace(/^\[|\]$/g, '')
  return /^[\d.]+$|:/.test(address) ? [address] : ['127.0.0.1', '::1']
}

/** The kernel prefers a socket at the address itself to one at all of its family, and that to one at all of IPv6. */
function ownersAt(address: string, listening: readonly Listener[]): number[] {
  const { tcp, tcp6 } = addressForms(address)
  const all = [[tcp, tcp6], tcp === undefined ? [] : ['0'.repeat(8)], ['0'.repeat(32)]]
  const nearest = all
    .map((forms) => listening.filter((each) => forms.includes(each.address)))
    .find((found) => found.length > 0)
  return (nearest ?? []).map(({ uid }) => uid)
}

function isMapped(uidMap: string, uid: number): boolean {
  return uidMap.split('\n').some((line) => {
    const [inside = NaN, , count = 0] = line.trim().split(/ +/).map(Number)
    return uid >= inside && uid < inside + count
  })
}

/** Reads until a row of another state. */
function readListening(path: string): string {
  const descriptor = openSync(path, 'r')
  try {
    const buffer = Buffer.allocUnsafe(pieceBytes)
    let text = ''
    for (;;) {
      const count = readSync(descriptor, buffer)
      text += buffer.toString('latin1', 0, count)
      const last = text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1) ?? ''
      const row = parseSocketRow(last)
      if (count === 0 || (row !== undefined && row.state !== '0A')) return text
    }
  } finally {
    closeSync(descriptor)
  }
}
