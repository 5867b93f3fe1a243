// What the soak's load generator can be asked for, and what it tells.
import type { Kind } from './mix.ts'

export type LoadOrder =
  | { readonly kind: 'begin'; readonly mix: readonly Kind[]; readonly seed: number }
  /** Calls in a second from now on; in a warm-up fewer where the gateway cannot keep up. */
  | { readonly kind: 'rate'; readonly ratePerSecond: number; readonly isWarmUp: boolean }
  /** Answered at once with a `LoadSample`. */
  | { readonly kind: 'sample' }
  /** Answered with a `LoadSample` when all calls have ended. */
  | { readonly kind: 'stop' }

/** Milliseconds. */
export interface Times {
  readonly p50: number
  readonly p99: number
}

/** What has ended since the last one. */
export interface LoadSample {
  readonly calls: number
  /** Calls of them whose client left. */
  readonly left: number
  /** Calls that ended otherwise than they should: kind and why, and how often. */
  readonly faults: Readonly<Record<string, number>>
  /** Calls under way. */
  readonly open: number
  /** Of whole answers that the upstream gives at once, from when the call was sent. Undefined: there were none. */
  readonly whole: Times | undefined
  /** Until the first event of a stream. */
  readonly firstEvents: Times | undefined
  /** How late the generator itself was; no part of the times. */
  readonly latenessP99Ms: number
}
