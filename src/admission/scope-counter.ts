// One scope's counts in memory: its sliding window, and how many calls are under way.
import type { LimitStatus, Quota } from '../domain.ts'
import type { ScopeLimits } from './scopes.ts'
import type { Demand, NextMs } from './stores/store.ts'
import { capacityFor, SlidingWindow, type WindowDimension } from './sliding-window.ts'

/** Why a call does not fit into a window now. */
export interface WindowWait {
  readonly dimension: WindowDimension
  readonly limit: number
  readonly requested: number
  /** The first moment at which it fits. */
  readonly untilMs: number
}

export const noLimitStatus: LimitStatus = { requests: undefined, tokens: undefined }

const newestWeight = 0.2

const nothing = { requests: 0, tokens: 0 }

export class ScopeCounter {
  /** Undefined: requests and tokens are not counted. */
  window: SlidingWindow | undefined
  inUse = 0
  /** By which the last call was judged. */
  limits: ScopeLimits
  /** Moving average of how long a slot was held; 0 before the first release. */
  #meanHoldMs = 0

  constructor(limits: ScopeLimits, isMetered: boolean) {
    this.limits = limits
    this.window = isMetered ? new SlidingWindow(capacityFor(limits)) : undefined
  }

  /** Counts stay. */
  applyLimits(limits: ScopeLimits): void {
    this.limits = limits
    this.growTo(capacityFor(limits))
  }

  growTo(capacity: number): void {
    if (this.window !== undefined && capacity > this.window.capacity)
      this.window = this.window.resized(capacity)
  }

  /**
   * Undefined: a request with so many tokens fits. Of two reasons the one that lasts longer.
   * @param ahead what is to fit besides; of more than the whole limit, that.
   */
  windowWait(tokens: number, nowMs: number, ahead: Demand['ahead'] = nothing): WindowWait | undefined {
    const { window } = this
    if (window === undefined) return undefined
    const { rpm = Infinity, tpm = Infinity } = this.limits
    const requestsAtMs = window.fitsAt('requests', Math.max(1, Math.min(1 + ahead.requests, rpm)), rpm, nowMs)
    const allTokens = Math.max(tokens, Math.min(tokens + ahead.tokens, tpm))
    const tokensAtMs = window.fitsAt('tokens', allTokens, tpm, nowMs)
    if (requestsAtMs <= nowMs && tokensAtMs <= nowMs) return undefined
    return tokensAtMs > requestsAtMs
      ? { dimension: 'tokens', limit: tpm, requested: tokens, untilMs: tokensAtMs }
      : { dimension: 'requests', limit: rpm, requested: 1, untilMs: requestsAtMs }
  }

  /** Nothing is under way, and nothing counts any more. */
  isIdle(nowMs: number): boolean {
    return this.inUse === 0 && this.used('requests', nowMs) === 0 && this.used('tokens', nowMs) === 0
  }

  get hasFreeSlot(): boolean {
    const { maxParallelRequests } = this.limits
    return maxParallelRequests === undefined || this.inUse < maxParallelRequests
  }

  /** @throws RangeError when none is held. */
  releaseSlot(heldMs: number): void {
    if (this.inUse === 0) throw new RangeError('no slot is held')
    this.inUse--
    this.#meanHoldMs += this.#meanHoldMs === 0 ? heldMs : newestWeight * (heldMs - this.#meanHoldMs)
  }

  /** When the slot after so many others may be expected, judged by how long calls took; 1,000 to 60,000. */
  expectedFreeMs(ahead = 0): number {
    if (this.inUse === 0) return 1000
    return Math.min(60_000, Math.max(1000, Math.ceil(((1 + ahead) * this.#meanHoldMs) / this.inUse)))
  }

  used(dimension: WindowDimension, nowMs: number): number {
    return this.window?.used(dimension, nowMs) ?? 0
  }

  /** @param limits of the scope, should the counter have seen no call yet. */
  limitStatus(nowMs: number, { rpm, tpm }: ScopeLimits = this.limits): LimitStatus {
    if (rpm === undefined && tpm === undefined) return noLimitStatus
    return { requests: this.#quota('requests', rpm, nowMs), tokens: this.#quota('tokens', tpm, nowMs) }
  }

  /** @param limits as for `limitStatus`. */
  nextMs(nowMs: number, { rpm, tpm }: ScopeLimits = this.limits): NextMs {
    const next = (dimension: WindowDimension, limit: number | undefined) => {
      if (limit === undefined || this.window === undefined) return undefined
      return Math.max(0, Math.ceil(this.window.fitsAt(dimension, 1, limit, nowMs) - nowMs))
    }
    return { requests: next('requests', rpm), tokens: next('tokens', tpm) }
  }

  #quota(dimension: WindowDimension, limit: number | undefined, nowMs: number): Quota | undefined {
    const { window } = this
    if (limit === undefined || window === undefined) return undefined
    return {
      limit,
      remaining: Math.max(0, limit - window.used(dimension, nowMs)),
      resetMs: Math.max(0, Math.ceil(window.emptyAt(dimension, nowMs) - nowMs)),
    }
  }
}
