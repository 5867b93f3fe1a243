// One pass over the bytes of a JSON request body: what routing, admission and splicing need to know, without
// decoding it. Anything that JSON.parse would refuse is refused, so that no provider reads a body differently.
import { isUtf8 } from 'node:buffer'
import type { Span } from '../domain.ts'
import { foldName } from './fold-name.ts'
import { endOfNumber, endOfString, endOfWord, skipSpace, sourceOf } from './json-tokens.ts'
import type { Source } from './json-tokens.ts'
import { isMedia, MIN_MEDIA_BYTES } from './media-string.ts'

/** A member of the top-level object. */
export interface JsonMember {
  readonly kind: 'string' | 'number' | 'object' | 'array' | 'true' | 'false' | 'null'
  /** The bytes of the value; of a string with its quotes. */
  readonly value: Span
}

export interface JsonScan {
  /** The top-level members whose decoded name is wanted. Members of nested objects are never among them. */
  readonly members: ReadonlyMap<string, JsonMember>
  /** Right after the opening brace: where a member can be inserted. */
  readonly insertAt: number
  /** Whether there is no member at all, so that an inserted one takes no comma after it. */
  readonly isEmpty: boolean
  /** Bytes between the quotes of the strings that make up the prompt, escapes as written; media are left out. */
  readonly textBytes: number
  /** Strings that were left out of `textBytes`: `data:` URLs and base64 payloads. */
  readonly mediaCount: number
  /** Elements of the arrays `messages` and `input`; token ids are no messages. */
  readonly messageCount: number
  /** Token ids in the arrays `prompt` and `input`, flat or one array per prompt. */
  readonly tokenIdCount: number
  /** Separate prompts in the array `prompt`: strings or arrays of token ids. Otherwise 1. */
  readonly promptCount: number
}

/** Why a body is refused: a clause for the client's eyes, where it went wrong, and the parameter if it is one's fault. */
export interface Refusal {
  readonly ok: false
  readonly problem: string
  readonly offset: number
  readonly param?: string
}

export type ScanOutcome = { readonly ok: true; readonly scan: JsonScan } | Refusal

const MAX_DEPTH = 10_000
/** No request comes near; without a bound, names alone could keep the event loop busy. */
const MAX_MEMBERS = 1000
/** Length of `response_format`, the longest name in `promptRoles`. */
const LONGEST_ROLE = 15
/** Bytes of one ASCII character written as an escape; keys longer than that allows need no decoding. */
const ESCAPED_CHARACTER_BYTES = 6

/** How the strings of a member, the elements of its array and the numbers in it count. */
interface PromptRole {
  /** The model reads the names in schemas too. */
  readonly isSchema?: boolean
  readonly elements?: 'messages' | 'prompts'
  readonly mayHoldTokenIds?: boolean
}

const promptRoles: ReadonlyMap<string, PromptRole> = new Map([
  ['documents', {}],
  ['functions', { isSchema: true }],
  ['input', { elements: 'messages', mayHoldTokenIds: true }],
  ['instructions', {}],
  ['messages', { elements: 'messages' }],
  ['prompt', { elements: 'prompts', mayHoldTokenIds: true }],
  ['query', {}],
  ['response_format', { isSchema: true }],
  ['system', {}],
  ['tools', { isSchema: true }],
])

/**
 * Checks that `body` is one JSON object (RFC 8259, no byte order mark, nested no deeper than 10,000, of at most 1,000 members) and finds its
 * `wanted` members (names in lower-case ASCII). A wanted name may stand once and in its own spelling only, because
 * decoders differ: most take the last duplicate, and Go's encoding/json folds case and takes ſ for s and K for k.
 */
export function scanJson(body: Buffer, wanted: ReadonlySet<string>): ScanOutcome {
  const scanner = new Scanner(body, wanted)
  return scanner.run() ?? { ok: true, scan: scanner.result() }
}

/** The text of a string member. Undefined when it is no string, no valid UTF-8, or holds half a surrogate pair. */
export function readString(body: Buffer, member: JsonMember): string | undefined {
  if (member.kind !== 'string') return undefined
  const bytes = body.subarray(member.value.start, member.value.end)
  if (!isUtf8(bytes)) return undefined
  const text = JSON.parse(bytes.toString()) as string
  return text.isWellFormed() ? text : undefined
}

/** The decoded value of a member. Copies it, so not for members that may be large. */
export function readJson(body: Buffer, member: JsonMember): unknown {
  return JSON.parse(body.toString('utf8', member.value.start, member.value.end))
}

const OBJECT = 0x7b
const ARRAY = 0x5b
const QUOTE = 0x22

/** Kinds of values by their first byte; what is left are numbers. */
const kinds: Readonly<Record<number, JsonMember['kind']>> = {
  [QUOTE]: 'string',
  [ARRAY]: 'array',
  0x66: 'false',
  0x6e: 'null',
  0x74: 'true',
  [OBJECT]: 'object',
}

class Scanner {
  private readonly source: Source
  private readonly bytes: Buffer
  private readonly wanted: ReadonlySet<string>
  private readonly longestKey: number
  private readonly members = new Map<string, JsonMember>()
  /** The opening bytes of the containers around the current place, outermost first. */
  private readonly open: number[] = []
  /** What the offset that a step returned points at: a value, or what stands after one. */
  private isValueNext = false
  private insertAt = 0
  private memberCount = 0
  /** The top-level member being read: its name if that matters here, and where its value starts. */
  private name: string | undefined
  private valueStart = 0
  private role: PromptRole | undefined
  /** The latest key's bytes, without quotes; none after a nested value ended. */
  private keyStart = 0
  private keyEnd = 0
  private textBytes = 0
  private mediaCount = 0
  private messageCount = 0
  private tokenIdCount = 0
  private promptCount = 0
  private refusal: Refusal | undefined

  constructor(bytes: Buffer, wanted: ReadonlySet<string>) {
    this.bytes = bytes
    this.source = sourceOf(bytes)
    this.wanted = wanted
    let longest = LONGEST_ROLE
    for (const name of wanted) longest = Math.max(longest, name.length)
    this.longestKey = longest * ESCAPED_CHARACTER_BYTES
  }

  /** Reads the whole body. Returns why it is refused, if it is. */
  run(): Refusal | undefined {
    const { bytes, open } = this
    const start = skipSpace(bytes, 0)
    if (bytes[start] !== OBJECT) return { ok: false, problem: startProblem(bytes, start), offset: start }
    this.insertAt = start + 1
    let at = this.enter(start, OBJECT)
    while (at >= 0 && open.length > 0) at = this.isValueNext ? this.readValue(at) : this.readSeparator(at)
    if (at >= 0 && (at = skipSpace(bytes, at)) < bytes.length)
      this.refuse(at, 'something follows the JSON object')
    return this.refusal
  }

  result(): JsonScan {
    const { members, insertAt, textBytes, mediaCount, messageCount, tokenIdCount } = this
    const promptCount = Math.max(this.promptCount, 1)
    const isEmpty = this.memberCount === 0
    return { members, insertAt, isEmpty, textBytes, mediaCount, messageCount, tokenIdCount, promptCount }
  }

  // Each step takes the offset of its first byte and returns where the next one starts, or -1 when it refused.

  private readValue(at: number): number {
    const { bytes, role } = this
    const byte = bytes[at]
    if (role !== undefined && this.open.length === 2) this.countElement(byte, role)
    if (byte === OBJECT || byte === ARRAY) return this.enter(at, byte)
    let end: number
    if (byte === QUOTE) end = endOfString(this.source, at)
    else if (byte === 0x74) end = endOfWord(bytes, at, 'true')
    else if (byte === 0x66) end = endOfWord(bytes, at, 'false')
    else if (byte === 0x6e) end = endOfWord(bytes, at, 'null')
    else end = endOfNumber(bytes, at)
    if (end < 0)
      return this.refuse(~end, byte === QUOTE ? stringProblem(bytes, ~end) : 'a value is malformed')
    if (role !== undefined) this.countScalar(at, end, role)
    this.isValueNext = false
    if (this.open.length === 1) this.endMember(end)
    return end
  }

  private enter(at: number, byte: typeof OBJECT | typeof ARRAY): number {
    if (this.open.length === MAX_DEPTH) return this.refuse(at, `values are nested deeper than ${MAX_DEPTH}`)
    this.open.push(byte)
    const next = skipSpace(this.bytes, at + 1)
    if (this.bytes[next] === byte + 2) return this.leave(next)
    if (byte === OBJECT) return this.readKey(next)
    this.isValueNext = true
    return next
  }

  private readSeparator(after: number): number {
    const at = skipSpace(this.bytes, after)
    const byte = this.bytes[at]
    const container = this.open[this.open.length - 1]!
    if (byte === 0x2c /* , */) {
      const next = skipSpace(this.bytes, at + 1)
      if (container === OBJECT) return this.readKey(next)
      this.isValueNext = true
      return next
    }
    // In ASCII each closing bracket stands two after its opening one.
    if (byte === container + 2) return this.leave(at)
    return this.refuse(at, `a comma or the closing ${container === OBJECT ? 'brace' : 'bracket'} is missing`)
  }

  private leave(at: number): number {
    this.open.pop()
    this.isValueNext = false
    this.keyEnd = this.keyStart
    if (this.open.length === 1) this.endMember(at + 1)
    return at + 1
  }

  private readKey(at: number): number {
    const { bytes } = this
    if (bytes[at] !== QUOTE) return this.refuse(at, 'a member name in double quotes is missing')
    const end = endOfString(this.source, at)
    if (end < 0) return this.refuse(~end, stringProblem(bytes, ~end))
    const colon = skipSpace(bytes, end)
    if (bytes[colon] !== 0x3a /* : */) return this.refuse(colon, 'the colon after a member name is missing')
    this.isValueNext = true
    this.keyStart = at + 1
    this.keyEnd = end - 1
    if (this.role?.isSchema === true) this.textBytes += end - at - 2
    const value = skipSpace(bytes, colon + 1)
    return this.open.length === 1 ? this.beginMember(at, end, value) : value
  }

  private beginMember(at: number, end: number, value: number): number {
    if (++this.memberCount > MAX_MEMBERS)
      return this.refuse(at, `the object has more than ${MAX_MEMBERS} members`)
    this.valueStart = value
    this.name = undefined
    this.role = undefined
    if (end - at - 2 > this.longestKey) return value
    const name = decodeKey(this.bytes.toString('utf8', at, end))
    if (this.wanted.has(name)) {
      if (this.members.has(name)) return this.refuse(at, `duplicate key ${JSON.stringify(name)}`, name)
    } else {
      const folded = foldName(name)
      if (this.wanted.has(folded)) {
        const problem = `key ${JSON.stringify(name)} differs from ${JSON.stringify(folded)} only in case`
        return this.refuse(at, problem, folded)
      }
    }
    this.name = name
    this.role = promptRoles.get(name)
    return value
  }

  private endMember(end: number): void {
    const { name, valueStart: start } = this
    this.role = undefined
    if (name === undefined || !this.wanted.has(name)) return
    this.members.set(name, { kind: kinds[this.bytes[start]!] ?? 'number', value: { start, end } })
  }

  /** Counts a value that stands directly in the array of a top-level member. */
  private countElement(byte: number | undefined, role: PromptRole): void {
    if (this.open[1] !== ARRAY || isNumberStart(byte)) return
    if (role.elements === 'messages') this.messageCount++
    else if (role.elements === 'prompts') this.promptCount++
  }

  private countScalar(at: number, end: number, role: PromptRole): void {
    const byte = this.bytes[at]
    if (byte === QUOTE) {
      if (this.isMedia(at + 1, end - 1)) this.mediaCount++
      else this.textBytes += end - at - 2
    } else if (role.mayHoldTokenIds === true && isNumberStart(byte)) {
      const { open } = this
      const isDirect = open.length === 2 || (open.length === 3 && open[2] === ARRAY)
      if (isDirect && open[1] === ARRAY) this.tokenIdCount++
    }
  }

  private isMedia(start: number, end: number): boolean {
    if (end - start < MIN_MEDIA_BYTES) return false
    return isMedia(this.bytes, { start: this.keyStart, end: this.keyEnd }, { start, end })
  }

  private refuse(offset: number, problem: string, param?: string): -1 {
    const clause = offset < this.bytes.length ? problem : 'the JSON ends too early'
    this.refusal = { ok: false, problem: clause, offset, ...(param !== undefined && { param }) }
    return -1
  }
}

function startProblem(bytes: Buffer, at: number): string {
  if (at === bytes.length) return 'the body is empty'
  return bytes[at] === 0xef ? 'the body starts with a byte order mark' : 'the body is no JSON object'
}

function stringProblem(bytes: Buffer, at: number): string {
  return bytes[at] === 0x5c ? 'a string holds an unknown escape' : 'a string holds a raw control character'
}

function decodeKey(quoted: string): string {
  return quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1)
}

function isNumberStart(byte: number | undefined): boolean {
  return byte !== undefined && (byte === 0x2d || (byte >= 0x30 && byte <= 0x39))
}
