// The names of members that a scan looks for, and a fast test that skips all others.
import { foldName } from './fold-name.ts'

/** Bytes of one ASCII character written as an escape. */
const ESCAPED_CHARACTER_BYTES = 6
const BACKSLASH = 0x5c

/** Wanted and visited names, in lower-case ASCII. Made once for many scans. */
export class MemberNames {
  readonly #wanted: ReadonlySet<string>
  /** All names by their hash, case-insensitive; of several with the same hash, one. Other names may have it too. */
  readonly #bySum = new Map<number, string>()
  readonly #maxBytes: number

  /** @param visited names of members that a scan's visitor may look into. */
  constructor(wanted: Iterable<string>, visited: Iterable<string> = []) {
    this.#wanted = new Set(wanted)
    let longest = 0
    for (const name of [...this.#wanted, ...visited]) {
      this.#bySum.set(sumOf(Buffer.from(name), 0, name.length), name)
      longest = Math.max(longest, name.length)
    }
    this.#maxBytes = longest * ESCAPED_CHARACTER_BYTES
  }

  isWanted(name: string): boolean {
    return this.#wanted.has(name)
  }

  /** The wanted name that a decoder may read `name` as, although it differs. */
  wantedLike(name: string): string | undefined {
    const folded = foldName(name)
    return this.#wanted.has(folded) ? folded : undefined
  }

  /** The decoded name between `start` and `end` (without its quotes); undefined if it cannot be one of the names. */
  read(bytes: Buffer, start: number, end: number): string | undefined {
    if (end - start > this.#maxBytes) return undefined
    const sum = sumOf(bytes, start, end)
    if (sum >= 0) {
      const name = this.#bySum.get(sum)
      if (name === undefined) return undefined
      // As nearly always; the same string each time, without decoding.
      if (isAt(bytes, start, end, name)) return name
    }
    const text = bytes.toString('utf8', start, end)
    return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text
  }
}

/** Whether the bytes are those of an ASCII name. */
function isAt(bytes: Buffer, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false
  for (let index = 0; index < name.length; index++) {
    if (bytes[start + index] !== name.charCodeAt(index)) return false
  }
  return true
}

/** A hash of ASCII letters whatever their case (djb2); -1 where there are escapes or other characters. */
function sumOf(bytes: Buffer, start: number, end: number): number {
  let sum = 5381
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte === BACKSLASH || byte >= 0x80) return -1
    sum = (Math.imul(sum, 33) + (byte | 0x20)) & 0x3fffffff
  }
  return sum
}
