// What is spent and reserved of budgets: of keys, of clients and of the whole gateway, in windows of the calendar.
//
// A call reserves what it is expected to cost, and more while it is seen to take more; its end replaces that by what it
// has cost. What is spent counts in the window of that moment; what is reserved counts in every window, since the call may
// end in any. Of a budget that several gateways share, this one uses no more than its ceiling (budget-ceilings.ts).
import {
  type Budget,
  budgetPeriods,
  type ScopeBalance,
  type ScopeSpending,
  type SpendJournal,
  type SpendSource,
} from '../domain.ts'
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
  tokensFor,
  usualBudgetSettings,
} from './budget.ts'
import {
  type BudgetCeilings,
  type BudgetUse,
  type BudgetWindow,
  nothingUsed,
  type SharedBook,
} from './budget-ceilings.ts'
import { chargeOf, chargesOf, cut, type OpenHold, requestedOf } from './budget-holds.ts'
import { type BudgetPeriod, Calendar, type CalendarWindow } from './calendar-window.ts'
import type { Outcome } from './outcome.ts'
import {
  type Amounts,
  keptWindows,
  type SavedAccount,
  type SavedBudgets,
  SpentWindows,
  sum,
} from './spent-windows.ts'

/** What is spent and reserved of one scope. */
interface Account {
  /** As it was named last. */
  entry: string
  /** As they applied to the last call. Empty: to none since the start. */
  budgets: readonly Budget[]
  nano: number
  tokens: number
  readonly open: Set<OpenHold>
  readonly spent: SpentWindows
}

/** `unknown`: there may be room, but nobody can be asked. */
type Fit = 'fits' | 'exceeds' | 'unknown'

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

const nearlySpent = 0.8
const maxJumpMs = 60 * 60_000

/** Clients may be any number of addresses: from so many accounts on, those that count nothing are looked for. */
const minSweptAccounts = 1_000

export class BudgetBook implements SpendSource, SharedBook {
  readonly #parts: BudgetBookParts
  readonly #accounts = new Map<string, Account>()
  #settings = usualBudgetSettings
  #calendar = new Calendar(usualBudgetSettings.timeZone)
  #lost: string | undefined
  #suspended: string | undefined
  #revision = 0
  #lastHold = 0
  /** Between the two clocks. */
  #offsetMs: number | undefined
  /** The number of accounts at which those that count nothing are dropped next. */
  #sweptAccounts = minSweptAccounts

  constructor(parts: BudgetBookParts) {
    this.#parts = parts
    parts.ceilings?.serve(this)
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
    if (settings.timeZone !== this.#calendar.zone) this.#moveTo(new Calendar(settings.timeZone))
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
      const account = this.#accounts.get(scope.name)
      if (account !== undefined) account.budgets = scope.budgets
      for (const budget of scope.budgets) {
        const requested = requestedOf(demand, budget)
        const fit = this.#fit(scope, budget, requested, nowMs)
        if (fit === 'fits') continue
        const state = this.#stateOf(scope, budget, nowMs)
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
        if (this.#fit(scope, budget, requested, nowMs) === 'fits') continue
        const answer = ceilings.ask(this.#windowOf(scope, budget, nowMs), requested)
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
      scope.budgets.map((budget) => this.#windowOf(scope, budget, nowMs)),
    )
    await Promise.all(windows.map((window) => ceilings.look(window)))
  }

  useOf({ scope, budget, startMs }: BudgetWindow): BudgetUse {
    const account = this.#accounts.get(scope.name)
    if (account === undefined) return nothingUsed
    const amount = budget.unit === 'usd' ? 'nano' : 'tokens'
    const isCurrent = this.#calendar.windowAt(budget.per, this.#parts.wallNow()).startMs === startMs
    return { spent: account.spent.at(budget.per, startMs)[amount], reserved: isCurrent ? account[amount] : 0 }
  }

  heard(window: BudgetWindow, before: BudgetUse, now: BudgetUse): void {
    const { scope, budget, startMs } = window
    const nowMs = this.#parts.wallNow()
    const isCurrent = this.#calendar.windowAt(budget.per, nowMs).startMs === startMs
    if (now.spent <= before.spent || !isCurrent) return
    const of = { ...scope, budgets: [budget] }
    const own = this.useOf(window)
    const state = { ...this.#stateOf(of, budget, nowMs), spent: sum(own.spent, before.spent) }
    this.#report(state, now.spent - before.spent, new Set())
    if (this.#settings.whenExhausted === 'cut') this.#cutExhausted([of], nowMs)
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
    for (const { name, entry, budgets } of demand.scopes) {
      const account = this.#accountOf(name, entry)
      account.budgets = budgets
      account.nano = sum(account.nano, nano)
      account.tokens = sum(account.tokens, tokens)
      account.open.add(hold)
    }
    if (this.#accounts.size >= this.#sweptAccounts) this.#sweep()
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
    if (mayBeCut || tokens > hold.cutsAboveTokens) this.#cutGrown(hold, plausible(tokens))
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
      const account = this.#accountOf(scope.name)
      account.open.delete(hold)
      // Where amounts are at the end of exact numbers, the last call to end takes all with it.
      account.nano = account.open.size === 0 ? 0 : Math.max(0, account.nano - hold.nano)
      account.tokens = account.open.size === 0 ? 0 : Math.max(0, account.tokens - hold.tokens)
      this.#spend(account, charge, nowMs, scope)
    }
    this.#parts.journal?.charged(hold, chargesOf(hold, charge, nowMs))
    this.#changed()
    if (this.#settings.whenExhausted === 'cut') this.#cutExhausted(hold.demand.scopes, nowMs)
  }

  /** How all budgets of these scopes stand. */
  describe(scopes: readonly BudgetScope[]): BudgetState[] {
    const nowMs = this.#parts.wallNow()
    return scopes.flatMap((scope) => scope.budgets.map((budget) => this.#stateOf(scope, budget, nowMs)))
  }

  /** How the budgets stand that have applied to calls since the start. */
  standings(): BudgetState[] {
    return this.describe(
      Array.from(this.#accounts, ([name, { entry, budgets }]) => ({ name, entry, budgets })),
    )
  }

  /** How all scopes stand that something was spent or is reserved of, in the current windows. */
  describeAll(): ScopeSpending[] {
    const nowMs = this.#parts.wallNow()
    return Array.from(this.#accounts, ([name, { entry, nano, tokens, spent }]) => ({
      name,
      entry,
      nano,
      tokens,
      windows: budgetPeriods.map((per) => {
        const { startMs } = this.#calendar.windowAt(per, nowMs)
        const amounts = spent.at(per, startMs)
        return [per, startMs, amounts.nano, amounts.tokens] as const
      }),
    }))
  }

  balance(): ScopeBalance[] {
    const nowMs = this.#parts.wallNow()
    return this.describeAll().map(({ name, entry, windows }) => ({
      scope: { name, entry },
      windows: windows
        .map(([per, startMs, ...amounts]) => {
          const { endMs } = this.#calendar.windowAt(per, nowMs)
          return [startMs, endMs, ...amounts] as const
        })
        .toSorted((one, other) => other[0] - one[0] || one[1] - other[1]),
    }))
  }

  /** The current windows, and those before them that are kept. */
  windows(): (CalendarWindow & { readonly per: BudgetPeriod })[] {
    const nowMs = this.#parts.wallNow()
    return budgetPeriods.flatMap((per) => {
      const windows = [{ per, ...this.#calendar.windowAt(per, nowMs) }]
      if (per === 'total') return windows
      for (let count = 1; count < keptWindows; count++) {
        windows.unshift({ per, ...this.#calendar.windowAt(per, windows[0]!.startMs - 1) })
      }
      return windows
    })
  }

  /** Everything, to be saved. */
  dump(): SavedBudgets {
    const accounts = Array.from(this.#accounts, ([name, { entry, nano, tokens, spent }]): SavedAccount => ({
      name,
      entry,
      nano,
      tokens,
      windows: spent.saved(),
    }))
    return { timeZone: this.#calendar.zone, revision: this.#revision, accounts }
  }

  /**
   * Takes up what `dump` returned, before the first call and before `follow`. What was reserved then counts as spent, since
   * its calls are gone, unless the process that saved it is still running.
   */
  restore({ timeZone, revision = 0, accounts }: SavedBudgets, { isRunning = false } = {}): void {
    this.#calendar = new Calendar(timeZone)
    this.#revision = Math.max(revision, accounts.length > 0 ? 1 : 0)
    const nowMs = this.#parts.wallNow()
    for (const { name, entry, nano, tokens, windows } of accounts) {
      const account = this.#accountOf(name, entry)
      account.spent.restore(windows)
      if (isRunning) Object.assign(account, { nano, tokens })
      else if (nano > 0 || tokens > 0) this.#spend(account, { nano, tokens }, nowMs)
    }
  }

  #changed(): void {
    this.#revision += 1
    this.#parts.onChange?.()
  }

  /** Time on the wall, after a look at whether it has jumped. */
  #watchedNow(): number {
    const { now, onNews } = this.#parts
    const wallMs = this.#parts.wallNow()
    if (now === undefined) return wallMs
    const offsetMs = wallMs - now()
    const forwardMs = offsetMs - (this.#offsetMs ?? offsetMs)
    this.#offsetMs = offsetMs
    if (forwardMs > maxJumpMs) onNews?.({ kind: 'clock_jumped', forwardMs: Math.round(forwardMs) })
    return wallMs
  }

  #accountOf(name: string, entry?: string): Account {
    let account = this.#accounts.get(name)
    if (account === undefined) {
      account = {
        entry: entry ?? name,
        budgets: [],
        nano: 0,
        tokens: 0,
        open: new Set(),
        spent: new SpentWindows(),
      }
      this.#accounts.set(name, account)
    } else if (entry !== undefined) account.entry = entry
    return account
  }

  #stateOf(of: BudgetScope, budget: Budget, nowMs: number): BudgetState {
    const window = this.#windowOf(of, budget, nowMs)
    const { scope, endMs } = window
    const resetsAtMs = Number.isFinite(endMs) ? endMs : undefined
    const own = this.useOf(window)
    const others = this.#parts.ceilings?.others(window) ?? nothingUsed
    const spent = sum(own.spent, others.spent)
    return { scope, budget, spent, reserved: sum(own.reserved, others.reserved), resetsAtMs }
  }

  #windowOf({ name, entry, budgets }: BudgetScope, budget: Budget, nowMs: number): BudgetWindow {
    const same = budgets.filter(({ unit, per }) => unit === budget.unit && per === budget.per)
    const limit = Math.min(...same.map((each) => each.limit))
    return { scope: { name, entry }, budget, limit, ...this.#calendar.windowAt(budget.per, nowMs) }
  }

  #fit(scope: BudgetScope, budget: Budget, requested: number, nowMs: number): Fit {
    // What costs nothing is no matter of money.
    if (requested === 0) return 'fits'
    const window = this.#windowOf(scope, budget, nowMs)
    const { spent, reserved } = this.useOf(window)
    const ceiling = this.#parts.ceilings?.of(window)
    const most = Math.min(budget.limit, ceiling?.most ?? Infinity)
    if (sum(sum(spent, reserved), requested) <= most) return 'fits'
    // A call that is estimated larger than what is left would lock the rest of the budget for good.
    if (ceiling?.isRest !== false && reserved === 0 && spent < most) return 'fits'
    return ceiling?.mustRefuse === true ? 'unknown' : 'exceeds'
  }

  /** @param scope whose budgets may have become news. */
  #spend({ spent }: Account, amounts: Amounts, nowMs: number, scope?: BudgetScope): void {
    const { nano, tokens } = amounts
    if (nano === 0 && tokens === 0) return
    const isNews = this.#parts.onNews !== undefined && scope !== undefined
    const before = isNews ? scope.budgets.map((budget) => this.#stateOf(scope, budget, nowMs)) : []
    const begun = spent.add(amounts, this.#calendar, nowMs)
    for (const state of before) this.#report(state, state.budget.unit === 'usd' ? nano : tokens, begun)
  }

  /** What has become of a budget by spending `amount` of it. */
  #report(before: BudgetState, amount: number, begun: ReadonlySet<BudgetPeriod>): void {
    const { onNews } = this.#parts
    const { limit, per } = before.budget
    const state = { ...before, spent: sum(before.spent, amount) }
    if (begun.has(per)) onNews?.({ kind: 'window_begun', ...state })
    const passes = (bound: number) => before.spent < bound && state.spent >= bound
    if (passes(limit)) onNews?.({ kind: 'exhausted', ...state })
    else if (passes(nearlySpent * limit)) onNews?.({ kind: 'nearly_spent', ...state })
  }

  /** A budget is not a way to be had anew by another time zone: what is in a current window goes with it. */
  #moveTo(calendar: Calendar): void {
    const nowMs = this.#parts.wallNow()
    for (const { spent } of this.#accounts.values()) spent.move(this.#calendar, calendar, nowMs)
    this.#calendar = calendar
    if (this.#accounts.size === 0) return
    this.#parts.journal?.rebased()
    this.#changed()
  }

  #raise(hold: OpenHold, tokens: number): void {
    const nano = Math.max(hold.nano, nanoOf(hold.demand, tokens))
    for (const { name } of hold.demand.scopes) {
      const account = this.#accountOf(name)
      account.nano = sum(account.nano, nano - hold.nano)
      account.tokens = sum(account.tokens, tokens - hold.tokens)
    }
    hold.nano = nano
    hold.tokens = tokens
    this.#parts.journal?.held(hold)
    this.#changed()
  }

  /** How many tokens a call may take alone before it exceeds a budget. */
  #cutsAbove(demand: BudgetDemand): number {
    if (this.#settings.whenExhausted !== 'cut') return Infinity
    const nowMs = this.#parts.wallNow()
    let least = Infinity
    for (const scope of demand.scopes) {
      for (const budget of scope.budgets) {
        const left = Math.max(0, budget.limit - this.#stateOf(scope, budget, nowMs).spent)
        least = Math.min(least, budget.unit === 'tokens' ? left : tokensFor(demand, left))
      }
    }
    return least
  }

  #cutGrown(hold: OpenHold, tokens: number): void {
    const nowMs = this.#parts.wallNow()
    const nano = nanoOf(hold.demand, tokens)
    for (const scope of hold.demand.scopes) {
      for (const budget of scope.budgets) {
        const state = this.#stateOf(scope, budget, nowMs)
        if (sum(state.spent, budget.unit === 'usd' ? nano : tokens) > budget.limit) return cut(hold, state)
      }
    }
    // A window has begun anew since.
    hold.cutsAboveTokens = this.#cutsAbove(hold.demand)
  }

  #cutExhausted(scopes: readonly BudgetScope[], nowMs: number): void {
    for (const scope of scopes) {
      const { open } = this.#accountOf(scope.name)
      for (const budget of scope.budgets) {
        const state = this.#stateOf(scope, budget, nowMs)
        if (state.spent < budget.limit) continue
        for (const hold of open) if ((budget.unit === 'usd' ? hold.nano : hold.tokens) > 0) cut(hold, state)
      }
    }
  }

  /** Keeps what was spent for good or in a window that is not over. */
  #sweep(): void {
    for (const [name, { open, spent }] of this.#accounts) {
      if (open.size === 0 && !spent.hasTotal) this.#accounts.delete(name)
    }
    this.#sweptAccounts = Math.max(minSweptAccounts, 2 * this.#accounts.size)
  }
}
