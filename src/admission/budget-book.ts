// What is spent and reserved of budgets: of keys, of clients and of the whole gateway, in windows of the calendar.
//
// A call reserves what it is expected to cost, and more while it is seen to take more; its end replaces that by what it
// has cost. What is spent counts in the window of that moment; what is reserved counts in every window, since the call may
// end in any.
import { type Budget, maxPlausibleTokens } from '../domain.ts'
import {
  type BudgetDemand,
  type BudgetHold,
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
import { budgetCutError } from './budget-error.ts'
import { budgetPeriods, type BudgetPeriod, Calendar } from './calendar-window.ts'
import type { Outcome } from './outcome.ts'

interface OpenHold extends BudgetHold {
  nano: number
  tokens: number
  cutsAboveTokens: number
  readonly demand: BudgetDemand
  isOpen: boolean
}

interface SpentWindow {
  startMs: number
  nano: number
  tokens: number
}

/** What is spent and reserved of one scope. */
interface Account {
  nano: number
  tokens: number
  readonly open: Set<OpenHold>
  /** The newest ones: a clock that is set back finds its window again. */
  readonly windows: Record<BudgetPeriod, SpentWindow[]>
}

/** An account as it is saved. */
export interface SavedAccount {
  readonly name: string
  /** Reserved. */
  readonly nano: number
  readonly tokens: number
  readonly windows: readonly (readonly [per: BudgetPeriod, startMs: number, nano: number, tokens: number])[]
}

export interface SavedBudgets {
  readonly timeZone: string
  readonly accounts: readonly SavedAccount[]
}

export interface BudgetBookParts {
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
  /** Called after everything that changes an account. */
  readonly onChange?: () => void
}

const keptWindows = 3

/** Clients may be any number of addresses: from so many accounts on, those that count nothing are looked for. */
const minSweptAccounts = 1_000

export class BudgetBook {
  readonly #parts: BudgetBookParts
  readonly #accounts = new Map<string, Account>()
  #settings = usualBudgetSettings
  #calendar = new Calendar(usualBudgetSettings.timeZone)
  #lost: string | undefined
  /** The number of accounts at which those that count nothing are dropped next. */
  #sweptAccounts = minSweptAccounts

  constructor(parts: BudgetBookParts) {
    this.#parts = parts
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

  /** What `take` would refuse with; undefined if it would not. Changes nothing. */
  probe(demand: BudgetDemand): BudgetRefusal | undefined {
    if (this.#lost !== undefined) return { kind: 'budget_state_lost', reason: this.#lost }
    const nowMs = this.#parts.wallNow()
    for (const scope of demand.scopes) {
      for (const budget of scope.budgets) {
        const state = this.#stateOf(scope, budget, nowMs)
        const requested = budget.unit === 'usd' ? demand.nano : demand.tokens
        const { spent, reserved } = state
        // What costs nothing is no matter of money.
        if (requested === 0 || sum(sum(spent, reserved), requested) <= budget.limit) continue
        // A call that is estimated larger than what is left would lock the rest of the budget for good.
        if (reserved === 0 && spent < budget.limit) continue
        return { kind: 'budget_exceeded', ...state, requested }
      }
    }
    return undefined
  }

  /** Reserves in all scopes or in none. */
  take(demand: BudgetDemand): BudgetHold | BudgetRefusal {
    const refusal = this.probe(demand)
    if (refusal !== undefined) return refusal
    const { nano, tokens } = demand
    const hold: OpenHold = {
      kind: 'held',
      nano,
      tokens,
      demand,
      cutsAboveTokens: this.#cutsAbove(demand),
      isOpen: true,
      interruptible: undefined,
    }
    for (const { name } of demand.scopes) {
      const account = this.#accountOf(name)
      account.nano = sum(account.nano, nano)
      account.tokens = sum(account.tokens, tokens)
      account.open.add(hold)
    }
    if (this.#accounts.size >= this.#sweptAccounts) this.#sweep()
    this.#parts.onChange?.()
    return hold
  }

  /** Raises what is reserved to `tokens` in all; never lowers it, never refuses. May cut the call. */
  grow(held: BudgetHold, tokens: number): void {
    const hold = held as OpenHold
    if (!hold.isOpen) return
    if (tokens > hold.tokens) this.#raise(hold, plausible(tokens))
    if (tokens > hold.cutsAboveTokens) this.#cutGrown(hold, plausible(tokens))
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
    const nowMs = this.#parts.wallNow()
    for (const { name } of hold.demand.scopes) {
      const account = this.#accountOf(name)
      account.open.delete(hold)
      // Where amounts are at the end of exact numbers, the last call to end takes all with it.
      account.nano = account.open.size === 0 ? 0 : Math.max(0, account.nano - hold.nano)
      account.tokens = account.open.size === 0 ? 0 : Math.max(0, account.tokens - hold.tokens)
      this.#spend(account, charge, nowMs)
    }
    this.#parts.onChange?.()
    if (this.#settings.whenExhausted === 'cut') this.#cutExhausted(hold.demand.scopes, nowMs)
  }

  /** How all budgets of these scopes stand. */
  describe(scopes: readonly BudgetScope[]): BudgetState[] {
    const nowMs = this.#parts.wallNow()
    return scopes.flatMap((scope) => scope.budgets.map((budget) => this.#stateOf(scope, budget, nowMs)))
  }

  /** Everything, to be saved. */
  dump(): SavedBudgets {
    const accounts = Array.from(this.#accounts, ([name, { nano, tokens, windows }]): SavedAccount => ({
      name,
      nano,
      tokens,
      windows: budgetPeriods.flatMap((per) =>
        windows[per].map((window) => [per, window.startMs, window.nano, window.tokens] as const),
      ),
    }))
    return { timeZone: this.#calendar.zone, accounts }
  }

  /**
   * Takes up what `dump` returned, before the first call and before `follow`. What was reserved then counts as spent, since
   * its calls are gone, unless the process that saved it is still running.
   */
  restore({ timeZone, accounts }: SavedBudgets, { isRunning = false } = {}): void {
    this.#calendar = new Calendar(timeZone)
    const nowMs = this.#parts.wallNow()
    for (const { name, nano, tokens, windows } of accounts) {
      const account = this.#accountOf(name)
      for (const [per, startMs, ...amounts] of windows) {
        account.windows[per].push({ startMs, nano: amounts[0], tokens: amounts[1] })
      }
      if (isRunning) Object.assign(account, { nano, tokens })
      else if (nano > 0 || tokens > 0) this.#spend(account, { nano, tokens }, nowMs)
    }
  }

  #accountOf(name: string): Account {
    let account = this.#accounts.get(name)
    if (account === undefined) {
      account = { nano: 0, tokens: 0, open: new Set(), windows: { day: [], week: [], month: [], total: [] } }
      this.#accounts.set(name, account)
    }
    return account
  }

  #stateOf({ name, entry }: BudgetScope, budget: Budget, nowMs: number): BudgetState {
    const { startMs, endMs } = this.#calendar.windowAt(budget.per, nowMs)
    const account = this.#accounts.get(name)
    const window = account?.windows[budget.per].find((each) => each.startMs === startMs)
    const amount = budget.unit === 'usd' ? 'nano' : 'tokens'
    const resetsAtMs = Number.isFinite(endMs) ? endMs : undefined
    const spent = window?.[amount] ?? 0
    return { scope: { name, entry }, budget, spent, reserved: account?.[amount] ?? 0, resetsAtMs }
  }

  #spend({ windows }: Account, { nano, tokens }: { nano: number; tokens: number }, nowMs: number): void {
    if (nano === 0 && tokens === 0) return
    for (const per of budgetPeriods) {
      const { startMs } = this.#calendar.windowAt(per, nowMs)
      const ofPeriod = windows[per]
      let window = ofPeriod.find((each) => each.startMs === startMs)
      if (window === undefined) {
        window = { startMs, nano: 0, tokens: 0 }
        ofPeriod.push(window)
        if (ofPeriod.length > keptWindows) ofPeriod.shift()
      }
      window.nano = sum(window.nano, nano)
      window.tokens = sum(window.tokens, tokens)
    }
  }

  /** A budget is not a way to be had anew by another time zone: what is in a current window goes with it. */
  #moveTo(calendar: Calendar): void {
    const nowMs = this.#parts.wallNow()
    for (const { windows } of this.#accounts.values()) {
      for (const per of budgetPeriods) {
        const from = this.#calendar.windowAt(per, nowMs).startMs
        const window = windows[per].find((each) => each.startMs === from)
        if (window !== undefined) window.startMs = calendar.windowAt(per, nowMs).startMs
      }
    }
    this.#calendar = calendar
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
    this.#parts.onChange?.()
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
    for (const [name, { open, windows }] of this.#accounts) {
      if (open.size === 0 && windows.total.length === 0) this.#accounts.delete(name)
    }
    this.#sweptAccounts = Math.max(minSweptAccounts, 2 * this.#accounts.size)
  }
}

function cut(hold: OpenHold, state: BudgetState): void {
  const { interruptible } = hold
  hold.interruptible = undefined
  interruptible?.interrupt(budgetCutError(state))
}

/** What ended unknown counts as reserved: not to know is no way to spend less. */
function chargeOf(
  { nano, tokens }: OpenHold,
  { kind }: Outcome,
  spent: Spent | undefined,
): { nano: number; tokens: number } {
  if (spent === undefined)
    return kind === 'used' || kind === 'cut' ? { nano, tokens } : { nano: 0, tokens: 0 }
  const isCount = Number.isFinite(spent.tokens) && spent.tokens >= 0 && spent.tokens <= maxPlausibleTokens
  const isAmount = Number.isSafeInteger(spent.nano) && spent.nano! >= 0
  return { nano: isAmount ? spent.nano! : nano, tokens: isCount ? Math.ceil(spent.tokens) : tokens }
}

/** Of amounts from 0 on; what exceeds exact numbers stays at their end. */
function sum(one: number, other: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, one + other)
}
