// The line of one model's calls that wait for capacity.
//
// Order: round-robin between clients, first come first served within one. The call whose turn it is keeps its claim to
// the next capacity until it is admitted, leaves or has waited its time; nobody overtakes it, so a large call is never
// starved by small ones. The price: small calls behind a large one wait with it.
// Threads that share their counters have a line each: their first calls are served in the order of their turns, and the
// first of them is overtaken in no thread (SharedLines in store.ts).
// The line looks again when something was given back and at the exact moment when the first call fits. It never polls.
import type { SetTimer } from '../clock.ts'
import type { Client, ModelLimits } from '../domain.ts'
import { FairQueue } from './fair-queue.ts'
import type { AdmissionStore, Demand, Limited, Reservation, TooLarge, Verdict } from './stores/store.ts'

/** How a waiting call learns that its client left, and how the transport says so: sets `isGone`, calls `onGone`. */
export interface Disconnect {
  isGone: boolean
  /** At most one listener; set only while the call waits. */
  onGone: (() => void) | undefined
}

/** A call that wants in. `model` is the limiter's scope: a name of a model or wildcard, never an alias. */
export interface CallDemand extends Demand {
  readonly client: Client
  readonly disconnect: Disconnect
}

type WaitResult = Verdict | { readonly kind: 'gone' | 'shutting_down' }

/** How a wait ended. */
export type WaitEnd = WaitResult & { readonly waitedMs: number }

export interface LineParts {
  readonly model: string
  readonly store: AdmissionStore
  readonly now: () => number
  readonly setTimer: SetTimer
  readonly limitsOf: (model: string) => ModelLimits | undefined
}

interface Waiting {
  readonly demand: CallDemand
  readonly sinceMs: number
  readonly deadlineMs: number
  readonly resolve: (end: WaitEnd | Promise<WaitEnd>) => void
}

/** Longer delays are split: beyond 2^31 − 1 ms a timer of Node's fires at once. */
const maxTimerMs = 2 ** 31 - 1

export class WaitingLine {
  readonly #parts: LineParts
  readonly #queue = new FairQueue<Waiting>()
  #stopTimer: (() => void) | undefined
  /** The store was asked and has not answered. Never true with a store that answers at once. */
  #isAsking = false
  /** Something changed while the store was asked. */
  #isStale = false
  /** The first call that other threads know of, and its turn among theirs. */
  #announced: Waiting | undefined
  #turn: number | undefined
  /** Why the first call did not fit when last asked. */
  #refusal: Limited | undefined

  constructor(parts: LineParts) {
    this.#parts = parts
  }

  get length(): number {
    return this.#queue.length
  }

  /** When the call that has waited longest came; Infinity for an empty line. */
  get oldestSinceMs(): number {
    for (const { sinceMs } of this.#queue) return sinceMs
    return Infinity
  }

  /** Waits for at most `maxWaitMs`, behind the client's own calls. Resolves when the wait ends, never rejects. */
  join(demand: CallDemand, maxWaitMs: number): Promise<WaitEnd> {
    return new Promise((resolve) => {
      const sinceMs = this.#parts.now()
      const waiting: Waiting = { demand, sinceMs, deadlineMs: sinceMs + maxWaitMs, resolve }
      this.#queue.add(demand.client.id, waiting)
      demand.disconnect.onGone = () => this.#leave(waiting)
      this.#announce()
      this.examine()
    })
  }

  /** Why a call does not fit now: for itself, or because of the line before it, whichever takes longer. */
  async refusalFor(demand: CallDemand): Promise<Limited | TooLarge> {
    const ahead = this.#refusal
    const { store, model, limitsOf, now } = this.#parts
    const own = await store.probe(demand, limitsOf(model), now())
    if (own?.kind === 'too_large' || ahead === undefined) return own ?? this.#lineAhead()
    return own !== undefined && own.retryAfterMs >= ahead.retryAfterMs ? own : ahead
  }

  /** Admits what fits, in order, sends away who has waited too long, and sets the timer for the next such moment. */
  examine(): void {
    if (this.#isAsking) {
      this.#isStale = true
      return
    }
    this.#stopTimer?.()
    this.#stopTimer = undefined
    const { store, model, limitsOf, now } = this.#parts
    for (;;) {
      const first = this.#queue.first()
      if (first === undefined) return
      const verdict = store.reserve(first.demand, limitsOf(model), now(), this.#turn)
      if (verdict instanceof Promise) {
        this.#judgeLater(first, verdict)
        return
      }
      if (!this.#judge(first, verdict)) return
    }
  }

  /** Sends everyone away: the gateway stops. */
  close(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    for (const waiting of this.#queue) this.#end(waiting, { kind: 'shutting_down' })
  }

  /** True if the turn has passed on, so that the next call is to be looked at. */
  #judge(first: Waiting, verdict: Verdict): boolean {
    if (verdict.kind === 'admitted') this.#queue.passTurn()
    if (verdict.kind !== 'limited') {
      this.#end(first, verdict)
      return true
    }
    this.#refusal = verdict
    const nowMs = this.#parts.now()
    let nextMs = verdict.dimension === 'parallel' ? Infinity : nowMs + verdict.retryAfterMs
    for (const waiting of this.#queue) {
      if (waiting.deadlineMs > nowMs) nextMs = Math.min(nextMs, waiting.deadlineMs)
      else this.#end(waiting, this.refusalFor(waiting.demand))
    }
    if (this.#queue.first() !== first) return true
    const delayMs = Math.min(maxTimerMs, Math.ceil(nextMs - nowMs))
    this.#stopTimer = this.#parts.setTimer(() => this.examine(), delayMs)
    return false
  }

  /** For a store that must ask elsewhere: one question at a time. */
  #judgeLater(first: Waiting, answer: Promise<Verdict>): void {
    this.#isAsking = true
    this.#isStale = false
    void answer.then((verdict) => {
      this.#isAsking = false
      const hasLeft = this.#queue.first() !== first
      if (hasLeft && verdict.kind === 'admitted') this.#giveBack(verdict.reservation)
      if (hasLeft || this.#judge(first, verdict) || this.#isStale) this.examine()
    })
  }

  #giveBack(reservation: Reservation): void {
    void this.#parts.store.settle(reservation, { requests: 0, tokens: 0 }, this.#parts.now())
  }

  #leave(waiting: Waiting): void {
    this.#end(waiting, { kind: 'gone' })
    this.examine()
  }

  #end(waiting: Waiting, result: WaitResult | Promise<WaitResult>): void {
    const waitedMs = this.#parts.now() - waiting.sinceMs
    this.#queue.remove(waiting.demand.client.id, waiting)
    waiting.demand.disconnect.onGone = undefined
    this.#announce()
    if (result instanceof Promise) waiting.resolve(result.then((late) => ({ ...late, waitedMs })))
    else waiting.resolve({ ...result, waitedMs })
  }

  /** Whoever becomes the first call of this line takes its turn behind the first calls of other threads. */
  #announce(): void {
    const { store, model } = this.#parts
    if (store.lines === undefined) return
    const first = this.#queue.first()
    const hasNewFirst = first !== this.#announced
    this.#announced = first
    this.#turn = store.lines.announce(model, this.#queue.length, hasNewFirst)
  }

  /** Stands in for a refusal while the first call's is not known yet. */
  #lineAhead(): Limited {
    const limitStatus = { requests: undefined, tokens: undefined }
    const used = this.#queue.length
    const numbers = { limit: used, used, requested: 1, retryAfterMs: 1000 }
    return { kind: 'limited', dimension: 'parallel', provider: undefined, ...numbers, limitStatus }
  }
}
