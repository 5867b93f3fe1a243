// The line of one model's calls that wait for capacity.
//
// Order: round-robin between clients, and between the programs of one; first come first served within a program. The call
// whose turn it is keeps its claim to the next capacity until it is admitted, leaves or has waited its time, so a large call
// is never starved by small ones. The price: small calls behind a large one wait with it. A single call may overtake it: of
// another program of the same client, where the one whose turn it is has calls under way and the other has none.
// The line looks again when something was given back and at the exact moment when the first call fits. It never polls.
import type { SetTimer } from '../platform/clock.ts'
import type { Client } from '../domain.ts'
import { FairQueue } from '../platform/fair-queue.ts'
import { noLimitStatus } from './scope-counter.ts'
import type { Scope } from './scopes.ts'
import type { AdmissionStore, Demand, Limited, Refusal, Reservation, Reserved } from './stores/store.ts'

/** How a waiting call learns that its client left, and how the transport says so: sets `isGone`, calls `onGone`. */
export interface Disconnect {
  isGone: boolean
  /** At most one listener; set only while the call waits. */
  onGone: (() => void) | undefined
}

/** What tells the calls of one client apart, for their turns alone: clients may name it as they like. */
export interface Program {
  /** From 1 on. */
  readonly number: number
}

/** What a call asks for. Which scopes that is follows the limits, which a reload may change while the call waits. */
export interface CallDemand {
  readonly client: Client
  /** Absent: one that all calls without it share. */
  readonly program?: Program | undefined
  readonly disconnect: Disconnect
  /** A name of a model or wildcard, never an alias. */
  readonly model: string
  /** As `Demand.tokens` and `Demand.minTokens`. */
  readonly tokens: number
  readonly minTokens: number
  /** What limits the client by itself; absent: nothing does. */
  readonly clientScope?: Scope | undefined
  /** In order of preference; the first with a free slot is taken. Empty: no provider's slot is needed. */
  readonly providers: readonly Scope[]
}

/** `gone`: the client left while its call waited. */
type Unserved = Refusal | { readonly kind: 'gone' | 'shutting_down' }

export type NotAdmitted = Unserved & { readonly waitedMs: number }

/** How a wait ended. */
type WaitEnd = (Reserved | Unserved) & { readonly waitedMs: number }

export interface LineParts {
  readonly store: AdmissionStore
  readonly now: () => number
  readonly setTimer: SetTimer
  /** By the limits of this moment. */
  readonly demandOf: (demand: CallDemand) => Demand
  /** Whether a call of this client's program and of the line's model has been admitted and has not ended. */
  readonly isUnderWay: (client: Client, program: number) => boolean
}

interface Waiting {
  readonly demand: CallDemand
  readonly sinceMs: number
  readonly deadlineMs: number
  readonly resolve: (end: WaitEnd | Promise<WaitEnd>) => void
  /** Another program's call was put ahead of it. */
  isOvertaken: boolean
}

/** Longer delays are split: beyond 2^31 − 1 ms a timer of Node's fires at once. */
const maxTimerMs = 2 ** 31 - 1

export class WaitingLine {
  readonly #parts: LineParts
  readonly #queue = new FairQueue<Waiting>()
  #stopTimer: (() => void) | undefined
  /** The store was asked and has not answered. Never true with a store that answers at once. */
  #isPending = false
  /** Something changed while the store was asked. */
  #isStale = false
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
      const waiting = { demand, sinceMs, deadlineMs: sinceMs + maxWaitMs, resolve, isOvertaken: false }
      this.#add(waiting)
      const leave = () => this.#leave(waiting)
      demand.disconnect.onGone = leave
      this.examine()
    })
  }

  /**
   * Makes room in a full line for a call: the newest one of the client with the most calls gives way, or of the call's own
   * client and its program with the most, and is refused. False: this client and program have about as many themselves.
   */
  makeRoomFor({ client, program }: Pick<CallDemand, 'client' | 'program'>): boolean {
    const waiting = this.#queue.givesWayTo(client.id, program?.number)
    if (waiting === undefined) return false
    this.#end(waiting, this.refusalFor(waiting.demand))
    return true
  }

  /** Why a call does not fit now: for itself, or because of the line before it, whichever takes longer. */
  async refusalFor(demand: CallDemand): Promise<Refusal> {
    const ahead = this.#refusal
    const { store, demandOf, now } = this.#parts
    const own = await store.probe(demandOf(demand), now())
    if (ahead === undefined) return own ?? this.#lineAhead(demand)
    if (own !== undefined && own.kind !== 'limited') return own
    return own !== undefined && own.retryAfterMs >= ahead.retryAfterMs ? own : ahead
  }

  /** Admits what fits, in order, sends away who has waited too long, and sets the timer for the next such moment. */
  examine(): void {
    if (this.#isPending) {
      this.#isStale = true
      return
    }
    this.#stopTimer?.()
    this.#stopTimer = undefined
    const { store, demandOf, now } = this.#parts
    for (;;) {
      const first = this.#queue.first()
      if (first === undefined) return
      const result = store.reserve(demandOf(first.demand), now())
      if (result instanceof Promise) {
        this.#judgeLater(first, result)
        return
      }
      if (!this.#judge(first, result)) return
    }
  }

  /** Sends everyone away: the gateway stops. */
  close(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    for (const waiting of this.#queue) this.#end(waiting, { kind: 'shutting_down' })
  }

  /** A program that has waited for nothing yet need not wait for one that is being served already. */
  #add(waiting: Waiting): void {
    const { client, program } = waiting.demand
    const first = this.#queue.firstOf(client.id)
    const isNew = program !== undefined && !this.#queue.has(client.id, program.number)
    this.#queue.add(client.id, waiting, program?.number)
    const other = first?.demand.program
    if (first === undefined || first.isOvertaken || !isNew || other === undefined) return
    const { isUnderWay } = this.#parts
    if (!isUnderWay(client, other.number) || isUnderWay(client, program.number)) return
    first.isOvertaken = true
    this.#queue.moveAhead(client.id, waiting)
  }

  /** True if the turn has passed on, so that the next call is to be looked at. */
  #judge(first: Waiting, result: Reserved | Refusal): boolean {
    if (result.kind === 'admitted') this.#queue.passTurn()
    // Only the client's own calls would wait for its limit: behind this one the others would too.
    if (result.kind !== 'limited' || result.scope.kind === 'client') {
      this.#end(first, result)
      return true
    }
    this.#refusal = result
    const nowMs = this.#parts.now()
    const freedMs = result.dimension === 'parallel' ? Infinity : result.retryAfterMs
    let nextMs = nowMs + Math.min(freedMs, result.recheckMs ?? Infinity)
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
  #judgeLater(first: Waiting, answer: Promise<Reserved | Refusal>): void {
    this.#isPending = true
    this.#isStale = false
    void answer.then((result) => {
      this.#isPending = false
      const hasLeft = this.#queue.first() !== first
      if (hasLeft && result.kind === 'admitted') this.#release(result.reservation)
      if (hasLeft || this.#judge(first, result) || this.#isStale) this.examine()
    })
  }

  #release(reservation: Reservation): void {
    void this.#parts.store.settle(reservation, { requests: 0, tokens: 0 }, this.#parts.now())
  }

  #leave(waiting: Waiting): void {
    this.#end(waiting, { kind: 'gone' })
    this.examine()
  }

  #end(waiting: Waiting, result: Reserved | Unserved | Promise<Refusal>): void {
    const waitedMs = this.#parts.now() - waiting.sinceMs
    this.#queue.remove(waiting.demand.client.id, waiting)
    waiting.demand.disconnect.onGone = undefined
    if (result instanceof Promise) waiting.resolve(result.then((late) => ({ ...late, waitedMs })))
    else waiting.resolve({ ...result, waitedMs })
  }

  /** Stands in for a refusal while the first call's is not known yet. */
  #lineAhead(demand: CallDemand): Limited {
    const [scope] = this.#parts.demandOf(demand).scopes
    const used = this.#queue.length
    const numbers = { limit: used, used, requested: 1, retryAfterMs: 1000 }
    return { kind: 'limited', scope: scope!, dimension: 'parallel', ...numbers, limitStatus: noLimitStatus }
  }
}
