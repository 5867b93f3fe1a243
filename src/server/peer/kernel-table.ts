// Reads the kernel's socket lists, which are made as they are read: a page of whole rows for each read, 27 of them as
// a rule. Every read takes a turn of the event loop, and a busy one has long turns; so where a table is known to be
// long, several go on at once. The kernel gives each of them a page of its own, and rows are in no order anyway.
import { close, open, read } from 'node:fs'
import { promisify } from 'node:util'
import { type OpenTable, pieceBytes, type TableReader } from './socket-table.ts'

/** Linux has no larger ones. What did not fit in here, the kernel would keep, and it would grow old. */
const largestPage = 64 * 1024
const readsAtOnce = pieceBytes / largestPage
const newline = 0x0a

const openFile = promisify(open)
const readFile = promisify(read)

/** `isOptional`: a machine without IPv6 has no /proc/self/net/tcp6. */
export function kernelTable(path: string, { isOptional }: { readonly isOptional: boolean }): OpenTable {
  const seen = { pages: 0, hasEnded: false, cut: false }
  return async () => {
    const file = await openFile(path, 'r').catch((error: NodeJS.ErrnoException) => {
      if (isOptional && error.code === 'ENOENT') return undefined
      throw error
    })
    return file === undefined ? undefined : new KernelTableReader(file, seen)
  }
}

/** What reads of a table have shown so far. */
interface Seen {
  /** Its length at the last end that was seen, or as far as it has been read since. */
  pages: number
  hasEnded: boolean
  /** A page ended within a row: then they have to be read in their order. */
  cut: boolean
}

/** From here on a table is taken for a long one; some reads beyond its end cost little beside what it has cost then. */
const longPages = 128

class KernelTableReader implements TableReader {
  readonly #file: number
  readonly #seen: Seen
  #pages = 0

  constructor(file: number, seen: Seen) {
    this.#file = file
    this.#seen = seen
  }

  async read(buffer: Buffer, at: number): Promise<number> {
    if (this.#isFarFromEnd()) return this.#readSeveral(buffer, at)
    const count = await this.#readPage(buffer, at)
    if (count === 0) this.#noteEnd()
    else this.#seen.pages = Math.max(this.#seen.pages, this.#pages)
    return count
  }

  /** Beyond the end the kernel walks through all its sockets once more, for each read. */
  #isFarFromEnd(): boolean {
    const { pages, hasEnded, cut } = this.#seen
    if (cut) return false
    return this.#pages + readsAtOnce < pages * 0.95 || (!hasEnded && this.#pages >= longPages)
  }

  async #readSeveral(buffer: Buffer, at: number): Promise<number> {
    const places = Array.from({ length: readsAtOnce }, (_, index) => at + index * largestPage)
    const counts = await Promise.all(places.map((place) => this.#readPage(buffer, place)))
    if (counts.includes(0)) this.#noteEnd()
    let end = at
    for (const [index, count] of counts.entries()) {
      const place = at + index * largestPage
      buffer.copyWithin(end, place, place + count)
      end += count
      // Halves of different rows would make a row that nobody has: better to lose both.
      if (count > 0) buffer[end - 1] = newline
    }
    return end - at
  }

  #noteEnd(): void {
    this.#seen.pages = this.#pages
    this.#seen.hasEnded = true
  }

  async #readPage(buffer: Buffer, at: number): Promise<number> {
    const { bytesRead } = await readFile(this.#file, buffer, at, largestPage, null)
    if (bytesRead === 0) return 0
    this.#pages += 1
    if (buffer[at + bytesRead - 1] !== newline) this.#seen.cut = true
    return bytesRead
  }

  close(): void {
    close(this.#file)
  }
}
