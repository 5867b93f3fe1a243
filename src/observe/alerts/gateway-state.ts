// What conditions read besides counters. Its owner makes it anew for each look.
import type { Severity } from './attention.ts'

export interface GatewayState {
  readonly providers: readonly ProviderState[]
  readonly services: readonly ServiceState[]
  readonly reload: ReloadState
  readonly budgets: readonly BudgetState[]
  readonly degraded: readonly DegradedPart[]
}

/** A part of the gateway that does not work, while calls go on. */
export interface DegradedPart {
  readonly part: string
  readonly severity: Severity
  readonly what: string
  /** Empty: there is nothing to tell. Absent: the log has the reason. */
  readonly why?: string
  /** The reason, as the log has it. */
  readonly detail?: string | undefined
  readonly fix: string
}

interface ProviderState {
  readonly name: string
  /**
   * Why it cannot be reached: what its health check found, or what calls keep finding. Undefined: nothing is known to be
   * wrong. Refused keys and exhausted accounts are other conditions.
   */
  readonly outage: string | undefined
  /** The same with the address, where no connection can be made. */
  readonly outageThere?: string | undefined
  /** What its last health check found; undefined: there was none. */
  readonly isHealthy: boolean | undefined
}

/** A model server that the gateway starts. */
interface ServiceState {
  readonly provider: string
  readonly unit: string
  /** Why it failed last: `exit-code 1`. Undefined: it has not, or has been ready since. */
  readonly failure: string | undefined
}

interface ReloadState {
  /** Whether the last file was refused, so that the gateway runs by an older one. */
  readonly isRefused: boolean
  /** In that file. */
  readonly problems: number
}

interface BudgetState {
  /** Of which key or client: as an operator names it. */
  readonly of: string
  /** `usd per day`: the same for any limit. */
  readonly kind: string
  /** `5 usd/day`. */
  readonly budget: string
  /** Of what is spent to the limit. */
  readonly ratio: number
  /** In the budget's unit. */
  readonly spent: string
  /** ISO 8601. Undefined: never. */
  readonly resetsAt: string | undefined
}
