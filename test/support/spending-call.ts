// A call that budgets apply to, for tests that do not look at who sent it.
import type { BudgetRequest } from '../../src/admission/budget.ts'
import type { SpendingCall } from '../../src/domain.ts'

export const spendingCall: SpendingCall = {
  requestId: 'req-1',
  client: 'user:ann',
  key: undefined,
  secret: undefined,
  via: undefined,
  dialect: 'chat',
  model: 'qwen',
}

/** What a call asks of a budget of 1,000 nano-USD a day. @param name of its scope. */
export function spendingOf(name: string): BudgetRequest {
  const budgets = [{ unit: 'usd', limit: 1_000, per: 'day' } as const]
  const rates = { input: 1_000, output: 1_000, request: 0 }
  return { scopes: [{ name, entry: 'ci', budgets }], rates, call: spendingCall }
}
