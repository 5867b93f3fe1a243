// One of the kernel's lists of sockets, proc_pid_net(5), searched for many queries at once. The kernel spends 2 to 3 µs
// on each row and returns a page of them per read, so that a long list takes a hundred milliseconds. That time passes
// in Node's thread pool, the rows of a piece cost the event loop a few microseconds, and reading stops once every
// query has its row.
//
// A row is as old as the read that returned it, and an older read may have returned the row of an earlier connection
// with the same ends. So a query sees only the pieces whose read began after it.
import { parseSocketRow, type SocketRow } from '../../platform/proc-net.ts'

/** The most of a table that one read returns. */
export const pieceBytes = 512 * 1024

/** A table's text from the first row on, piece by piece. */
export interface TableReader {
  /** Writes current rows into the buffer from `at` on, `pieceBytes` at most. Resolves to their length; 0 at the end. */
  read(buffer: Buffer, at: number): Promise<number>
  close(): void
}

/** Undefined where the machine has no such table. */
export type OpenTable = () => Promise<TableReader | undefined>

/**
 * The user of a row. `nobody`: an orphan, which has lost its socket and shows uid 0 whoever owned it, or a socket that is
 * not connected. `perhaps root`: Linux before 6.17 writes the inode and then the user, and a socket that is closed in
 * between has both its inode and uid 0. `several`: a socket bound to a device can share its ends with another user's.
 */
export type RowOwner = number | 'nobody' | 'perhaps root' | 'several'

interface Query {
  /** `LOCAL REMOTE`, as the table writes them. */
  readonly ends: string
  readonly result: PromiseWithResolvers<RowOwner | undefined>
  owner: RowOwner | undefined
  /** Where the latest of its rows ends in the buffer. */
  rowEnd: number
  hasWaited: boolean
  /** Was added in the middle of the table, and has yet to see the rows before. */
  late: boolean
}

/** Anything longer is not a row. */
const longestRow = 4096

const newline = 0x0a
const colon = 0x3a

/** ESTABLISHED, and half closed: FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT (`include/net/tcp_states.h`). */
const connectedStates: ReadonlySet<string> = new Set(['01', '04', '05', '08'])

export class SocketTable {
  readonly #open: OpenTable
  readonly #addressLength: number
  readonly #connected: ReadonlySet<string>
  #newQueries: Query[] = []
  /** By the port of the row's local end. */
  #queries = new Map<number, Query[]>()
  /** Those of them whose row was found. */
  #found = new Set<Query>()
  #isReading = false
  #buffer: Buffer | undefined

  /**
   * @param addressLength the characters of an address in this table, 8 or 32
   * @param connected the states in which a socket counts as connected
   */
  constructor(open: OpenTable, addressLength: number, connected = connectedStates) {
    this.#open = open
    this.#addressLength = addressLength
    this.#connected = connected
  }

  /**
   * The row with these ends, as it is after this call; `nobody` only where the table has no other. Undefined when a
   * read of the whole table did not show it.
   * @throws what opening or reading the table throws.
   */
  find(ends: string): Promise<RowOwner | undefined> {
    const result = Promise.withResolvers<RowOwner | undefined>()
    this.#newQueries.push({ ends, result, owner: undefined, rowEnd: 0, hasWaited: false, late: false })
    if (!this.#isReading) void this.#readWhileAsked()
    return result.promise
  }

  async #readWhileAsked(): Promise<void> {
    this.#isReading = true
    while (this.#newQueries.length > 0) {
      try {
        await this.#readOnce()
        for (const { result, owner } of this.#dismiss()) result.resolve(owner)
      } catch (error) {
        for (const { result } of this.#dismiss()) result.reject(error)
      }
    }
    this.#isReading = false
  }

  /** Reads from the first row to the last, or until every query has its row. */
  async #readOnce(): Promise<void> {
    this.#admit({ late: false })
    const reader = await this.#open()
    if (reader === undefined) return
    try {
      const buffer = (this.#buffer ??= Buffer.allocUnsafeSlow(pieceBytes + longestRow))
      this.#admit({ late: false })
      let kept = 0
      while (this.#queries.size > 0) {
        const count = await reader.read(buffer, kept)
        if (count === 0) return
        kept = this.#search(buffer, kept + count)
        this.#admit({ late: true })
      }
    } finally {
      reader.close()
    }
  }

  /** Shows new queries the next piece, whose read is yet to begin. */
  #admit({ late }: Pick<Query, 'late'>): void {
    for (const query of this.#newQueries) {
      query.late = late
      const port = this.#portOf(query)
      const samePort = this.#queries.get(port)
      if (samePort === undefined) this.#queries.set(port, [query])
      else samePort.push(query)
    }
    this.#newQueries = []
  }

  /** Removes the queries that have seen the whole table; late ones are queued again, as new. */
  #dismiss(): Query[] {
    const [seen, late]: [Query[], Query[]] = [[], []]
    for (const query of [...this.#queries.values()].flat()) {
      const isOver = !query.late || this.#found.has(query)
      ;(isOver ? seen : late).push(query)
    }
    for (const query of late) query.owner = undefined
    this.#newQueries = [...late, ...this.#newQueries]
    this.#queries = new Map()
    this.#found = new Set()
    return seen
  }

  /** Moves the row that the next piece completes to the start of the buffer, and returns its length so far. */
  #search(buffer: Buffer, length: number): number {
    const rows = buffer.subarray(0, length)
    let at = 0
    for (let end = rows.indexOf(newline); end >= 0; end = rows.indexOf(newline, at)) {
      while (at < end && rows[at] !== colon) at += 1
      const port = hexPortAt(rows, at + ': '.length + this.#addressLength + ':'.length)
      if (this.#queries.has(port)) this.#note(port, rows.toString('latin1', at, end), end + 1)
      at = end + 1
    }
    if (at > 0) this.#resolveFound(at)
    if (length - at > longestRow) return 0
    buffer.copyWithin(0, at, length)
    return length - at
  }

  #note(port: number, row: string, rowEnd: number): void {
    const found = parseSocketRow(row)
    for (const query of this.#queries.get(port) ?? []) {
      if (found === undefined || query.ends !== found.ends) continue
      query.owner = together(query.owner, userOf(found, this.#connected))
      query.rowEnd = rowEnd
      if (query.owner !== 'nobody') this.#found.add(query)
    }
  }

  /** Rows with the same ends follow each other: a query whose row is the last so far waits for one more piece. */
  #resolveFound(searchedTo: number): void {
    for (const query of this.#found) {
      if (query.rowEnd === searchedTo && !query.hasWaited) {
        query.hasWaited = true
      } else {
        query.result.resolve(query.owner)
        this.#found.delete(query)
        this.#forget(query)
      }
    }
  }

  #forget(query: Query): void {
    const port = this.#portOf(query)
    const samePort = this.#queries.get(port)?.filter((other) => other !== query) ?? []
    if (samePort.length > 0) this.#queries.set(port, samePort)
    else this.#queries.delete(port)
  }

  #portOf({ ends }: Query): number {
    return Number.parseInt(ends.slice(this.#addressLength + 1), 16)
  }
}

function userOf({ state, uid, inode }: SocketRow, connected: ReadonlySet<string>): RowOwner {
  if (inode === '0' || !connected.has(state)) return 'nobody'
  // The state is written first, and changes some time before the socket goes.
  return uid === 0 && state !== '01' ? 'perhaps root' : uid
}

/** A listing may show a row twice while others come and go. */
function together(one: RowOwner | undefined, other: RowOwner): RowOwner {
  if (one === undefined || one === 'nobody' || one === other) return other
  if (other === 'nobody') return one
  const areBothRoot = [one, other].every((row) => row === 0 || row === 'perhaps root')
  return areBothRoot ? 'perhaps root' : 'several'
}

/** Four digits, upper case; anything else yields some number, and the row is then looked at more closely. */
function hexPortAt(rows: Buffer, at: number): number {
  return (
    (digitAt(rows, at) << 12) |
    (digitAt(rows, at + 1) << 8) |
    (digitAt(rows, at + 2) << 4) |
    digitAt(rows, at + 3)
  )
}

function digitAt(rows: Buffer, at: number): number {
  const code = rows[at] ?? 0
  return code <= 0x39 ? code - 0x30 : code - 0x41 + 10
}
