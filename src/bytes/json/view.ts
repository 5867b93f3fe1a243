// Looks into JSON that `scanJson` has accepted, without decoding what is not asked for. A translation reads a few members and
// copies the rest as bytes, so that numbers, key order and escapes stay as they were written.
import { isUtf8 } from 'node:buffer'
import { endOfString, kindOf, skipSpace, type Source, sourceOf } from './tokens.ts'
import type { JsonMember } from './types.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const OBJECT = 0x7b
const ARRAY = 0x5b

/** A body, and where its values end: the search for a value's end finds those of all values in it. */
export interface Document extends Source {
  /** By their first byte; only of strings and containers of more than `longBytes`, and of so many. */
  readonly ends: Map<number, number>
}

const longBytes = 64
/** What a body of many small values costs in memory is bounded; further ones are searched again. */
const maxEnds = 65_536

/** A value within a body. Reading it never throws for any content; it is valid as long as the body's bytes are. */
export class JsonView {
  readonly #source: Document
  /** The bytes of the value, from `start` to before `end`; of a string with its quotes. */
  readonly start: number
  readonly end: number

  constructor(source: Document, start: number, end: number) {
    this.#source = source
    this.start = start
    this.end = end
  }

  get kind(): JsonMember['kind'] {
    return kindOf(this.#source.bytes[this.start]!)
  }

  /** The bytes as they were written: a view on the body's memory. */
  get raw(): Buffer {
    return this.#source.bytes.subarray(this.start, this.end)
  }

  /** The bytes of a string between its quotes, escapes as written. */
  get rawText(): Buffer {
    return this.#source.bytes.subarray(this.start + 1, this.end - 1)
  }

  /** Copies the bytes as they were written. */
  copyTo(target: Buffer, at: number): void {
    this.#source.bytes.copy(target, at, this.start, this.end)
  }

  /** The same value with memory of its own, for as long as it is held. */
  detached(): JsonView {
    const bytes = Buffer.from(this.raw)
    return new JsonView(documentOf(bytes), 0, bytes.length)
  }

  /** The decoded value. Copies it, so it is not for values that may be large. */
  value(): unknown {
    if (this.kind !== 'number') return JSON.parse(this.raw.toString())
    return Number(this.#source.bytes.toString('latin1', this.start, this.end))
  }

  /** The decoded text of a string; undefined for any other value, for invalid UTF-8 and for half a surrogate pair. */
  text(): string | undefined {
    const { bytes } = this.#source
    if (isPlainText(bytes, this.start, this.end))
      return bytes.toString('latin1', this.start + 1, this.end - 1)
    if (this.kind !== 'string' || !isUtf8(this.raw)) return undefined
    const text = JSON.parse(this.raw.toString()) as string
    return text.isWellFormed() ? text : undefined
  }

  /** The members of an object by their decoded names, of duplicates the last; empty for any other value. */
  members(): ReadonlyMap<string, JsonView> {
    const members = new Map<string, JsonView>()
    if (this.kind !== 'object') return members
    const source = this.#source
    for (let at = skipSpace(source, this.start + 1); source.bytes[at] === QUOTE;) {
      const nameEnd = endOfString(source, at + 1)
      const name = nameOf(source.bytes, at, nameEnd)
      const start = skipSpace(source, skipSpace(source, nameEnd) + 1)
      const end = endOfValue(source, start)
      members.set(name, new JsonView(source, start, end))
      at = afterComma(source, end)
    }
    return members
  }

  /** The elements of an array; empty for any other value. */
  elements(): readonly JsonView[] {
    const elements: JsonView[] = []
    if (this.kind !== 'array') return elements
    const source = this.#source
    const last = this.end - 1
    for (let at = skipSpace(source, this.start + 1); at < last;) {
      const end = endOfValue(source, at)
      elements.push(new JsonView(source, at, end))
      at = afterComma(source, end)
    }
    return elements
  }
}

/** @param body an object that `scanJson` has accepted. */
export function viewJson(body: Buffer): JsonView {
  const source = documentOf(body)
  const start = skipSpace(source, 0)
  return new JsonView(source, start, endOfValue(source, start))
}

/** A body that has arrived, of which no value's end is known yet. */
export function documentOf(body: Buffer): Document {
  const source: Document = Object.assign(sourceOf(body), { ends: new Map<number, number>() })
  source.limit = body.length
  return source
}

/**
 * The object in a text that may be anything: the arguments of a tool call.
 * @returns undefined if the text is no JSON object.
 */
export function viewObject(text: string): JsonView | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? viewJson(Buffer.from(text)) : undefined
  } catch {
    return undefined
  }
}

/** Longer texts are decoded by JSON.parse. */
const maxPlainBytes = 64
const BACKSLASH = 0x5c

/** Whether these bytes are a short string of ASCII without escapes: a role, a type, a name. */
function isPlainText(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[start] !== QUOTE || end - start > maxPlainBytes) return false
  for (let at = start + 1; at < end - 1; at += 1) {
    const byte = bytes[at]!
    if (byte >= 0x80 || byte === BACKSLASH) return false
  }
  return true
}

/** Names that occurred last, because a body repeats a few of them in each of its objects. */
const knownNames: string[] = Array.from({ length: 256 }, () => '')

/** The decoded name of a member. @param start of the string, with its quotes. */
export function nameOf(bytes: Buffer, start: number, end: number): string {
  const length = end - start - 2
  const slot = (bytes[start + 1]! * 31 + bytes[end - 2]! * 7 + length) & 0xff
  const known = knownNames[slot]!
  if (known.length === length && isAt(known, bytes, start + 1)) return known
  const text = bytes.toString('utf8', start, end)
  if (text.includes('\\')) return JSON.parse(text) as string
  const name = text.slice(1, -1)
  if (isPlainText(bytes, start, end)) knownNames[slot] = name
  return name
}

/** Whether an ASCII text stands at an offset. */
function isAt(text: string, bytes: Buffer, start: number): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) !== bytes[start + at]) return false
  return true
}

/** The offset of what follows the comma after a value; of the closing bracket if there is none. */
export function afterComma(source: Document, end: number): number {
  const at = skipSpace(source, end)
  return source.bytes[at] === COMMA ? skipSpace(source, at + 1) : at
}

/** Where the value ends that starts there. */
export function endOfValue(source: Document, start: number): number {
  const { bytes } = source
  const first = bytes[start]
  if (first === QUOTE) return endOfText(source, start)
  if (first === OBJECT || first === ARRAY) return endOfContainer(source, start)
  let at = start
  while (at < bytes.length && !isDelimiter(bytes[at]!)) at += 1
  return at
}

/** @param start of a string that is a value, or stands in one. */
function endOfText(source: Document, start: number): number {
  const known = source.ends.get(start)
  if (known !== undefined) return known
  const end = endOfString(source, start + 1)
  keepEnd(source, start, end)
  return end
}

function endOfContainer(source: Document, start: number): number {
  const known = source.ends.get(start)
  if (known !== undefined) return known
  const { bytes } = source
  const open: number[] = []
  for (let at = start; at < bytes.length;) {
    const byte = bytes[at]!
    if (byte === QUOTE) {
      at = endOfText(source, at)
      continue
    }
    at += 1
    if (byte === OBJECT || byte === ARRAY) open.push(at - 1)
    // In ASCII each closing bracket stands two after its opening one.
    else if (byte === OBJECT + 2 || byte === ARRAY + 2) {
      keepEnd(source, open.pop()!, at)
      if (open.length === 0) return at
    }
  }
  return bytes.length
}

function keepEnd({ ends }: Document, start: number, end: number): void {
  if (end - start > longBytes && ends.size < maxEnds) ends.set(start, end)
}

/** Whether a byte ends a number or a word. */
function isDelimiter(byte: number): boolean {
  return byte <= 0x20 || byte === COMMA || byte === OBJECT + 2 || byte === ARRAY + 2
}
