// Events: what happens in the gateway and is worth reporting, as data. Leaves return facts, the story emits them, and sinks
// turn them into log lines and metrics. Members are named as in the log. None holds a prompt, answer, key or header value.
import type { PriceSource } from '../domain.ts'

interface CallEnded {
  readonly kind: 'call_ended'
  readonly call: CallFacts
}

/** Everything that is known about a call when it ends, in the order of its line. Absent facts are left out. */
export interface CallFacts {
  /** `call`, or the code of the rule that refused it. */
  readonly event: string
  readonly request_id: string
  readonly client: string
  /** Name of the client's key, and the id of the secret of it that was used. */
  readonly key?: string | undefined
  readonly key_secret?: string | undefined
  /** What the client's limits and budgets are counted by, where it has terms: `key:ID`, `client:ID`. */
  readonly scope?: string | undefined
  /** The Unix user, address or identity that a client with a key or an identity came through. */
  readonly via?: string | undefined
  readonly dialect: string
  /** Of the API's routes, of a request that passes as it is: `GET /files/{file}`. */
  readonly route: string | undefined
  readonly model: string | undefined
  /** The alias of the model that the client used. */
  readonly asked: string | undefined
  readonly provider: string | undefined
  readonly target_model: string | undefined
  /** The model that answered, where it is not the one that was asked for. */
  readonly fallback_model: string | undefined
  /** Why fallbacks were passed over, in order. */
  readonly passed_over: readonly string[] | undefined
  /** `pass`, or the translation of the last attempt: `messages_chat`. `assembled`, `split`: it passed in another form. */
  readonly way: string | undefined
  /** Other ways of earlier attempts, in order. */
  readonly earlier_ways: readonly string[] | undefined
  /** Names of members of the request that the last attempt left out. */
  readonly dropped: readonly string[] | undefined
  /** What the client received; 499 when it left before the end. */
  readonly status: number
  readonly stream: boolean
  readonly prompt_tokens: number | undefined
  readonly completion_tokens: number | undefined
  /** Parts of the two counts before them. */
  readonly cached_tokens: number | undefined
  readonly cache_write_tokens: number | undefined
  readonly reasoning_tokens: number | undefined
  /** The counts are not all the provider's, or the price is not certain. */
  readonly estimated: boolean | undefined
  /** What the call cost, failed attempts included, in whole nano-USD (10⁻⁹ USD); undefined: unknown, which is not 0. */
  readonly cost_nano: number | undefined
  /** Where the price of the last attempt that cost anything comes from; undefined: nowhere, as the cost is unknown. */
  readonly price: PriceSource | undefined
  readonly wait_ms: number
  readonly first_byte_ms: number | undefined
  readonly duration_ms: number
  readonly gateway_ms: number
  readonly attempts: number
  readonly code: string | undefined
  readonly reason: string | undefined
  readonly provider_status: number | undefined
  readonly provider_code: string | undefined
  /** The provider's own id of the last attempt's request. */
  readonly provider_request_id: string | undefined
}

/** One try at one target is over, or has begun to answer. Counted, not logged. */
export interface AttemptEnded {
  readonly kind: 'attempt_ended'
  readonly request_id: string
  readonly provider: string
  readonly target_model: string
  /** As in `CallFacts`. */
  readonly way: string
  /** `refused`: the provider's own error; `gone`: the client left first. */
  readonly outcome: 'answered' | 'refused' | 'failed' | 'gone'
  /** The provider's; undefined when none came. */
  readonly status: number | undefined
  /** The provider's code of a refusal, the gateway's of a failure. */
  readonly code: string | undefined
  /** From the sending of the request until the outcome was known. */
  readonly ms: number
}

/** A guard refused a request before it was routed, or a connection before it was read. */
interface Refused {
  readonly kind: 'refused'
  readonly request_id?: string
  readonly client: string
  readonly method: string | undefined
  readonly code: string
  readonly status: number
  readonly reason: string
  /** The client left before its user was looked up: nobody was turned away. */
  readonly has_left?: boolean
  /** Refusals like this one since the last event, which were not emitted. */
  readonly unlogged?: number
}

interface Listening {
  readonly kind: 'listening'
  readonly addresses: readonly string[]
  /** The file. */
  readonly config: string
}

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

/** The outcome of health checks has changed. */
interface HealthChecked {
  readonly kind: 'health_checked'
  readonly provider: string
  /** What is wrong; undefined: nothing. */
  readonly reason: string | undefined
}

/** Commands can't reach this gateway; calls go on. */
interface ControlUnavailable {
  readonly kind: 'control_unavailable'
  readonly reason: string
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

interface Reloaded {
  readonly kind: 'reloaded'
  readonly config: string
  /** Keys that changed and that only a restart applies. */
  readonly needs_restart: readonly string[]
}

/** A configuration was rejected: the old one stays in use. */
interface ReloadRefused {
  readonly kind: 'reload_refused'
  readonly config: string
  readonly problems: readonly string[]
}

/** The service manager could not be notified; emitted once. */
interface ServiceManagerNotTold {
  readonly kind: 'service_manager_not_told'
  readonly cause: unknown
}

/** The kernel's list of sockets can't be read: no client's user is known, and all are refused. */
interface PeerUsersUnreadable {
  readonly kind: 'peer_users_unreadable'
  readonly cause: Error
}

interface Stopping {
  readonly kind: 'stopping'
  /** The signal's name. */
  readonly reason: string
  readonly open_calls: number
}

interface Stopped {
  readonly kind: 'stopped'
}

/** A worker thread ended by itself; another one takes its place. */
interface WorkerEnded {
  readonly kind: 'worker_ended'
  readonly worker: number
  readonly cause: Error
  readonly restart_in_ms: number
}

interface WorkerRestarted {
  readonly kind: 'worker_restarted'
  readonly worker: number
}

/** Fewer threads serve than the configuration asks for. */
interface WorkersMissing {
  readonly kind: 'workers_missing'
  readonly workers: number
  readonly reason: string
}

/** A version of the key file is in force in all threads. */
interface KeysLoaded {
  readonly kind: 'keys_loaded'
  readonly generation: number
  /** How many there are. */
  readonly keys: number
}

/** The key file has faults: the keys that were in force before it stay so. */
interface KeysRefused {
  readonly kind: 'keys_refused'
  readonly file: string
  readonly faults: readonly string[]
  /** How many more there are. */
  readonly unshown: number
}

/** There is no key file, so no key is valid. Emitted once a minute. */
interface KeysMissing {
  readonly kind: 'keys_missing'
  readonly file: string
}

/** Which keys are in force could not be written down for the command line; they are in force all the same. */
interface KeysNotAcknowledged {
  readonly kind: 'keys_not_acknowledged'
  readonly cause: unknown
}

/** An issuer of identities has sent keys, which are in force. */
interface IdentityKeysLoaded {
  readonly kind: 'identity_keys_loaded'
  readonly url: string
  /** How many there are. */
  readonly keys: number
}

/** An issuer did not answer with keys: those that it has sent last stay in force for a day. */
interface IdentityKeysFailed {
  readonly kind: 'identity_keys_failed'
  readonly url: string
  readonly reason: string
  /** ISO 8601. Undefined: there are none, so that its identities cannot be checked. */
  readonly usable_until: string | undefined
}

/** Others may have written the copy of the issuers' keys, so it is not used. */
interface IdentityKeysRefused {
  readonly kind: 'identity_keys_refused'
  readonly reason: string
}

/** The copy of the issuers' keys could not be written; they are in force all the same. */
interface IdentityKeysNotSaved {
  readonly kind: 'identity_keys_not_saved'
  readonly cause: unknown
}

/** A bug. */
interface InternalError {
  readonly kind: 'internal_error'
  readonly error: unknown
  readonly where: string
}

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

/** What was spent of budgets could not be saved; calls go on. */
interface BudgetsNotSaved {
  readonly kind: 'budgets_not_saved'
  readonly cause: unknown
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

/** The log goes to standard output from here on. */
interface LogTransportFailed {
  readonly kind: 'log_transport_failed'
  readonly target: string
  readonly cause: Error
}

export type GatewayEvent =
  | AttemptEnded
  | AuditHeadWritten
  | AuditUnavailable
  | CallEnded
  | ClockJumped
  | ControlUnavailable
  | DiscoveryFailed
  | FormatFound
  | FormatsNotSaved
  | HealthChecked
  | IdentityKeysFailed
  | IdentityKeysLoaded
  | IdentityKeysNotSaved
  | IdentityKeysRefused
  | InternalError
  | KeysLoaded
  | KeysMissing
  | KeysNotAcknowledged
  | KeysRefused
  | LedgerOff
  | LedgerRowsLost
  | LedgerSetAside
  | LedgerWaiting
  | LedgerWriting
  | LimitsLoaded
  | LimitsNotSaved
  | BudgetEventsUnlogged
  | BudgetReported
  | BudgetsNotSaved
  | BudgetsCopyUsed
  | Listening
  | LogTransportFailed
  | ModelsDiscovered
  | OwnersNotKept
  | PeerUsersUnreadable
  | ProviderChecked
  | Refused
  | ReloadRefused
  | Reloaded
  | ServiceManagerNotTold
  | Stopped
  | Stopping
  | WorkerEnded
  | WorkerRestarted
  | WorkersMissing

export interface Events {
  /** Hands the event to every sink, now. Never throws. */
  emit(event: GatewayEvent): void
}

/** A receiver of events. */
export interface Sink {
  /** For the report of its own errors: `log`, `metrics`. */
  readonly name: string
  /** Returns at once; a call waits for it. What it throws is reported to the other sinks. */
  receive(event: GatewayEvent): void
}

/** @param sinks in the order in which they receive an event. */
export function createEvents(sinks: readonly Sink[]): Events {
  /** Those that threw at their last event. */
  const failing = new Set<Sink>()

  const deliver = (event: GatewayEvent, sink: Sink) => {
    try {
      sink.receive(event)
      if (failing.size > 0) failing.delete(sink)
    } catch (error) {
      report(error, sink)
    }
  }
  /** Once until the sink receives an event again. */
  const report = (error: unknown, sink: Sink) => {
    if (failing.has(sink)) return
    failing.add(sink)
    const others = sinks.filter((other) => !failing.has(other))
    const event = { kind: 'internal_error', error, where: `the ${sink.name} sink` } as const
    for (const other of others) deliver(event, other)
    if (others.length === 0) process.emitWarning(error instanceof Error ? error : String(error))
  }
  return {
    emit(event) {
      for (const sink of sinks) deliver(event, sink)
    },
  }
}
