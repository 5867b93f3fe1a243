// Timers of one owner, at most one of each name: setting one takes the place of what its name was set to before.
import type { SetTimer } from './clock.ts'

export class NamedTimers<Name extends string> {
  readonly #setTimer: SetTimer
  readonly #pending = new Map<Name, () => void>()
  #isStopped = false

  constructor(setTimer: SetTimer) {
    this.#setTimer = setTimer
  }

  /** Runs `fn` once after `delayMs`; never after `stop`. */
  set(name: Name, fn: () => void, delayMs: number): void {
    this.cancel(name)
    if (this.#isStopped) return
    const fire = () => {
      this.#pending.delete(name)
      fn()
    }
    this.#pending.set(name, this.#setTimer(fire, delayMs))
  }

  /** Whether it was set, and neither has fired nor was cancelled. */
  isPending(name: Name): boolean {
    return this.#pending.has(name)
  }

  cancel(name: Name): void {
    this.#pending.get(name)?.()
    this.#pending.delete(name)
  }

  /** Cancels all, and sets none any more. */
  stop(): void {
    this.#isStopped = true
    for (const cancel of this.#pending.values()) cancel()
    this.#pending.clear()
  }
}
