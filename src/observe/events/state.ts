// What the gateway keeps on disk: limits, budgets, owners of objects, the ledger and the audit log.

export type StateEvent =
  | LimitsLoaded
  | LimitsNotSaved
  | LimitsStoreDown
  | LimitsStoreEvicts
  | MachinesAgree
  | MachinesInConflict
  | LimitsStoreUp
  | BudgetsNotSaved
  | BudgetsCopyUsed
  | BudgetsLost
  | BudgetReported
  | BudgetEventsUnlogged
  | ClockJumped
  | OwnersNotKept
  | LedgerOff
  | LedgerWaiting
  | LedgerWriting
  | LedgerSetAside
  | LedgerRowsLost
  | AuditUnavailable
  | AuditHeadWritten

/** What the last run left of the limits' counters. */
interface LimitsLoaded {
  readonly kind: 'limits_loaded'
  readonly fact: { readonly kind: string }
}

/** The counters could not be saved; calls go on. */
interface LimitsNotSaved {
  readonly kind: 'limits_not_saved'
  readonly cause: unknown
}

/** The store that gateways share cannot be used: each grants what `when_unavailable` says. */
interface LimitsStoreDown {
  readonly kind: 'limits_store_down'
  /** No URL and no credential is in it. */
  readonly reason: string
  readonly when_unavailable: 'share' | 'refuse' | 'local'
}

/** The store is joined, for the first time or again. */
interface LimitsStoreUp {
  readonly kind: 'limits_store_up'
  /** `Valkey 8.0.1`. */
  readonly server: string
  /** Machines that share it at the moment, this one included. */
  readonly members: number
}

/** The store may delete keys when its memory is full, and limits with them. */
interface LimitsStoreEvicts {
  readonly kind: 'limits_store_evicts'
  /** Its `maxmemory-policy`. */
  readonly policy: string
}

/** Machines share the store and do not count together: what one spends is missing, or its budgets are not shared. */
interface MachinesInConflict {
  readonly kind: 'machines_in_conflict'
  /** Which ones, and what to do. */
  readonly reason: string
}

/** They count together again. */
interface MachinesAgree {
  readonly kind: 'machines_agree'
}

/** What was spent of budgets could not be saved; calls go on. */
interface BudgetsNotSaved {
  readonly kind: 'budgets_not_saved'
  readonly cause: unknown
}

/** What was spent of budgets is not known at a start: calls with a budget are refused, others are not. */
interface BudgetsLost {
  readonly kind: 'budgets_lost'
  readonly reason: string
}

/** Budgets go on from their second copy, which may lack the calls of some seconds. */
interface BudgetsCopyUsed {
  readonly kind: 'budgets_copy_used'
  readonly reason: string
}

/** Four fifths of a budget are spent, all of it is, or something is spent of its new window. */
interface BudgetReported {
  readonly kind: 'budget_exhausted' | 'budget_nearly_spent' | 'budget_window_begun'
  /** What it is counted by: `key:ID`, `client:ID`, `total`. */
  readonly scope: string
  /** The name of the key, or of the entry of `clients:`. */
  readonly of: string
  /** `5 usd/day`. */
  readonly budget: string
  /** In its unit. */
  readonly spent: string
  /** ISO 8601. Undefined: never. */
  readonly resets_at: string | undefined
}

/** Events of budgets that were not emitted, because there were many in a minute. */
interface BudgetEventsUnlogged {
  readonly kind: 'budget_events_unlogged'
  readonly count: number
}

/** The wall clock went forward against the monotonic one: windows of budgets may have begun before their time. */
interface ClockJumped {
  readonly kind: 'clock_jumped'
  readonly forward_ms: number
}

/** The owners of objects could not be read or saved; calls go on. */
interface OwnersNotKept {
  readonly kind: 'owners_not_kept'
  readonly cause: unknown
}

/** Nothing is recorded in the ledger by this process. */
interface LedgerOff {
  readonly kind: 'ledger_off'
  readonly reason: string
  /** Nobody has to do anything about it. */
  readonly is_usual?: boolean
}

/** Rows of the ledger wait, because they cannot be written now; emitted at most once a minute. */
interface LedgerWaiting {
  readonly kind: 'ledger_waiting'
  readonly reason: string
  readonly waiting_rows: number
  /** Rows that were given up so far; their sums are kept. */
  readonly lost_rows: number
}

/** The ledger can be written again. */
interface LedgerWriting {
  readonly kind: 'ledger_writing'
  readonly lost_rows: number
}

/** The ledger's file could not be used, and a new one was begun. */
interface LedgerSetAside {
  readonly kind: 'ledger_set_aside'
  readonly reason: string
  /** Where the old file is now. Undefined: there is none. */
  readonly file: string | undefined
}

/** The process ends, and these rows are in no file. */
interface LedgerRowsLost {
  readonly kind: 'ledger_rows_lost'
  readonly rows: number
}

/** The audit log can't be written, or another process writes it; calls go on. */
interface AuditUnavailable {
  readonly kind: 'audit_unavailable'
  readonly reason: string
}

/** The last line of the audit log, for a second place. */
interface AuditHeadWritten {
  readonly kind: 'audit_head'
  readonly seq: number
  readonly mac: string
}
