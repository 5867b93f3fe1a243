// One timer for all calls under way. A timer for each would be armed and cleared again for every chunk.
import { UnorderedList, type Indexed } from '../platform/unordered-list.ts'
import type { Clock } from '../platform/clock.ts'

/** Something with deadlines. */
export interface TickListener extends Indexed {
  /** @param nowMs milliseconds of the monotonic clock. */
  onTick(nowMs: number): void
  /** `onTick` has thrown, and is not called again. Must not throw. */
  onBug(error: unknown): void
}

export interface Ticker {
  add(listener: TickListener): void
  delete(listener: TickListener): void
}

/** How late a deadline may be noticed while few calls are under way. */
const periodMs = 100

/**
 * With more calls under way, they take turns, and each has its turn about once a second at the latest. A look at one takes
 * half a microsecond; looking at 9,800 open streams ten times a second took 5 % of a core.
 */
const looksPerTick = 1_000
const maxTicksPerRound = 10

/** Ticks while there is something to watch; at rest it holds no timer. */
export function createTicker({ now, setTimer }: Pick<Clock, 'now' | 'setTimer'>): Ticker {
  const watched = new UnorderedList<TickListener>()
  let isTicking = false

  const tick = () => {
    isTicking = watched.size > 0
    if (!isTicking) return
    setTimer(tick, periodMs)
    const nowMs = now()
    watched.forNext(Math.max(looksPerTick, Math.ceil(watched.size / maxTicksPerRound)), (each) => {
      try {
        each.onTick(nowMs)
      } catch (error) {
        // A bug of one call must end neither the process nor the deadlines of the others.
        watched.delete(each)
        each.onBug(error)
      }
    })
  }

  return {
    add(listener) {
      watched.add(listener)
      if (isTicking) return
      isTicking = true
      setTimer(tick, periodMs)
    },
    delete: (listener) => watched.delete(listener),
  }
}
