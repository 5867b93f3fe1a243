// What a scan of a JSON object finds, and who may look on.
import type { Span } from '../../domain.ts'

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
  /** Whether the object has no members, so that an inserted one needs no comma after it. */
  readonly isEmpty: boolean
  /** The visitor, which has seen the whole body. */
  readonly visitor: JsonVisitor | undefined
}

/** The current position of a scan. This is the scanner itself, so it is valid only during a call of the visitor. */
export interface JsonPosition {
  readonly bytes: Buffer
  /** The opening bytes of the enclosing containers, outermost first: `{` or `[`. */
  readonly open: readonly number[]
  /** The latest key's bytes without its quotes, escapes as written. Empty after a nested value has ended. */
  readonly keyStart: number
  readonly keyEnd: number
}

/** Visits the contents of some top-level members, in the order of the bytes. Must be fast and must not throw. */
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

/** Why a body is refused: a clause for the client, the offset of the fault, and the parameter that is at fault. */
export interface Refusal {
  readonly ok: false
  readonly problem: string
  readonly offset: number
  readonly param?: string
}

export type ScanOutcome = { readonly ok: true; readonly scan: JsonScan } | Refusal
