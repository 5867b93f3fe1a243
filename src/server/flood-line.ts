// Requests that wait for room in their client's flood limit, where the configuration lets calls wait. Their bodies stay
// unread, so that a waiting one costs no more than its connection.
import type { Clock } from '../platform/clock.ts'

/** How a wait ended: it is over, the client left, or the gateway stops. */
export type WaitEnd = 'over' | 'gone' | 'stopped'

export interface FloodLineParts extends Pick<Clock, 'now' | 'setTimer'> {
  /** How long a request may wait at the moment, in milliseconds; 0: requests do not wait. */
  readonly maxWaitMs: () => number
  /** Aborted when the gateway ends what has not begun. */
  readonly stopped: AbortSignal
}

export interface WaitingRequest {
  readonly client: string
  /** When it arrived, in milliseconds of the clock. */
  readonly sinceMs: number
}

/** Of one client, in each thread. */
const maxWaiting = 64

/** `requestTimeoutMs` (listeners/http-server.ts) ends a request whose body is not there yet. */
const maxTotalMs = 100_000

export class FloodLine {
  readonly #parts: FloodLineParts
  readonly #counts = new Map<string, number>()
  readonly #stops = new Set<() => void>()

  constructor(parts: FloodLineParts) {
    this.#parts = parts
    parts.stopped.addEventListener('abort', () => {
      for (const stop of this.#stops) stop()
    })
  }

  /**
   * Waits for `delayMs`. Undefined: the request may not wait so long, or too many of its client wait already.
   * @param onClose calls its argument if the client leaves; returns what ends that.
   */
  wait(
    { client, sinceMs }: WaitingRequest,
    delayMs: number,
    onClose: (left: () => void) => () => void,
  ): Promise<WaitEnd> | undefined {
    const { maxWaitMs, now, setTimer, stopped } = this.#parts
    const count = this.#counts.get(client) ?? 0
    const deadlineMs = sinceMs + Math.min(maxWaitMs(), maxTotalMs)
    if (now() + delayMs > deadlineMs || count >= maxWaiting || stopped.aborted) return undefined
    this.#counts.set(client, count + 1)
    return new Promise((resolve) => {
      const end = (how: WaitEnd) => {
        stopTimer()
        stopListening()
        this.#stops.delete(stop)
        const left = this.#counts.get(client)! - 1
        if (left === 0) this.#counts.delete(client)
        else this.#counts.set(client, left)
        resolve(how)
      }
      const stop = () => end('stopped')
      const stopTimer = setTimer(() => end('over'), Math.ceil(delayMs))
      const stopListening = onClose(() => end('gone'))
      this.#stops.add(stop)
    })
  }
}
