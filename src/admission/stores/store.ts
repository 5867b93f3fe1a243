// The counters behind admission, as a contract that one process's memory keeps (memory-store.ts) and a store shared by
// several gateways can keep too. test/contracts/admission-store.ts holds every implementation to it.
import type { ModelLimits } from '../../domain.ts'
import type { Charge } from '../outcome.ts'

/** What a call wants of the counters. */
export interface Demand {
  /** The scope that is counted: a model's name or the wildcard that serves it, never an alias. */
  readonly model: string
  /** Prompt and predicted output; what exceeds the whole limit is reserved as the whole limit. */
  readonly tokens: number
  /** What the call surely takes. Only a call whose `minTokens` exceed the whole limit is refused for good. */
  readonly minTokens: number
  /** In order of preference; the first with a free slot is taken. Empty: no provider's slot is needed. */
  readonly providers: readonly Candidate[]
}

export interface Candidate {
  readonly name: string
  readonly maxParallelRequests: number | undefined
}

/** One limit as clients see it. `remaining` is whole and at least 0; `resetMs` is the time to an empty window. */
export interface Quota {
  readonly limit: number
  readonly remaining: number
  readonly resetMs: number
}

/** How a model's limits stand. A limit that is not set is absent. */
export interface LimitStatus {
  readonly requests: Quota | undefined
  readonly tokens: Quota | undefined
}

/** A refusal that passes: the same call fits after `retryAfterMs`, if nothing else is admitted until then. */
export interface Limited {
  readonly kind: 'limited'
  readonly dimension: 'requests' | 'tokens' | 'parallel'
  /** The provider whose slots are all taken; undefined: the limit is the model's. */
  readonly provider: string | undefined
  readonly limit: number
  readonly used: number
  readonly requested: number
  /**
   * Whole milliseconds, at least 1. Exact for requests and tokens, unless calls under way grow: refused a millisecond
   * before. For `parallel` a guess from how long calls took.
   */
  readonly retryAfterMs: number
  readonly limitStatus: LimitStatus
}

/** A refusal for good: larger than the whole limit. */
export interface TooLarge {
  readonly kind: 'too_large'
  readonly limit: number
  readonly requested: number
  readonly limitStatus: LimitStatus
}

/** What an admitted call holds. Opaque but for these; it goes back to the store that gave it. */
export interface Reservation {
  readonly model: string
  /** What is charged until it is settled: as reserved, at most the whole limit, or as grown since. */
  readonly tokens: number
  /** Whose slot is held now. */
  readonly provider: string | undefined
}

export interface Admitted {
  readonly kind: 'admitted'
  readonly reservation: Reservation
  /** With this call counted. */
  readonly limitStatus: LimitStatus
}

export type Verdict = Admitted | Limited | TooLarge

/** What a model uses at the moment. */
export interface ModelUse {
  readonly requests: number
  readonly tokens: number
  readonly parallel: number
  readonly limitStatus: LimitStatus
}

/**
 * How the lines of several threads stand to one another. First calls are served in the order of their turns; nobody,
 * in any thread, overtakes the first of them.
 */
export interface SharedLines {
  /**
   * Says how many calls of a model wait in this thread, and whether another one than before is the first.
   * @returns the turn of the first call: above 0, and later than all that were given so far if it is new.
   */
  announce(model: string, waiting: number, hasNewFirst: boolean): number
  /** How many calls of a model wait in all threads. */
  waiting(model: string): number
}

/**
 * Counts requests and tokens of the last 60 seconds and calls under way.
 *
 * - Atomic: `reserve` checks the model's requests, tokens and slots and a provider's slot, and commits all of them or
 *   none; nobody sees a state in between. A refusal changes nothing.
 * - Ordered: verdicts are as if all calls ran one after another. Within one gateway, in the order of the calls.
 * - Exactly once: the first `settle` of a reservation counts, later ones change nothing. A reservation that is never
 *   settled (the process died) stays charged for 60 seconds; its slots end with the process, or with a lease.
 * - Failing: no method throws or rejects because of the store's own trouble. A store that cannot reach its server
 *   answers from a local count of its share, because a gateway must neither stop nor run without limits.
 * - Time: `nowMs` is the caller's monotonic clock. A store for several gateways uses its server's clock instead.
 */
export interface AdmissionStore {
  /** `turn`: of the first call of a line, as `lines` gave it; absent for a call that comes new. */
  reserve(
    demand: Demand,
    limits: ModelLimits | undefined,
    nowMs: number,
    turn?: number,
  ): Verdict | Promise<Verdict>
  /** What `reserve` would refuse with; undefined if it would admit. Commits nothing. */
  probe(
    demand: Demand,
    limits: ModelLimits | undefined,
    nowMs: number,
  ): Limited | TooLarge | undefined | Promise<Limited | TooLarge | undefined>
  /**
   * Raises the charge of a call under way to `tokens` in all (whole, above 0), whatever the limit says: they are used.
   * Fewer than are charged already, or a settled reservation, change nothing.
   */
  grow(reservation: Reservation, tokens: number, nowMs: number): void | Promise<void>
  /** Replaces the reserved amounts by the true ones and frees the slots. */
  settle(reservation: Reservation, charge: Charge, nowMs: number): void | Promise<void>
  /** Changes to a slot of the first of these providers that has one free. False: none has, and all stays as it was. */
  move(reservation: Reservation, providers: readonly Candidate[], nowMs: number): boolean | Promise<boolean>
  use(model: string, limits: ModelLimits | undefined, nowMs: number): ModelUse | Promise<ModelUse>
  /**
   * Called, with no arguments, after anything was given back: a slot, a request, tokens; and, where lines are shared,
   * when the turn has passed on in another thread. One listener.
   */
  onFreed: (() => void) | undefined
  /** Where several threads have lines for the same model. Absent: one line of a model is all there is. */
  readonly lines?: SharedLines
}
