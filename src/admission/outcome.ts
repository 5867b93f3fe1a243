// What each end of a call costs. The one place where that is decided.
import { maxPlausibleTokens } from '../domain.ts'

/** How an admitted call ended. */
export type Outcome =
  /** A whole answer. Tokens as the provider counted them, or as the gateway estimated them. */
  | { readonly kind: 'used'; readonly tokens: number }
  /** Cut after the request went out, by the client, the provider, a timeout or a shutdown: prompt and output so far. */
  | { readonly kind: 'cut'; readonly tokens: number }
  /** The provider failed (5xx, timeout): the prompt's tokens if an answer had begun, else 0. */
  | { readonly kind: 'failed'; readonly tokens: number }
  /** The provider said no: 400, 404, 413, 422, 429, 503. */
  | { readonly kind: 'refused' }
  /** The provider did not take the gateway's own key: 401, 403. */
  | { readonly kind: 'auth_failed' }
  /** No connection came about. */
  | { readonly kind: 'unreachable' }
  /** The client left, or the gateway stopped, before anything was sent. */
  | { readonly kind: 'unsent' }

/** What a settled call counts in its model's window. */
export interface Charge {
  readonly requests: 0 | 1
  readonly tokens: number
}

/** The charge of an outcome; `reservedTokens` stands in for a count that cannot be true. */
export function chargeOf(outcome: Outcome, reservedTokens: number): Charge {
  switch (outcome.kind) {
    case 'used':
    case 'failed':
      return { requests: 1, tokens: plausible(outcome.tokens, reservedTokens) }
    case 'cut':
      // The prompt was worked on at least; a stream that is cut early is not a way to free tokens.
      return { requests: 1, tokens: plausible(outcome.tokens, reservedTokens) || reservedTokens }
    case 'refused':
      // The request stays counted, or a client that loops on its own mistake is never stopped.
      return { requests: 1, tokens: 0 }
    case 'auth_failed':
    case 'unreachable':
    case 'unsent':
      // Nothing that the client did, and no work done.
      return { requests: 0, tokens: 0 }
    default:
      return outcome satisfies never
  }
}

function plausible(tokens: number, reservedTokens: number): number {
  const isPlausible = Number.isFinite(tokens) && tokens >= 0 && tokens <= maxPlausibleTokens
  return isPlausible ? Math.ceil(tokens) : reservedTokens
}
