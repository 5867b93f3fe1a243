// A checked configuration: what is recorded, shown and reported.
import type { Secret } from './secret.ts'

/** The ledger. */
export interface UsageConfig {
  readonly enabled: boolean
  /** Days for which the rows of calls are kept; at least 1. */
  readonly keepCallsDays: number
  /** Days for which the sums of quarters of an hour are kept; at least 1. */
  readonly keepHoursDays: number
  /** Whether clients are named by pseudonyms wherever they are recorded. */
  readonly isPseudonymous: boolean
  /** Of the pseudonyms. Undefined: there are none, or secrets were not read. */
  readonly pseudonymKey: Secret | undefined
}

export interface LoggingConfig {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
  /** Receives the lines in place of standard output. */
  readonly transport?: LogTransportConfig | undefined
}

/** A transport of pino's, which runs in a thread of its own. */
export interface LogTransportConfig {
  /** The module that exports it: an absolute path, or `pino/file`, which the gateway brings. */
  readonly target: string
  /** Passed on to it. Plain data, without credentials of providers. */
  readonly options: object
}

/** The log of security events. */
export interface AuditConfig {
  readonly enabled: boolean
  /** Days for which whole months are kept. */
  readonly keepDays: number
}

/** Whether spans of calls are exported, and where to. */
export interface TracingConfig {
  /** The URL that receives them. Undefined: none are recorded. */
  readonly endpoint: string | undefined
  readonly protocol: 'http/protobuf' | 'http/json'
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string | Secret])[]
  /** Of traces that begin here, from 0 to 1. */
  readonly sampleRatio: number
  readonly serviceName: string
  readonly resource: Readonly<Record<string, string>>
  readonly conventions: 'semconv-1.36' | 'latest'
  /** Headers that name a client's session, in lower case, the first that is there. */
  readonly sessionHeaders: readonly string[]
  /** A page that shows a trace, with `{trace_id}` in it. */
  readonly viewUrl: string | undefined
}

/** `GET /metrics`. */
export interface MetricsConfig {
  readonly enabled: boolean
  /** Unix users who may read them, besides the gateway's own and root. */
  readonly allowedUsers: readonly string[]
  /** Whether calls are also counted by client. */
  readonly hasClientLabel: boolean
  /** So many names of models are told apart. */
  readonly maxModels: number
  /** Lines of counters and histograms. */
  readonly maxSeries: number
}

/** The status page. */
export interface StatusConfig {
  readonly enabled: boolean
  /** Unix users, `self`, and identities by their client's id. */
  readonly allowedUsers: readonly string[]
  /** Whether the gateway's own user may call models from the page. */
  readonly hasPlayground: boolean
  /** Whether identities in `allowedUsers` may see it through a trusted proxy. */
  readonly isServedViaProxy: boolean
  /** Ended calls that are kept for it. */
  readonly recentCalls: number
}

export const alertRules = [
  'access_refused',
  'budget',
  'degraded',
  'error_rate',
  'limit_reached',
  'no_target',
  'peers_unreadable',
  'provider_auth',
  'provider_down',
  'provider_quota',
  'provider_rate_limited',
  'reload_refused',
  'service_failing',
  'worker_restarts',
] as const

export type AlertRule = (typeof alertRules)[number]

/** When a condition holds. */
export interface AlertRuleSettings {
  /** How long its cause has to last, in milliseconds. */
  readonly afterMs: number
  /** More than so many within the rule's window. 0 where the rule counts nothing. */
  readonly count: number
  /** More than this part, from 0 to 1. 0 where the rule has none. */
  readonly ratio: number
  /** Of fewer calls within the window, the ratio means nothing. */
  readonly calls: number
}

/** Messages to the operator. */
export interface NotifyConfig {
  readonly sinks: readonly NotifySink[]
  /** What is wrong is reported again after so many milliseconds. */
  readonly repeatMs: number
  /** Nothing is reported for so many milliseconds after a start. */
  readonly quietStartMs: number
  /** Without those that are off. */
  readonly rules: ReadonlyMap<AlertRule, AlertRuleSettings>
  /** A URL that is asked regularly, so that a service elsewhere notices when that stops. */
  readonly heartbeat: { readonly url: Secret; readonly intervalMs: number } | undefined
}

export const notifySinkKinds = ['alertmanager', 'discord', 'ntfy', 'pagerduty', 'slack', 'webhook'] as const

export type NotifySinkKind = (typeof notifySinkKinds)[number]

/** A service that messages are sent to. */
export interface NotifySink {
  readonly name: string
  readonly kind: NotifySinkKind
  /** A text is no secret. Whatever it is, it appears in no message: it may let anybody write to the channel. */
  readonly url: Secret | string
  /** `pagerduty`: the routing key. `ntfy`, `webhook`, `alertmanager`: a bearer token, if there is one. */
  readonly token: Secret | undefined
  /** Less severe conditions are not reported here. */
  readonly minSeverity: 'info' | 'warning' | 'critical'
}
