// What is being waited for, on one line of a terminal that is written anew each second. Elsewhere nothing is written.
import type { CommandIo } from '../output.ts'
import { displayWidth, printable } from '../output.ts'

const [carriageReturn, eraseLine] = ['\r', '\x1b[K']

export class Progress {
  readonly #stderr: CommandIo['stderr'] & { readonly columns?: number }
  readonly #now: () => number
  readonly #waits = new Map<string, { what: string; sinceMs: number }>()
  #timer: NodeJS.Timeout | undefined

  constructor({ stderr }: CommandIo, now: () => number) {
    this.#stderr = stderr
    this.#now = now
  }

  /** A wait of the same provider takes the place of its last one. */
  wait(provider: string, what: string): void {
    if (this.#stderr.isTTY !== true) return
    this.#waits.set(provider, { what, sinceMs: this.#now() })
    this.#draw()
    this.#timer ??= setInterval(() => this.#draw(), 1_000).unref()
  }

  done(provider: string): void {
    if (!this.#waits.delete(provider)) return
    if (this.#waits.size > 0) return this.#draw()
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#stderr.write(carriageReturn + eraseLine)
  }

  #draw(): void {
    const [first] = this.#waits
    if (first === undefined) return
    const [provider, { what, sinceMs }] = first
    const more = this.#waits.size > 1 ? ` (and ${this.#waits.size - 1} more)` : ''
    const seconds = Math.floor((this.#now() - sinceMs) / 1000)
    const text = `waiting for ${provider}: ${what}${more} … ${seconds} s`
    this.#stderr.write(carriageReturn + eraseLine + fitting(printable(text), this.#stderr.columns || 80))
  }
}

/** A line that wraps could not be erased. A terminal that does not know its width says 0. */
function fitting(text: string, columns: number): string {
  let shown = text
  while (shown !== '' && displayWidth(shown) >= columns) shown = shown.slice(0, -1)
  return shown
}
