import type { Span } from '../domain.ts'

/** A range of a body and its replacement. An empty range inserts. */
export interface Splice {
  readonly at: Span
  readonly bytes: Buffer | string
}

/**
 * The body with `edits` made; every byte outside of them stays as it is. Without edits it is the identical buffer.
 * The edits may come in any order. Throws a RangeError when they overlap or leave the body: that is a caller's bug.
 */
export function splice(body: Buffer, edits: readonly Splice[]): Buffer {
  return edits.length === 0 ? body : Buffer.concat(spliceParts(body, edits))
}

/** The same without a copy, as consecutive parts; those of `body` are views on its memory. */
export function spliceParts(body: Buffer, edits: readonly Splice[]): Buffer[] {
  const pieces: Buffer[] = []
  let done = 0
  for (const { at, bytes } of edits.toSorted((a, b) => a.at.start - b.at.start || a.at.end - b.at.end)) {
    if (at.start < done || at.end < at.start || at.end > body.length) {
      throw new RangeError(`edit of bytes ${at.start} to ${at.end} overlaps another or leaves the body`)
    }
    pieces.push(body.subarray(done, at.start), typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
    done = at.end
  }
  pieces.push(body.subarray(done))
  return pieces
}
