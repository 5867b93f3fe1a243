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
  /** Calls its argument if the connection is seen to close; returns what ends that. */
  readonly onClose: (left: () => void) => () => void
  /** Asks the kernel: while nothing is read, not every client that leaves is seen to. Never rejects. */
  readonly hasLeft: () => Promise<boolean>
}

/** Of one client, in each thread. */
const maxWaiting = 64

/** `requestTimeoutMs` (listeners/http-server.ts) ends a request whose body is not there yet. */
const maxTotalMs = 100_000

/** Between two sweeps of a client's places, each of which reads the kernel's list of sockets. */
const sweepPauseMs = 1_000

interface Waiter extends Pick<WaitingRequest, 'hasLeft'> {
  readonly end: (how: WaitEnd) => void
}

interface Sweep {
  readonly sinceMs: number
  readonly done: Promise<void>
}

/** The places of one client. */
interface Places {
  readonly waiters: Set<Waiter>
  lastSweep: Sweep | undefined
}

export class FloodLine {
  readonly #parts: FloodLineParts
  readonly #places = new Map<string, Places>()

  constructor(parts: FloodLineParts) {
    this.#parts = parts
    parts.stopped.addEventListener('abort', () => {
      for (const { waiters } of this.#places.values()) {
        for (const { end } of waiters) end('stopped')
      }
    })
  }

  /**
   * Waits for `delayMs`. Undefined: the request may not wait so long, or too many of its client wait already. `over` only
   * while the client is there.
   */
  async wait(request: WaitingRequest, delayMs: number): Promise<WaitEnd | undefined> {
    const { client, sinceMs, hasLeft } = request
    const { maxWaitMs, now, stopped } = this.#parts
    const deadlineMs = sinceMs + Math.min(maxWaitMs(), maxTotalMs)
    const overMs = now() + delayMs
    if (overMs > deadlineMs || stopped.aborted) return undefined
    if (this.#isFull(client)) await this.#sweep(client)
    if (this.#isFull(client) || stopped.aborted) return undefined
    const how = await this.#wait(request, Math.max(0, overMs - now()))
    return how === 'over' && (await hasLeft()) ? 'gone' : how
  }

  #isFull(client: string): boolean {
    return (this.#places.get(client)?.waiters.size ?? 0) >= maxWaiting
  }

  #wait({ client, onClose, hasLeft }: WaitingRequest, delayMs: number): Promise<WaitEnd> {
    const places = this.#places.get(client) ?? { waiters: new Set(), lastSweep: undefined }
    this.#places.set(client, places)
    return new Promise((resolve) => {
      const end = (how: WaitEnd) => {
        stopTimer()
        stopListening()
        places.waiters.delete(waiter)
        if (places.waiters.size === 0) this.#places.delete(client)
        resolve(how)
      }
      const waiter = { end, hasLeft }
      const stopTimer = this.#parts.setTimer(() => end('over'), Math.ceil(delayMs))
      const stopListening = onClose(() => end('gone'))
      places.waiters.add(waiter)
    })
  }

  /** Frees the places of those that have left. Calls that come meanwhile share a sweep. */
  async #sweep(client: string): Promise<void> {
    const places = this.#places.get(client)
    if (places === undefined) return
    const nowMs = this.#parts.now()
    if (places.lastSweep === undefined || nowMs - places.lastSweep.sinceMs >= sweepPauseMs) {
      places.lastSweep = { sinceMs: nowMs, done: endThoseGone(places.waiters) }
    }
    await places.lastSweep.done
  }
}

async function endThoseGone(waiters: ReadonlySet<Waiter>): Promise<void> {
  const asked = Array.from(waiters, async (waiter) => {
    if ((await waiter.hasLeft()) && waiters.has(waiter)) waiter.end('gone')
  })
  await Promise.all(asked)
}
