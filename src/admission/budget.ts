// What a call asks of its budgets, and how a budget stands. Amounts are whole numbers: nano-USD and tokens.
import { type Budget, maxPlausibleTokens, type SpendingCall, type SpendScope } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { Estimate } from './estimate.ts'

/** Whose budgets they are. */
export interface BudgetScope extends SpendScope {
  readonly budgets: readonly Budget[]
}

/** What tokens of a call cost at most where it may be answered, in whole pico-USD (10⁻¹² USD). */
export interface CallRates {
  readonly input: number
  readonly output: number
  readonly request: number
}

/** The budgets that a call is subject to. */
export interface BudgetRequest {
  /** At least one. */
  readonly scopes: readonly BudgetScope[]
  /** Undefined: none of the budgets is of money. */
  readonly rates: CallRates | undefined
  readonly call: SpendingCall
}

/** What a call asks of its budgets. */
export interface BudgetDemand extends BudgetRequest {
  readonly nano: number
  readonly tokens: number
  /** Of the tokens. */
  readonly promptTokens: number
}

export interface BudgetSettings {
  readonly timeZone: string
  /** What a call reserves: what answers usually take, or all that it may take. */
  readonly reserve: 'predicted' | 'worst_case'
  /** What becomes of calls under way once a budget is spent. */
  readonly whenExhausted: 'finish' | 'cut'
}

export const usualBudgetSettings: BudgetSettings = {
  timeZone: 'UTC',
  reserve: 'predicted',
  whenExhausted: 'finish',
}

/** How a budget stands. Amounts are in its unit. */
export interface BudgetState {
  readonly scope: SpendScope
  readonly budget: Budget
  readonly spent: number
  readonly reserved: number
  /** When its window ends, in milliseconds since 1970; undefined: never. */
  readonly resetsAtMs: number | undefined
}

export interface BudgetExceeded extends BudgetState {
  readonly kind: 'budget_exceeded'
  /** What the call would have reserved. */
  readonly requested: number
}

/** What was spent is not known. */
interface BudgetStateLost {
  readonly kind: 'budget_state_lost'
  /** A sentence for people. */
  readonly reason: string
}

/** What other gateways leave of a budget is not known, and by the configuration nothing is spent of it then. */
interface BudgetUnavailable extends BudgetState {
  readonly kind: 'budget_unavailable'
  readonly requested: number
}

export type BudgetRefusal = BudgetExceeded | BudgetStateLost | BudgetUnavailable

/** What an operator may want to know of a budget. */
export type BudgetNews =
  /** Four fifths are spent; all is spent; something is spent of a new window. */
  | (BudgetState & { readonly kind: 'nearly_spent' | 'exhausted' | 'window_begun' })
  /** The wall clock went forward against the monotonic one, which may have begun windows before their time. */
  | { readonly kind: 'clock_jumped'; readonly forwardMs: number }

/** What a call has cost. */
export interface Spent {
  /** Undefined: nobody knows. */
  readonly nano: number | undefined
  readonly tokens: number
}

/** What can be ended with an error for its client. */
export interface Interruptible {
  interrupt(error: GatewayError): void
}

/** What an admitted call holds of its budgets. Opaque but for these; it is settled once. */
export interface BudgetHold {
  readonly kind: 'held'
  readonly nano: number
  readonly tokens: number
  /** A call that has taken more than so many tokens is to `grow`, whatever it holds: it may be cut. Infinity: nothing is cut. */
  readonly cutsAboveTokens: number
  /** Is interrupted, at most once, when the call is to end because a budget is spent. */
  interruptible: Interruptible | undefined
}

/** A client that sets no cap is assumed to receive so many tokens at most where the worst case is reserved. */
const uncappedTokens = 16_384

/** What a call reserves of its budgets. */
export function budgetDemandOf(
  request: BudgetRequest,
  { promptTokens, longOutputTokens, isOutputKnown }: Omit<Estimate, 'outputTokens' | 'tokens' | 'minTokens'>,
  size: {
    readonly maxOutputTokens: number | undefined
    readonly choices: number
    readonly promptCount: number
  },
  reserve: BudgetSettings['reserve'],
): BudgetDemand {
  const answers = Math.max(1, size.promptCount) * Math.max(1, size.choices)
  const most = (size.maxOutputTokens ?? uncappedTokens) * answers
  const isPredicted = reserve === 'predicted' && isOutputKnown
  const output = isPredicted ? longOutputTokens : Math.max(most, longOutputTokens)
  const demand = { ...request, nano: 0, tokens: plausible(promptTokens + output), promptTokens }
  return { ...demand, nano: nanoOf(demand, demand.tokens) }
}

/** Whole, and no more than a call can take. */
export function plausible(tokens: number): number {
  return Math.min(maxPlausibleTokens, Math.ceil(tokens))
}

/** What so many tokens in all cost, in nano-USD, rounded up. */
export function nanoOf(
  { rates, promptTokens }: Pick<BudgetDemand, 'rates' | 'promptTokens'>,
  tokens: number,
): number {
  if (rates === undefined) return 0
  const output = Math.max(0, tokens - promptTokens)
  const pico = promptTokens * rates.input + output * rates.output + rates.request
  return Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(pico / 1000))
}

/** How many tokens in all so much buys, in nano-USD: the inverse of `nanoOf`, rounded down. */
export function tokensFor(
  { rates, promptTokens }: Pick<BudgetDemand, 'rates' | 'promptTokens'>,
  nano: number,
): number {
  if (rates === undefined) return Infinity
  const left = nano * 1000 - promptTokens * rates.input - rates.request
  if (left < 0) return 0
  return rates.output === 0 ? Infinity : promptTokens + Math.floor(left / rates.output)
}
