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
  #waiting: Promise<Rows> | undefined

  constructor(readTables: ReadTables = readKernelTables) {
    this.#readTables = readTables
  }

  /** Asks for a connection that has been accepted already. Never rejects. */
  async find(connection: Connection): Promise<PeerLookup> {
    const ends = endsOf(connection)
    try {
      const found = findUid(await this.#freshRows(), ends)
      // While sockets come and go, the kernel's listing may step over a row.
      const uid = found ?? findUid(await this.#freshRows(), ends)
      return typeof uid === 'number' ? { kind: 'found', uid } : { kind: 'absent' }
    } catch (error) {
      return { kind: 'unreadable', cause: error as Error }
    }
  }

  /**
   * The tables as they are read after this call. One read goes on at a time, and all who wait for it share the next
   * one: many connections at once cost two reads. A read that has begun may be older than the asker's connection.
   */
  #freshRows(): Promise<Rows> {
    this.#waiting ??= this.#reading.then(() => {
      this.#waiting = undefined
      const rows = this.#readTables().then((tables) => new Rows(tables))
      this.#reading = rows.catch(() => {})
      return rows
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

/** A row's user; a row without a socket has inode 0, and shows uid 0 whoever had it: no user. */
class Rows {
  readonly #tables: string
  #lookups = 0
  #index: Map<string, number | 'orphan'> | undefined

  constructor(tables: string) {
    this.#tables = tables
  }

  find(ends: string): number | 'orphan' | undefined {
    this.#lookups += 1
    if (this.#lookups > maxSearches) this.#index ??= this.#indexed()
    return this.#index === undefined ? this.#search(ends) : this.#index.get(ends)
  }

  #search(ends: string): number | 'orphan' | undefined {
    let found: 'orphan' | undefined
    const row = `: ${ends} `
    for (let at = this.#tables.indexOf(row); at >= 0; at = this.#tables.indexOf(row, at + 1)) {
      oneRow.lastIndex = at
      const match = oneRow.exec(this.#tables)
      if (match === null) continue
      const [, , uid, inode] = match
      if (inode !== '0') return Number(uid)
      found = 'orphan'
    }
    return found
  }

  #indexed(): Map<string, number | 'orphan'> {
    const rows = new Map<string, number | 'orphan'>()
    for (const [, ends = '', uid, inode] of this.#tables.matchAll(everyRow)) {
      if (inode !== '0') rows.set(ends, Number(uid))
      else if (!rows.has(ends)) rows.set(ends, 'orphan')
    }
    return rows
  }
}

/** So many searches of the text cost less than an index of it, however long it is. */
const maxSearches = 16

/** `sl: LOCAL REMOTE st tx:rx tr:when retransmits uid timeout inode …` */
const rowForm =
  ': ([\\dA-F]+:[\\dA-F]{4} [\\dA-F]+:[\\dA-F]{4}) \\w+ \\w+:\\w+ \\w+:\\w+ \\w+ +(\\d+) +\\d+ (\\d+) '
const oneRow = new RegExp(rowForm, 'y')
const everyRow = new RegExp(`^ *\\d+${rowForm}`, 'gm')

function findUid(rows: Rows, ends: readonly string[]): number | 'orphan' | undefined {
  const found = ends.map((end) => rows.find(end)).filter((uid) => uid !== undefined)
  return found.find((uid) => uid !== 'orphan') ?? found[0]
}

/** The peer's row: its local address is our remote one. The other way round it would be our own row, and our own uid. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Connection): string[] {
  const ours = tableForms(localAddress)
  return tableForms(remoteAddress).flatMap((theirs, index) => {
    const our = ours[index]
    return our === undefined ? [] : [`${theirs}:${hexPort(remotePort)} ${our}:${hexPort(localPort)}`]
  })
}

/** Native byte order, in words of 32 bits: an IPv4 address as itself and as IPv6 (`::ffff:…`), or the one of IPv6. */
export function tableForms(address: string): string[] {
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
