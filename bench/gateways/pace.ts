// Sends at a fixed rate, whatever the answers do.

/** Timers are good to a millisecond: the rest of the way to a call that is due is watched. */
const watchedMs = 1.2

export interface Pace {
  /** When the first one is due, by `performance.now()`. */
  readonly startMs: number
  readonly ratePerSecond: number
}

/** @param send is called once for each call that is due, with that moment, until it returns false. */
export function pace({ startMs, ratePerSecond }: Pace, send: (dueMs: number) => boolean): void {
  let sent = 0
  const go = (): void => {
    for (;;) {
      const dueMs = startMs + (sent * 1000) / ratePerSecond
      const leftMs = dueMs - performance.now()
      if (leftMs > 0) {
        if (leftMs > watchedMs) setTimeout(go, Math.max(1, Math.floor(leftMs - watchedMs)))
        else setImmediate(go)
        return
      }
      sent += 1
      if (!send(dueMs)) return
    }
  }
  go()
}
