// Who may call now: the limits of models and providers, kept for every call from its arrival to its end.
// The counters are the store's (stores/store.ts); here are the waiting, the reload and what callers see.
import type { SetTimer } from '../platform/clock.ts'
import type { RateLimitConfig } from '../config/types.ts'
import type { Client, LimitStatus, ModelLimits } from '../domain.ts'
import type { BudgetDemand, BudgetHold, BudgetRefusal } from './budget.ts'
import { BudgetBook } from './budget-book.ts'
import type { Calibration, CalibrationFact } from './estimate.ts'
import { limitsOf, maxWaitMsOf } from './limits-of.ts'
import { chargeOf } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { RetryTimes } from './retry-times.ts'
import { modelScope, type Scope, type ScopeLimits } from './scopes.ts'
import type { AdmissionStore, Demand, NextMs, Refusal, Reservation, Reserved } from './stores/store.ts'
import { WaitingLine } from './waiting-line.ts'
import type { CallDemand, NotAdmitted } from './waiting-line.ts'

/** A call that was let in. Whoever gets it settles its reservation, on every path. */
export interface Admitted {
  readonly kind: 'admitted'
  readonly reservation: Reservation
  /** Of its budgets; settled with `Admission.budgets`. Undefined: it has none. */
  readonly spending: BudgetHold | undefined
  readonly waitedMs: number
  /** At the time of admission, with this call counted. */
  readonly limitStatus: LimitStatus
}

export type Decision = Admitted | NotAdmitted | OverBudget

/** A budget has no room for the call, which does not wait for that. */
export type OverBudget = BudgetRefusal & { readonly waitedMs: number }

/** A call that asks to be admitted. */
export interface BudgetedDemand extends CallDemand {
  /** Absent: no budget applies. */
  readonly spending?: BudgetDemand | undefined
}

/** One model in `GET /v1/limits`. */
export interface ModelReport {
  readonly model: string
  readonly limits: ModelLimits
  readonly used: { readonly requests: number; readonly tokens: number; readonly parallel: number }
  readonly limitStatus: LimitStatus
  readonly nextMs: NextMs
  readonly waiting: number
  readonly calibration: readonly CalibrationFact[]
}

/** A client by itself in `GET /v1/limits`. */
export interface ScopeReport extends Pick<ModelReport, 'used' | 'limitStatus' | 'nextMs'> {
  readonly limits: ScopeLimits
}

export interface AdmissionParts {
  readonly store: AdmissionStore
  readonly limits: RateLimitConfig
  readonly calibration: Calibration
  /** When absent, one that nothing is saved of. */
  readonly budgets?: BudgetBook
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  readonly setTimer: SetTimer
  /** Called after everything that changes the counters, to have them saved. */
  readonly onChange?: () => void
  /** Longest line of one model; then the client with the most calls in it gives way, or the further call is refused. */
  readonly maxLineLength?: number
}

/** Questions for shared budgets while a call holds its limits already. */
const maxBudgetQuestions = 3

export class Admission {
  readonly budgets: BudgetBook
  readonly #parts: AdmissionParts
  readonly #maxLineLength: number
  readonly #lines = new Map<string, WaitingLine>()
  readonly #retryTimes = new Map<string, RetryTimes>()
  /** Calls of programs that have been admitted and are not settled. */
  readonly #underWay = new Map<Reservation, CallDemand>()
  #limits: RateLimitConfig
  #isClosed = false

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.budgets = parts.budgets ?? new BudgetBook({ wallNow: Date.now })
    this.#limits = parts.limits
    this.#maxLineLength = parts.maxLineLength ?? 100
    parts.store.onFreed = () => this.examineLines()
  }

  /** What limits a model; undefined: nothing but its providers' slots. */
  limitsOf(model: string): ModelLimits | undefined {
    return limitsOf(this.#limits, model)
  }

  /**
   * Admits, refuses or makes wait. A promise comes back only where the call waits (or the store asks elsewhere).
   * Never throws or rejects. A call that is not admitted has cost nothing.
   */
  reserve(demand: BudgetedDemand): Decision | Promise<Decision> {
    if (demand.disconnect.isGone) return { kind: 'gone', waitedMs: 0 }
    if (this.#isClosed) return { kind: 'shutting_down', waitedMs: 0 }
    if (demand.spending !== undefined) {
      const refusal = this.budgets.probe(demand.spending)
      if (refusal !== undefined) return this.#askBudgets(demand.spending, demand, refusal)
    }
    return this.#reserveNow(demand)
  }

  /** Other gateways may have room for it in a budget that they share. */
  #askBudgets(
    spending: BudgetDemand,
    demand: BudgetedDemand,
    refusal: BudgetRefusal,
  ): Decision | Promise<Decision> {
    const asked = this.budgets.ask(spending)
    if (asked === undefined) return { ...refusal, waitedMs: 0 }
    return asked.then(() => {
      if (demand.disconnect.isGone) return { kind: 'gone', waitedMs: 0 }
      if (this.#isClosed) return { kind: 'shutting_down', waitedMs: 0 }
      const last = this.budgets.probe(spending)
      return last === undefined ? this.#reserveNow(demand) : { ...last, waitedMs: 0 }
    })
  }

  #reserveNow(demand: BudgetedDemand): Decision | Promise<Decision> {
    const line = this.#lines.get(demand.model)
    // Whoever comes later may not take what the line waits for.
    if (line !== undefined && line.length > 0) return this.#waitOrRefuse(demand, line)
    const result = this.#parts.store.reserve(this.#demandOf(demand), this.#parts.now())
    if (!(result instanceof Promise)) return this.#decide(demand, result)
    return result.then((late) => this.#decide(demand, late))
  }

  /** Takes a slot of another provider in place of the one held, for a further attempt. False: none is free, all is as before. */
  move(reservation: Reservation, providers: readonly Scope[]): boolean | Promise<boolean> {
    return this.#parts.store.move(reservation, providers, this.#parts.now())
  }

  /** Raises the charge to `tokens` in all (whole). Never lowers it, never refuses. */
  grow(reservation: Reservation, tokens: number): void {
    const { store, now, onChange } = this.#parts
    void store.grow(reservation, tokens, now())
    onChange?.()
  }

  /** The first call counts; later ones change nothing. */
  settle(reservation: Reservation, outcome: Outcome): void {
    const { store, now, onChange } = this.#parts
    if (this.#underWay.size > 0) this.#underWay.delete(reservation)
    void store.settle(reservation, chargeOf(outcome, reservation.tokens), now())
    onChange?.()
  }

  /** Limits after a reload. Counts stay; the lines are looked at again; who waits keeps place and deadline. */
  applyLimits(limits: RateLimitConfig): void {
    this.#limits = limits
    this.examineLines()
  }

  /** How these models stand, for `GET /v1/limits`; those without limits are left out. */
  async describe(models: Iterable<string>): Promise<ModelReport[]> {
    const reports: Promise<ModelReport>[] = []
    for (const model of models) {
      const limits = this.limitsOf(model)
      if (limits === undefined || !(this.#limits.limits.has(model) || hasLimit(limits))) continue
      reports.push(this.#describe(model, limits))
    }
    // A store that must ask elsewhere asks for all of them at once.
    return Promise.all(reports)
  }

  async #describe(model: string, limits: ModelLimits): Promise<ModelReport> {
    const { store, now, calibration } = this.#parts
    const { limitStatus, nextMs, ...used } = await store.use(modelScope(model, limits), now())
    const waiting = this.#waiting(model)
    return { model, limits, used, limitStatus, nextMs, waiting, calibration: calibration.describe(model) }
  }

  /** How a client stands by its own limits, for `GET /v1/limits`. */
  async describeScope(scope: Scope): Promise<ScopeReport> {
    const { limitStatus, nextMs, ...used } = await this.#parts.store.use(scope, this.#parts.now())
    return { limits: scope.limits, used, limitStatus, nextMs }
  }

  /** Sends all waiting calls away and admits nothing more. What is under way goes on and settles. */
  close(): void {
    this.#isClosed = true
    for (const line of this.#lines.values()) line.close()
  }

  #decide(demand: BudgetedDemand, result: Reserved | Refusal): Decision | Promise<Decision> {
    if (result.kind === 'admitted') return this.#admit(demand, result, 0)
    const isOfClient = result.kind === 'limited' && result.scope.kind === 'client'
    if (result.kind !== 'limited' || isOfClient || maxWaitMsOf(this.#limits, demand.model) === 0)
      return this.#refuse(demand, { ...result, waitedMs: 0 })
    return this.#waitOrRefuse(demand, this.#lineOf(demand.model))
  }

  async #waitOrRefuse(demand: BudgetedDemand, line: WaitingLine): Promise<Decision> {
    if (this.#isClosed) return { kind: 'shutting_down', waitedMs: 0 }
    const maxWaitMs = maxWaitMsOf(this.#limits, demand.model)
    if (maxWaitMs === 0 || !this.#hasRoom(line, demand)) {
      return this.#refuse(demand, { ...(await line.refusalFor(demand)), waitedMs: 0 })
    }
    const end = await line.join(demand, maxWaitMs)
    return end.kind === 'admitted' ? this.#admit(demand, end, end.waitedMs) : this.#refuse(demand, end)
  }

  /** Callers that are refused at one moment are told different times: each when there is room for those before it, too. */
  #refuse(demand: CallDemand, end: NotAdmitted): NotAdmitted | Promise<NotAdmitted> {
    if (end.kind !== 'limited') return end
    const { store, now } = this.#parts
    const nowMs = now()
    // A client's own limit delays nobody else.
    const told = end.scope.kind === 'client' ? new RetryTimes() : this.#retryTimesOf(demand.model)
    const client = demand.client.id
    const ahead = told.ahead(client, nowMs)
    const later = (probed: Refusal | undefined): NotAdmitted => {
      const isLater = probed?.kind === 'limited' && probed.retryAfterMs > end.retryAfterMs
      const retryAfterMs = isLater ? probed.retryAfterMs : end.retryAfterMs
      told.add(client, demand.tokens, nowMs + retryAfterMs, { atMs: nowMs, place: ahead.place })
      return { ...end, retryAfterMs }
    }
    if (ahead.requests === 0) return later(undefined)
    const probed = store.probe({ ...this.#demandOf(demand), ahead }, nowMs)
    return probed instanceof Promise ? probed.then(later) : later(probed)
  }

  #retryTimesOf(model: string): RetryTimes {
    const known = this.#retryTimes.get(model)
    if (known !== undefined) return known
    const times = new RetryTimes()
    this.#retryTimes.set(model, times)
    return times
  }

  /** One client that fills a line does not keep the others out, nor one program the others of its client. */
  #hasRoom(line: WaitingLine, demand: CallDemand): boolean {
    return line.length < this.#maxLineLength || line.makeRoomFor(demand)
  }

  #isUnderWay({ id }: Client, model: string, program: number): boolean {
    for (const demand of this.#underWay.values()) {
      if (demand.client.id === id && demand.model === model && demand.program!.number === program) return true
    }
    return false
  }

  #waiting(model: string): number {
    return this.#lines.get(model)?.length ?? 0
  }

  #demandOf({ model, clientScope, tokens, minTokens, providers }: CallDemand): Demand {
    const scope = modelScope(model, this.limitsOf(model))
    const scopes = clientScope === undefined ? [scope] : [scope, clientScope]
    return { scopes, oneOf: providers, tokens, minTokens }
  }

  #admit(
    demand: BudgetedDemand,
    { reservation, limitStatus }: Reserved,
    waitedMs: number,
  ): Decision | Promise<Decision> {
    const { client, disconnect, model, spending } = demand
    this.#parts.onChange?.()
    if (demand.program !== undefined) this.#underWay.set(reservation, demand)
    if (this.#retryTimes.size > 0) this.#retryTimes.get(model)?.admit(client.id, this.#parts.now())
    if (disconnect.isGone) {
      // It left while the answer was on its way; nobody would settle this.
      this.settle(reservation, { kind: 'unsent' })
      return { kind: 'gone', waitedMs }
    }
    const admitted = { kind: 'admitted', reservation, waitedMs, limitStatus } as const
    if (spending === undefined) return { ...admitted, spending }
    const taken = this.budgets.take(spending)
    if (taken.kind === 'held') return { ...admitted, spending: taken }
    const asked = this.budgets.ask(spending)
    if (asked !== undefined) return this.#takeLater(demand, spending, admitted, asked)
    this.settle(reservation, { kind: 'unsent' })
    return { ...taken, waitedMs }
  }

  /** Keeps its place while other gateways are asked; what they give may go to another call each time. */
  async #takeLater(
    { disconnect }: BudgetedDemand,
    spending: BudgetDemand,
    admitted: Omit<Admitted, 'spending'>,
    asked: Promise<unknown>,
  ): Promise<Decision> {
    const { reservation, waitedMs } = admitted
    let answer: Promise<unknown> | undefined = asked
    for (let count = 0; ; count++) {
      await answer
      if (disconnect.isGone) {
        this.settle(reservation, { kind: 'unsent' })
        return { kind: 'gone', waitedMs }
      }
      const taken = this.budgets.take(spending)
      if (taken.kind === 'held') return { ...admitted, spending: taken }
      answer = count < maxBudgetQuestions ? this.budgets.ask(spending) : undefined
      if (answer === undefined) {
        this.settle(reservation, { kind: 'unsent' })
        return { ...taken, waitedMs }
      }
    }
  }

  #lineOf(model: string): WaitingLine {
    let line = this.#lines.get(model)
    if (line === undefined) {
      const { store, now, setTimer } = this.#parts
      const demandOf = (demand: CallDemand) => this.#demandOf(demand)
      const isUnderWay = (client: Client, program: number) => this.#isUnderWay(client, model, program)
      line = new WaitingLine({ store, now, setTimer, demandOf, isUnderWay })
      this.#lines.set(model, line)
    }
    return line
  }

  /**
   * When something was given back, or a provider has more slots. It may fit any line: a provider's slots serve several models.
   * Who has waited longest goes first.
   */
  examineLines(): void {
    if (this.#lines.size === 0) return
    const waiting = Array.from(this.#lines.values()).filter((line) => line.length > 0)
    waiting.sort((one, other) => one.oldestSinceMs - other.oldestSinceMs)
    for (const line of waiting) line.examine()
  }
}

/** The default may say no more than how to wait for a provider's slot. */
function hasLimit({ rpm, tpm, maxParallelRequests }: ModelLimits): boolean {
  return rpm !== undefined || tpm !== undefined || maxParallelRequests !== undefined
}
