// Asks a server that starts whether it takes calls: often at first, as a server that starts quickly is not to be kept waiting.
import type { Clock } from '../../platform/clock.ts'

/** `port-taken`: a program of another user listens on the server's port. */
export type Readiness = 'ready' | 'not-yet' | 'port-taken'

export interface Probing {
  readonly clock: Pick<Clock, 'now' | 'setTimer'>
  /** One probe. Never rejects. */
  readonly isReady: () => Promise<Readiness>
  /** Whether the unit is active: until then, another server may answer on its port. */
  readonly isUp: () => boolean
  /** Once, with the last result. */
  readonly onEnd: (result: Exclude<Readiness, 'not-yet'>) => void
}

/** First and last pause from probe to probe, in milliseconds; between them a fiftieth of the time since the start. */
const [minPauseMs, maxPauseMs, pauseShare] = [25, 1000, 0.02]

export class ReadinessProbes {
  readonly #startedAtMs: number
  readonly #probing: Probing
  #isUnderWay = false
  #hasEnded = false
  #stopTimer: (() => void) | undefined

  /** @param startedAtMs when the start was commanded, of the monotonic clock. */
  constructor(startedAtMs: number, probing: Probing) {
    this.#startedAtMs = startedAtMs
    this.#probing = probing
  }

  /** The unit is up. Repeating it changes nothing. */
  begin(): void {
    if (this.#isUnderWay || this.#hasEnded || this.#stopTimer !== undefined) return
    const { clock, isReady } = this.#probing
    this.#isUnderWay = true
    const sinceMs = clock.now()
    void isReady().then((result) => this.#onAnswer(result, sinceMs))
  }

  end(): void {
    this.#hasEnded = true
    this.#stopTimer?.()
  }

  #onAnswer(result: Readiness, sinceMs: number): void {
    const { clock, isUp, onEnd } = this.#probing
    this.#isUnderWay = false
    if (this.#hasEnded || !isUp()) return
    if (result !== 'not-yet') {
      onEnd(result)
      return
    }
    const nowMs = clock.now()
    const pauseMs = Math.min(maxPauseMs, Math.max(minPauseMs, (nowMs - this.#startedAtMs) * pauseShare))
    this.#stopTimer = clock.setTimer(
      () => {
        this.#stopTimer = undefined
        if (isUp()) this.begin()
      },
      Math.max(0, Math.ceil(sinceMs + pauseMs - nowMs)),
    )
  }
}
