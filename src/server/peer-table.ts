// Which Unix user is at the other end of a loopback TCP connection: the kernel's list of sockets says it for every
// socket of this machine (proc_pid_net(5)). PuTTY and agedu tell users apart in the same way. A connection that sshd
// opens for `ssh -L` belongs to the user that logged in.
import { readFile } from 'node:fs/promises'
import { endianness } from 'node:os'

/** A connection as our own end sees it. */
export interface Connection {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
}

export type PeerLookup =
  | { readonly kind: 'found'; readonly uid: number }
  /** No row, or one without a socket: whoever it was has left. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly cause: Error }

/** What the two tables hold, one after the other. */
export type ReadTables = () => Promise<string>

export class PeerTable {
  readonly #readTables: ReadTables
  #reading: Promise<unknown> = Promise.resolve()
  #waiting: Promise<string> | undefined

  constructor(readTables: ReadTables = readKernelTables) {
    this.#readTables = readTables
  }

  /** Asks for a connection that has been accepted already. Never rejects. */
  async find(connection: Connection): Promise<PeerLookup> {
    const needles = needlesFor(connection)
    try {
      const found = findUid(await this.#freshTables(), needles)
      // While sockets come and go, the kernel's listing may step over a row.
      const uid = found === 'no row' ? findUid(await this.#freshTables(), needles) : found
      return typeof uid === 'number' ? { kind: 'found', uid } : { kind: 'absent' }
    } catch (error) {
      return { kind: 'unreadable', cause: error as Error }
    }
  }

  /**
   * The tables as they are read after this call. One read goes on at a time, and all who wait for it share the next
   * one: many connections at once cost two reads. A read that has begun may be older than the asker's connection.
   */
  #freshTables(): Promise<string> {
    this.#waiting ??= this.#reading.then(() => {
      this.#waiting = undefined
      const tables = this.#readTables()
      this.#reading = tables.catch(() => {})
      return tables
    })
    return this.#waiting
  }
}

/** A client may have an IPv6 socket for an IPv4 connection, and is then in the second table only. */
async function readKernelTables(): Promise<string> {
  const [tcp, tcp6] = await Promise.all([
    readFile('/proc/self/net/tcp', 'latin1'),
    readFile('/proc/self/net/tcp6', 'latin1').catch((error: NodeJS.ErrnoException) => {
      // A machine without IPv6 has no such table.
      if (error.code === 'ENOENT') return ''
      throw error
    }),
  ])
  return `${tcp}\n${tcp6}`
}

/**
 * The uid of the row that begins with one of the needles. A row whose inode is 0 has lost its socket, and shows uid 0
 * whoever had it: no user.
 */
function findUid(tables: string, needles: readonly string[]): number | 'no row' | 'orphan' {
  let isOrphan = false
  for (const needle of needles) {
    for (let at = tables.indexOf(needle); at >= 0; at = tables.indexOf(needle, at + 1)) {
      const end = tables.indexOf('\n', at)
      const row = tables
        .slice(at, end < 0 ? undefined : end)
        .trim()
        .split(/ +/)
      const uid = row[7] ?? ''
      const inode = row[9] ?? ''
      const isOwned = /^\d+$/.test(uid) && /^[1-9]\d*$/.test(inode)
      if (isOwned) return Number(uid)
      isOrphan = true
    }
  }
  return isOrphan ? 'orphan' : 'no row'
}

/** The peer's row: its local address is our remote one. The other way round it would be our own row, and our own uid. */
function needlesFor({ localAddress, localPort, remoteAddress, remotePort }: Connection): string[] {
  const ours = tableForms(localAddress)
  return tableForms(remoteAddress).flatMap((theirs, index) => {
    const our = ours[index]
    return our === undefined ? [] : [`: ${theirs}:${hexPort(remotePort)} ${our}:${hexPort(localPort)} `]
  })
}

/** Native byte order, in words of 32 bits: an IPv4 address as itself and as IPv6 (`::ffff:…`), or the one of IPv6. */
function tableForms(address: string): string[] {
  if (address === '::1') return [`${'0'.repeat(24)}${hexWord([0, 0, 0, 1])}`]
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  const bytes = plain.split('.').map(Number)
  if (bytes.length !== 4) return []
  const word = hexWord(bytes)
  return [word, `${'0'.repeat(16)}${hexWord([0, 0, 0xff, 0xff])}${word}`]
}

function hexWord(bytes: readonly number[]): string {
  const ordered = endianness() === 'LE' ? bytes.toReversed() : bytes
  return Buffer.from(ordered).toString('hex').toUpperCase()
}

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0')
}
