// Who waits for one service. As long as it has no place in its group, they have a turn among all who wait for one there.
import { FairQueue } from '../../platform/fair-queue.ts'
import type { NotStarted, ServiceCaller, ServiceEntry, ServiceVisit } from './services.ts'

/** A call that waits. */
export interface Waiting {
  line: ServiceLine
  readonly caller: ServiceCaller
  /** In milliseconds of the monotonic clock, as is the deadline. */
  readonly sinceMs: number
  readonly deadlineMs: number
  readonly reason: WaitReason
  readonly resolve: (entry: ServiceEntry) => void
}

/** `wish`: no call waits, but the service is to have its turn as if one did. */
export type WaitReason = 'call' | 'command' | 'wish'

export type WaitEnd =
  | { readonly kind: 'entered'; readonly visit: ServiceVisit }
  | { readonly kind: 'not_started'; readonly failure: NotStarted }
  | { readonly kind: 'gone' | 'shutting_down' }

/** Those of all services of a group that wait for a place. */
export type Turns = FairQueue<Waiting>

const maxWaiting = 1000

export class ServiceLine {
  /** Of its service. */
  readonly unit: string
  readonly #queue = new FairQueue<Waiting>()
  readonly #now: () => number
  /** A client has left; its call has been taken out. */
  readonly #onLeave: () => void
  #turns: Turns | undefined
  #wishes = 0

  constructor(unit: string, now: () => number, onLeave: () => void) {
    this.unit = unit
    this.#now = now
    this.#onLeave = onLeave
  }

  get length(): number {
    return this.#queue.length
  }

  get hasWish(): boolean {
    return this.#wishes > 0
  }

  /** Without wishes. */
  get calls(): number {
    return this.#queue.length - this.#wishes
  }

  get isFull(): boolean {
    return this.#queue.length >= maxWaiting
  }

  join(caller: ServiceCaller, maxWaitMs: number, reason: WaitReason): Promise<ServiceEntry> {
    return new Promise((resolve) => {
      const sinceMs = this.#now()
      const deadlineMs = sinceMs + maxWaitMs
      const waiting: Waiting = { line: this, caller, sinceMs, deadlineMs, reason, resolve }
      this.#add(waiting)
      const leave = () => waiting.line.#leave(waiting)
      caller.disconnect.onGone = leave
    })
  }

  /** Which call a full line does without, so that one of this caller can wait. Undefined: it is the caller's. */
  givesWayTo({ client, program }: ServiceCaller): Waiting | undefined {
    return this.#queue.givesWayTo(client.id, program?.number)
  }

  /** Gives all who wait a turn there, and whoever comes. Undefined: they wait for no place. */
  waitIn(turns: Turns | undefined): void {
    if (turns === this.#turns) return
    for (const waiting of this.#queue) {
      this.#turns?.remove(waiting.caller.client.id, waiting)
      if (turns !== undefined) addTo(turns, waiting)
    }
    this.#turns = turns
  }

  /** All who wait here wait there. */
  handOver(to: ServiceLine): void {
    this.waitIn(undefined)
    for (const waiting of this.#queue) {
      this.#remove(waiting)
      waiting.line = to
      to.#add(waiting)
    }
  }

  end(waiting: Waiting, end: WaitEnd): void {
    const { caller, sinceMs, resolve } = waiting
    this.#remove(waiting)
    this.#turns?.remove(caller.client.id, waiting)
    caller.disconnect.onGone = undefined
    resolve({ ...end, waitedMs: this.#now() - sinceMs })
  }

  /** Nobody waits any more. */
  endAll(end: WaitEnd): void {
    for (const waiting of this) this.end(waiting, end)
  }

  /** In the order of arrival. They may be ended on the way. */
  [Symbol.iterator](): Iterator<Waiting> {
    return this.#queue[Symbol.iterator]()
  }

  #leave(waiting: Waiting): void {
    this.end(waiting, { kind: 'gone' })
    this.#onLeave()
  }

  #add(waiting: Waiting): void {
    addTo(this.#queue, waiting)
    if (waiting.reason === 'wish') this.#wishes += 1
    if (this.#turns !== undefined) addTo(this.#turns, waiting)
  }

  #remove(waiting: Waiting): void {
    const wasThere = this.#queue.remove(waiting.caller.client.id, waiting)
    if (wasThere && waiting.reason === 'wish') this.#wishes -= 1
  }
}

function addTo(queue: FairQueue<Waiting>, waiting: Waiting): void {
  const { client, program } = waiting.caller
  queue.add(client.id, waiting, program?.number)
}
