// The file's configuration → the program's: defaults applied, short forms written out, units in the names. Pure; it
// refuses nothing, as all checks have passed.
import { pseudonymKeyReference } from './stored-names.ts'
import type { Budget, ClientTerms, ModelLimits, PriceSetting, Target } from '../domain.ts'
import { asCidr } from './addresses.ts'
import { parseBaseUrl, rootPathOf } from './base-url.ts'
import { defaultBodyMemoryBytes, defaults } from './defaults.ts'
import { nanoOfBudget } from '../prices/usd.ts'
import { readPrice } from '../prices/read-price.ts'
import { normalOrigin } from '../http/origin.ts'
import { authOf, baseUrlOf } from './provider-kind.ts'
import { resolveIdentity } from './resolve-identity.ts'
import { resolveTracing } from './resolve-tracing.ts'
import { resolveNotify } from './resolve-notify.ts'
import { knownOf, resolveKnown } from './resolve-known.ts'
import { resolveRequest, resolveRules } from './resolve-request.ts'
import { resolveService, resolveServices } from './resolve-services.ts'
import { resolveStore } from './resolve-store.ts'
import { resolveTraits } from './resolve-traits.ts'
import type {
  RawBudget,
  RawClient,
  RawConfig,
  RawModel,
  RawModelLimits,
  RawPriceSetting,
  RawProvider,
  RawRateLimits,
  RawSecret,
  RawTarget,
  RawTrustedProxy,
} from './raw.ts'
import type {
  ClientsConfig,
  Config,
  KeysConfig,
  ModelConfig,
  PricesConfig,
  RateLimitConfig,
  ServerConfig,
} from './types.ts'
import type { Secret } from './secret.ts'
import type { HttpProvider, ProviderConfig, ProxyConfig, Timeouts } from './provider-types.ts'
import type {
  AuditConfig,
  LoggingConfig,
  LogTransportConfig,
  MetricsConfig,
  StatusConfig,
} from './observe-types.ts'

/** The secret of each reference in the file; without optional ones that are absent. */
export type FoundSecrets = ReadonlyMap<RawSecret, Secret>

/**
 * The configuration that the program uses. `raw` has the overrides of the environment applied.
 *
 * @param logTransport the module of `logging.transport`, if there is one.
 * @param proxies by provider.
 * @param ownPrices the list of prices in place of the package's, if there is one.
 * @param storeCa the certificates of `rate_limit_settings.store.ca_file`, if there is one.
 */
export function resolve(
  raw: RawConfig,
  secrets: FoundSecrets,
  logTransport?: string,
  proxies: ReadonlyMap<string, ProxyConfig> = new Map(),
  ownPrices?: PricesConfig['own'],
  storeCa?: string,
): Config {
  const access = { ...defaults.access, ...raw.access }
  const cors = { ...defaults.cors, ...raw.cors }
  const routing = { ...defaults.routing, ...raw.routing }
  const usage = { ...defaults.usage, ...raw.usage }
  const budgets = { ...defaults.budgets, ...raw.budgets }
  return {
    server: resolveServer(raw.server),
    access: { allowedUsers: [...access.allowed_users], allowedIps: access.allowed_ips.map(asCidr) },
    cors: {
      enabled: cors.enabled,
      allowedOrigins: cors.allowed_origins.map(normalOrigin),
      allowAll: cors.allow_all,
      allowNullOrigin: cors.allow_null_origin,
    },
    rateLimits: resolveRateLimits(raw.rate_limit_settings ?? {}),
    store: resolveStore(raw.rate_limit_settings?.store, secrets, storeCa),
    keys: resolveKeys(raw.keys),
    identity: resolveIdentity(raw.identity),
    clients: resolveClients(raw.clients),
    providers: mapEntries(raw.providers, (name, provider) =>
      resolveProvider(name, provider, { secrets, proxy: proxies.get(name) }),
    ),
    models: mapEntries(raw.models, resolveModel),
    services: resolveServices(raw.services),
    prices: {
      list: raw.prices?.list ?? defaults.prices.list,
      ...(ownPrices !== undefined && { own: ownPrices }),
    },
    budgets: {
      timeZone: budgets.time_zone,
      reserve: budgets.reserve,
      whenExhausted: budgets.when_exhausted,
      total: resolveBudgets(budgets.total),
    },
    routing: {
      retries: routing.retries,
      maxRetryWaitMs: routing.max_retry_wait_ms,
      restartWaitMs: routing.restart_wait_ms,
      cooldownMs: routing.cooldown_ms,
      placement: routing.placement,
      hasSharedPrefixes: routing.shared_prefixes,
      ...(routing.boundary !== 'any' && { boundary: routing.boundary }),
    },
    routes: { rest: raw.routes?.rest ?? undefined, defaultModel: { ...raw.routes?.default_model } },
    audit: resolveAudit(raw),
    tracing: resolveTracing(raw.tracing, secrets),
    notify: resolveNotify(raw.notify, secrets),
    metrics: resolveMetrics(raw.metrics),
    status: resolveStatus(raw.status),
    usage: {
      enabled: usage.enabled,
      keepCallsDays: usage.keep_calls_days,
      keepHoursDays: usage.keep_hours_days,
      isPseudonymous: usage.client_names === 'pseudonym',
      pseudonymKey: secrets.get(pseudonymKeyReference),
    },
    logging: resolveLogging(raw.logging ?? {}, logTransport),
  }
}

function resolveAudit(raw: RawConfig): AuditConfig {
  const { enabled, keep_days: keepDays } = { ...defaults.audit, ...raw.audit }
  const hasKeys = (raw.keys?.mode ?? defaults.keys.mode) !== 'off'
  const hasIdentities = (raw.identity?.sources ?? defaults.identity.sources).length > 0
  return { enabled: enabled === 'auto' ? hasKeys || hasIdentities : enabled, keepDays }
}

function resolveMetrics(raw: RawConfig['metrics']): MetricsConfig {
  const metrics = { ...defaults.metrics, ...raw }
  return {
    enabled: metrics.enabled,
    allowedUsers: metrics.allowed_users,
    hasClientLabel: metrics.client_label,
    maxModels: metrics.max_models,
    maxSeries: metrics.max_series,
  }
}

function resolveStatus(raw: RawConfig['status']): StatusConfig {
  const status = { ...defaults.status, ...raw }
  return {
    enabled: status.enabled,
    allowedUsers: status.allowed_users,
    hasPlayground: status.playground,
    isServedViaProxy: status.via_proxy,
    recentCalls: status.recent_calls,
  }
}

function resolveLogging(
  { transport, ...raw }: NonNullable<RawConfig['logging']>,
  target: string | undefined,
): LoggingConfig {
  const { level, format } = { ...defaults.logging, ...raw }
  if (target === undefined) return { level, format }
  const logTransport: LogTransportConfig = { target, options: transport?.options ?? {} }
  return { level, format, transport: logTransport }
}

function resolveServer(raw: RawConfig['server']): ServerConfig {
  const server = { ...defaults.server, ...raw }
  return {
    hosts: [...new Set(server.hosts)],
    port: server.port,
    unixSocket: server.unix_socket ?? undefined,
    allowedHosts: server.allowed_hosts.map((host) => host.toLowerCase()),
    trustedProxies: resolveTrustedProxies(server.trusted_proxies),
    maxRequestBodyBytes: server.max_request_body_bytes,
    bodyMemoryBytes: server.body_memory_bytes ?? defaultBodyMemoryBytes(server),
    shutdownGraceMs: server.shutdown_grace_ms,
    heartbeatAfterMs: server.heartbeat_after_ms,
    workers: server.workers,
    watchConfig: server.watch_config,
  }
}

function resolveTrustedProxies(list: readonly RawTrustedProxy[]): ServerConfig['trustedProxies'] {
  return {
    users: list.flatMap((item) => (typeof item === 'string' ? [] : [item.user])),
    cidrs: list.flatMap((item) => (typeof item === 'string' ? [asCidr(item)] : [])),
  }
}

function resolveRateLimits(raw: RawRateLimits): RateLimitConfig {
  const settings = { ...defaults.rate_limit_settings, ...raw }
  const isMaxWaitSet = raw?.max_wait_ms !== undefined
  const withWaiting = (limits: RawModelLimits) => resolveLimits(limits, { ...settings, isMaxWaitSet })
  return {
    enabled: settings.enabled,
    perClientRpm: settings.per_client.rpm,
    perClientMaxWaitMs: settings.when_limited === 'wait' ? settings.max_wait_ms : 0,
    default: { ...withWaiting(settings.default), isDefault: true },
    limits: mapEntries(settings.limits, (_name, limits) => withWaiting(limits)),
  }
}

function resolveLimits(
  raw: RawModelLimits,
  waiting: { when_limited: 'reject' | 'wait'; max_wait_ms: number; isMaxWaitSet: boolean },
): ModelLimits {
  const { rpm, tpm, max_parallel_requests: maxParallelRequests } = raw
  return {
    ...(rpm !== undefined && { rpm }),
    ...(tpm !== undefined && { tpm }),
    ...(maxParallelRequests !== undefined && { maxParallelRequests }),
    whenLimited: raw.when_limited ?? waiting.when_limited,
    maxWaitMs: raw.max_wait_ms ?? waiting.max_wait_ms,
    ...((waiting.isMaxWaitSet || raw.max_wait_ms !== undefined) && { isMaxWaitSet: true as const }),
  }
}

function resolveKeys(raw: RawConfig['keys']): KeysConfig {
  const { mode, file, prefix, keyless_users } = { ...defaults.keys, ...raw }
  return { mode, file: file ?? undefined, prefix, keylessUsers: [...keyless_users] }
}

function resolveClients(raw: RawConfig['clients'] = {}): ClientsConfig {
  const byPattern = new Map(mapEntries(raw, resolveClient))
  const otherwise = byPattern.get('default')
  byPattern.delete('default')
  return { byPattern, default: otherwise }
}

function resolveClient(name: string, raw: RawClient): ClientTerms {
  const { models, rpm, tpm, max_parallel_requests: maxParallelRequests, boundary, routes } = raw
  return {
    name,
    models: models && [...models],
    ...(rpm !== undefined && { rpm }),
    ...(tpm !== undefined && { tpm }),
    ...(maxParallelRequests !== undefined && { maxParallelRequests }),
    budgets: resolveBudgets(raw.budgets),
    ...(boundary !== undefined && boundary !== 'any' && { boundary }),
    ...(routes !== undefined && { routes }),
  }
}

function resolveBudgets(raw: readonly RawBudget[] = []): readonly Budget[] {
  return raw.map(({ usd, tokens, per }): Budget =>
    usd === undefined
      ? { unit: 'tokens', limit: tokens!, per }
      : { unit: 'usd', limit: nanoOfBudget(String(usd))!, per },
  )
}

function resolveProvider(
  name: string,
  raw: RawProvider,
  { secrets, proxy }: { secrets: FoundSecrets; proxy: ProxyConfig | undefined },
): ProviderConfig {
  const { kind = defaults.provider.kind } = raw
  if (kind === 'echo') return { kind, name }
  const provider = { ...defaults.provider, ...raw }
  const { boundary, ...url } = parseBaseUrl(baseUrlOf(raw)!, { allowHttp: provider.allow_http })
  // A proxy of the environment is left out for calls that are kept in a boundary; one that the file sets leads out of it.
  const isKept = boundary !== undefined && proxy?.source !== 'file'
  const auth = authOf(raw)
  return {
    kind,
    name,
    ...url,
    ...(isKept && { boundary }),
    ...(kind === 'anthropic' && { basePath: withVersion(url.basePath) }),
    ...(proxy !== undefined && { proxy }),
    apiKey: raw.api_key === undefined ? undefined : secrets.get(raw.api_key),
    auth: auth === 'bearer' ? 'bearer' : { header: auth.header.toLowerCase() },
    headers: resolveHeaders(raw.headers ?? {}, secrets),
    includeUsage: provider.include_usage,
    ...(provider.whole_as_stream !== 'auto' && { wholeAsStream: provider.whole_as_stream }),
    ...(provider.speaks !== 'auto' && { speaks: provider.speaks.map((format) => formats[format]) }),
    ...(raw.translation && { traits: resolveTraits(raw.translation) }),
    timeouts: resolveTimeouts(raw, url.isLocal),
    maxParallelRequests: raw.max_parallel_requests,
    ...(raw.root_url !== undefined && { rootPath: rootPathOf(raw.root_url) }),
    ...resolveKnown(raw),
    healthCheck: resolveHealthCheck(provider.health_check, kind),
    discoverModels: provider.discover_models,
    ...(provider.allow_management && { allowsManagement: true }),
    ...(provider.trace_context !== 'auto' && { traceContext: provider.trace_context }),
    ...(raw.service && { service: resolveService(name, raw.service) }),
    ...resolvePrice(raw.price ?? usualPrice(kind, url)),
  }
}

/** Servers on machines of one's own send no bill, and OpenRouter reports what it charges. */
function usualPrice(
  kind: HttpProvider['kind'],
  { origin, isLocal }: Pick<HttpProvider, 'origin' | 'isLocal'>,
): RawPriceSetting | undefined {
  // `openai` may be another gateway on this machine, behind which anything costs anything.
  if (isLocal && (kind === 'llama_cpp' || kind === 'ollama' || kind === 'vllm')) return 'free'
  return origin === 'https://openrouter.ai' ? 'reported' : undefined
}

function resolvePrice(raw: RawPriceSetting | undefined): { price?: PriceSetting } {
  if (raw === undefined) return {}
  return { price: typeof raw === 'string' ? raw : readPrice(raw) }
}

const formats = { chat: 'chat', messages: 'messages', responses: 'response' } as const

/** Servers with Anthropic's API are documented without it, those with OpenAI's with it. */
function withVersion(basePath: string): string {
  return basePath.endsWith('/v1') ? basePath : `${basePath}/v1`
}

function resolveHeaders(
  raw: Readonly<Record<string, string | RawSecret>>,
  secrets: FoundSecrets,
): HttpProvider['headers'] {
  return Object.entries(raw).flatMap(([name, value]) => {
    const held = typeof value === 'string' ? value : secrets.get(value)
    return held === undefined ? [] : [[name.toLowerCase(), held] as const]
  })
}

function resolveTimeouts(raw: RawProvider, isLocal: boolean): Timeouts {
  const timeouts = { ...(isLocal ? defaults.localTimeouts : defaults.remoteTimeouts), ...raw.timeouts }
  return {
    connectMs: timeouts.connect_ms,
    firstByteMs: timeouts.first_byte_ms,
    idleMs: timeouts.idle_ms,
    totalMs: timeouts.total_ms,
  }
}

function resolveHealthCheck(
  raw: RawProvider['health_check'],
  kind: HttpProvider['kind'],
): HttpProvider['healthCheck'] {
  if (raw === undefined || raw === false) return undefined
  const check = raw === true ? {} : raw
  return { path: check.path ?? defaults.healthPaths[kind], intervalMs: check.interval_ms ?? 15_000 }
}

function resolveModel(name: string, raw: RawModel): ModelConfig {
  const { provider, model } = raw
  const short = provider === undefined ? [] : [{ provider, ...(model !== undefined && { model }) }]
  const targets: readonly RawTarget[] = raw.targets ?? short
  return {
    name,
    aliases: [...(raw.aliases ?? [])],
    targets: targets.map((target): Target => ({
      provider: target.provider,
      model: target.model ?? defaultTargetModel(name),
      tier: target.tier ?? defaults.target.tier,
      weight: target.weight ?? defaults.target.weight,
      ...resolveKnown(target, knownOf(raw)),
      ...resolvePrice(target.price),
    })),
    fallbacks: [...(raw.fallbacks ?? [])],
    ...(raw.translation && { traits: resolveTraits(raw.translation) }),
    ...resolvePrice(raw.price),
    ...resolveRules(raw),
    ...(raw.request && resolveRequest(raw.request)),
    ...(raw.boundary !== undefined && raw.boundary !== 'any' && { boundary: raw.boundary }),
  }
}

/**
 * The provider's name for a model if the file has none. A name such as `openrouter/*` is a namespace for the names of a
 * provider, which does not know the namespace: `*`. Any other name, such as `gpt-*`, is sent upstream unchanged.
 */
function defaultTargetModel(name: string): string {
  return name.endsWith('/*') ? '*' : name
}

/** A map and not an object, because its keys are chosen by people. */
function mapEntries<In, Out>(
  raw: Readonly<Record<string, In>> | undefined,
  make: (name: string, entry: In) => Out,
): ReadonlyMap<string, Out> {
  return new Map(Object.entries(raw ?? {}).map(([name, entry]) => [name, make(name, entry)]))
}
