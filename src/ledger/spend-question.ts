// What a gateway asks the ledger as it starts: what was spent of budgets.
import type { Budget, ScopeBalance, SpentInWindows } from '../domain.ts'

/** Half open, in milliseconds since 1970; begins and ends on whole quarters of an hour, or never ends. */
export interface CalendarSpan {
  readonly per: Budget['per']
  readonly startMs: number
  readonly endMs: number
}

export interface SpendQuestion {
  readonly spans: readonly CalendarSpan[]
  /** Another copy of what was spent; it counts if it is the later one. */
  readonly copy: SpendCopy | undefined
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

interface SpendCopy {
  /** Undefined: it is later than all that the ledger has. */
  readonly revision: number | undefined
  readonly balances: readonly ScopeBalance[]
}

export type SpendFound =
  | {
      readonly kind: 'found'
      readonly spent: readonly SpentInWindows[]
      readonly revision: number
      /** The other copy was the later one, and the ledger has been completed by it. */
      readonly wasCompleted: boolean
      /** Calls that were under way when their process ended, and are charged with what they had reserved. */
      readonly unfinished: number
    }
  /** The ledger does not know what was spent. */
  | { readonly kind: 'unknown' }
  /** It cannot be read or written now. */
  | { readonly kind: 'unreadable'; readonly reason: string }
