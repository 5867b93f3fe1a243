// Budgets as the key file writes them (`{ "usd": "5", "per": "day" }`) and as people type them (`5usd/day`). USD are decimal
// text and whole nano-USD, because sums of binary fractions are not exact.
import { type Budget, budgetPeriods } from '../../domain.ts'
import { maxBudgetUsd, nanoOfBudget, usdOfNano } from '../../prices/usd.ts'
import { type Members, membersAt, type Place, type ReportFault } from './members.ts'

const maxTokens = 1_000_000_000_000_000

const maxBudgets = 8

export function readBudgets(key: Members, report: ReportFault): readonly Budget[] {
  const entries = key.list('budgets', maxBudgets, 'budgets')
  if (entries.length === 0) return []
  return entries.flatMap(
    (entry, index) => readBudget(entry, [...key.placeOf('budgets'), index], report) ?? [],
  )
}

/** What the key file holds. */
export function formatBudget({ unit, limit, per }: Budget): Record<string, unknown> {
  return unit === 'usd' ? { usd: usdOfNano(limit), per } : { tokens: limit, per }
}

/** Reads `5usd/day`, `2.50usd/month`, `2000000tokens/total`. Undefined for anything else. */
export function parseBudget(text: string): Budget | undefined {
  const [, amount = '', unit, per] = /^([\d.]+)(usd|tokens)\/(day|week|month|total)$/i.exec(text) ?? []
  const limit = unit?.toLowerCase() === 'usd' ? nanoOfBudget(amount) : tokensOf(amount)
  if (limit === undefined || unit === undefined) return undefined
  return { unit: unit.toLowerCase() as Budget['unit'], limit, per: per!.toLowerCase() as Budget['per'] }
}

/** As `parseBudget` reads it. */
export function budgetText({ unit, limit, per }: Budget): string {
  return `${unit === 'usd' ? usdOfNano(limit) : limit}${unit}/${per}`
}

const budgetMembers = new Set(['usd', 'tokens', 'per'])

function readBudget(value: unknown, place: Place, report: ReportFault): Budget | undefined {
  const members = membersAt(value, place, budgetMembers, report)
  if (members === undefined) return undefined
  const per = members.choice('per', budgetPeriods)
  const usd = members.get('usd')
  const unit = usd === undefined ? 'tokens' : 'usd'
  if ((usd === undefined) === (members.get('tokens') === undefined)) {
    report(place, 'must have either "usd" or "tokens"')
    return undefined
  }
  const limit =
    unit === 'tokens'
      ? members.count('tokens', 0, maxTokens)
      : nanoOfBudget(typeof usd === 'string' ? usd : '')
  if (limit === undefined && unit === 'usd')
    members.fault('usd', `must be text from "0" to "${maxBudgetUsd}": "2.50"`)
  return limit === undefined || per === undefined ? undefined : { unit, limit, per }
}

function tokensOf(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
