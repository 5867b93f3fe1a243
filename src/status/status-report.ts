// What the status page shows: `GET /status/data`, `/status/events` and `llm-gateway status --json`. Members are part of the
// interface: they are added to, never renamed. None holds a prompt, an answer, a key, a header's value or a URL with more
// than its origin and path. Text of others is at most 300 printable characters. Times are ISO 8601 in UTC.
import type { Attention } from '../observe/alerts/attention.ts'
import type { OpenCall } from './open-call.ts'
import type { ShownStore } from './shared-store.ts'

export interface StatusReport {
  readonly version: string
  readonly now: string
  readonly started_at: string
  readonly draining: boolean
  readonly config_file: string
  readonly workers: { readonly wanted: number; readonly running: number }
  /** The last load of the configuration after the start; null: there was none. */
  readonly reload: ReloadState | null
  readonly viewer: Viewer
  /** Conditions that need a person, the most severe first. */
  readonly attention: readonly Attention[]
  /** The newest of the calls in `recent` that failed, for a day; null: there is none. */
  readonly last_failure: LastFailure | null
  /** Calls under way, the oldest first. */
  readonly calls: readonly OpenCall[]
  /** How many more there are: beyond the bound of the list. */
  readonly calls_unshown: number
  readonly providers: readonly ProviderState[]
  /** Model servers that the gateway starts, those that have failed first. */
  readonly services: readonly ServiceRow[]
  /** Only what is limited. */
  readonly limits: readonly LimitState[]
  readonly budgets: readonly BudgetRow[]
  /** Of limits that machines share, whose counts above are those of all of them; null: they are this one's alone. */
  readonly store: ShownStore | null
  /** Null: the ledger is off, or cannot be read now. */
  readonly usage: Usage | null
  /** The newest first. */
  readonly recent: readonly RecentCall[]
  /** Of the last 24 hours, the most frequent first. */
  readonly failures: readonly FailureRow[]
}

export interface ReloadState {
  readonly at: string
  readonly ok: boolean
  readonly problems: readonly string[]
  /** Keys of the file that changed and that only a restart applies. */
  readonly needs_restart: readonly string[]
}

/** Who looks, and what the page offers. */
export interface Viewer {
  /** The Unix user or identity; null: not known. */
  readonly user: string | null
  /** Otherwise only the viewer's own calls are shown, and no names of other clients. */
  readonly sees_all: boolean
  readonly may_cancel: boolean
  readonly playground: boolean
}

export interface ProviderState {
  readonly name: string
  /** Scheme, host and port; null: it is inside the gateway. */
  readonly origin: string | null
  readonly kind: string
  readonly is_local: boolean
  /** The narrowest boundary that calls of it can be kept in. */
  readonly boundary: 'local' | 'private' | 'any'
  /**
   * `unused`: neither a call nor a check has reached it since the start. `failing`: calls may try it, and nothing has reached it
   * since its last failure.
   */
  readonly state: 'ok' | 'failing' | 'cooling' | 'unwell' | 'unused'
  /** A failure kind of `routing/target-health.ts`. */
  readonly trouble: string | null
  /** When a call tries it first again; null: not before a check succeeds, or nothing is wrong. */
  readonly until: string | null
  /** Of the last failure, which may be over. */
  readonly reason: string | null
  readonly reason_at: string | null
  readonly last_success: string | null
  readonly in_flight: number
  readonly max_parallel: number | null
  /** Calls that the server reports to work at together; null: it reports none. */
  readonly slots: number | null
  /** Calls in line for models that it serves, whatever they wait for. */
  readonly waiting: number
  /** It has put its models out of memory until the next call. */
  readonly is_sleeping: boolean
  /** Medians of the last 15 minutes; null: there is nothing to measure. */
  readonly first_token_p50_ms: number | null
  /** Tokens of prompts that it reads, without those from its cache. */
  readonly prompt_per_second: number | null
  readonly tokens_per_second: number | null
  /** Of the prompts of that time, from 0 to 1: what came from its cache. */
  readonly cached_share: number | null
  /** The last 15, the oldest first. */
  readonly minutes: readonly MinuteCell[]
  /** Models that it lists. */
  readonly models: number
  /** Those of the configuration, then those that it lists; at most 50. */
  readonly served: readonly ServedModel[]
  /** Where its key is, never the key: `credential anthropic_api_key`. Null: it has none. */
  readonly key_from: string | null
}

/** A model server that the gateway starts. */
export interface ServiceRow {
  readonly provider: string
  /** Of the service manager. */
  readonly unit: string
  /** Services that share something with it; null: none do. */
  readonly group: string | null
  /** `draining`: it finishes its calls, and is stopped then. `unknown`: nothing that starts units answers; in `llm-gateway services` alone. */
  readonly state: 'stopped' | 'starting' | 'ready' | 'draining' | 'stopping' | 'failed' | 'unknown'
  readonly since: string
  /** Under way. */
  readonly calls: number
  /** Calls that wait for its start. */
  readonly waiting: number
  /** Null: it does not run, or is not accounted for. */
  readonly memory_bytes: number | null
  /** From the command until it was ready; null: it was not started by this gateway. */
  readonly last_start_ms: number | null
  /** Why it failed last: `exit-code 1`. Null: it has not, or has been ready since. */
  readonly failure: string | null
  /** Of a start that took too long: what the last question whether it is ready got, `ECONNREFUSED` or `status 503`. */
  readonly probe: string | null
  /** When a call starts it again after a failure; null: at once. */
  readonly retry_at: string | null
  /** By this gateway. */
  readonly starts: number
  readonly stops: number
  readonly failures: number
}

/** A model at one provider, by the provider's name. Null: not known. */
export interface ServedModel {
  readonly name: string
  /** Tokens, prompt and answer of one call. */
  readonly context_length: number | null
  readonly state: 'loaded' | 'loading' | 'unloaded' | 'sleeping' | null
  /** `text`, `image`, `tools` and others. */
  readonly takes: readonly string[] | null
}

export interface MinuteCell {
  readonly calls: number
  readonly failed: number
}

export interface LimitState {
  readonly model: string
  readonly dimension: 'requests' | 'tokens' | 'parallel'
  readonly used: number
  readonly limit: number
  /** Calls in line for the model, whatever they wait for. */
  readonly waiting: number
  /** Until there is room for one more, and until nothing counts any more; null: not known ahead. */
  readonly frees_in_ms: number | null
  readonly resets_in_ms: number | null
  /** Providers whose slots are all taken, where no target of the model has one free; null: one has. */
  readonly full_at: string | null
}

/** USD are decimal text, which is exact. */
export interface BudgetRow {
  readonly of: string
  readonly unit: string
  readonly per: string
  readonly limit: string | number
  readonly spent: string | number
  readonly reserved: string | number
  readonly resets_at: string | null
}

export interface Usage {
  /** The last 30 days of the viewer's time zone, today last. */
  readonly days: readonly UsageRow[]
  /** These three of the days that were asked for. */
  readonly models: readonly UsageRow[]
  readonly clients: readonly UsageRow[]
  readonly keys: readonly UsageRow[]
}

export interface UsageRow {
  readonly name: string
  readonly calls: number
  readonly failed: number
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly cached_tokens: number
  /** Decimal text; null: no call has a known price. */
  readonly cost_usd: string | null
  readonly unpriced_calls: number
}

/** A call that has ended. */
export interface RecentCall {
  readonly id: string
  /** When it ended. */
  readonly at: string
  readonly model: string | null
  readonly client: string
  readonly key: string | null
  readonly provider: string | null
  readonly target_model: string | null
  readonly dialect: string
  readonly status: number
  readonly outcome: string
  readonly stream: boolean
  readonly wait_ms: number
  /** The part of it for the start of a server. */
  readonly start_ms: number
  readonly first_token_ms: number | null
  readonly duration_ms: number
  readonly prompt_tokens: number | null
  readonly completion_tokens: number | null
  readonly cached_tokens: number | null
  readonly cache_write_tokens: number | null
  readonly prompt_per_second: number | null
  readonly tokens_per_second: number | null
  /** The counts are not all the provider's, or the price is not certain. */
  readonly estimated: boolean
  readonly cost_usd: string | null
  readonly attempts: number
  readonly code: string | null
  readonly reason: string | null
  /** What to do about it. */
  readonly fix: string | null
  /** Why this target was chosen, as in the log; null: there was no choice, or the viewer sees its own calls only. */
  readonly placement: string | null
  /** What was known of it then, as in the log. */
  readonly placed: string | null
  readonly trace_id: string | null
  /** Where the trace can be seen (`tracing.view_url`). */
  readonly trace_url: string | null
}

export interface LastFailure {
  /** Of the call, as in `recent`. */
  readonly id: string
  readonly at: string
  readonly client: string
  readonly status: number
  readonly code: string | null
  /** `warning`: the cause is no fault of a provider or the gateway, or its provider has answered since. */
  readonly severity: 'critical' | 'warning'
  /** Texts for people: `claude-sonnet-5 at anthropic: key refused`. */
  readonly what: string
  readonly why: string | null
  readonly fix: string | null
  /** What became of the calls after it: `1 call succeeded since, none at anthropic.` */
  readonly after: string
}

export interface FailureRow {
  readonly code: string
  /** Null: no provider was asked. */
  readonly provider: string | null
  readonly count: number
  readonly last_at: string
  readonly reason: string | null
  readonly fix: string | null
}
