// Time that moves only when told to, with timers that fire in order on the way.
import type { Clock } from '../../src/platform/clock.ts'

interface Timer {
  readonly atMs: number
  readonly fn: () => void
}

export class FakeClock implements Clock {
  #nowMs: number
  #setByMs = 0
  readonly #timers = new Set<Timer>()

  constructor(startMs = 1000) {
    this.#nowMs = startMs
  }

  readonly now = (): number => this.#nowMs

  /** Runs along with the other, but for what it was set by. */
  readonly wallNow = (): number => 1_750_000_000_000 + this.#setByMs + this.#nowMs

  /** Sets the wall clock, as a person or NTP does: no timer notices. */
  setWall(byMs: number): void {
    this.#setByMs += byMs
  }

  readonly setTimer = (fn: () => void, delayMs: number): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, fn }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  /** When the next timer fires; Infinity: none is pending. */
  get nextAtMs(): number {
    return Math.min(...Array.from(this.#timers, ({ atMs }) => atMs))
  }

  /** Advances from timer to timer, and lets promises settle after each. */
  async run(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs
    await settled()
    while (this.nextAtMs <= endMs) {
      this.advance(Math.max(0, this.nextAtMs - this.#nowMs))
      await settled()
    }
    this.advance(endMs - this.#nowMs)
  }

  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.fn()
    }
    this.#nowMs = endMs
  }

  #next(endMs: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (next === undefined || timer.atMs < next.atMs)) next = timer
    }
    return next
  }
}

/** Lets every promise that can settle do so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
