// The machine's clock, sped up, for benches on a running gateway.
import { type Clock, systemClock } from '../src/platform/clock.ts'

/** Starts at 0, and runs `speed` times faster than the machine's. The time of day stays as it is. */
export function fastClock(speed: number): Clock {
  const startMs = systemClock.now()
  return {
    now: () => (systemClock.now() - startMs) * speed,
    wallNow: () => systemClock.wallNow(),
    setTimer: (fn, delayMs) => {
      const timer = setTimeout(fn, delayMs / speed)
      return () => clearTimeout(timer)
    },
  }
}
