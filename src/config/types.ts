// The configuration as the program uses it: defaults applied, units in the names, everything readonly. `resolve.ts` makes
// it from the file; outside the composition root no other file of `config/` may be imported.
import type { Budget, ClientTerms, ModelLimits, PriceSetting, Target } from '../domain.ts'

/** A credential. Printing, serialising or inspecting it shows `[secret]`. */
export interface Secret {
  /**
   * The value. Called only in `upstream/`, where the header is written and echoes of it are masked, where a notification is
   * sent, and on the way to another thread.
   */
  reveal(): string
  /** Its source, for people: `credential openai_api_key`, `env OPENAI_API_KEY`, `file /path`. */
  readonly source: string
  /** When its file was written, in milliseconds since 1970. Absent: unknown, as for credentials, which are copies. */
  readonly setAtMs?: number | undefined
}

export interface Config {
  readonly server: ServerConfig
  readonly access: AccessConfig
  readonly cors: CorsConfig
  readonly rateLimits: RateLimitConfig
  readonly keys: KeysConfig
  readonly identity: IdentityConfig
  readonly clients: ClientsConfig
  readonly providers: ReadonlyMap<string, ProviderConfig>
  readonly models: ReadonlyMap<string, ModelConfig>
  readonly prices: PricesConfig
  readonly budgets: BudgetsConfig
  readonly routing: RoutingConfig
  readonly routes: RoutesConfig
  readonly usage: UsageConfig
  readonly audit: AuditConfig
  readonly tracing: TracingConfig
  readonly metrics: MetricsConfig
  readonly status: StatusConfig
  readonly notify: NotifyConfig
  readonly logging: LoggingConfig
}

export interface ServerConfig {
  /** Loopback addresses, without brackets. */
  readonly hosts: readonly string[]
  /** 0: the system chooses one (tests). */
  readonly port: number
  readonly unixSocket: string | undefined
  /** Additional accepted `Host` values, lower case, with or without a port. */
  readonly allowedHosts: readonly string[]
  readonly trustedProxies: TrustedProxies
  readonly maxRequestBodyBytes: number
  /** For the bodies of all calls at once, in equal parts for each worker. */
  readonly bodyMemoryBytes: number
  readonly shutdownGraceMs: number
  /** Silence of a stream before each heartbeat, in milliseconds. */
  readonly heartbeatAfterMs: number
  /** Threads that serve calls; at least 1. */
  readonly workers: number
  /** Reload the file when it changes. */
  readonly watchConfig: boolean
}

/** Whose `X-Forwarded-For` is believed, and how far. */
interface TrustedProxies {
  /** Unix users whose connections may report another client: names, numbers, or `self`. Empty: nobody is believed. */
  readonly users: readonly string[]
  /** CIDRs of proxies further away, which the list in the header is followed through. */
  readonly cidrs: readonly string[]
}

interface AccessConfig {
  /** Unix user names, or `self`; `any` alone disables the check. */
  readonly allowedUsers: readonly string[]
  /** CIDRs; empty: every client that can reach the listener. */
  readonly allowedIps: readonly string[]
}

export interface CorsConfig {
  readonly enabled: boolean
  /** Origins as browsers send them; `:*` as the port stands for any port or none, `scheme://*` for any host. */
  readonly allowedOrigins: readonly string[]
  /** All but `null`. */
  readonly allowAll: boolean
  readonly allowNullOrigin: boolean
}

export interface RateLimitConfig {
  readonly enabled: boolean
  /** Requests per minute of one client, all models together; undefined: unlimited. */
  readonly perClientRpm: number | undefined
  /** How long a call may wait for that, in milliseconds; 0: it is refused at once. */
  readonly perClientMaxWaitMs: number
  /** For models that are not in `limits`. Even without limits it determines how calls wait for a provider. */
  readonly default: ModelLimits
  /** By model name (never an alias) or wildcard. */
  readonly limits: ReadonlyMap<string, ModelLimits>
}

export interface KeysConfig {
  /** `off`: keys are ignored. `optional`: a request with a key needs a valid one. `required`: every request needs one. */
  readonly mode: 'off' | 'optional' | 'required'
  /** Relative to the directory of the configuration file; undefined: `keys.json`. */
  readonly file: string | undefined
  /** How keys begin. */
  readonly prefix: string
  /** Unix users who need none: names, numbers, or `self`. */
  readonly keylessUsers: readonly string[]
}

/** Signatures of tokens: asymmetric ones only, because a shared secret would be the public key (RFC 8725 §2.1). */
export const tokenAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const
export type TokenAlgorithm = (typeof tokenAlgorithms)[number]

/** The identities of front proxies. */
export interface IdentityConfig {
  readonly isRequired: boolean
  /** The first one counts whose header a request has. Empty: there are no identities. */
  readonly sources: readonly IdentitySource[]
}

export type IdentitySource = TokenSource | HeaderSource

interface AnySource {
  /** Name of the header, in lower case. */
  readonly header: string
  /** Whole names, or `*@DOMAIN`. Undefined: everybody whom the source vouches for. */
  readonly allow: readonly string[] | undefined
}

/** A signed token, believed from any connection. */
export interface TokenSource extends AnySource {
  readonly kind: 'token'
  readonly issuer: string
  readonly audience: string
  /** At least one. */
  readonly algorithms: readonly TokenAlgorithm[]
  /** Of the issuer's public keys. */
  readonly keysUrl: string
  /** That names the client. */
  readonly claim: string
  /** The rules of Cloudflare Access apply: tokens of applications only, and service tokens without `email`. */
  readonly isCloudflare: boolean
}

/** A plain header, believed from one Unix user and on the Unix socket. */
export interface HeaderSource extends AnySource {
  readonly kind: 'header'
  /** How ids of its clients begin. */
  readonly prefix: 'head' | 'ts'
  /** Undefined: believed on the Unix socket only. */
  readonly fromUser: string | undefined
}

/** What clients without a key may use. */
export interface ClientsConfig {
  /** By exact id (`user:ann`), CIDR block (`ip:10.0.0.0/8`), or pattern with `*`. */
  readonly byPattern: ReadonlyMap<string, ClientTerms>
  /** For clients that none of them matches. Undefined: every model, without limits of their own. */
  readonly default: ClientTerms | undefined
}

export type ProviderConfig = EchoProvider | HttpProvider

/** Built in, returns the last message; for trying out tunnels, CORS and limits. */
interface EchoProvider {
  readonly kind: 'echo'
  readonly name: string
}

/** A server that is asked over HTTP. */
export interface HttpProvider {
  /** Which server it is; `openai`: any that speaks OpenAI's protocol. */
  readonly kind: 'anthropic' | 'llama_cpp' | 'ollama' | 'openai' | 'vllm'
  readonly name: string
  /** Scheme, host and port; this provider's key is sent nowhere else. */
  readonly origin: string
  /** Path of the base URL without a trailing slash: `/v1`, or empty. */
  readonly basePath: string
  /** Of the base URL, with its `?`; goes with every request. Absent: none. */
  readonly query?: string
  /**
   * Where a name may lead that is asked over plain HTTP: each connection is made only if the name has no other address.
   * Absent: the base URL has an address, or TLS vouches for the name.
   */
  readonly plainHttp?: 'private' | 'anywhere'
  /** What leads to the provider. Absent: connections are made directly. */
  readonly proxy?: ProxyConfig
  /** True for a loopback or private address, and a name for one: longer timeouts, shorter cool-downs. */
  readonly isLocal: boolean
  readonly apiKey: Secret | undefined
  /** Which header carries the key; `bearer` is `authorization: Bearer KEY`. */
  readonly auth: 'bearer' | { readonly header: string }
  /** Additional headers of every request to this provider; names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string | Secret])[]
  readonly includeUsage: 'auto' | 'always' | 'never'
  /** The conversation formats that it is said to speak, and no others. Absent: known from its kind, or probed. */
  readonly speaks?: readonly ConversationFormat[]
  /** What differs from its kind's traits. Absent: nothing. */
  readonly traits?: Partial<ProviderTraits>
  readonly timeouts: Timeouts
  readonly maxParallelRequests: number | undefined
  /** A GET of `path` below the base URL, or after a second slash below the server's root, every `intervalMs`; absent: health is inferred from calls only. */
  readonly healthCheck?: { readonly path: string; readonly intervalMs: number } | undefined
  /** Offer the models that the provider lists, besides the configured ones. Absent: no. */
  readonly discoverModels?: boolean
  /** What its models cost that have no price of their own. Absent: what the list of prices has. */
  readonly price?: PriceSetting
  /** Whether requests carry the trace of their call. Absent: to a local provider, while spans are recorded. */
  readonly traceContext?: 'always' | 'never'
}

/** Formats between which calls are translated, by the name of the dialect. */
export type ConversationFormat = 'chat' | 'messages' | 'response'

/** How much a model is to think, weakest first (OpenAI's `reasoning_effort`, Anthropic's `output_config.effort`). */
export const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
export type Effort = (typeof efforts)[number]

/** In what a provider's dialect differs from server to server, as far as translations depend on it. */
export interface ProviderTraits {
  /** The member for the cap of the output; OpenAI's newer models refuse the old name. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens'
  /** Of a request to Anthropic whose client set no cap. At least 1. */
  readonly defaultMaxTokens: number
  /** What becomes of a system message after the first turn. `fold`: it goes into the text of a user turn, marked. */
  readonly systemInMiddle: 'keep' | 'fold'
  /** The role of instructions. */
  readonly systemRole: 'system' | 'developer'
  /** Whether several texts of one message may be parts. False: they are joined by a blank line. */
  readonly hasTextParts: boolean
  /** The member for reasoning in the history; `none`: it is dropped. */
  readonly reasoningField: 'reasoning_content' | 'reasoning' | 'none'
  /** Of which turns: of all, or of those after the last message that a person wrote. */
  readonly reasoningTurns: 'all' | 'last'
  /** The efforts that are accepted; others become the next weaker one, or the weakest. Empty: the member is dropped. */
  readonly efforts: readonly Effort[]
  /** Whether `<think>…</think>` at the start of an answer's text is its reasoning. */
  readonly hasThinkTags: boolean
  /** How a request makes an Anthropic model think: models before 4.6 accept a budget only. */
  readonly thinking: 'adaptive' | 'budget'
  /** The highest temperature; higher ones become it. */
  readonly maxTemperature: number
  /** More stop sequences are refused. Absent: any number is accepted. */
  readonly maxStopSequences?: number | undefined
  /** Whether `top_k` is a member. */
  readonly hasTopK: boolean
  /** Whether a tool's result may hold images. False: they follow in a user message. */
  readonly hasToolImages: boolean
  /** Whether documents may be parts of a message (`type: file`). False: they are refused. */
  readonly hasFileParts: boolean
  /** Whether an answer may be begun by the client, in a last message of the assistant. False: it is refused. */
  readonly hasPrefill: boolean
  /**
   * Members of OpenAI's own platform that are sent: `metadata`, `prompt_cache_key`, `safety_identifier`, `service_tier`,
   * `store`, `verbosity`. False: they are dropped.
   */
  readonly hasPlatformMembers: boolean
  /** Whether Claude Code's `x-anthropic-billing-header` block is kept; it breaks prefix caches elsewhere. */
  readonly keepsBillingBlock: boolean
  /** Whether a request to Anthropic that marks nothing for the cache asks to have its prompt cached. */
  readonly cachesPrompts: boolean
}

export interface ProxyConfig {
  readonly kind: 'http' | 'https' | 'socks5'
  /** `http://proxy.example:3128`. */
  readonly origin: string
  /** `USER:PASSWORD`. Absent: the proxy requires none. */
  readonly userInfo?: Secret
  /** `file`, or `env HTTPS_PROXY`. */
  readonly source: string
}

/** In milliseconds; 0 disables a timeout. */
export interface Timeouts {
  /** Until the TCP and TLS connection is established. */
  readonly connectMs: number
  /** From sending the request to the first byte of the response. */
  readonly firstByteMs: number
  /** Longest pause between two bytes of the response. */
  readonly idleMs: number
  /** The whole call, all of its attempts together; time in the waiting line has its own limit. */
  readonly totalMs: number
}

export interface ModelConfig {
  /** As clients write it; ends in `*` for a wildcard. */
  readonly name: string
  readonly aliases: readonly string[]
  readonly targets: readonly Target[]
  /** Models to try when no target of this one is left: in order, each followed by its own fallbacks. */
  readonly fallbacks: readonly string[]
  /** What differs from the providers' traits. Absent: nothing. */
  readonly traits?: Partial<ProviderTraits>
  /** Of those targets that have none of their own. Absent: what their providers' models cost. */
  readonly price?: PriceSetting
}

/** The list of prices, for models whose price the configuration does not have. */
export interface BudgetsConfig {
  /** Whose days, weeks and months count. */
  readonly timeZone: string
  /** What a call reserves: what answers usually take, or all that it may take. */
  readonly reserve: 'predicted' | 'worst_case'
  /** What becomes of calls under way once a budget is spent. */
  readonly whenExhausted: 'finish' | 'cut'
  /** Of all clients together. */
  readonly total: readonly Budget[]
}

export interface PricesConfig {
  /** `off`: there is none. */
  readonly list: 'shipped' | 'off'
  /** A list in place of the one of the package: its path, and its text, which has no faults. Absent: there is none. */
  readonly own?: { readonly file: string; readonly text: string }
}

export interface RoutingConfig {
  /** Attempts at targets that have already failed in this call; the first attempt at another target does not count. */
  readonly retries: number
  /** A provider that asks to wait longer before a retry is not waited for. */
  readonly maxRetryWaitMs: number
  /** How long a local provider that refuses connections is asked again when nothing else can answer; 0: not at all. */
  readonly restartWaitMs: number
  /** How long a target that failed is tried last, in milliseconds. */
  readonly cooldownMs: number
}

export interface RoutesConfig {
  /** Where requests of the API go that are no model calls; undefined: nowhere. */
  readonly rest: { readonly provider: string } | undefined
  /** The models of calls that name none; absent: such a call is refused. */
  readonly defaultModel: {
    readonly images?: string
    readonly moderations?: string
    readonly responses?: string
  }
}

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
