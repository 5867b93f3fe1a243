// `llm-gateway explain MODEL`: where a call for a model would go, and why. Keys appear by their source, never by value.
import type { FormatFindings } from '../app/format-findings.ts'
import { budgetText } from '../clients/keys/key-budgets.ts'
import { listOf, priceBookOf } from '../app/prices.ts'
import { defaults } from '../config/defaults.ts'
import { findConfigFile, findKeyFile } from '../config/find.ts'
import { openConfig } from '../config/load.ts'
import type { RawConfig, RawSecret } from '../config/raw.ts'
import { describeSecret } from '../config/secrets.ts'
import type {
  Config,
  HttpProvider,
  IdentityConfig,
  ProviderConfig,
  RoutingConfig,
  Timeouts,
} from '../config/types.ts'
import type { ModelLimits, Target } from '../domain.ts'
import { type Discovered, RouteTable, type Route } from '../routing/route-table.ts'
import type { Coverage } from '../dialects/coverage.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import {
  coveragesOf,
  describeFormats,
  type ExplainedFormats,
  explainFormats,
  findDialect,
  printCoverage,
  printCoverageSummary,
  readProbes,
  unknownDialect,
} from './explain-formats.ts'
import { readShippedList } from '../prices/shipped-list.ts'
import { findListener } from './doctor/listening-program.ts'
import { Output, type CommandIo } from './output.ts'
import { systemClock } from '../platform/clock.ts'
import { printable } from '../platform/printable.ts'
import { resolveScope, servicePaths } from '../systemd/scope.ts'
import { placeText, priceJson, settingText } from './price-text.ts'
import { stateDirectoryOf } from './state-directory.ts'
import { storedCredentialNames } from './stored-credentials.ts'
import { printProblems } from './validate-config.ts'

export interface ExplainOptions {
  readonly config?: string | undefined
  readonly dialect?: string | undefined
  /** Prints each member of the translations. Absent: a summary. JSON has all of them. */
  readonly members?: boolean | undefined
  readonly json: boolean
}

/** @returns the exit status: 0, or 1 when the model is unknown or the configuration is invalid. */
export async function explainCommand(io: CommandIo, model: string, options: ExplainOptions): Promise<number> {
  const dialect = options.dialect === undefined ? undefined : findDialect(options.dialect)
  if (options.dialect !== undefined && dialect === undefined) {
    const hint = unknownDialect(options.dialect)
    new Output(io.stderr, io.env).line(`There is no dialect "${printable(options.dialect)}". ${hint}`)
    return 1
  }
  const file = findConfigFile(options.config, io.env)
  const storedCredentials = storedCredentialNames(io.env)
  const loaded = await openConfig(file, { env: io.env, storedCredentials })
  if (!loaded.ok) {
    if (options.json) new Output(io.stdout, io.env).json({ file, valid: false, problems: loaded.problems })
    else printProblems(io, loaded.problems, loaded.lines)
    return 1
  }
  const discovered = emptyLists(loaded.config)
  const routes = new RouteTable(loaded.config.models, discovered)
  // Explains the file alone: providers are not asked which models they have now.
  const route = routes.find(model) ?? routes.expected(model)
  if (route === undefined) {
    const discovering = [...discovered.keys()]
    printUnknown(io, { file, model, routes, discovering, isJson: options.json })
    return 1
  }
  const probes = dialect === undefined ? new Map() : await probesOf(loaded.config, io)
  const explanation = explain(model, route, { ...loaded, file, storedCredentials, dialect, probes })
  const out = new Output(io.stdout, io.env)
  if (options.json) out.json({ file, found: true, ...explanation })
  else print(out, explanation, options.members === true)
  return 0
}

/** Of the gateway that runs with this configuration, else of the service. */
async function probesOf({ server: { hosts, port } }: Config, io: CommandIo): Promise<FormatFindings> {
  const pid = hosts.map((host) => findListener(host, port)).find((each) => each !== undefined)
  const paths = servicePaths(resolveScope(undefined, process.getuid!()), io.env)
  const directory = stateDirectoryOf(pid, paths, io.env)?.path
  if (directory === undefined) return new Map()
  return readProbes(directory, (cause) => {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException
    const message = `What probes have shown cannot be read from ${directory} (${code}).`
    new Output(io.stderr, io.env).line(`warning: ${printable(message)}`)
  })
}

/** An empty list of models for each provider with `discover_models`. */
function emptyLists({ providers }: Config): Discovered {
  const discovering = [...providers.values()].filter((each) => each.kind !== 'echo' && each.discoverModels)
  return new Map(discovering.map(({ name }) => [name, []]))
}

interface UnknownModel {
  readonly file: string
  readonly model: string
  readonly routes: RouteTable
  readonly discovering: readonly string[]
  readonly isJson: boolean
}

function printUnknown(io: CommandIo, { file, model, routes, discovering, isJson }: UnknownModel): void {
  const suggestion = routes.suggest(model)
  if (isJson) {
    new Output(io.stdout, io.env).json({ file, found: false, model, suggestion: suggestion ?? null })
    return
  }
  const err = new Output(io.stderr, io.env)
  const hint = suggestion === undefined ? '' : ` Did you mean "${printable(suggestion)}"?`
  err.line(`There is no model "${printable(model)}" in ${printable(file)}.${hint}`)
  const names = routes.list()
  if (suggestion === undefined && names.length > 0) {
    const shown = names.slice(0, 20).map(printable).join(', ')
    err.line(`Known models: ${shown}${names.length > 20 ? ', …' : ''}`)
  }
  if (discovering.length > 0) {
    err.line(
      `Models that these providers list are known only to a running gateway (GET /v1/models): ${discovering.join(', ')}`,
    )
  }
}

interface Explanation {
  readonly model: string
  readonly rule: Route['rule']
  /** The entry of the file that matched. */
  readonly entry: string
  readonly targets: readonly ExplainedTarget[]
  readonly limits: ModelLimits | null
  readonly fallbacks: readonly string[]
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
  /** Of all clients together: `50usd/month`. Absent: none. */
  readonly budgets?: readonly string[]
  /** The module of `logging.transport`. */
  readonly logTransport?: string
  /** What the translations of the targets carry, by their ways. Absent: no dialect was named. */
  readonly coverage?: Readonly<Record<string, Coverage>>
}

function hasLimit({ rpm, tpm, maxParallelRequests }: ModelLimits): boolean {
  return rpm !== undefined || tpm !== undefined || maxParallelRequests !== undefined
}

interface ExplainedTarget extends Omit<Target, 'price'> {
  /** Of the provider. */
  readonly kind: ProviderConfig['kind']
  readonly baseUrl: string | null
  /** `http://proxy.example:3128 (env HTTPS_PROXY)`; null: connections are made directly. */
  readonly proxy: string | null
  /** Over plain HTTP to a name: which addresses it may have. */
  readonly plainHttp: NonNullable<HttpProvider['plainHttp']> | null
  readonly credential: string
  readonly auth: string
  readonly headers: readonly string[]
  readonly timeouts: Timeouts | null
  /** `setting` for people; null: it is unknown. */
  readonly price: { readonly place: string; readonly setting: string; readonly usd: unknown } | null
  /** Of calls in the dialect that was named. Absent: none was. */
  readonly formats?: ExplainedFormats
}

interface ExplainedConfig {
  readonly file: string
  readonly config: Config
  readonly raw: RawConfig
  /** As in `LoadOptions`. */
  readonly storedCredentials: ReadonlySet<string>
  readonly dialect: ClientDialect | undefined
  readonly probes: FormatFindings
}

function explain(
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
    const facts = { ...explainProvider(provider, absent), price: price ?? null }
    return { ...target, kind, ...facts, ...(formats && { formats }) }
  })
  const ways = explained.flatMap(({ formats }) => formats?.ways ?? [])
  return {
    model,
    rule: route.rule,
    entry: route.model.name,
    targets: explained,
    limits: limits !== undefined && hasLimit(limits) ? limits : null,
    fallbacks: route.model.fallbacks,
    heartbeatAfterMs: config.server.heartbeatAfterMs,
    routing: config.routing,
    defaultFor: defaultFor(route, config),
    rest: config.routes.rest?.provider ?? null,
    ...(mode !== 'off' && { keys: { mode, file: findKeyFile(file, keyFile) } }),
    ...(identities.sources.length > 0 && { identity: explainIdentity(identities) }),
    ...(config.usage.isPseudonymous && { clientNames: 'pseudonym' as const }),
    ...(clients.length > 0 && { clients }),
    ...(config.budgets.total.length > 0 && { budgets: config.budgets.total.map(budgetText) }),
    ...(transport !== undefined && { logTransport: transport.target }),
    ...(dialect !== undefined && { coverage: Object.fromEntries(coveragesOf(dialect, ways)) }),
  }
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
): Omit<ExplainedTarget, keyof Target | 'kind' | 'price'> {
  if (provider.kind === 'echo') {
    const direct = { proxy: null, plainHttp: null, timeouts: null }
    return { ...direct, baseUrl: null, credential: 'none needed', auth: 'none', headers: [] }
  }
  const { origin, basePath, query = '', proxy, plainHttp = null, auth, apiKey, timeouts } = provider
  return {
    baseUrl: origin + basePath + query,
    proxy: proxy === undefined ? null : `${proxy.origin} (${proxy.source})`,
    plainHttp,
    credential: apiKey === undefined ? absent : `${apiKey.source} (present)`,
    auth: auth === 'bearer' ? 'bearer' : auth.header,
    headers: provider.headers.map(([name]) => name),
    timeouts,
  }
}

const rules = {
  name: () => 'is the name of a model',
  alias: (entry: string) => `is an alias of ${entry}`,
  wildcard: (entry: string) => `matches the wildcard ${entry}`,
  discovered: () => 'can be called if its provider lists it (discover_models)',
}

function print(out: Output, explanation: Explanation, listsMembers: boolean): void {
  const { model, rule, entry, targets, limits, fallbacks, routing, heartbeatAfterMs } = explanation
  const {
    defaultFor: kinds,
    rest,
    keys,
    identity,
    clientNames,
    clients = [],
    budgets = [],
    logTransport,
    coverage = {},
  } = explanation
  out.line(`${out.styled('bold', printable(model))} ${printable(rules[rule](entry))}`)
  for (const [index, target] of targets.entries()) {
    const address = target.baseUrl ?? 'built in'
    out.line()
    out.line(`${index + 1}. ${out.styled('bold', printable(target.provider))}  ${address}`)
    row(out, 'model', printable(target.model))
    if (target.formats !== undefined) printFormats(out, target.formats, target.kind)
    if (target.timeouts === null) continue
    row(out, 'tier, weight', `${target.tier}, ${target.weight}`)
    row(
      out,
      'key',
      target.credential === 'none' ? 'none' : `${printable(target.credential)}, sent as ${target.auth}`,
    )
    if (target.proxy !== null) row(out, 'proxy', target.proxy)
    if (target.plainHttp !== null) row(out, 'plain http', plainHttpRules[target.plainHttp])
    if (target.headers.length > 0) row(out, 'headers', target.headers.join(', '))
    row(out, 'timeouts', formatTimeouts(target.timeouts))
    const { price } = target
    row(out, 'price', price === null ? 'unknown' : printable(`${price.setting} (${price.place})`))
  }
  out.line()
  out.line(`limits     ${limits === null ? 'none' : formatLimits(limits)}`)
  out.line(`fallbacks  ${fallbacks.length === 0 ? 'none' : printable(fallbacks.join(', '))}`)
  out.line(`heartbeat  after ${heartbeatAfterMs / 1000} s of silence in a stream`)
  out.line(`retries    ${formatRouting(routing)}`)
  if (kinds.length > 0) out.line(`default    for ${kinds.join(', ')} whose requests name no model`)
  if (rest !== null) out.line(`rest       other routes of the API pass to ${printable(rest)}`)
  if (keys !== undefined) out.line(`keys       ${keys.mode}, of ${printable(keys.file)}`)
  if (identity !== undefined) {
    const from = identity.sources.map(printable).join('; ')
    out.line(`identity   ${identity.required ? 'required' : 'optional'}, by ${from}`)
  }
  if (clientNames !== undefined)
    out.line(`recorded   clients by ${clientNames}s, in the log, the ledger and the audit log`)
  if (clients.length > 0) out.line(`clients    with an entry of their own: ${printable(clients.join(', '))}`)
  if (budgets.length > 0) out.line(`budgets    of all clients together: ${budgets.join(', ')}`)
  if (logTransport !== undefined) out.line(`log        ${printable(logTransport)}`)
  const printMembers = listsMembers ? printCoverage : printCoverageSummary
  const ways = Object.entries(coverage)
  for (const [way, covered] of ways) printMembers(out, way, covered)
  if (ways.length > 0 && !listsMembers) out.line('\n--members lists all members, and how they are carried')
}

function printFormats(out: Output, formats: ExplainedFormats, kind: string): void {
  row(out, 'way', describeFormats(formats, kind, systemClock.wallNow()))
  const settings = Object.entries(formats.translation).map(
    ([key, value]) => `${key}: ${JSON.stringify(value)}`,
  )
  if (settings.length > 0) row(out, 'translation', settings.join(', '))
}

const plainHttpRules = {
  private: 'only if the name has no other addresses than loopback and private ones',
  anywhere: 'to any address (allow_http)',
}

function row(out: Output, label: string, text: string): void {
  out.line(`   ${out.styled('dim', label.padEnd(13))} ${text}`)
}

function formatTimeouts({ connectMs, firstByteMs, idleMs, totalMs }: Timeouts): string {
  const shown = (ms: number) => (ms === 0 ? 'off' : `${ms / 1000} s`)
  return `connect ${shown(connectMs)}, first byte ${shown(firstByteMs)}, idle ${shown(idleMs)}, total ${shown(totalMs)}`
}

function formatRouting({ retries, maxRetryWaitMs, restartWaitMs, cooldownMs }: RoutingConfig): string {
  const seconds = (ms: number) => `${ms / 1000} s`
  const restart = restartWaitMs === 0 ? '' : `, up to ${seconds(restartWaitMs)} for a local restart`
  return `${retries}, each after at most ${seconds(maxRetryWaitMs)}${restart}; cool-down ${seconds(cooldownMs)}`
}

function formatLimits({ rpm, tpm, maxParallelRequests, whenLimited, maxWaitMs }: ModelLimits): string {
  const parts = [
    rpm === undefined ? undefined : `${rpm} requests per minute`,
    tpm === undefined ? undefined : `${tpm} tokens per minute`,
    maxParallelRequests === undefined ? undefined : `${maxParallelRequests} in parallel`,
  ].filter((part) => part !== undefined)
  const then = whenLimited === 'wait' ? `wait up to ${maxWaitMs / 1000} s` : 'reject'
  return parts.length === 0 ? 'none' : `${parts.join(', ')}; then ${then}`
}
