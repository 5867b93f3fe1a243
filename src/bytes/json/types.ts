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
