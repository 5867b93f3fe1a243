// One pass over the bytes of a JSON request body: what routing, admission and splicing need to know, without
// decoding it. Anything that JSON.parse would refuse is refused, so that no provider reads a body differently.
import { isUtf8 } from 'node:buffer'
import type { Span } from '../domain.ts'
import { JsonScanner } from './json-scanner.ts'
import type { MemberNames } from './member-names.ts'

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
  /** The visitor that came along, which has seen all of the body. */
  readonly visitor: JsonVisitor | undefined
}

/** Where a scan is. The scanner itself: valid during a call of the visitor only. */
export interface JsonPosition {
  readonly bytes: Buffer
  /** The opening bytes of the containers around, outermost first: `{` or `[`. */
  readonly open: readonly number[]
  /** The latest key's bytes without its quotes, escapes as written. Empty after a nested value has ended. */
  readonly keyStart: number
  readonly keyEnd: number
}

/** Sees what is in the values of some top-level members, in the order of the bytes. Must be quick, and not throw. */
export interface JsonVisitor {
  /**
   * A top-level member begins. False: its value is not visited.
   * @param name one of the wanted or visited names of the `MemberNames`.
   */
  member(name: string): boolean
  /** The key of a member of an object within the visited value. */
  key(at: JsonPosition): void
  /** An object or array begins. */
  container(at: JsonPosition): void
  /** A string (quotes included), number or word, from `start` to `end`. */
  scalar(at: JsonPosition, start: number, end: number): void
}

/** Why a body is refused: a clause that the client sees, where it went wrong, and the parameter that is at fault. */
export interface Refusal {
  readonly ok: false
  readonly problem: string
  readonly offset: number
  readonly param?: string
}

export type ScanOutcome = { readonly ok: true; readonly scan: JsonScan } | Refusal

/**
 * Checks that `body` is one JSON object (RFC 8259, no byte order mark, nested no deeper than 10,000, of at most 1,000
 * members, no number of more than 1,000 digits) and finds its `wanted` members. A wanted name may stand once and in its
 * own spelling only, because decoders differ: most take the last duplicate, and Go's encoding/json folds case and takes
 * ſ for s and K for k.
 */
export function scanJson(body: Buffer, wanted: MemberNames, visitor?: JsonVisitor): ScanOutcome {
  return new JsonScanner(body, wanted, visitor).readTo(body.length)!
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
