// One budget for the bodies of all requests. Without it, memory is bounded by nothing but the number of clients: a slow
// provider or a waiting line keeps bodies for minutes. A body that finds no room waits, its client being read no further,
// and is refused after a while; so bodies that have arrived in part never wait for each other for ever.
import { FairQueue } from '../platform/fair-queue.ts'
import { GatewayError } from '../errors.ts'
import type { SetTimer } from '../platform/clock.ts'

/** How long a body waits for room. */
const maxWaitMs = 10_000
const retryAfterS = 5

/** What arrives on a connection before its body waits is not counted, and each freed body is offered to all that wait. */
const maxWaiting = 256

/** The rest is for others, whatever one client sends. */
const clientShare = 0.75

export class BodyBudget {
  readonly maxBytes: number
  readonly setTimer: SetTimer
  #usedBytes = 0
  /** By client; only those that have some. */
  readonly #usedBy = new Map<string, number>()
  readonly #waiting = new FairQueue<WaitingBody>()

  /** @param maxBytes at least twice the largest body. */
  constructor(maxBytes: number, setTimer: SetTimer) {
    this.maxBytes = maxBytes
    this.setTimer = setTimer
  }

  /** @param client the id of who sends the body. */
  shareOf(client: string): BodyShare {
    return new BodyShare(this, client)
  }

  /** False: no room, and nothing has changed. */
  take(client: string, bytes: number): boolean {
    const own = (this.#usedBy.get(client) ?? 0) + bytes
    if (this.#usedBytes + bytes > this.maxBytes || own > clientShare * this.maxBytes) return false
    this.#usedBytes += bytes
    this.#usedBy.set(client, own)
    return true
  }

  giveBack(client: string, bytes: number): void {
    this.#usedBytes -= bytes
    const own = this.#usedBy.get(client)! - bytes
    if (own === 0) this.#usedBy.delete(client)
    else this.#usedBy.set(client, own)
    // In the order of arrival, each that fits: what waits for its own client's room holds nobody up.
    for (const waiting of this.#waiting) waiting.tryAgain()
  }

  /** False: too many wait, and not those of another client above all. */
  join(waiting: WaitingBody): boolean {
    if (this.#waiting.length === maxWaiting) {
      const other = this.#waiting.givesWayTo(waiting.client)
      if (other === undefined) return false
      other.refuse()
    }
    this.#waiting.add(waiting.client, waiting)
    return true
  }

  leave(waiting: WaitingBody): void {
    this.#waiting.remove(waiting.client, waiting)
  }
}

/** How a wait for room ends: with one of these, once. */
export interface WaitEnds {
  readonly onGranted: () => void
  readonly onRefused: () => void
}

interface WaitingBody {
  readonly client: string
  /** Ends the wait if there is room by now. */
  tryAgain(): void
  refuse(): void
}

/** What one body has of the budget. */
export class BodyShare {
  readonly #budget: BodyBudget
  readonly #client: string
  #bytes = 0
  #endWait: (() => void) | undefined

  constructor(budget: BodyBudget, client: string) {
    this.#budget = budget
    this.#client = client
  }

  /** Takes so many bytes more. False: there is no room for them. */
  grow(bytes: number): boolean {
    if (!this.#budget.take(this.#client, bytes)) return false
    this.#bytes += bytes
    return true
  }

  /** Gives back what is above `bytes`. */
  shrinkTo(bytes: number): void {
    const surplus = this.#bytes - bytes
    if (surplus <= 0) return
    this.#bytes = bytes
    this.#budget.giveBack(this.#client, surplus)
  }

  /** Takes so many bytes more once there is room; a share that is refused is released. A wait that is released has no end. */
  wait(bytes: number, ends: WaitEnds): void {
    const stopTimer = this.#budget.setTimer(() => waiting.refuse(), maxWaitMs)
    const waiting: WaitingBody = {
      client: this.#client,
      tryAgain: () => {
        if (!this.grow(bytes)) return
        this.#endWait?.()
        ends.onGranted()
      },
      refuse: () => {
        this.release()
        ends.onRefused()
      },
    }
    this.#endWait = () => {
      this.#endWait = undefined
      stopTimer()
      this.#budget.leave(waiting)
    }
    if (!this.#budget.join(waiting)) waiting.refuse()
  }

  /** The body is needed no more. Calling it again has no effect. */
  release(): void {
    this.#endWait?.()
    this.shrinkTo(0)
  }
}

/** The refusal of a body that has waited its time. */
export function outOfBodyMemory({ maxBytes }: Pick<BodyBudget, 'maxBytes'>): GatewayError {
  const what = `The request bodies of all calls may take ${maxBytes} bytes of memory, three quarters of it one client's`
  const hint = 'Try again later; server.body_memory_bytes sets the limit.'
  const headers = { 'retry-after': String(retryAfterS) }
  return new GatewayError('overloaded', `${what}, and there was no room for this one. ${hint}`, { headers })
}
