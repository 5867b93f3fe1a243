// Where the prompt of a JSON request stands in its bytes, in the order in which servers read it: the tools and the
// instructions come before the messages, wherever the client has written them.
import { indexOfKey, keyOf } from './event-bytes.ts'
import type { Span } from '../domain.ts'

/** No text is copied. Valid as long as the body is. */
export interface PromptPieces {
  readonly bytes: Buffer
  /** Where the pieces start and end, in turn. What has not been searched yet is searched at once. */
  readonly spans: readonly number[]
  /** Searches about `maxBytes` more for the ends of pieces. @returns false while bytes are left. */
  findSpans(maxBytes: number): boolean
  /** The first end of a message from `from` on and before `end`, both offsets in `bytes`; `end` if there is none. */
  borderAfter(from: number, end: number): number
}

/** Of a request without a prompt in text. */
export const noPieces: PromptPieces = {
  bytes: Buffer.alloc(0),
  spans: [],
  findSpans: () => true,
  borderAfter: (_, end) => end,
}

const QUOTE = 0x22
const BRACKET = 0x5b
const COMMA = 0x2c
const OPENING = 0x7b
const CLOSING = 0x7d
const role = Buffer.from('"role"')
/** Anthropic's clients mark other messages with it in each turn, but models do not read it. */
const cacheMark = keyOf('"cache_control"', 'cache_control"')

/** A mark is `{"type":"ephemeral"}`, perhaps with a lifetime. What is longer is text that models read. */
const maxMarkBytes = 256
/** Anthropic allows four in a request. From here on they are hashed like text, because each costs time by itself. */
const maxMarks = 1000
/** What a mark counts at least for `findSpans`. */
const markWork = 256
/** No layout indents further. */
const maxSpaceBytes = 1024

export class JsonPromptPieces implements PromptPieces {
  readonly bytes: Buffer
  readonly #spans: number[] = []
  /** Those that are still to be searched for cache marks, the next one last. */
  readonly #values: Span[]
  /** In the last of them: where the piece starts, and from where on to search. −1: none has begun. */
  #start = -1
  #at = -1
  #marks = 0

  /**
   * @param values in the order in which a server reads them.
   * @param hasCacheMarks whether `cache_control` is part of the format.
   */
  constructor(bytes: Buffer, values: readonly Span[], hasCacheMarks: boolean) {
    this.bytes = bytes
    const insides = values.map((value) => insideOf(bytes, value))
    if (!hasCacheMarks) for (const { start, end } of insides) this.#spans.push(start, end)
    this.#values = hasCacheMarks ? insides.toReversed() : []
  }

  get spans(): readonly number[] {
    this.findSpans(Infinity)
    return this.#spans
  }

  findSpans(maxBytes: number): boolean {
    let left = maxBytes
    for (;;) {
      const value = this.#values.at(-1)
      if (value === undefined) return true
      if (left <= 0) return false
      left -= this.#searchOn(value, left)
    }
  }

  /** Up to the next cache mark, but for no more than `most` bytes. @returns the work that it was, in bytes. */
  #searchOn({ start, end }: Span, most: number): number {
    if (this.#at < 0) this.#start = this.#at = start
    const from = this.#at
    const to = this.#marks === maxMarks ? end : Math.min(end, from + most)
    const found =
      this.#marks === maxMarks ? -1 : this.#nextMark(from, Math.min(end, to + cacheMark.bytes.length - 1))
    if (found < 0) {
      this.#at = to
      if (to === end) this.#endValue(end)
      return to - from
    }
    const limit = Math.min(end, found + maxMarkBytes)
    const length = this.bytes.subarray(found, limit).indexOf(CLOSING) + 1
    this.#at = found + (length === 0 ? cacheMark.bytes.length : length)
    if (length > 0) this.#leaveOut(found)
    return Math.max(markWork, this.#at - from)
  }

  #nextMark(from: number, end: number): number {
    return indexOfKey(this.bytes.subarray(0, end), cacheMark, from)
  }

  /** The mark that starts there, with the comma before it. */
  #leaveOut(mark: number): void {
    this.#marks += 1
    const before = Math.max(this.#start, skipSpaceBefore(this.bytes, mark))
    this.#spans.push(this.#start, this.bytes[before - 1] === COMMA ? before - 1 : before)
    this.#start = this.#at
  }

  #endValue(end: number): void {
    this.#spans.push(this.#start, end)
    this.#values.pop()
    this.#at = -1
  }

  /** Each message has one role. Where that is its first member, the border is the end of the message before. */
  borderAfter(from: number, end: number): number {
    if (from >= end) return end
    const found = this.bytes.subarray(from, end).indexOf(role)
    if (found < 0) return end
    const at = from + found
    let before = skipSpaceBefore(this.bytes, at)
    if (this.bytes[before - 1] !== OPENING) return at
    before = skipSpaceBefore(this.bytes, before - 1)
    if (this.bytes[before - 1] !== COMMA) return Math.max(from, before)
    return Math.max(from, skipSpaceBefore(this.bytes, before - 1))
  }
}

/** Without its brackets or quotes: a conversation goes on before the last of them. */
function insideOf(bytes: Buffer, { start, end }: Span): Span {
  const opening = bytes[start]!
  const from = opening === BRACKET || opening === QUOTE ? start + 1 : start
  return { start: from, end: Math.max(from, skipSpaceBefore(bytes, end - 1)) }
}

function skipSpaceBefore(bytes: Buffer, end: number): number {
  const least = Math.max(0, end - maxSpaceBytes)
  let at = end
  while (at > least && bytes[at - 1]! <= 0x20) at -= 1
  return at
}
