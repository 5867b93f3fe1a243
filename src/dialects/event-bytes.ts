// Looks into the JSON of a stream's event without parsing it: for every event, so by bytes. The JSON is taken to be whole;
// of what is not JSON the results are harmless.
import type { Span } from '../domain.ts'

const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const LEFT_BRACKET = 0x5b
const BACKSLASH = 0x5c
const RIGHT_BRACKET = 0x5d
const LEFT_BRACE = 0x7b
const RIGHT_BRACE = 0x7d

/** A member's name, as it stands in an event. */
export interface Key {
  /** With its quotes. */
  readonly bytes: Buffer
  /** Its end, from a rare byte on: a search stops at each byte that equals its first, and quotes are everywhere. */
  readonly end: Buffer
}

/** @param name with its quotes, like its end. */
export function keyOf(name: string, end: string): Key {
  return { bytes: Buffer.from(name), end: Buffer.from(end) }
}

/** The offset of the key's first occurrence from `from` on, or -1. */
export function indexOfKey(event: Buffer, { bytes, end }: Key, from = 0): number {
  const before = bytes.length - end.length
  let at = event.indexOf(end, from + before)
  while (at >= 0 && !hasAt(event, at - before, bytes)) at = event.indexOf(end, at + 1)
  return at < 0 ? -1 : at - before
}

/** The end of `error`: a search stops at each byte that equals its first, and `e` is everywhere. */
const errorMark = Buffer.from('rror')
/** What a letter begins with where JSON escapes it. */
const escapeMark = Buffer.from(String.raw`\u00`)

/** False: an event in which the word error stands nowhere, not even with letters that are escaped. */
export function mayReportError(event: Buffer): boolean {
  return event.includes(errorMark) || (event.includes(BACKSLASH) && event.includes(escapeMark))
}

const choicesKey = keyOf('"choices"', 'oices"')
const deltaKey = keyOf('"delta"', 'delta"')
const contentKey = keyOf('"content"', 'ntent"')

/** Members whose texts are generated, of a delta, a message or a tool call, in the names of all servers; by their length. */
const textMembers: ReadonlyMap<number, readonly Buffer[]> = Map.groupBy(
  [
    'arguments',
    'content',
    'partial_json',
    'reasoning',
    'reasoning_content',
    'refusal',
    'text',
    'thinking',
  ].map((name) => Buffer.from(name)),
  ({ length }) => length,
)

/** Bytes of the text, reasoning and arguments in the choices of an event, as they are written; 0 if there are none. */
export function choicesTextBytes(event: Buffer): number {
  return textBytesBehind(event, choicesKey)
}

/** The same of an event whose `delta` is an object. */
export function deltaObjectTextBytes(event: Buffer): number {
  return textBytesBehind(event, deltaKey)
}

const messageKey = keyOf('"message"', 'essage"')

/** The same of an event whose `message` is an object. */
export function messageTextBytes(event: Buffer): number {
  return textBytesBehind(event, messageKey)
}

/** Bytes of the texts of these members, as they are written; 0 if there are none. */
export function namedTextBytes(event: Buffer, keys: readonly Key[]): number {
  let textBytes = 0
  for (const key of keys) {
    let colon = -1
    let at = indexOfKey(event, key)
    // A value may read as the name does.
    while (at >= 0 && event[(colon = skipSpaces(event, at + key.bytes.length))] !== COLON) {
      at = indexOfKey(event, key, at + key.bytes.length)
    }
    if (at < 0) continue
    const start = skipSpaces(event, colon + 1)
    if (event[start] === QUOTE) textBytes += endOfString(event, start) - start - 1
  }
  return textBytes
}

/** In the container that is the value of the member with this key. */
function textBytesBehind(event: Buffer, key: Key): number {
  const start = indexOfKey(event, key)
  if (start < 0) return 0
  let textBytes = 0
  let depth = 0
  let isText = false
  for (let at = start + key.bytes.length; at < event.length; at += 1) {
    const byte = event[at]
    if (byte === QUOTE) {
      const end = endOfString(event, at)
      if (event[skipSpaces(event, end + 1)] === COLON) isText = isTextMember(event, at + 1, end)
      else {
        if (isText) textBytes += end - at - 1
        isText = false
      }
      at = end
    } else if (byte === LEFT_BRACE || byte === LEFT_BRACKET) depth += 1
    else if (byte === RIGHT_BRACE || byte === RIGHT_BRACKET) {
      depth -= 1
      if (depth === 0) break
    }
  }
  return textBytes
}

/** Bytes of the text `delta` of an event, as it is written; 0 if there is none. */
export function deltaTextBytes(event: Buffer): number {
  return textBytesOf(event, deltaKey)
}

/** Bytes of the text `content` of an event. */
export function contentTextBytes(event: Buffer): number {
  return textBytesOf(event, contentKey)
}

function textBytesOf(event: Buffer, name: Key): number {
  const key = indexOfKey(event, name)
  if (key < 0) return 0
  const colon = skipSpaces(event, key + name.bytes.length)
  if (event[colon] !== COLON) return 0
  const start = skipSpaces(event, colon + 1)
  return event[start] === QUOTE ? endOfString(event, start) - start - 1 : 0
}

/** A member of the event's outermost object, from its key to the end of its value; undefined if that is no object or null. */
export function topLevelMember(event: Buffer, key: Buffer): Span | undefined {
  for (let start = event.indexOf(key); start >= 0; start = event.indexOf(key, start + key.length)) {
    const colon = skipSpaces(event, start + key.length)
    if (event[colon] !== COLON) continue
    const value = skipSpaces(event, colon + 1)
    const end = event[value] === LEFT_BRACE ? endOfContainer(event, value) : value + 'null'.length
    // As many containers are open at a point as are closed after it without having been opened there.
    if (closersAfter(event, end) === 1) return { start, end }
  }
  return undefined
}

/** Takes a member out, with its comma, by moving the bytes behind it: what is returned shares the event's memory. */
export function cutMember(event: Buffer, { start, end }: Span): Buffer {
  let [from, to] = [start, end]
  while (event[from - 1] === SPACE) from -= 1
  if (event[from - 1] === COMMA) from -= 1
  else {
    from = start
    to = skipSpaces(event, to)
    if (event[to] === COMMA) to = skipSpaces(event, to + 1)
  }
  event.copyWithin(from, to)
  return event.subarray(0, event.length - (to - from))
}

function isTextMember(event: Buffer, start: number, end: number): boolean {
  const names = textMembers.get(end - start)
  if (names === undefined) return false
  for (const name of names) if (hasAt(event, start, name)) return true
  return false
}

/** For a few bytes a loop is faster than a call of the C library. */
function hasAt(event: Buffer, start: number, bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index += 1) {
    if (event[start + index] !== bytes[index]) return false
  }
  return true
}

/** The offset of the closing quote, or the length. */
function endOfString(event: Buffer, start: number): number {
  let at = start + 1
  while (at < event.length && event[at] !== QUOTE) at += event[at] === BACKSLASH ? 2 : 1
  return at
}

/** The offset after the bracket that closes the one at `start`, or the length. */
function endOfContainer(event: Buffer, start: number): number {
  let depth = 0
  for (let at = start; at < event.length; at += 1) {
    const byte = event[at]
    if (byte === QUOTE) at = endOfString(event, at)
    else if (byte === LEFT_BRACE || byte === LEFT_BRACKET) depth += 1
    else if (byte === RIGHT_BRACE || byte === RIGHT_BRACKET) {
      depth -= 1
      if (depth === 0) return at + 1
    }
  }
  return event.length
}

function closersAfter(event: Buffer, start: number): number {
  let closers = 0
  for (let at = start; at < event.length; at += 1) {
    const byte = event[at]
    if (byte === QUOTE) at = endOfString(event, at)
    else if (byte === LEFT_BRACE || byte === LEFT_BRACKET) closers -= 1
    else if (byte === RIGHT_BRACE || byte === RIGHT_BRACKET) closers += 1
  }
  return closers
}

function skipSpaces(event: Buffer, start: number): number {
  let at = start
  while (event[at] === SPACE) at += 1
  return at
}
