// One timer for all calls under way. A timer each would be armed and cleared again for every chunk.

/** Something with deadlines. */
export interface Timed {
  /** @param nowMs milliseconds of the monotonic clock. */
  onTick(nowMs: number): void
}

export interface Ticker {
  add(timed: Timed): void
  delete(timed: Timed): void
}

/** How late a deadline may be noticed. */
const periodMs = 100

/** Ticks while there is something to watch; at rest it holds no timer. */
export function createTicker(now: () => number): Ticker {
  const watched = new Set<Timed>()
  let timer: NodeJS.Timeout | undefined

  const tick = () => {
    if (watched.size === 0) {
      clearInterval(timer)
      timer = undefined
      return
    }
    const nowMs = now()
    for (const each of watched) each.onTick(nowMs)
  }

  return {
    add(timed) {
      watched.add(timed)
      timer ??= setInterval(tick, periodMs).unref()
    },
    delete: (timed) => void watched.delete(timed),
  }
}
