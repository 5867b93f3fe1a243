// The budgets that are known before a call names them: by the configuration and the keys.
import type { BudgetScope } from '../admission/budget.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import type { Config } from '../config/types.ts'
import type { ScopeSpending } from '../domain.ts'

const ofClient = 'client:'

/**
 * Of all clients together, of keys, and of the other clients that have spent something.
 * @param spending of which clients' names are taken.
 */
export function knownBudgets(
  { budgets, clients }: Pick<Config, 'budgets' | 'clients'>,
  keys: readonly KeyRecord[],
  spending: readonly Pick<ScopeSpending, 'entry' | 'name'>[],
): BudgetScope[] {
  const scopes: BudgetScope[] = []
  if (budgets.total.length > 0) scopes.push({ name: 'total', entry: 'total', budgets: budgets.total })
  for (const { id, terms } of keys) {
    if (terms.budgets.length > 0)
      scopes.push({ name: `key:${id}`, entry: terms.name, budgets: terms.budgets })
  }
  for (const { name, entry } of spending) {
    if (!name.startsWith(ofClient)) continue
    const terms =
      clients.byPattern.get(entry) ?? (clients.default?.name === entry ? clients.default : undefined)
    if (terms === undefined || terms.budgets.length === 0) continue
    scopes.push({ name, entry: name.slice(ofClient.length), budgets: terms.budgets })
  }
  return scopes
}
