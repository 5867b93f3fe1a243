// Whose budgets there are, and how they stand, for reports and for commands.
import type { BudgetScope, BudgetState } from '../admission/budget.ts'
import type { BudgetBook } from '../admission/budget-book.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import type { Config } from '../config/types.ts'
import type { ScopeSpending } from '../domain.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'
import { scopeNamed } from './pseudonyms.ts'

export interface BudgetSources {
  /** In force. */
  readonly config: Pick<Config, 'budgets' | 'clients'>
  /** In force. */
  readonly keys: readonly KeyRecord[]
  readonly book: Pick<BudgetBook, 'describe' | 'describeAll' | 'look'>
}

const ofClient = 'client:'

/**
 * Of all clients together, of keys, and of the other clients that have spent something here: in this order.
 * @param spending of which clients' names are taken.
 */
export function budgetScopesIn(
  { budgets, clients }: BudgetSources['config'],
  keys: readonly KeyRecord[],
  spending: readonly Pick<ScopeSpending, 'entry' | 'name'>[],
): BudgetScope[] {
  const scopes: BudgetScope[] = []
  if (budgets.total.length > 0) scopes.push({ name: 'total', entry: 'total', budgets: budgets.total })
  scopes.push(...scopesOfKeys(keys))
  for (const { name, entry } of spending) {
    if (!name.startsWith(ofClient)) continue
    const terms =
      clients.byPattern.get(entry) ?? (clients.default?.name === entry ? clients.default : undefined)
    if (terms === undefined || terms.budgets.length === 0) continue
    scopes.push({ name, entry: name.slice(ofClient.length), budgets: terms.budgets })
  }
  return scopes
}

function scopesOfKeys(keys: readonly KeyRecord[]): BudgetScope[] {
  return keys
    .filter(({ terms }) => terms.budgets.length > 0)
    .map(({ id, terms }) => ({ name: `key:${id}`, entry: terms.name, budgets: terms.budgets }))
}

/** Of more, other machines are not asked at once. */
const maxAskedScopes = 1_000

/**
 * How budgets stand by what all machines have spent, of so many scopes at most. Never rejects.
 * @param keyIds of the keys whose budgets are wanted. Undefined: all budgets, by pseudonyms where there are any.
 */
export async function describeBudgetsOfAll(
  sources: BudgetSources,
  keyIds: ReadonlySet<string> | undefined,
  pseudonyms: Pseudonyms | undefined,
): Promise<BudgetState[]> {
  const { config, keys, book } = sources
  const wanted =
    keyIds === undefined
      ? budgetScopesIn(config, keys, book.describeAll())
      : scopesOfKeys(keys.filter(({ id }) => keyIds.has(id)))
  const scopes = wanted.slice(0, maxAskedScopes)
  await book.look(scopes)
  const states = book.describe(scopes)
  if (keyIds !== undefined || pseudonyms === undefined) return states
  return states.map((state) => ({ ...state, scope: scopeNamed(state.scope, pseudonyms) }))
}
