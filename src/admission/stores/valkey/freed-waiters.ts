// Calls that wait a moment for what others hold and do not use.
import type { SetTimer } from '../../../platform/clock.ts'

export class FreedWaiters {
  readonly #setTimer: SetTimer
  readonly #wakes = new Set<() => void>()

  constructor(setTimer: SetTimer) {
    this.#setTimer = setTimer
  }

  /** Others may have given something back. */
  wake(): void {
    for (const wake of this.#wakes) wake()
  }

  /** @returns a wait that is over after so many milliseconds; to be ended. */
  begin(withinMs: number): FreedWait {
    return new FreedWait(this.#wakes, this.#setTimer, withinMs)
  }
}

export class FreedWait {
  isOver = false
  readonly #wakes: Set<() => void>
  readonly #stopTimer: () => void
  #resolve: (() => void) | undefined
  readonly #wake = () => this.#resolve?.()

  constructor(wakes: Set<() => void>, setTimer: SetTimer, withinMs: number) {
    this.#wakes = wakes
    wakes.add(this.#wake)
    this.#stopTimer = setTimer(() => this.end(), withinMs)
  }

  /** Resolves when something may have come, or the wait is over. */
  next(): Promise<void> {
    if (this.isOver) return Promise.resolve()
    return new Promise((resolve) => (this.#resolve = resolve))
  }

  end(): void {
    this.isOver = true
    this.#stopTimer()
    this.#wakes.delete(this.#wake)
    this.#resolve?.()
  }
}
