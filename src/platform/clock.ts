// The clock, which is passed as an argument, so that tests and benchmarks can control it.
import { performance } from 'node:perf_hooks'

/** Runs `fn` once after `delayMs`. @returns cancels it. */
export type SetTimer = (fn: () => void, delayMs: number) => () => void

export interface Clock {
  /** Milliseconds of a monotonic clock: the basis of everything except what outlives a restart. */
  readonly now: () => number
  /** Milliseconds since 1970; may jump in either direction. */
  readonly wallNow: () => number
  readonly setTimer: SetTimer
}

/** The system's clock. Its timers do not keep the process alive; open sockets do. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer(fn, delayMs) {
    const timer = setTimeout(fn, delayMs).unref()
    return () => clearTimeout(timer)
  },
}
