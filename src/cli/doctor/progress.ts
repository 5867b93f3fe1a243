// Shows what doctor is waiting for, on one line of a terminal that is redrawn each second. Writes nothing elsewhere.
import type { Clock } from '../../platform/clock.ts'
import { type CommandIo, displayWidth } from '../output.ts'
import { printable } from '../../platform/printable.ts'

type ProgressClock = Pick<Clock, 'now' | 'setTimer'>

const [carriageReturn, eraseLine] = ['\r', '\x1b[K']

export class Progress {
  readonly #stderr: CommandIo['stderr'] & { readonly columns?: number }
  readonly #clock: ProgressClock
  readonly #waits = new Map<string, { what: string; sinceMs: number }>()
  #stopTimer: (() => void) | undefined

  constructor({ stderr }: CommandIo, clock: ProgressClock) {
    this.#stderr = stderr
    this.#clock = clock
  }

  /** Replaces what was shown for the provider before. */
  wait(provider: string, what: string): void {
    if (this.#stderr.isTTY !== true) return
    this.#waits.set(provider, { what, sinceMs: this.#clock.now() })
    if (this.#stopTimer === undefined) this.#redraw()
    else this.#draw()
  }

  done(provider: string): void {
    if (!this.#waits.delete(provider)) return
    if (this.#waits.size > 0) return this.#draw()
    this.#stopTimer?.()
    this.#stopTimer = undefined
    this.#stderr.write(carriageReturn + eraseLine)
  }

  #redraw(): void {
    this.#draw()
    this.#stopTimer = this.#clock.setTimer(() => this.#redraw(), 1_000)
  }

  #draw(): void {
    const [first] = this.#waits
    if (first === undefined) return
    const [provider, { what, sinceMs }] = first
    const more = this.#waits.size > 1 ? ` (and ${this.#waits.size - 1} more)` : ''
    const seconds = Math.floor((this.#clock.now() - sinceMs) / 1000)
    const text = `waiting for ${provider}: ${what}${more} … ${seconds} s`
    this.#stderr.write(carriageReturn + eraseLine + fitting(printable(text), this.#stderr.columns || 80))
  }
}

/** A wrapped line could not be erased. Some terminals report a width of 0. */
function fitting(text: string, columns: number): string {
  let shown = text
  while (shown !== '' && displayWidth(shown) >= columns) shown = shown.slice(0, -1)
  return shown
}
