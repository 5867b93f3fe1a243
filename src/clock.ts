// Time as the gateway takes it. It comes in as an argument, so that a test or a benchmark can make it stand or run.
import { performance } from 'node:perf_hooks'

/** Runs `fn` once after `delayMs`; the returned function calls it off. */
export type SetTimer = (fn: () => void, delayMs: number) => () => void

export interface Clock {
  /** Milliseconds of a monotonic clock: what everything but a restart is measured in. */
  readonly now: () => number
  /** Milliseconds since 1970; it may be set back and forth. */
  readonly wallNow: () => number
  readonly setTimer: SetTimer
}

/** The machine's own. Its timers keep no process alive: what waits for one has a socket that does. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer(fn, delayMs) {
    const timer = setTimeout(fn, delayMs).unref()
    return () => clearTimeout(timer)
  },
}
