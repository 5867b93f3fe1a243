// The counters behind admission, as a contract that one process's memory keeps (memory.ts) and a store shared by several
// gateways can keep too. test/contracts/admission-store.ts holds every implementation to it.
import type { LimitStatus } from '../../domain.ts'
import type { Charge } from '../outcome.ts'
import type { Scope } from '../scopes.ts'

/** What a call wants of the counters. */
export interface Demand {
  /** All of them are charged. */
  readonly scopes: readonly Scope[]
  /** One of these is charged too: the first that has room, in order of preference. Empty: none is needed. */
  readonly oneOf: readonly Scope[]
  /** Prompt and predicted output; what exceeds the smallest whole limit is reserved as that. */
  readonly tokens: number
  /** What the call surely takes. Only a call whose `minTokens` exceed a whole limit is refused for good. */
  readonly minTokens: number
  /**
   * What is to fit besides, at the moment that a refusal names: other callers were told to come back before. At most the
   * whole limit counts.
   */
  readonly ahead?: { readonly requests: number; readonly tokens: number }
}

/** A refusal that passes: the same call fits after `retryAfterMs`, if nothing else is admitted until then. */
export interface Limited {
  readonly kind: 'limited'
  readonly dimension: 'requests' | 'tokens' | 'parallel'
  /** Whose limit it is; where none of `oneOf` has room, the preferred one of them. */
  readonly scope: Scope
  readonly limit: number
  readonly used: number
  /** Of tokens the whole estimate, also where it exceeds the limit, and the call would take all of that. */
  readonly requested: number
  /**
   * Whole milliseconds, at least 1. Exact for requests and tokens, unless calls under way grow: refused a millisecond
   * before. For `parallel` a guess from how long calls took.
   */
  readonly retryAfterMs: number
  /** `limit` is this gateway's part of a shared one, of which no more is to be had while the store is away. */
  readonly isShare?: true
  /** Who waits looks again after so many milliseconds, though nothing was reported: others may have given something back. */
  readonly recheckMs?: number
  readonly limitStatus: LimitStatus
}

/** A refusal for good: larger than a whole limit. */
export interface TooLarge {
  readonly kind: 'too_large'
  /** Whose limit it is. */
  readonly scope: Scope
  readonly limit: number
  readonly requested: number
  readonly limitStatus: LimitStatus
}

/** How much of the limit this gateway may use is not known, and by the configuration it then uses nothing. */
export interface Unavailable {
  readonly kind: 'unavailable'
  /** Whose limit it is. */
  readonly scope: Scope
  readonly limitStatus: LimitStatus
}

export type Refusal = Limited | TooLarge | Unavailable

/** What an admitted call holds. Opaque but for these; it goes back to the store that made it. */
export interface Reservation {
  /** What is charged until it is settled: as reserved, or as grown since. */
  readonly tokens: number
  /** Which of `oneOf` is charged now. */
  readonly choice: Scope | undefined
}

export interface Reserved {
  readonly kind: 'admitted'
  readonly reservation: Reservation
  /** With this call counted. */
  readonly limitStatus: LimitStatus
}

/** What of a scope is in use at the moment. */
export interface ScopeUse {
  readonly requests: number
  readonly tokens: number
  readonly parallel: number
  readonly limitStatus: LimitStatus
  readonly nextMs: NextMs
}

/** How long until one more request, or one more token, fits: whole milliseconds; undefined: not limited. */
export interface NextMs {
  readonly requests: number | undefined
  readonly tokens: number | undefined
}

/**
 * Counts requests and tokens of the last 60 seconds and calls under way, by scope.
 *
 * - Atomic: `reserve` checks every limit of every scope and commits all of them or none; nobody sees a state in between.
 *   A refusal changes nothing.
 * - Ordered: results are as if all calls ran one after another. Within one gateway, in the order of the calls.
 * - Exactly once: the first `settle` of a reservation counts, later ones change nothing. A reservation that is never
 *   settled (the process died) stays charged for 60 seconds; its slots end with the process, or with a lease.
 * - Failing: no method throws or rejects because of the store's own trouble. A store that cannot reach its server
 *   answers from a local count of its share, because a gateway must neither stop nor run without limits.
 * - Time: `nowMs` is the caller's monotonic clock. A store for several gateways uses its server's clock instead.
 */
export interface AdmissionStore {
  reserve(demand: Demand, nowMs: number): Reserved | Refusal | Promise<Reserved | Refusal>
  /** What `reserve` would refuse with; undefined if it would admit. Commits nothing. */
  probe(demand: Demand, nowMs: number): Refusal | undefined | Promise<Refusal | undefined>
  /**
   * Raises the charge of a call under way to `tokens` in all (whole, above 0), whatever the limits say: they are used.
   * Fewer than are charged already, or a settled reservation, change nothing.
   */
  grow(reservation: Reservation, tokens: number, nowMs: number): void | Promise<void>
  /** Replaces the reserved amounts by the true ones and frees the slots. */
  settle(reservation: Reservation, charge: Charge, nowMs: number): void | Promise<void>
  /** Changes to the first of these that has room. False: none has, and all stays as it was. */
  move(reservation: Reservation, oneOf: readonly Scope[], nowMs: number): boolean | Promise<boolean>
  /** Asking leaves no trace. */
  use(scope: Scope, nowMs: number): ScopeUse | Promise<ScopeUse>
  /** Called, with no arguments, after anything was given back: a slot, a request, tokens. One listener. */
  onFreed: (() => void) | undefined
}
