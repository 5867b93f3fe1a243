// The configuration as the program uses it: defaults applied, units in the names, everything readonly.
// `resolve.ts` makes it from the file; nothing else of `config/` is seen outside of the composition root.
import type { ModelLimits, Target } from '../domain.ts'

/** A credential. Printing, serialising or inspecting it gives `[secret]`. */
export interface Secret {
  /**
   * The value. Called in `upstream/`, where the header is written and echoes of it are masked, and on the way to another
   * thread (`config/transfer.ts`); nowhere else.
   */
  reveal(): string
  /** Where it came from, to show to people: `credential openai_api_key`, `env OPENAI_API_KEY`, `file /path`. */
  readonly source: string
}

export interface Config {
  readonly server: ServerConfig
  readonly access: AccessConfig
  readonly cors: CorsConfig
  readonly rateLimits: RateLimitConfig
  readonly providers: ReadonlyMap<string, ProviderConfig>
  readonly models: ReadonlyMap<string, ModelConfig>
  readonly routing: RoutingConfig
  readonly logging: LoggingConfig
}

export interface ServerConfig {
  /** Loopback addresses, without brackets. */
  readonly hosts: readonly string[]
  /** 0 lets the system choose one (tests). */
  readonly port: number
  readonly unixSocket: string | undefined
  /** Further `Host` values that are served, lower case, with or without a port. */
  readonly allowedHosts: readonly string[]
  /** CIDRs. */
  readonly trustedProxies: readonly string[]
  readonly maxRequestBodyBytes: number
  readonly shutdownGraceMs: number
  /** Threads that serve; at least 1. */
  readonly workers: number
  /** Load the file again when it changes. */
  readonly watchConfig: boolean
}

interface AccessConfig {
  /** Unix user names, or `self`; `any` alone turns the check off. */
  readonly allowedUsers: readonly string[]
  /** CIDRs; empty lets in all that reach the listener. */
  readonly allowedIps: readonly string[]
}

interface CorsConfig {
  readonly enabled: boolean
  /** Origins as browsers send them; `:*` in the place of the port stands for any port or none. */
  readonly allowedOrigins: readonly string[]
  readonly allowAll: boolean
}

export interface RateLimitConfig {
  readonly enabled: boolean
  /** Requests a minute of one client, all models together; undefined: unlimited. */
  readonly perClientRpm: number | undefined
  /** For models that `limits` does not name. Without a limit of its own it still says how calls wait for a provider. */
  readonly default: ModelLimits
  /** By model name (never an alias) or wildcard. */
  readonly limits: ReadonlyMap<string, ModelLimits>
}

export type ProviderConfig = EchoProvider | HttpProvider

/** Answers by itself, with the last message; for trying tunnels, CORS and limits. */
interface EchoProvider {
  readonly kind: 'echo'
  readonly name: string
}

/** A server that speaks OpenAI's protocol. */
export interface HttpProvider {
  readonly kind: 'openai'
  readonly name: string
  /** Scheme, host and port; the only place that this provider's key is sent to. */
  readonly origin: string
  /** Path of the base URL without a trailing slash: `/v1`, or empty. */
  readonly basePath: string
  /** True for a loopback or private address: patient timeouts, short cool-downs. */
  readonly isLocal: boolean
  readonly apiKey: Secret | undefined
  /** Which header carries the key; `bearer` is `authorization: Bearer KEY`. */
  readonly auth: 'bearer' | { readonly header: string }
  /** Further headers of every request to this provider; names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string | Secret])[]
  readonly includeUsage: 'auto' | 'always' | 'never'
  readonly timeouts: Timeouts
  readonly maxParallelRequests: number | undefined
  /** A GET of `path` below the base URL every `intervalMs`; absent: health is learnt from calls alone. */
  readonly healthCheck?: { readonly path: string; readonly intervalMs: number } | undefined
  /** Offer the models that the provider lists, besides the configured ones. Off when absent. */
  readonly discoverModels?: boolean
}

/** In milliseconds. 0 turns one off. */
export interface Timeouts {
  /** Until the TCP and TLS connection stands. */
  readonly connectMs: number
  /** From the request's sending to the first byte of the answer. */
  readonly firstByteMs: number
  /** Longest silence between two bytes of the answer. */
  readonly idleMs: number
  /** The whole call, all of its attempts together; time in a waiting line has a limit of its own. */
  readonly totalMs: number
}

export interface ModelConfig {
  /** As clients write it; ends in `*` for a wildcard. */
  readonly name: string
  readonly aliases: readonly string[]
  readonly targets: readonly Target[]
  /** Models to try when no target of this one is left: in order, each followed by its own fallbacks. */
  readonly fallbacks: readonly string[]
}

export interface RoutingConfig {
  /** Further attempts at targets that have failed in this call; a first attempt at another target is none. */
  readonly retries: number
  /** How long a target that failed is tried last, in milliseconds. */
  readonly cooldownMs: number
}

export interface LoggingConfig {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
}
