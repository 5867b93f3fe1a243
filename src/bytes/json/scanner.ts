// The grammar half of the JSON scanner: goes over a body while it arrives, as far as it has come, and goes on from there.
import type { JsonMember, JsonPosition, JsonScan, JsonVisitor, ScanOutcome } from './types.ts'
import {
  endOfNumber,
  endOfString,
  endOfWord,
  kindOf,
  skipSpace,
  sourceOf,
  stringProblem,
  valueProblem,
} from './tokens.ts'
import type { Source } from './tokens.ts'
import type { MemberNames } from './member-names.ts'

const MAX_DEPTH = 10_000
/** Far above any real request; without a bound, names alone could block the event loop. */
const MAX_MEMBERS = 1000

const OBJECT = 0x7b
const ARRAY = 0x5b
const QUOTE = 0x22
/** Stands for a byte that has not arrived yet. */
const NONE = -1

/** The step at which the scan continues when more bytes arrive. `name` and `text` are strings that have begun. */
type Step = 'start' | 'first' | 'key' | 'name' | 'colon' | 'value' | 'text' | 'separator' | 'end'

/** Reads a body in one call or in several, with the same outcome. `scanJson` describes what it finds. */
export class JsonScanner implements JsonPosition {
  private readonly source: Source
  readonly bytes: Buffer
  private readonly wanted: MemberNames
  private readonly members = new Map<string, JsonMember>()
  readonly open: number[] = []
  /** What the offset returned by a step points at: a value, or the separator after one. */
  private isValueNext = false
  private insertAt = 0
  private memberCount = 0
  /** The top-level member being read: its name if it is wanted or visited, and where its value starts. */
  private name: string | undefined
  private valueStart = 0
  private readonly visitor: JsonVisitor | undefined
  /** The visitor for as long as it visits the member being read. */
  private visiting: JsonVisitor | undefined
  keyStart = 0
  keyEnd = 0
  private outcome: ScanOutcome | undefined
  /** The offset and step at which to continue. */
  private at = 0
  private step: Step = 'start'

  constructor(bytes: Buffer, wanted: MemberNames, visitor?: JsonVisitor) {
    this.bytes = bytes
    this.source = sourceOf(bytes)
    this.wanted = wanted
    this.visitor = visitor
  }

  /**
   * Continues up to `limit`, the number of bytes that have arrived, which never decreases.
   * @returns undefined while the outcome depends on further bytes. A refusal may be known before the end.
   */
  readTo(limit: number): ScanOutcome | undefined {
    if (this.outcome !== undefined) return this.outcome
    const { source, open } = this
    source.limit = limit
    let at = this.resume()
    while (at >= 0 && open.length > 0) at = this.isValueNext ? this.readValue(at) : this.readSeparator(at)
    if (at >= 0) this.readEnd(at)
    return this.outcome
  }

  // Each step receives the offset of its first byte and returns where the next one starts, or -1 if it stopped, because it
  // refused the body or more bytes are needed.

  private resume(): number {
    const { step, source, open } = this
    if (step === 'name') return this.readName(source.resumeAt)
    if (step === 'text') return this.readText(this.at, source.resumeAt)
    const at = skipSpace(source, this.at)
    switch (step) {
      case 'start':
        return this.readStart(at)
      case 'first':
        return this.readFirst(at, open[open.length - 1]!)
      case 'key':
        return this.readKey(at)
      case 'colon':
        return this.readColon(at)
      case 'value':
        if (open.length === 1) this.valueStart = at
        return this.readValue(at)
      case 'separator':
        return this.readSeparator(at)
      case 'end':
        return at
      default:
        return step satisfies never
    }
  }

  private readStart(at: number): number {
    const byte = this.byteAt(at)
    if (byte !== OBJECT) return this.stop('start', at, startProblem(byte))
    this.insertAt = at + 1
    return this.enter(at, OBJECT)
  }

  private readEnd(at: number): void {
    const { source, bytes } = this
    const end = skipSpace(source, at)
    if (end < bytes.length) this.stop('end', end, 'data follows the JSON object')
    else this.outcome = { ok: true, scan: this.result() }
  }

  private result(): JsonScan {
    const { members, insertAt, memberCount, visitor } = this
    return { members, insertAt, isEmpty: memberCount === 0, visitor }
  }

  private readValue(at: number): number {
    const byte = this.byteAt(at)
    if (byte === QUOTE) return this.readText(at, at + 1)
    if (byte === OBJECT || byte === ARRAY) {
      this.visiting?.container(this)
      return this.enter(at, byte)
    }
    let end: number
    if (byte === 0x74) end = endOfWord(this.source, at, 'true')
    else if (byte === 0x66) end = endOfWord(this.source, at, 'false')
    else if (byte === 0x6e) end = endOfWord(this.source, at, 'null')
    else end = endOfNumber(this.source, at)
    if (end < 0) return this.stop('value', at, valueProblem(this.byteAt(~end)), ~end)
    return this.endScalar(at, end)
  }

  /** @param from the first unread byte of the string that opens at `at`. */
  private readText(at: number, from: number): number {
    const end = endOfString(this.source, from)
    if (end < 0) return this.stop('text', at, stringProblem(this.byteAt(~end)), ~end)
    return this.endScalar(at, end)
  }

  private endScalar(at: number, end: number): number {
    this.visiting?.scalar(this, at, end)
    this.isValueNext = false
    if (this.open.length === 1) this.endMember(end)
    return end
  }

  private enter(at: number, byte: typeof OBJECT | typeof ARRAY): number {
    if (this.open.length === MAX_DEPTH) return this.refuse(at, `values are nested deeper than ${MAX_DEPTH}`)
    this.open.push(byte)
    return this.readFirst(skipSpace(this.source, at + 1), byte)
  }

  /** The first element of a container, or its end. */
  private readFirst(at: number, opening: number): number {
    const byte = this.byteAt(at)
    // In ASCII each closing bracket stands two after its opening one.
    if (byte === opening + 2) return this.leave(at)
    if (byte === NONE) return this.stop('first', at)
    if (opening === OBJECT) return this.readKey(at)
    this.isValueNext = true
    return at
  }

  private readSeparator(after: number): number {
    const { source } = this
    const at = skipSpace(source, after)
    const byte = this.byteAt(at)
    const container = this.open[this.open.length - 1]!
    if (byte === 0x2c /* , */) {
      const next = skipSpace(source, at + 1)
      if (container === OBJECT) return this.readKey(next)
      this.isValueNext = true
      return next
    }
    if (byte === container + 2) return this.leave(at)
    const closing = container === OBJECT ? 'brace' : 'bracket'
    return this.stop('separator', at, `a comma or the closing ${closing} is missing`)
  }

  private leave(at: number): number {
    this.open.pop()
    this.isValueNext = false
    this.keyEnd = this.keyStart
    if (this.open.length === 1) this.endMember(at + 1)
    return at + 1
  }

  private readKey(at: number): number {
    if (this.byteAt(at) !== QUOTE) return this.stop('key', at, 'a member name in double quotes is missing')
    this.keyStart = at + 1
    return this.readName(at + 1)
  }

  /** @param from the first unread byte of the key. */
  private readName(from: number): number {
    const { source } = this
    const end = endOfString(source, from)
    if (end < 0) return this.stop('name', from, stringProblem(this.byteAt(~end)), ~end)
    this.keyEnd = end - 1
    this.visiting?.key(this)
    return this.readColon(skipSpace(source, end))
  }

  private readColon(at: number): number {
    if (this.byteAt(at) !== 0x3a /* : */)
      return this.stop('colon', at, 'the colon after a member name is missing')
    this.isValueNext = true
    const value = skipSpace(this.source, at + 1)
    return this.open.length === 1 ? this.beginMember(value) : value
  }

  private beginMember(value: number): number {
    const { wanted, keyStart, keyEnd } = this
    if (++this.memberCount > MAX_MEMBERS)
      return this.refuse(keyStart - 1, `the object has more than ${MAX_MEMBERS} members`)
    this.valueStart = value
    const name = wanted.read(this.bytes, keyStart, keyEnd)
    this.name = name
    if (name === undefined) return value
    if (wanted.isWanted(name)) {
      if (this.members.has(name))
        return this.refuse(keyStart - 1, `duplicate key ${JSON.stringify(name)}`, name)
    } else {
      const like = wanted.wantedLike(name)
      if (like !== undefined) {
        const problem = `key ${JSON.stringify(name)} differs from ${JSON.stringify(like)} only in case`
        return this.refuse(keyStart - 1, problem, like)
      }
    }
    if (this.visitor?.member(name) === true) this.visiting = this.visitor
    return value
  }

  private endMember(end: number): void {
    const { name, valueStart: start } = this
    this.visiting = undefined
    if (name === undefined || !this.wanted.isWanted(name)) return
    this.members.set(name, { kind: kindOf(this.bytes[start]!), value: { start, end } })
  }

  /** The byte at `at`, if it has arrived. */
  private byteAt(at: number): number {
    return at < this.source.limit ? this.bytes[at]! : NONE
  }

  /**
   * Refuses the body because of the byte at `offset`, unless that byte has not arrived yet: then `step` continues at `at`
   * when it has.
   */
  private stop(step: Step, at: number, problem = '', offset = at): -1 {
    if (offset === this.bytes.length)
      return this.refuse(offset, step === 'start' ? problem : 'the JSON ends too early')
    if (offset < this.source.limit) return this.refuse(offset, problem)
    this.step = step
    this.at = at
    return -1
  }

  private refuse(offset: number, problem: string, param?: string): -1 {
    this.outcome = { ok: false, problem, offset, ...(param !== undefined && { param }) }
    return -1
  }
}

function startProblem(byte: number): string {
  if (byte === NONE) return 'the body is empty'
  return byte === 0xef ? 'the body starts with a byte order mark' : 'the body is not a JSON object'
}
