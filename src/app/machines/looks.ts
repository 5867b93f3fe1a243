// When to look at what other machines change: when it is asked for, at once after a message, and from time to time in case a
// message was lost. There is one look at a time; whatever asks for one meanwhile has the next, together.
import type { SetTimer } from '../../platform/clock.ts'
import { NamedTimers } from '../../platform/named-timers.ts'

/** Between two looks, should a message be lost. */
const lookMs = 1_000
/** Between two looks because of messages. */
const hearMs = 100

export class Looks {
  readonly #look: () => Promise<void>
  readonly #timers: NamedTimers<'heard' | 'look'>
  #isDue = false
  #isLooking = false
  /** Resolves when no look is due any more. */
  #ended: Promise<void> = Promise.resolve()
  /** A message was followed just now; another one has come since. */
  #isHearing = false
  #hasHeard = false
  #isStopped = false

  /** @param look never rejects. */
  constructor(look: () => Promise<void>, setTimer: SetTimer) {
    this.#look = look
    this.#timers = new NamedTimers(setTimer)
  }

  /** Looks now, and again and again from here on. */
  start(): void {
    void this.now()
    this.#timers.set('look', () => this.start(), lookMs)
  }

  /** Resolves when a look that begins now or later has ended. */
  now(): Promise<void> {
    this.#isDue = true
    if (!this.#isLooking) {
      this.#isLooking = true
      this.#ended = this.#lookWhileDue()
    }
    return this.#ended
  }

  /** A message has come. Looks at once, unless somebody floods the channel. */
  soon(): void {
    this.#hasHeard = true
    if (this.#isHearing) return
    this.#isHearing = true
    this.#hasHeard = false
    const again = () => {
      this.#isHearing = false
      if (this.#hasHeard) this.soon()
    }
    void this.now().then(() => this.#timers.set('heard', again, hearMs))
  }

  /** Begins none any more. Resolves when the last one has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timers.stop()
    await this.#ended
  }

  /** Between the last question whether a look is due and `#isLooking` nothing is awaited, so that none is asked for in vain. */
  async #lookWhileDue(): Promise<void> {
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false
      await this.#look()
    }
    this.#isLooking = false
  }
}
