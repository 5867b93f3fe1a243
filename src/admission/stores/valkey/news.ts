// What gateways tell each other of a scope over the channel (exchange.lua): `freed KEY MEMBER` or `wanted KEY MEMBER`.
import type { Clock } from '../../../platform/clock.ts'

export interface ScopeNews {
  /** `freed`: there is room for the member; `wanted`: it waits for what others hold. */
  readonly kind: string
  /** Of the scope, without `start`. */
  readonly key: string
  readonly member: string
}

/**
 * A key may have spaces in it, a member has none.
 * @param start of the keys of all scopes. @returns undefined for a message about something else.
 */
export function readNews(message: string, start: string): ScopeNews | undefined {
  const [keyAt, memberAt] = [message.indexOf(' ') + 1, message.lastIndexOf(' ') + 1]
  if (keyAt >= memberAt || !message.startsWith(start, keyAt)) return undefined
  return {
    kind: message.slice(0, keyAt - 1),
    key: message.slice(keyAt + start.length, memberAt - 1),
    member: message.slice(memberAt),
  }
}

/** Between two times that those who wait are told: each of them looks then whether there is room. */
const tellMs = 5

/** Tells those who wait of all messages of a moment together: of as many as somebody sends. */
export class FreedNews {
  readonly #clock: Pick<Clock, 'now' | 'setTimer'>
  readonly #tell: () => void
  #isTold = true
  #toldAtMs = -Infinity

  constructor(clock: Pick<Clock, 'now' | 'setTimer'>, tell: () => void) {
    this.#clock = clock
    this.#tell = tell
  }

  hear(): void {
    if (!this.#isTold) return
    this.#isTold = false
    const tell = () => {
      this.#isTold = true
      this.#toldAtMs = this.#clock.now()
      this.#tell()
    }
    const delayMs = this.#toldAtMs + tellMs - this.#clock.now()
    if (delayMs <= 0) queueMicrotask(tell)
    else this.#clock.setTimer(tell, delayMs)
  }
}
