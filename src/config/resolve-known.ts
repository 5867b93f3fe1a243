// What the file says of a server's models.
import type { Ability } from '../domain.ts'

interface Raw {
  readonly context_length?: number
  readonly takes?: readonly Ability[]
}

/** Only what is set. @param outer what counts for what `raw` leaves out. */
export function resolveKnown(
  raw: Raw,
  outer: Raw = {},
): { readonly contextLength?: number; readonly takes?: readonly Ability[] } {
  const { context_length: contextLength, takes } = { ...outer, ...raw }
  return { ...(contextLength !== undefined && { contextLength }), ...(takes !== undefined && { takes }) }
}

/** The same of a model, for each of its targets. */
export function knownOf({ context_length, takes }: Raw): Raw {
  return { ...(context_length !== undefined && { context_length }), ...(takes !== undefined && { takes }) }
}
