// What is known of providers besides calls.
import type { FailureKind, ModelState } from '../../domain.ts'

export type ProviderEvent =
  | ProviderChecked
  | ModelsDiscovered
  | DiscoveryFailed
  | FormatFound
  | FormatsNotSaved
  | ModelListsNotSaved
  | HealthChecked
  | ServerReported
  | TargetCooled
  | Polled

/** Whether a provider could be reached when the gateway started. */
interface ProviderChecked {
  readonly kind: 'provider_checked'
  readonly provider: string
  readonly is_reachable: boolean
  readonly detail: string
}

/** A provider's list of models has come for the first time, has changed, or is available again. */
interface ModelsDiscovered {
  readonly kind: 'models_discovered'
  readonly provider: string
  readonly count: number
  readonly added: number
  readonly removed: number
  /** Entries without a usable name, or too many. */
  readonly skipped: number
}

/** A provider does not list its models; emitted once for each cause, until a list comes. */
interface DiscoveryFailed {
  readonly kind: 'discovery_failed'
  readonly provider: string
  readonly reason: string
  /** Nothing has listened there so far, and nothing has to: the server is local, or no model of the file needs it. */
  readonly is_usual: boolean
  /** Models of its last list, which can still be called. Absent, as the age: there was none. */
  readonly kept_models?: number
  /** Since that list came. */
  readonly list_age_ms?: number
}

/** A provider has shown whether it speaks a format. */
interface FormatFound {
  readonly kind: 'format_found'
  readonly provider: string
  readonly format: string
  readonly is_spoken: boolean
}

/** What was found of formats could not be read or saved; calls go on. */
interface FormatsNotSaved {
  readonly kind: 'formats_not_saved'
  readonly cause: unknown
}

/** What servers listed that are started on demand could not be read or saved; calls go on. */
interface ModelListsNotSaved {
  readonly kind: 'model_lists_not_saved'
  readonly cause: unknown
}

/** What a local server reports of itself is known for the first time, or has changed. */
interface ServerReported {
  readonly kind: 'server_reported'
  readonly provider: string
  /** Absent: it reports none. */
  readonly slots?: number | undefined
  /** Of whatever model is asked for. Absent: models differ, or it is not reported. */
  readonly context_length?: number | undefined
  readonly state?: ModelState | undefined
  /** Models of which it reports something each. */
  readonly models: number
}

/** The outcome of health checks has changed. */
interface HealthChecked {
  readonly kind: 'health_checked'
  readonly provider: string
  /** What is wrong; undefined: nothing. */
  readonly reason: string | undefined
}

/** A provider, or one of its models, is tried last for a while. Counted, not logged: the calls' lines have the failures. */
interface TargetCooled {
  readonly kind: 'target_cooled'
  readonly provider: string
  /** Undefined: all of them. */
  readonly target_model: string | undefined
  readonly trouble: FailureKind
  readonly for_ms: number
}

/** A provider was asked for its models or its health. Counted, not logged: news are. */
interface Polled {
  readonly kind: 'polled'
  readonly provider: string
  readonly poll: 'models' | 'health'
  readonly is_ok: boolean
}
