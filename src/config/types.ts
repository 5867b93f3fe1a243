// The configuration as the program uses it: defaults applied, units in the names, everything readonly. `resolve.ts` makes
// it from the file; outside the composition root only this file, its parts (`provider-types.ts`, `observe-types.ts`) and
// `secret.ts` may be imported of `config/`.
import type { Budget, ClientTerms, MemberRule, ModelLimits, PriceSetting, Target } from '../domain.ts'
import type {
  AuditConfig,
  LoggingConfig,
  MetricsConfig,
  NotifyConfig,
  StatusConfig,
  TracingConfig,
  UsageConfig,
} from './observe-types.ts'
import type { ProviderConfig, ProviderTraits } from './provider-types.ts'
import type { ServicesConfig } from './service-types.ts'
import type { StoreConfig } from './store-types.ts'
import type { Boundary } from '../platform/boundary.ts'

export interface Config {
  readonly server: ServerConfig
  readonly access: AccessConfig
  readonly cors: CorsConfig
  readonly rateLimits: RateLimitConfig
  /** Where limits and budgets are counted. */
  readonly store: StoreConfig
  readonly keys: KeysConfig
  readonly identity: IdentityConfig
  readonly clients: ClientsConfig
  readonly providers: ReadonlyMap<string, ProviderConfig>
  readonly services: ServicesConfig
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
  /** Which other models answer certain calls: the first rule that fits a call. Absent: none do. */
  readonly when?: readonly WhenRule[]
  /** The model that answers the others; this one has no targets. Absent: it answers them itself. */
  readonly use?: string
  /** What is changed in the requests of its calls, in the provider's format. Absent: nothing. */
  readonly request?: readonly MemberRule[]
  /** What its calls may not leave, fallbacks included. Absent: nothing but what bounds all calls. */
  readonly boundary?: Exclude<Boundary, 'any'>
}

/** Fits a call for which all of its conditions hold. */
export interface WhenRule {
  /** The prompt is estimated at more tokens than that. */
  readonly promptTokensOver?: number
  /** Whether the request has images, has tools, asks for thinking. */
  readonly images?: boolean
  readonly tools?: boolean
  readonly thinking?: boolean
  /** The model that answers. */
  readonly use: string
}

/** What may be spent, and when that begins anew. */
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

/** The list of prices, for models whose price the configuration does not have. */
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
  /** How a target is chosen: by when it is expected to answer, or by its load alone. */
  readonly placement: 'expected_time' | 'least_busy'
  /** Whether calls of one client are placed where another one's have the same prompt cached. */
  readonly hasSharedPrefixes: boolean
  /** What no call may leave. Absent: nothing. */
  readonly boundary?: Exclude<Boundary, 'any'>
}

export interface RoutesConfig {
  /** Where requests of the API go that are no model calls; undefined: nowhere. */
  readonly rest: { readonly provider: string } | undefined
  /** The models of calls that name none; absent: such a call is refused. */
  readonly defaultModel: {
    readonly images?: string
    readonly infill?: string
    readonly moderations?: string
    readonly native?: string
    readonly responses?: string
  }
}
