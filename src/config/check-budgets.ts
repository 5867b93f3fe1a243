// Problems of budgets that the schema cannot express.
import { isTimeZone } from '../platform/time-zone.ts'
import { nanoOfBudget } from '../prices/usd.ts'
import { type Path, type PathProblem, quoted } from './problems.ts'
import type { RawBudget, RawConfig } from './raw.ts'

export function* budgetProblems({ budgets = {}, clients = {} }: RawConfig): Generator<PathProblem> {
  const zone = budgets.time_zone
  if (zone !== undefined && !isTimeZone(zone)) {
    const message = `${quoted(zone)} is not the name of a time zone`
    yield { path: ['budgets', 'time_zone'], message, hint: 'write one such as Europe/Berlin or UTC' }
  }
  yield* listProblems(budgets.total, ['budgets', 'total'])
  for (const [name, client] of Object.entries(clients)) {
    yield* listProblems(client.budgets, ['clients', name, 'budgets'])
  }
}

function* listProblems(list: readonly RawBudget[] = [], at: Path): Generator<PathProblem> {
  for (const [index, { usd, tokens }] of list.entries()) {
    const path = [...at, index]
    if ((usd === undefined) === (tokens === undefined)) {
      yield { path, message: 'must have either "usd" or "tokens"', hint: 'write { usd: 5, per: day }' }
    } else if (usd !== undefined && nanoOfBudget(String(usd)) === undefined) {
      const message = 'must be an amount of USD from 0 to 9,000,000 with at most 9 decimals'
      yield { path: [...path, 'usd'], message, hint: 'write an amount such as 5 or "2.50"' }
    }
  }
}
