// What all machines have spent of the budgets that they share, which the running gateway knows.
import type { BudgetState } from '../admission/budget.ts'
import type { BudgetsJson } from '../app/budgets-command.ts'
import { askControl } from './control-client.ts'

export type SharedSpending =
  /** Budgets are this machine's alone. */
  | { readonly kind: 'alone' }
  /** They are shared, and nobody who knows of the other machines has answered. */
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'of_all'
      readonly standings: readonly BudgetState[]
      /** Whether the store can be reached; otherwise what others have spent is as last heard. */
      readonly isUp: boolean
    }

/** Some hundred budgets are asked after at once. */
const waitMs = 15_000
/** The gateway asks other machines after so many at once. */
const maxKeys = 1_000

export interface Sharing {
  readonly configFile: string
  /** Whether the configuration names a store. */
  readonly sharesLimits: boolean
}

/** @param keyIds of the keys whose budgets are wanted. Undefined: all budgets are. */
export async function askSharedSpending(
  { configFile, sharesLimits }: Sharing,
  env: NodeJS.ProcessEnv,
  keyIds?: readonly string[],
): Promise<SharedSpending> {
  if (!sharesLimits) return { kind: 'alone' }
  if (keyIds?.length === 0) return { kind: 'of_all', standings: [], isUp: true }
  const input = keyIds === undefined ? {} : { keys: keyIds.slice(0, maxKeys) }
  const answer = await askControl(env, 'POST /-/budgets', configFile, input, waitMs)
  // An older gateway does not know the question.
  if (answer.kind !== 'answered' || !Array.isArray(answer.body['standings'])) return { kind: 'unknown' }
  const { shared, store_up: isUp, standings } = answer.body as unknown as BudgetsJson
  if (!shared) return { kind: 'alone' }
  return {
    kind: 'of_all',
    isUp,
    standings: standings.map(({ resets_at_ms: resetsAtMs, ...state }) => ({
      ...state,
      resetsAtMs: resetsAtMs ?? undefined,
    })),
  }
}

/** What is to be known of amounts that are shown, for people. Undefined: nothing. */
export function spendingNote(shared: SharedSpending): string | undefined {
  if (shared.kind === 'unknown')
    return 'What is spent is the part of this machine alone: other machines share the budgets, and no gateway of this user has answered that knows their part.'
  if (shared.kind === 'of_all' && !shared.isUp)
    return 'The store is away: what other machines have spent is as last heard.'
  return undefined
}
