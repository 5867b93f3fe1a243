// The errors for a call that a budget refuses or ends.
import type { Budget } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { usdOfNano } from '../prices/usd.ts'
import type { BudgetExceeded, BudgetRefusal, BudgetState } from './budget.ts'

export function budgetError(refusal: BudgetRefusal): GatewayError {
  if (refusal.kind === 'budget_state_lost') return new GatewayError('budget_state_lost', stateLost)
  if (refusal.kind === 'budget_unavailable') {
    const { scope, budget } = refusal
    const message =
      `The budget of ${ownerOf(scope)}, ${budgetName(budget)}, is shared with other gateways, and the store of what they spend ` +
      'cannot be asked now. What this gateway held of it is used up; calls are refused until the store is back (rate_limit_settings.store.when_unavailable: refuse).'
    return new GatewayError('limits_unavailable', message)
  }
  const { budget, spent, reserved, requested } = refusal
  const needed = `this call needs up to ${amountOf(budget, requested)}.`
  if (isOfAll(refusal)) return exceeded(refusal, needed)
  const taken = `${amountOf(budget, spent)} are spent, ${amountOf(budget, reserved)} are reserved by calls under way`
  return exceeded(refusal, `${taken}, and ${needed}`)
}

/** The reason, with the paths of files, is in the log and in the report of `doctor`. */
const stateLost =
  'A budget applies to this call, and the gateway does not know what was spent of it, or cannot write it down. Its log and `llm-gateway doctor` have the reason, and what the operator can do.'

/** Status 429 as an event: the response has begun. */
export function budgetCutError(state: BudgetState): GatewayError {
  return exceeded(
    state,
    isOfAll(state) ? 'it is spent.' : `${amountOf(state.budget, state.spent)} are spent.`,
  )
}

/** What all clients together have spent is none of each one's business: `GET /v1/limits` shows it to those that may know. */
function isOfAll({ scope }: BudgetState): boolean {
  return scope.name === 'total'
}

/**
 * It is not the error of an exceeded limit, because the same call does not fit a moment later: SDKs must not repeat it, and
 * nobody should conclude that the key is invalid.
 */
function exceeded(state: BudgetState | BudgetExceeded, amounts: string): GatewayError {
  const { scope, budget, resetsAtMs } = state
  const resets = resetsAtMs === undefined ? 'never' : isoSecond(resetsAtMs)
  const ends = resetsAtMs === undefined ? 'It is never renewed' : `It is renewed at ${resets}`
  const message = `The budget of ${ownerOf(scope)}, ${budgetName(budget)}, has no room for this call: ${amounts} ${ends}; the operator may raise it.`
  const taken = isOfAll(state)
    ? ''
    : ` spent ${plainAmount(budget, state.spent)}; reserved ${plainAmount(budget, state.reserved)};`
  const headers = {
    'x-should-retry': 'false',
    'x-llm-gateway-budget': `${budgetName(budget)};${taken} resets ${resets}`,
  }
  return new GatewayError('budget_exceeded', message, { headers })
}

function ownerOf({ name, entry }: BudgetState['scope']): string {
  if (name === 'total') return 'the gateway (budgets.total)'
  const quoted = JSON.stringify(entry)
  return name.startsWith('key:') ? `the key ${quoted}` : `the client (clients[${quoted}].budgets)`
}

/** `5 usd/day`. */
export function budgetName(budget: Budget): string {
  const period = budget.per === 'total' ? ' in total' : `/${budget.per}`
  return `${plainAmount(budget, budget.limit)} ${budget.unit}${period}`
}

function amountOf(budget: Budget, amount: number): string {
  return `${plainAmount(budget, amount)} ${budget.unit === 'usd' ? 'USD' : 'tokens'}`
}

/** An amount of the budget, in its unit. */
export function plainAmount({ unit }: Budget, amount: number): string {
  return unit === 'usd' ? usdOfNano(amount) : String(amount)
}

function isoSecond(ms: number): string {
  return new Date(ms).toISOString().replace('.000', '')
}
