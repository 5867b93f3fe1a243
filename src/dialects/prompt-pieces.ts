// Where the prompt of a JSON request stands in its bytes, in the order in which servers read it: the tools and the
// instructions come before the messages, wherever the client has written them.
import { indexOfKey, keyOf } from './event-bytes.ts'
import type { Span } from '../domain.ts'

/** No text is copied. Valid as long as the body is. */
export interface PromptPieces {
  readonly bytes: Buffer
  /** Where the pieces start and end, in turn. */
  readonly spans: readonly number[]
  /** The first end of a message from `from` on and before `end`, both offsets in `bytes`; `end` if there is none. */
  borderAfter(from: number, end: number): number
}

/** Of a request without a prompt in text. */
export const noPieces: PromptPieces = {
  bytes: Buffer.alloc(0),
  spans: [],
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

export class JsonPromptPieces implements PromptPieces {
  readonly bytes: Buffer
  readonly spans: readonly number[]

  /**
   * @param values in the order in which a server reads them.
   * @param hasCacheMarks whether `cache_control` is part of the format.
   */
  constructor(bytes: Buffer, values: readonly Span[], hasCacheMarks: boolean) {
    this.bytes = bytes
    const insides = values.map((value) => insideOf(bytes, value))
    this.spans = hasCacheMarks
      ? insides.flatMap((inside) => withoutCacheMarks(bytes, inside))
      : insides.flatMap(({ start, end }) => [start, end])
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
  let at = end
  while (at > 0 && bytes[at - 1]! <= 0x20) at -= 1
  return at
}

/** In turn the starts and ends of what is left of a value. */
function withoutCacheMarks(bytes: Buffer, { start, end }: Span): number[] {
  const spans: number[] = []
  let from = start
  let at = indexOfKey(bytes, cacheMark, start)
  while (at >= 0 && at < end) {
    const close = bytes.indexOf(CLOSING, at)
    if (close < 0 || close >= end) break
    const before = skipSpaceBefore(bytes, at)
    spans.push(from, bytes[before - 1] === COMMA ? before - 1 : before)
    from = close + 1
    at = indexOfKey(bytes, cacheMark, from)
  }
  spans.push(from, end)
  return spans
}
