// A budget as reports show it: `GET /v1/limits`, `GET /v1/usage` and the status page.
import type { BudgetState } from '../admission/budget.ts'
import { usdOfNano } from '../prices/usd.ts'
import type { BudgetRow } from './status-report.ts'

/** USD are decimal text, which is exact. */
export function budgetRow({ scope, budget, spent, reserved, resetsAtMs }: BudgetState): BudgetRow {
  const { unit, per } = budget
  const shown = (amount: number) => (unit === 'usd' ? usdOfNano(amount) : amount)
  return {
    of: scope.name === 'total' ? 'all clients' : scope.entry,
    unit,
    per,
    limit: shown(budget.limit),
    spent: shown(spent),
    reserved: shown(reserved),
    resets_at: resetsAtMs === undefined ? null : new Date(resetsAtMs).toISOString(),
  }
}
