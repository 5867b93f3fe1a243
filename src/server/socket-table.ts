// One of the kernel's lists of sockets, proc_pid_net(5), searched for many askers at once. The kernel spends 2 to 3 µs
// on each row and gives a page of them to a read, so that a long list takes a hundred milliseconds. That time goes by
// in Node's thread pool, the rows of a piece cost the event loop some microseconds, and nobody reads on once all who
// ask have their rows.
//
// A row is as old as the read that brought it, and in an older one it may be the row of an earlier connection with the
// same ends. So an asker sees the pieces whose read began after the question, and no others.
import { parseSocketRow } from '../platform/proc-net.ts'

/** The most of a table that a reader gives at once. */
export const pieceBytes = 512 * 1024

/** A table's text from the first row on, piece by piece. */
export interface TableReader {
  /** Puts rows of this moment into the buffer from `at` on, `pieceBytes` at most. Tells the bytes; 0 at the end. */
  read(buffer: Buffer, at: number): Promise<number>
  close(): void
}

/** Undefined where the machine has no such table. */
export type OpenTable = () => Promise<TableReader | undefined>

/** The user of a row. An orphan has lost its socket, and shows uid 0 whoever had it. */
export type Row = number | 'orphan'

interface Asker {
  /** `LOCAL REMOTE`, as the table writes them. */
  readonly ends: string
  readonly answer: PromiseWithResolvers<Row | undefined>
  orphaned: boolean
  /** Came in the middle of the table, and has yet to see the rows before. */
  late: boolean
}

/** What is longer is no row. */
const longestRow = 4096

const newline = 0x0a
const colon = 0x3a

export class SocketTable {
  readonly #open: OpenTable
  readonly #addressLength: number
  #arrived: Asker[] = []
  /** By the port of the row's local end. */
  #askers = new Map<number, Asker[]>()
  #isReading = false
  #buffer: Buffer | undefined

  /** `addressLength`: the characters of an address in this table, 8 or 32. */
  constructor(open: OpenTable, addressLength: number) {
    this.#open = open
    this.#addressLength = addressLength
  }

  /**
   * The row with these ends, as it is after this call; an orphan only where the table has no other. Undefined when a
   * read of the whole table did not show it.
   * @throws what opening or reading the table throws.
   */
  find(ends: string): Promise<Row | undefined> {
    const answer = Promise.withResolvers<Row | undefined>()
    this.#arrived.push({ ends, answer, orphaned: false, late: false })
    if (!this.#isReading) void this.#readWhileAsked()
    return answer.promise
  }

  async #readWhileAsked(): Promise<void> {
    this.#isReading = true
    while (this.#arrived.length > 0) {
      try {
        await this.#readOnce()
        for (const { answer, orphaned } of this.#dismiss()) answer.resolve(orphaned ? 'orphan' : undefined)
      } catch (error) {
        for (const { answer } of this.#dismiss()) answer.reject(error)
      }
    }
    this.#isReading = false
  }

  /** From the first row to the last, or to the last that is asked for. */
  async #readOnce(): Promise<void> {
    this.#admit({ late: false })
    const reader = await this.#open()
    if (reader === undefined) return
    try {
      const buffer = (this.#buffer ??= Buffer.allocUnsafeSlow(pieceBytes + longestRow))
      this.#admit({ late: false })
      let kept = 0
      while (this.#askers.size > 0) {
        const count = await reader.read(buffer, kept)
        if (count === 0) return
        kept = this.#search(buffer, kept + count)
        this.#admit({ late: true })
      }
    } finally {
      reader.close()
    }
  }

  /** Lets those who have come see the next piece, whose read is yet to begin. */
  #admit({ late }: Pick<Asker, 'late'>): void {
    for (const asker of this.#arrived) {
      asker.late = late
      const port = Number.parseInt(asker.ends.slice(this.#addressLength + 1), 16)
      const others = this.#askers.get(port)
      if (others === undefined) this.#askers.set(port, [asker])
      else others.push(asker)
    }
    this.#arrived = []
  }

  /** Those who have seen the whole table. The late go back in line, with a clean slate. */
  #dismiss(): Asker[] {
    const [seen, late]: [Asker[], Asker[]] = [[], []]
    for (const asker of [...this.#askers.values()].flat()) (asker.late ? late : seen).push(asker)
    for (const asker of late) asker.orphaned = false
    this.#arrived = [...late, ...this.#arrived]
    this.#askers = new Map()
    return seen
  }

  /** Returns how long the row is so far that the next piece completes; it lies at the buffer's beginning then. */
  #search(buffer: Buffer, length: number): number {
    const rows = buffer.subarray(0, length)
    let at = 0
    for (let end = rows.indexOf(newline); end >= 0; end = rows.indexOf(newline, at)) {
      while (at < end && rows[at] !== colon) at += 1
      const port = hexPortAt(rows, at + ': '.length + this.#addressLength + ':'.length)
      if (this.#askers.has(port)) this.#tell(port, rows.toString('latin1', at, end))
      at = end + 1
    }
    if (length - at > longestRow) return 0
    buffer.copyWithin(0, at, length)
    return length - at
  }

  #tell(port: number, row: string): void {
    const found = parseSocketRow(row)
    const remaining: Asker[] = []
    for (const asker of this.#askers.get(port) ?? []) {
      if (asker.ends === found?.ends && found.inode !== '0') {
        asker.answer.resolve(found.uid)
      } else {
        asker.orphaned ||= asker.ends === found?.ends
        remaining.push(asker)
      }
    }
    if (remaining.length > 0) this.#askers.set(port, remaining)
    else this.#askers.delete(port)
  }
}

/** Four digits, upper case; anything else gives some number or none, and the row is looked at more closely. */
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
