// Prices as commands print them.
import type { Price, PriceSetting, Tariff, TokenRates } from '../domain.ts'
import type { FoundPrice } from '../prices/price-book.ts'
import type { RateName } from '../prices/read-price.ts'
import type { RawPriceList } from '../prices/price-list.ts'
import { usdOfPico, usdPerMillion } from '../prices/usd.ts'

/** Each rate, what stands in for it where a price does not have it, and how it is written. */
const rateKeys = [
  ['input', 'input', undefined],
  ['cached_input', 'cachedInput', 'input'],
  ['cache_write', 'cacheWrite', 'input'],
  ['cache_write_1h', 'hourCacheWrite', 'cacheWrite'],
  ['output', 'output', undefined],
  ['reasoning', 'reasoning', 'output'],
] as const satisfies readonly (readonly [RateName, keyof TokenRates, keyof TokenRates | undefined])[]

/** `input 1.25, cached_input 0.125, output 10`: USD per 1,000,000 tokens. What another one stands in for is left out. */
export function rateText(rates: TokenRates): string {
  const parts = rateKeys
    .filter(([, key, standIn]) => standIn === undefined || rates[key] !== rates[standIn])
    .map(([name, key]) => `${name} ${usdPerMillion(rates[key])}`)
  return [...parts, ...(rates.request === 0 ? [] : [`request ${usdOfPico(rates.request)} per call`])].join(
    ', ',
  )
}

/** One line for each set of rates, with what it applies to. */
export function* priceLines(price: Price): Generator<readonly [label: string, rates: string]> {
  yield* tariffLines(price, '')
  for (const [name, tier] of price.serviceTiers) yield* tariffLines(tier, name)
}

function* tariffLines({ rates, above }: Tariff, tier: string): Generator<readonly [string, string]> {
  yield [tier, rateText(rates)]
  for (const { inputTokens, rates: long } of above) {
    yield [`${tier === '' ? '' : `${tier}, `}above ${inputTokens} tokens`, rateText(long)]
  }
}

/** `provider`, or the list with its date. */
export function placeText(place: FoundPrice['place'], list: RawPriceList | undefined): string {
  return place === 'list' && list !== undefined
    ? `list of ${list.date}, from ${list.source}`
    : `price of the ${place}`
}

/** In one line. */
export function settingText(setting: PriceSetting): string {
  if (setting === 'free') return 'free'
  if (setting === 'reported') return 'as the provider reports it'
  const more = setting.above.length + setting.serviceTiers.size
  return `${rateText(setting.rates)} USD per 1,000,000 tokens${more === 0 ? '' : '; see llm-gateway prices show'}`
}

/** For JSON: USD per 1,000,000 tokens, as text. */
export function priceJson(setting: PriceSetting): unknown {
  if (typeof setting === 'string') return setting
  const { serviceTiers } = setting
  return {
    ...tariffJson(setting),
    ...(serviceTiers.size > 0 && {
      service_tiers: Object.fromEntries(Array.from(serviceTiers, ([name, tier]) => [name, tariffJson(tier)])),
    }),
  }
}

function tariffJson({ rates, above }: Tariff): object {
  return {
    ...ratesJson(rates),
    ...(above.length > 0 && {
      above: above.map(({ inputTokens, rates: long }) => ({ input_tokens: inputTokens, ...ratesJson(long) })),
    }),
  }
}

function ratesJson(rates: TokenRates): object {
  const perMillion = rateKeys.map(([name, key]) => [name, usdPerMillion(rates[key])] as const)
  return { ...Object.fromEntries(perMillion), request: usdOfPico(rates.request) }
}
