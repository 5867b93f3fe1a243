// The prices of a configuration, over the list that applies to it.
import { parseJson } from '../bytes/json/parse.ts'
import type { Config } from '../config/types.ts'
import type { ProviderConfig } from '../config/provider-types.ts'
import { PriceBook, type PricedProvider } from '../prices/price-book.ts'
import { type PriceList, readPriceList } from '../prices/price-list.ts'

/** @param shipped returns the package's list; undefined: it cannot be read. */
export function priceBookOf(
  { providers, prices }: Pick<Config, 'providers' | 'prices'>,
  shipped: () => PriceList | undefined,
): PriceBook {
  const priced = new Map(Array.from(providers, ([name, provider]) => [name, pricedProvider(provider)]))
  return new PriceBook(
    priced,
    once(() => listOf(prices, shipped)),
  )
}

/** The list that applies; undefined: there is none. */
export function listOf(
  { list, own }: Config['prices'],
  shipped: () => PriceList | undefined,
): PriceList | undefined {
  if (list === 'off') return undefined
  if (own === undefined) return shipped()
  // It was checked when the configuration was loaded.
  const read = readPriceList(parseJson(own.text))
  return read.ok ? read.list : undefined
}

/** The same function, which is called when its result is first needed, and only then. */
export function once<Result>(make: () => Result): () => Result {
  let made: { readonly result: Result } | undefined
  return () => (made ??= { result: make() }).result
}

/** Host and path of a provider's base URL; undefined: it has none. */
export function addressOf(provider: ProviderConfig): string | undefined {
  if (provider.kind === 'echo') return undefined
  const { origin, basePath } = provider
  return origin.slice(origin.indexOf('//') + 2) + basePath
}

function pricedProvider(provider: ProviderConfig): PricedProvider {
  if (provider.kind === 'echo') return { price: 'free' }
  const { price } = provider
  return { address: addressOf(provider)!, ...(price !== undefined && { price }) }
}
