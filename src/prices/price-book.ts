// Which price a call has, and what it costs: the configuration comes first, then the list, else the price is unknown.
// Unknown is not 0.
import type { Price, PriceSetting, PriceSource, Target, Tariff, Usage } from '../domain.ts'
import { type ExpectedCall, type ExpectedRates, expectedRates } from './expected-rates.ts'
import { costOf } from './cost.ts'
import type { PriceList } from './price-list.ts'

/** A provider as far as prices go. */
export interface PricedProvider {
  /** Absent: what the list has. */
  readonly price?: PriceSetting
  /** Host and path of its base URL: `api.openai.com/v1`. Absent: it has none, and so no place in the list. */
  readonly address?: string
}

/** Where the price of a target stands. */
export interface FoundPrice {
  readonly setting: PriceSetting
  /** Where the setting stands; `list` for the list. */
  readonly place: 'target' | 'model' | 'provider' | 'list'
}

/** What a call has cost. */
export interface Charged {
  readonly nano: number
  readonly source: PriceSource
  readonly isEstimated: boolean
  /** From which the counts that are recorded of a call lead to the cost. Absent: they do not, or the price is none of tokens. */
  readonly tariff?: Tariff
}

/** What besides the usage decides what a call costs. */
export interface Pricing {
  /** The price of the model whose target it is. */
  readonly ofModel: PriceSetting | undefined
  /** The service tier of the request, where the provider reports none. */
  readonly requestedTier: string | undefined
  /** Whether the response consists of tokens. */
  readonly hasOutputTokens: boolean
}

export class PriceBook {
  readonly #providers: ReadonlyMap<string, PricedProvider>
  readonly #list: () => PriceList | undefined
  /** Provider → its name for a model → the list's price. */
  readonly #listed = new Map<string, Map<string, Price | undefined>>()

  /** @param list read when it is first needed; undefined: there is none. */
  constructor(providers: ReadonlyMap<string, PricedProvider>, list: () => PriceList | undefined) {
    this.#providers = providers
    this.#list = list
  }

  /** All prices of a target, the one that applies first: a later one counts where the provider reports no cost. */
  *pricesOf(target: Target, ofModel: PriceSetting | undefined): Generator<FoundPrice> {
    if (target.price !== undefined) yield { setting: target.price, place: 'target' }
    if (ofModel !== undefined) yield { setting: ofModel, place: 'model' }
    const ofProvider = this.#providers.get(target.provider)?.price
    if (ofProvider !== undefined) yield { setting: ofProvider, place: 'provider' }
    const listed = this.#listedPrice(target)
    if (listed !== undefined) yield { setting: listed, place: 'list' }
  }

  /**
   * The cost of what a target was used for; undefined: unknown.
   */
  charge(
    usage: Usage & { readonly isEstimated: boolean },
    target: Target,
    { ofModel, requestedTier, hasOutputTokens }: Pricing,
  ): Charged | undefined {
    let lacksReport = false
    for (const { setting, place } of this.pricesOf(target, ofModel)) {
      if (setting === 'free') return { nano: 0, source: 'free', isEstimated: false }
      if (setting === 'reported') {
        const nano = usage.reportedCostNano
        if (nano !== undefined) return { nano, source: 'reported', isEstimated: false }
        lacksReport = true
      } else {
        const { nano, isEstimated, tariff } = costOf(usage, setting, usage.serviceTier ?? requestedTier)
        // Without counts of the provider's: sounds and pictures are often paid for in other ways.
        if (usage.isEstimated && !hasOutputTokens) return undefined
        if (usage.totalTokens === 0 && nano === 0) return undefined
        return {
          nano,
          source: place,
          isEstimated: isEstimated || lacksReport,
          ...(isRecordedWhole(usage) && { tariff }),
        }
      }
    }
    return undefined
  }

  /**
   * What tokens of a call cost at most; undefined: there is no price to reckon with before the call.
   */
  ratesOf(target: Target, ofModel: PriceSetting | undefined, about: ExpectedCall): ExpectedRates | undefined {
    for (const { setting } of this.pricesOf(target, ofModel)) {
      if (setting === 'free') return freeOfCharge
      if (setting !== 'reported') return expectedRates(setting, about)
    }
    return undefined
  }

  #listedPrice({ provider, model }: Target): Price | undefined {
    let ofProvider = this.#listed.get(provider)
    if (ofProvider === undefined) this.#listed.set(provider, (ofProvider = new Map()))
    else if (ofProvider.has(model)) return ofProvider.get(model)
    const address = this.#providers.get(provider)?.address
    const list = address === undefined ? undefined : this.#list()
    const listed = list === undefined ? undefined : list.providerAt(address!)
    const price = listed === undefined ? undefined : list!.find(listed, model)
    // Of a wildcard, a client chooses the name.
    if (ofProvider.size >= maxRemembered) ofProvider.clear()
    ofProvider.set(model, price)
    return price
  }
}

/** Tokens that are beside the prompt and the completion, and the hours of a cache, are not recorded. */
function isRecordedWhole(usage: Usage): boolean {
  const { promptTokens, completionTokens, totalTokens, reasoningTokens = 0, hourCacheWriteTokens = 0 } = usage
  return (
    totalTokens <= promptTokens + completionTokens &&
    reasoningTokens <= completionTokens &&
    hourCacheWriteTokens === 0
  )
}

const freeOfCharge: ExpectedRates = { input: 0, output: 0, request: 0 }

const maxRemembered = 1_000
