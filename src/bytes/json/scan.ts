// One pass over the bytes of a JSON request body finds what routing, admission and splicing need, without decoding it. A
// body that JSON.parse would reject is refused, so that no provider reads it differently.
import { isUtf8 } from 'node:buffer'
import { JsonScanner } from './scanner.ts'
import type { JsonMember, JsonVisitor, ScanOutcome } from './types.ts'
import type { MemberNames } from './member-names.ts'

/**
 * Checks that `body` is one JSON object (RFC 8259, no byte order mark, nested no deeper than 10,000, of at most 1,000
 * members, no number of more than 1,000 digits) and finds its `wanted` members. A wanted name may stand once and in its
 * own spelling only, because decoders differ: most take the last duplicate, and Go's encoding/json folds case and takes
 * ſ for s and K for k.
 */
export function scanJson(body: Buffer, wanted: MemberNames, visitor?: JsonVisitor): ScanOutcome {
  return new JsonScanner(body, wanted, visitor).readTo(body.length)!
}

/** The text of a string member. Undefined if it is not a string, not valid UTF-8, or contains half a surrogate pair. */
export function readString(body: Buffer, member: JsonMember): string | undefined {
  if (member.kind !== 'string') return undefined
  const { start, end } = member.value
  if (isPlain(body, start + 1, end - 1)) return body.toString('latin1', start + 1, end - 1)
  const bytes = body.subarray(start, end)
  if (!isUtf8(bytes)) return undefined
  const text = JSON.parse(bytes.toString()) as string
  return text.isWellFormed() ? text : undefined
}

/** Longer texts are rare, and not read byte by byte. */
const maxPlainBytes = 64
const BACKSLASH = 0x5c

/** Whether a text is its own bytes, as nearly all names are: without escapes, in ASCII. */
function isPlain(body: Buffer, start: number, end: number): boolean {
  if (end - start > maxPlainBytes) return false
  for (let at = start; at < end; at++) {
    const byte = body[at]!
    if (byte === BACKSLASH || byte >= 0x80) return false
  }
  return true
}

/** The decoded value of a member. Copies it, so do not use it for members that may be large. */
export function readJson(body: Buffer, member: JsonMember): unknown {
  return JSON.parse(body.toString('utf8', member.value.start, member.value.end))
}
