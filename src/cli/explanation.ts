// What `explain` knows of a model: its targets in their order, and everything of the configuration that applies to its calls.
import type { FormatFindings } from '../app/format-findings.ts'
import { listOf, priceBookOf } from '../app/prices.ts'
import { budgetText } from '../clients/keys/key-budgets.ts'
import { defaults } from '../config/defaults.ts'
import { findKeyFile } from '../config/find.ts'
import type { RawConfig, RawSecret } from '../config/raw.ts'
import { describeSecret } from '../config/secrets.ts'
import type { SharedStore, WhenUnavailable } from '../config/store-types.ts'
import type { Config, IdentityConfig, RoutingConfig } from '../config/types.ts'
import type { HttpProvider, ProviderConfig, Timeouts } from '../config/provider-types.ts'
import type { Coverage } from '../dialects/coverage.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import type { ModelLimits, Target } from '../domain.ts'
import { type Boundary, narrower } from '../platform/boundary.ts'
import { readShippedList } from '../prices/shipped-list.ts'
import type { Route } from '../routing/route.ts'
import { hasRules } from '../routing/when-rules.ts'
import { coveragesOf, type ExplainedFormats, explainFormats, ownRoutesOf } from './explain-formats.ts'
import { type ExplainedService, explainService } from './explain-service.ts'
import { requestTexts, ruleTexts } from './rule-texts.ts'
import { placeText, priceJson, settingText } from './price-text.ts'

export interface Explanation {
  readonly model: string
  readonly rule: Route['rule']
  /** The entry of the file that matched. */
  readonly entry: string
  readonly targets: readonly ExplainedTarget[]
  readonly limits: ModelLimits | null
  readonly fallbacks: readonly string[]
  /** Which other models answer which calls, in order: `images: true → vision`, `→ qwen`. Absent: none do. */
  readonly rules?: readonly string[]
  /** What is changed in requests: `set top_k: 40`. Absent: nothing. */
  readonly request?: readonly string[]
  /** What its calls may not leave, by its own setting and `routing.boundary`. */
  readonly boundary: Boundary
  readonly heartbeatAfterMs: number
  readonly routing: RoutingConfig
  /** Requests that need not name the model: `images`, `moderations`, `responses`. */
  readonly defaultFor: readonly string[]
  /** The provider of all other routes of the API. */
  readonly rest: string | null
  /** Whether clients need keys, and where those are. Absent: keys are ignored. */
  readonly keys?: { readonly mode: string; readonly file: string }
  /** How clients are recorded. Absent: by their names. */
  readonly clientNames?: 'pseudonym'
  /** Where identities of clients come from, and whether each client needs one. Absent: from nowhere. */
  readonly identity?: { readonly required: boolean; readonly sources: readonly string[] }
  /** Clients without a key that have an entry of their own. Absent: none. */
  readonly clients?: readonly string[]
  /** Which gateways count limits and budgets together. Absent: each its own. */
  readonly store?: ExplainedStore
  /** Of all clients together: `50usd/month`. Absent: none. */
  readonly budgets?: readonly string[]
  /** The module of `logging.transport`. */
  readonly logTransport?: string
  /** Where spans of calls go, and which of the targets' providers receive the trace. Absent: neither happens. */
  readonly traces?: { readonly endpoint: string | null; readonly passedTo: readonly string[] }
  /** What the translations of the targets carry, by their ways. Absent: no dialect was named. */
  readonly coverage?: Readonly<Record<string, Coverage>>
}

function hasLimit({ rpm, tpm, maxParallelRequests }: ModelLimits): boolean {
  return rpm !== undefined || tpm !== undefined || maxParallelRequests !== undefined
}

interface ExplainedStore {
  /** Where its URL is. */
  readonly url: string
  readonly prefix: string
  readonly members: number
  readonly whenUnavailable: WhenUnavailable
}

interface ExplainedTarget extends Omit<Target, 'price'> {
  /** Of the provider. */
  readonly kind: ProviderConfig['kind']
  readonly baseUrl: string | null
  /** `http://proxy.example:3128 (env HTTPS_PROXY)`; null: connections are made directly. */
  readonly proxy: string | null
  /** The narrowest boundary that calls of it can be kept in. */
  readonly boundary: Boundary
  /** Over plain HTTP to a name: which addresses it may have. */
  readonly plainHttp: NonNullable<HttpProvider['plainHttp']> | null
  readonly credential: string
  readonly auth: string
  readonly headers: readonly string[]
  readonly timeouts: Timeouts | null
  /** Calls at once: a number, or `auto`. Absent: any number. */
  readonly parallel?: number | 'auto'
  /** Of its server, those that calls of the model may take. Absent: it has none. */
  readonly ownRoutes?: readonly string[]
  /** Requests may change the server for all of its clients. Absent: they may not. */
  readonly allowsManagement?: true
  /** How its server is started and stopped. Absent: it is somebody else's matter. */
  readonly service?: ExplainedService
  /** `setting` for people; null: it is unknown. */
  readonly price: { readonly place: string; readonly setting: string; readonly usd: unknown } | null
  /** Of calls in the dialect that was named. Absent: none was. */
  readonly formats?: ExplainedFormats
}

/** What a model is explained by. */
export interface ExplainedConfig {
  readonly file: string
  readonly config: Config
  readonly raw: RawConfig
  /** As in `LoadOptions`. */
  readonly storedCredentials: ReadonlySet<string>
  readonly dialect: ClientDialect | undefined
  readonly probes: FormatFindings
}

/** @param route of `model`. */
export function explain(
  model: string,
  route: Route,
  { file, config, raw, storedCredentials, dialect, probes }: ExplainedConfig,
): Explanation {
  // In the order in which they are tried; within a tier, weights decide.
  const targets = route.targets.toSorted((a, b) => a.tier - b.tier)
  const { rateLimits, identity: identities } = config
  const { mode, file: keyFile } = config.keys
  const { byPattern, default: otherwise } = config.clients
  const clients = [...byPattern.keys(), ...(otherwise === undefined ? [] : ['default'])]
  const { transport } = config.logging
  const limits = rateLimits.enabled
    ? (rateLimits.limits.get(route.model.name) ?? rateLimits.default)
    : undefined
  const identity = raw.secrets?.identity?.credential ?? defaults.secrets.identity.credential
  const references = new Map(
    Object.entries(raw.providers ?? {}).map(([name, { api_key: key }]) => [name, key]),
  )
  const book = priceBookOf(config, readShippedList)
  const list = listOf(config.prices, readShippedList)?.raw
  const explained = targets.map((target): ExplainedTarget => {
    const reference = references.get(target.provider)
    const absent = reference === undefined ? 'none' : absentKey(reference, storedCredentials, identity)
    const provider = config.providers.get(target.provider)!
    const formats = dialect && explainFormats(dialect, provider, route.model, probes)
    const { kind } = provider
    const [found] = book.pricesOf(target, route.model.price)
    const price = found && {
      place: placeText(found.place, list),
      setting: settingText(found.setting),
      usd: priceJson(found.setting),
    }
    const service = provider.kind === 'echo' ? undefined : explainService(provider, config.services)
    const facts = { ...explainProvider(provider, absent), ...known(target), price: price ?? null }
    return { ...target, kind, ...facts, ...(service && { service }), ...(formats && { formats }) }
  })
  const traces = explainTraces(targets, config)
  const ways = explained.flatMap(({ formats }) => formats?.ways ?? [])
  return {
    model,
    rule: route.rule,
    entry: route.model.name,
    targets: explained,
    limits: limits !== undefined && hasLimit(limits) ? limits : null,
    fallbacks: route.model.fallbacks,
    ...(hasRules(route.model) && { rules: ruleTexts(route.model) }),
    ...(route.model.request && { request: requestTexts(route.model.request) }),
    boundary: narrower(route.model.boundary, config.routing.boundary),
    heartbeatAfterMs: config.server.heartbeatAfterMs,
    routing: config.routing,
    defaultFor: defaultFor(route, config),
    rest: config.routes.rest?.provider ?? null,
    ...(mode !== 'off' && { keys: { mode, file: findKeyFile(file, keyFile) } }),
    ...(identities.sources.length > 0 && { identity: explainIdentity(identities) }),
    ...(config.usage.isPseudonymous && { clientNames: 'pseudonym' as const }),
    ...(clients.length > 0 && { clients }),
    ...(config.store.kind === 'valkey' && {
      store: explainStore(config.store, raw, storedCredentials, identity),
    }),
    ...(config.budgets.total.length > 0 && { budgets: config.budgets.total.map(budgetText) }),
    ...(transport !== undefined && { logTransport: transport.target }),
    ...(traces !== undefined && { traces }),
    ...(dialect !== undefined && { coverage: Object.fromEntries(coveragesOf(dialect, ways)) }),
  }
}

/** Nothing of the URL but where it is. */
function explainStore(
  { url, prefix, whenUnavailable, members }: SharedStore,
  raw: RawConfig,
  storedCredentials: ReadonlySet<string>,
  identity: string,
): ExplainedStore {
  const reference = raw.rate_limit_settings?.store?.url ?? {}
  const place =
    url === undefined ? absentKey(reference, storedCredentials, identity) : `${url.source} (present)`
  return { url: place, prefix, members, whenUnavailable }
}

function explainIdentity({ isRequired, sources }: IdentityConfig): NonNullable<Explanation['identity']> {
  return {
    required: isRequired,
    sources: sources.map((source) =>
      source.kind === 'token'
        ? `${source.header}, signed by ${source.issuer}`
        : `${source.header}, from ${source.fromUser ?? 'the Unix socket'}`,
    ),
  }
}

function explainTraces(targets: readonly Target[], { tracing, providers }: Config): Explanation['traces'] {
  const { endpoint } = tracing
  const passedTo = targets.flatMap(({ provider: name }) => {
    const provider = providers.get(name)!
    if (provider.kind === 'echo' || provider.traceContext === 'never') return []
    const isByDefault = endpoint !== undefined && provider.isLocal
    return isByDefault || provider.traceContext === 'always' ? [name] : []
  })
  if (endpoint === undefined && passedTo.length === 0) return undefined
  const origin = endpoint === undefined ? null : new URL(endpoint).origin
  return { endpoint: origin, passedTo: [...new Set(passedTo)] }
}

/** Of the kinds of calls that may name no model, those that then call this one. */
function defaultFor({ model: { name, aliases } }: Route, { routes }: Config): string[] {
  const names = [name, ...aliases]
  return Object.entries(routes.defaultModel).flatMap(([kind, named]) => (names.includes(named) ? [kind] : []))
}

function absentKey(reference: RawSecret, storedCredentials: ReadonlySet<string>, identity: string): string {
  const { credential, secret } = reference
  if (secret !== undefined && storedCredentials.has(identity)) {
    return `secret ${secret} (stored, only the service can open it)`
  }
  if (credential !== undefined && storedCredentials.has(credential)) {
    return `credential ${credential} (stored, only available to the service)`
  }
  return `${describeSecret(reference)} (absent)`
}

/** @param absent stands in for a key that was not found. */
function explainProvider(
  provider: ProviderConfig,
  absent: string,
): Omit<ExplainedTarget, Exclude<keyof Target, 'contextLength' | 'takes'> | 'kind' | 'price'> {
  if (provider.kind === 'echo') {
    const direct = { proxy: null, boundary: 'local', plainHttp: null, timeouts: null } as const
    return { ...direct, baseUrl: null, credential: 'none needed', auth: 'none', headers: [] }
  }
  const ownRoutes = ownRoutesOf(provider)
  const { origin, basePath, query = '', proxy, plainHttp = null, auth, apiKey, timeouts } = provider
  const { maxParallelRequests: parallel } = provider
  return {
    baseUrl: origin + basePath + query,
    proxy: proxy === undefined ? null : `${proxy.origin} (${proxy.source})`,
    boundary: provider.boundary ?? 'any',
    plainHttp,
    credential: apiKey === undefined ? absent : `${apiKey.source} (present)`,
    auth: auth === 'bearer' ? 'bearer' : auth.header,
    headers: provider.headers.map(([name]) => name),
    timeouts,
    ...(ownRoutes.length > 0 && { ownRoutes }),
    ...(parallel !== undefined && { parallel }),
    ...known(provider),
    ...(provider.allowsManagement === true && { allowsManagement: true }),
  }
}

/** What the file says of the models: of the target before the provider. */
function known({
  contextLength,
  takes,
}: Pick<HttpProvider, 'contextLength' | 'takes'>): Pick<Target, 'contextLength' | 'takes'> {
  return { ...(contextLength !== undefined && { contextLength }), ...(takes !== undefined && { takes }) }
}
