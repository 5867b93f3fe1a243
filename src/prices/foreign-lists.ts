// Reads the lists of others: models.dev (https://models.dev/api.json) and genai-prices
// (https://github.com/pydantic/genai-prices, data.json). Both have prices in USD per 1,000,000 tokens. What has no
// price per token (sounds by the second, pictures by the piece) is left out, as is anything but a number in range.
import type { RateName, RawPrice, RawRates, RawTariff } from './read-price.ts'
import type { RawListModel, RawListProvider, RawPriceList } from './price-list.ts'
import { picoPerCall, picoPerToken } from './usd.ts'

type Mapping = Readonly<Record<string, unknown>>

/**
 * Undefined: the value is neither list.
 * @param date as of which the prices are to be, `2026-11-20`.
 * @param licence of the list, as text.
 */
export function readForeignList(value: unknown, date: string, licence = 'MIT'): RawPriceList | undefined {
  const head = { version: 1, licence, date } as const
  // From its third version on, the providers are one of several members.
  const genai = listOf(mapping(value)['providers'] ?? value)
  if (genai.length > 0 && genai.every((each) => typeof mapping(each)['api_pattern'] === 'string')) {
    const providers = genai.flatMap((each) => readGenaiProvider(mapping(each), date))
    return {
      ...head,
      source: 'genai-prices, © Pydantic Services Inc.',
      providers: Object.fromEntries(providers),
    }
  }
  const entries = Object.entries(mapping(value))
  const isModelsDev = entries.length > 0 && entries.every(([, each]) => isMapping(mapping(each)['models']))
  if (!isModelsDev) return undefined
  const providers = entries.flatMap(([name, each]) => readModelsDevProvider(name, mapping(each)))
  return { ...head, source: 'models.dev, © models.dev', providers: Object.fromEntries(providers) }
}

// ── genai-prices ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Addresses of servers whose pattern is not plain text. */
const genaiHosts: Readonly<Record<string, readonly string[]>> = {
  aws: ['bedrock-runtime.*.amazonaws.com'],
  azure: [
    '*.openai.azure.com',
    '*.azure-api.net',
    '*.cognitiveservices.azure.com',
    '*.services.ai.azure.com',
  ],
  cloudflare: ['api.cloudflare.com/client/v4/accounts/*/ai'],
  cohere: ['api.cohere.ai', 'api.cohere.com'],
  databricks: ['*.cloud.databricks.com', '*.azuredatabricks.net', '*.gcp.databricks.com'],
  google: ['generativelanguage.googleapis.com', 'aiplatform.googleapis.com', '*-aiplatform.googleapis.com'],
  minimax: ['api.minimax.io', 'api.minimaxi.com', 'api.minimax.com'],
  modal: ['*.modal.run', '*.modal.direct'],
  moonshotai: ['api.moonshot.ai', 'api.moonshot.cn'],
  openrouter: ['openrouter.ai', 'api.openrouter.ai'],
  together: ['api.together.xyz', 'api.together.ai'],
}

function readGenaiProvider(raw: Mapping, date: string): [string, RawListProvider][] {
  const name = textOf(raw['id']) ?? ''
  const pattern = textOf(raw['api_pattern'])!
    .replace(/^https:\/\//, '')
    .replace(/\((?:\?:)?\/\|\$\)$/, '')
    .replaceAll('\\.', '.')
  const hosts = genaiHosts[name] ?? (/^[\w.-]+(\/[\w./-]+)?$/.test(pattern) ? [pattern] : [])
  const models: Record<string, RawListModel> = {}
  for (const each of listOf(raw['models'])) {
    const model = mapping(each)
    const id = textOf(model['id'])
    const price = readGenaiPrice(model, date)
    if (id === undefined || price === undefined) continue
    const names = [...new Set(namesOf(mapping(model['match'])))].filter((other) => other !== id)
    models[id] = names.length === 0 ? price : { ...price, names }
  }
  if (hosts.length === 0 || Object.keys(models).length === 0) return []
  const like = listOf(raw['fallback_model_providers']).filter((other) => typeof other === 'string')
  return [[name, { hosts, ...(like.length > 0 && { like }), models }]]
}

/** What the clauses of a match accept, as names of a list. A clause that cannot be one is left out. */
function* namesOf(clause: Mapping): Generator<string> {
  for (const each of listOf(clause['or'])) yield* namesOf(mapping(each))
  // The other clauses of such a pair exclude models that have entries of their own.
  const [first] = listOf(clause['and'])
  if (first !== undefined) yield* namesOf(mapping(first))
  const { equals, starts_with: start, ends_with: end, contains, regex } = clause
  if (typeof equals === 'string') yield equals
  if (typeof start === 'string') yield `${start}*`
  if (typeof end === 'string') yield `*${end}`
  if (typeof contains === 'string') yield `*${contains}*`
  if (typeof regex !== 'string') return
  const dated = regex
    .replace(/^\^|\$$/g, '')
    .replaceAll('[-@]', '-')
    .replaceAll(/\\d\{(\d)\}/g, (_, count: string) => '#'.repeat(Number(count)))
    .replaceAll('\\.', '.')
  if (/^[\w./-]+[-@](#{8}|#{4}-##-##)$/.test(dated)) yield dated
}

const genaiKinds = {
  input_mtok: 'input',
  cache_read_mtok: 'cached_input',
  cache_write_mtok: 'cache_write',
  cache_write_1h_mtok: 'cache_write_1h',
  output_mtok: 'output',
  output_reasoning_mtok: 'reasoning',
  requests_kcount: 'request',
} as const satisfies Readonly<Record<string, RateName>>

function readGenaiPrice(model: Mapping, date: string): RawPrice | undefined {
  const price = genaiTariff(pricesAt(model['prices'], date))
  if (price?.input === undefined || isNothing(price)) return undefined
  const tiers: Record<string, RawTariff> = {}
  for (const each of listOf(model['price_variants'])) {
    const { when, prices, constraint } = mapping(each)
    const { service_tier: tier, speed } = mapping(when)
    const name = textOf(tier ?? speed)
    if (name === undefined || name === 'default' || !isInForce(mapping(constraint), date)) continue
    const tariff = genaiTariff(mapping(prices))
    if (tariff !== undefined) tiers[name] = tariff
  }
  return {
    ...price,
    input: price.input,
    ...(Object.keys(tiers).length > 0 && { service_tiers: tiers }),
  }
}

/** Of prices that depend on the date those of the date; of prices that depend on the hour the dearest. */
function pricesAt(prices: unknown, date: string): Mapping {
  if (!Array.isArray(prices)) return mapping(prices)
  const dated = prices.map(mapping).filter(({ constraint }) => isInForce(mapping(constraint), date))
  const isHourly = dated.some(({ constraint }) => mapping(constraint)['start_time'] !== undefined)
  const output = ({ prices: each }: Mapping) => Number(mapping(each)['output_mtok'] ?? 0)
  const chosen = isHourly ? dated.toSorted((a, b) => output(a) - output(b)).at(-1) : dated.at(-1)
  return mapping(chosen?.['prices'])
}

function isInForce({ start_date: start }: Mapping, date: string): boolean {
  return typeof start !== 'string' || start <= date
}

function genaiTariff(prices: Mapping): RawTariff | undefined {
  const rates: RawRates = {}
  const above = new Map<number, RawRates>()
  for (const [key, kind] of Object.entries(genaiKinds)) {
    const written = prices[key]
    if (written === undefined) continue
    const { base = written, tiers } = mapping(written)
    const usd = rateOf(kind, base)
    if (usd === undefined) return undefined
    rates[kind] = usd
    for (const each of listOf(tiers)) {
      const { start, price } = mapping(each)
      const tierUsd = rateOf(kind, price)
      if (!Number.isSafeInteger(start) || tierUsd === undefined) return undefined
      above.set(start as number, { ...above.get(start as number), [kind]: tierUsd })
    }
  }
  return withTiers(rates, above)
}

// ── models.dev ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Addresses of providers for which models.dev names a package instead. */
const modelsDevHosts: Readonly<Record<string, readonly string[]>> = {
  'amazon-bedrock': genaiHosts['aws']!,
  anthropic: ['api.anthropic.com'],
  azure: genaiHosts['azure']!,
  cerebras: ['api.cerebras.ai'],
  cohere: genaiHosts['cohere']!,
  deepinfra: ['api.deepinfra.com'],
  google: ['generativelanguage.googleapis.com'],
  'google-vertex': ['aiplatform.googleapis.com', '*-aiplatform.googleapis.com'],
  groq: ['api.groq.com'],
  mistral: ['api.mistral.ai'],
  moonshotai: ['api.moonshot.ai'],
  openai: ['api.openai.com'],
  openrouter: genaiHosts['openrouter']!,
  perplexity: ['api.perplexity.ai'],
  togetherai: genaiHosts['together']!,
  venice: ['api.venice.ai'],
  vercel: ['ai-gateway.vercel.sh'],
  xai: ['api.x.ai'],
}

function readModelsDevProvider(name: string, raw: Mapping): [string, RawListProvider][] {
  const api = textOf(raw['api'])?.replaceAll(/\$\{\w+\}/g, '*')
  const address = api?.replace(/^https:\/\//, '').replace(/\/(v1\/?)?$/, '')
  const hosts =
    modelsDevHosts[name] ??
    (address !== undefined && /^[\w*.-]+(\/[\w*./-]+)?$/.test(address) ? [address] : [])
  const models: Record<string, RawListModel> = {}
  for (const [id, model] of Object.entries(mapping(raw['models']))) {
    const price = readModelsDevPrice(mapping(model))
    if (price !== undefined) models[id] = price
  }
  return hosts.length === 0 || Object.keys(models).length === 0 ? [] : [[name, { hosts, models }]]
}

const modelsDevKinds = {
  input: 'input',
  cache_read: 'cached_input',
  cache_write: 'cache_write',
  output: 'output',
  reasoning: 'reasoning',
} as const satisfies Readonly<Record<string, RateName>>

function readModelsDevPrice({ cost, experimental }: Mapping): RawPrice | undefined {
  const price = modelsDevTariff(mapping(cost))
  if (price?.input === undefined || isNothing(price)) return undefined
  const tiers: Record<string, RawTariff> = {}
  for (const each of Object.values(mapping(mapping(experimental)['modes']))) {
    const { cost: ofMode, provider } = mapping(each)
    const { service_tier: tier, speed } = mapping(mapping(provider)['body'])
    const name = textOf(tier ?? speed)
    const tariff = modelsDevTariff(mapping(ofMode))
    if (name !== undefined && tariff !== undefined) tiers[name] = tariff
  }
  return {
    ...price,
    input: price.input,
    ...(Object.keys(tiers).length > 0 && { service_tiers: tiers }),
  }
}

function modelsDevTariff(cost: Mapping): RawTariff | undefined {
  const rates = modelsDevRates(cost)
  if (rates === undefined) return undefined
  const above = new Map<number, RawRates>()
  for (const each of listOf(cost['tiers'])) {
    const { tier } = mapping(each)
    const { type, size } = mapping(tier)
    const ofTier = modelsDevRates(mapping(each))
    if (type !== 'context' || !Number.isSafeInteger(size) || ofTier === undefined) return undefined
    above.set(size as number, ofTier)
  }
  const longer = cost['context_over_200k']
  if (above.size === 0 && longer !== undefined) {
    const ofLonger = modelsDevRates(mapping(longer))
    if (ofLonger === undefined) return undefined
    above.set(200_000, ofLonger)
  }
  return withTiers(rates, above)
}

function modelsDevRates(cost: Mapping): RawRates | undefined {
  const rates: RawRates = {}
  for (const [key, kind] of Object.entries(modelsDevKinds)) {
    // Many entries have 0 where a provider has no price for its cache.
    if (cost[key] === undefined || (cost[key] === 0 && key.startsWith('cache_'))) continue
    const usd = rateOf(kind, cost[key])
    if (usd === undefined) return undefined
    rates[kind] = usd
  }
  return rates
}

// ── Both ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** 0 stands for what a subscription pays, or for nobody knows. */
function isNothing({ input, output = 0 }: RawRates): boolean {
  return input === 0 && output === 0
}

function withTiers(rates: RawRates, above: ReadonlyMap<number, RawRates>): RawTariff | undefined {
  if (Object.keys(rates).length === 0) return undefined
  if (above.size === 0) return rates
  const sorted = [...above].toSorted(([a], [b]) => a - b)
  return { ...rates, above: sorted.map(([start, each]) => ({ input_tokens: start, ...each })) }
}

/** Rounded up to what a price can express. */
function rateOf(kind: RateName, value: unknown): number | undefined {
  if (typeof value !== 'number' || !(value >= 0)) return undefined
  const usd = kind === 'request' ? value / 1000 : value
  const rounded = Number(usd.toFixed(6))
  const enough = rounded < usd - 1e-9 ? Number((rounded + 1e-6).toFixed(6)) : rounded
  const pico = kind === 'request' ? picoPerCall(enough) : picoPerToken(enough)
  return pico === undefined ? undefined : enough
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function mapping(value: unknown): Mapping {
  return isMapping(value) ? value : {}
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
