// `POST /-/budgets` of the control channel: how budgets stand, for `key list`, `key show` and `usage`.
import type { BudgetState } from '../admission/budget.ts'

/** As the commands get it. */
export interface BudgetsJson {
  /** Whether other machines share them. */
  readonly shared: boolean
  /** Otherwise what the others have spent is as last heard. */
  readonly store_up: boolean
  readonly standings: readonly BudgetStandingJson[]
}

/** Amounts are whole nano-USD or tokens. */
interface BudgetStandingJson extends Pick<BudgetState, 'budget' | 'reserved' | 'scope' | 'spent'> {
  /** Milliseconds since 1970. Null: never. */
  readonly resets_at_ms: number | null
}

/** @returns the ids of the keys that are asked about. Undefined: all budgets are. */
export function readAskedKeys({ keys }: Readonly<Record<string, unknown>>): ReadonlySet<string> | undefined {
  if (!Array.isArray(keys)) return undefined
  return new Set(keys.filter((id) => typeof id === 'string'))
}

export function budgetsJson(
  machines: { readonly isUp: boolean } | undefined,
  states: readonly BudgetState[],
): BudgetsJson {
  return {
    shared: machines !== undefined,
    store_up: machines?.isUp === true,
    standings: states.map(({ scope: { name, entry }, budget, spent, reserved, resetsAtMs }) => ({
      scope: { name, entry },
      budget,
      spent,
      reserved,
      resets_at_ms: resetsAtMs ?? null,
    })),
  }
}
