// What is spent and reserved of budgets: of keys, of clients and of the whole gateway, in windows of the calendar.
//
// A call reserves what it is expected to cost, and more while it is seen to take more; its end replaces that by what it
// has cost. What is spent counts in the window of that moment; what is reserved counts in every window, since the call may
// end in any. Of a budget that several gateways share, this one uses no more than its ceiling (budget-ceilings.ts).
import type { ScopeBalance, ScopeSpending, SpendJournal, SpendSource } from '../domain.ts'
import {
  type BudgetDemand,
  type BudgetHold,
  type BudgetNews,
  type BudgetRefusal,
  type BudgetScope,
  type BudgetSettings,
  type BudgetState,
  nanoOf,
  plausible,
  type Spent,
  usualBudgetSettings,
} from './budget.ts'
import { type Account, BudgetAccounts } from './budget-accounts.ts'
import type { BudgetCeilings, BudgetUse, BudgetWindow, SharedBook } from './budget-ceilings.ts'
import { BudgetCuts } from './budget-cuts.ts'
import { chargeOf, chargesOf, type OpenHold, requestedOf } from './budget-holds.ts'
import { ClockWatch, newsOfSpending } from './budget-news.ts'
import { BudgetStandings } from './budget-standings.ts'
import { type BudgetPeriod, Calendar, type CalendarWindow } from './calendar-window.ts'
import type { Outcome } from './outcome.ts'
import { type Amounts, type SavedBudgets, sum } from './spent-windows.ts'

export interface BudgetBookParts {
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
  /** Of a monotonic clock. Absent: nobody asks whether the other one jumps. */
  readonly now?: () => number
  /** Called after everything that changes an account. */
  readonly onChange?: () => void
  readonly journal?: SpendJournal | undefined
  readonly onNews?: (news: BudgetNews) => void
  /** Of budgets that are shared with other gateways. Absent: none is. */
  readonly ceilings?: BudgetCeilings | undefined
}

export class BudgetBook implements SpendSource, SharedBook {
  readonly #parts: BudgetBookParts
  readonly #accounts = new BudgetAccounts()
  readonly #standings: BudgetStandings
  readonly #cuts: BudgetCuts
  readonly #clockWatch = new ClockWatch()
  #settings = usualBudgetSettings
  #lost: string | undefined
  #suspended: string | undefined
  #revision = 0
  #lastHold = 0

  constructor(parts: BudgetBookParts) {
    this.#parts = parts
    const { wallNow, ceilings } = parts
    this.#standings = new BudgetStandings({ accounts: this.#accounts, wallNow, ceilings })
    this.#cuts = new BudgetCuts(this.#accounts, this.#standings)
    ceilings?.serve(this)
  }

  get revision(): number {
    return this.#revision
  }

  get settings(): BudgetSettings {
    return this.#settings
  }

  /** Settings after a reload. In another time zone, what was spent in the current windows stays spent in them. */
  follow(settings: BudgetSettings): void {
    this.#settings = settings
    if (settings.timeZone !== this.#accounts.calendar.zone) this.#moveTo(new Calendar(settings.timeZone))
  }

  /** From now on every call that has a budget is refused, for this reason: a sentence. */
  lose(reason: string): void {
    this.#lost = reason
  }

  /** The same until `resume`. */
  suspend(reason: string): void {
    this.#suspended = reason
  }

  resume(): void {
    this.#suspended = undefined
  }

  /** What `take` would refuse with; undefined if it would not. Changes nothing. */
  probe(demand: BudgetDemand): BudgetRefusal | undefined {
    const reason = this.#lost ?? this.#suspended
    if (reason !== undefined) return { kind: 'budget_state_lost', reason }
    const nowMs = this.#parts.wallNow()
    for (const scope of demand.scopes) {
      const account = this.#accounts.find(scope.name)
      if (account !== undefined) account.budgets = scope.budgets
      for (const budget of scope.budgets) {
        const requested = requestedOf(demand, budget)
        const fit = this.#standings.fit(scope, budget, requested, nowMs)
        if (fit === 'fits') continue
        const state = this.#standings.stateOf(scope, budget, nowMs)
        return { kind: fit === 'exceeds' ? 'budget_exceeded' : 'budget_unavailable', ...state, requested }
      }
    }
    return undefined
  }

  /**
   * Asks the other gateways for as much of shared budgets as the call lacks, after which `probe` and `take` may find otherwise.
   * Undefined: there is nothing to be had. Resolves within about a second; never rejects.
   */
  ask(demand: BudgetDemand): Promise<unknown> | undefined {
    const { ceilings } = this.#parts
    if (ceilings === undefined || (this.#lost ?? this.#suspended) !== undefined) return undefined
    const nowMs = this.#parts.wallNow()
    const asked: Promise<void>[] = []
    for (const scope of demand.scopes) {
      for (const budget of scope.budgets) {
        const requested = requestedOf(demand, budget)
        if (this.#standings.fit(scope, budget, requested, nowMs) === 'fits') continue
        const answer = ceilings.ask(this.#standings.windowOf(scope, budget, nowMs), requested)
        if (answer === undefined) return undefined
        asked.push(answer)
      }
    }
    return asked.length === 0 ? undefined : Promise.all(asked)
  }

  /** Has what other gateways use of these budgets, for `describe`. Never rejects. */
  async look(scopes: readonly BudgetScope[]): Promise<void> {
    const { ceilings, wallNow } = this.#parts
    if (ceilings === undefined) return
    const nowMs = wallNow()
    const windows = scopes.flatMap((scope) =>
      scope.budgets.map((budget) => this.#standings.windowOf(scope, budget, nowMs)),
    )
    await Promise.all(windows.map((window) => ceilings.look(window)))
  }

  useOf(window: BudgetWindow): BudgetUse {
    return this.#standings.useOf(window)
  }

  heard(window: BudgetWindow, before: BudgetUse, now: BudgetUse): void {
    const { scope, budget } = window
    if (now.spent <= before.spent || !this.#standings.isCurrent(window)) return
    const nowMs = this.#parts.wallNow()
    const of = { ...scope, budgets: [budget] }
    const own = this.useOf(window)
    const state = { ...this.#standings.stateOf(of, budget, nowMs), spent: sum(own.spent, before.spent) }
    this.#tell(newsOfSpending(state, now.spent - before.spent, new Set()))
    if (this.#settings.whenExhausted === 'cut') this.#cuts.cutExhausted([of], nowMs)
  }

  /** Reserves in all scopes or in none. */
  take(demand: BudgetDemand): BudgetHold | BudgetRefusal {
    const refusal = this.probe(demand)
    if (refusal !== undefined) return refusal
    const { nano, tokens } = demand
    const sinceMs = this.#watchedNow()
    const id = ++this.#lastHold
    const hold: OpenHold = {
      kind: 'held',
      id,
      sinceMs,
      nano,
      tokens,
      demand,
      cutsAboveTokens: this.#cutsAbove(demand),
      isOpen: true,
      interruptible: undefined,
    }
    this.#accounts.hold(hold)
    this.#parts.journal?.held(hold)
    this.#changed()
    return hold
  }

  /** Raises what is reserved to `tokens` in all; never lowers it, never refuses. May cut the call. */
  grow(held: BudgetHold, tokens: number): void {
    const hold = held as OpenHold
    if (!hold.isOpen) return
    const isRaised = tokens > hold.tokens
    if (isRaised) this.#raise(hold, plausible(tokens))
    // Others may have spent, since the call began, what was left for it.
    const mayBeCut = isRaised && this.#settings.whenExhausted === 'cut'
    if (!mayBeCut && tokens <= hold.cutsAboveTokens) return
    const isCut = this.#cuts.cutGrown(hold, plausible(tokens), this.#parts.wallNow())
    // Otherwise a window has begun anew since.
    if (!isCut) hold.cutsAboveTokens = this.#cutsAbove(hold.demand)
  }

  /**
   * Replaces what is reserved by what was spent. The first call counts.
   * @param spent undefined: it is not known.
   */
  settle(held: BudgetHold, outcome: Outcome, spent: Spent | undefined): void {
    const hold = held as OpenHold
    if (!hold.isOpen) return
    hold.isOpen = false
    hold.interruptible = undefined
    const charge = chargeOf(hold, outcome, spent)
    const nowMs = this.#watchedNow()
    const { scopes } = hold.demand
    for (const scope of scopes) {
      const account = this.#accounts.of(scope.name)
      this.#accounts.release(account, hold)
      this.#spend(account, charge, nowMs, scope)
    }
    this.#parts.journal?.charged(hold, chargesOf(hold, charge, nowMs))
    this.#changed()
    if (this.#settings.whenExhausted === 'cut') this.#cuts.cutExhausted(hold.demand.scopes, nowMs)
  }

  /** How all budgets of these scopes stand. */
  describe(scopes: readonly BudgetScope[]): BudgetState[] {
    const nowMs = this.#parts.wallNow()
    return scopes.flatMap((scope) =>
      scope.budgets.map((budget) => this.#standings.stateOf(scope, budget, nowMs)),
    )
  }

  /** How the budgets stand that have applied to calls since the start. */
  standings(): BudgetState[] {
    return this.describe(
      Array.from(this.#accounts.entries(), ([name, { entry, budgets }]) => ({ name, entry, budgets })),
    )
  }

  /** How all scopes stand that something was spent or is reserved of, in the current windows. */
  describeAll(): ScopeSpending[] {
    return this.#accounts.describeAll(this.#parts.wallNow())
  }

  balance(): ScopeBalance[] {
    return this.#accounts.balance(this.#parts.wallNow())
  }

  /** The current windows, and those before them that are kept. */
  windows(): (CalendarWindow & { readonly per: BudgetPeriod })[] {
    return this.#accounts.windows(this.#parts.wallNow())
  }

  /** Everything, to be saved. */
  dump(): SavedBudgets {
    const { calendar } = this.#accounts
    return { timeZone: calendar.zone, revision: this.#revision, accounts: this.#accounts.saved() }
  }

  /**
   * Takes up what `dump` returned, before the first call and before `follow`. What was reserved then counts as spent, since
   * its calls are gone, unless the process that saved it is still running.
   */
  restore({ timeZone, revision = 0, accounts }: SavedBudgets, { isRunning = false } = {}): void {
    this.#revision = Math.max(revision, accounts.length > 0 ? 1 : 0)
    this.#accounts.restore(accounts, timeZone, { nowMs: this.#parts.wallNow(), isRunning })
  }

  #changed(): void {
    this.#revision += 1
    this.#parts.onChange?.()
  }

  /** Time on the wall, after a look at whether it has jumped. */
  #watchedNow(): number {
    const { now, wallNow } = this.#parts
    const wallMs = wallNow()
    const news = now && this.#clockWatch.look(wallMs, now())
    if (news !== undefined) this.#tell([news])
    return wallMs
  }

  #tell(news: readonly BudgetNews[]): void {
    for (const each of news) this.#parts.onNews?.(each)
  }

  /** @param scope whose budgets may have become news. */
  #spend({ spent }: Account, amounts: Amounts, nowMs: number, scope: BudgetScope): void {
    const { nano, tokens } = amounts
    if (nano === 0 && tokens === 0) return
    const isNews = this.#parts.onNews !== undefined
    const before = isNews ? scope.budgets.map((budget) => this.#standings.stateOf(scope, budget, nowMs)) : []
    const begun = spent.add(amounts, this.#accounts.calendar, nowMs)
    for (const state of before)
      this.#tell(newsOfSpending(state, state.budget.unit === 'usd' ? nano : tokens, begun))
  }

  #moveTo(calendar: Calendar): void {
    this.#accounts.moveTo(calendar, this.#parts.wallNow())
    if (this.#accounts.size === 0) return
    this.#parts.journal?.rebased()
    this.#changed()
  }

  #raise(hold: OpenHold, tokens: number): void {
    this.#accounts.raise(hold, { nano: Math.max(hold.nano, nanoOf(hold.demand, tokens)), tokens })
    this.#parts.journal?.held(hold)
    this.#changed()
  }

  /** As `BudgetHold.cutsAboveTokens`. */
  #cutsAbove(demand: BudgetDemand): number {
    if (this.#settings.whenExhausted !== 'cut') return Infinity
    return this.#cuts.tokensLeft(demand, this.#parts.wallNow())
  }
}
