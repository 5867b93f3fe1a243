// What the tokens of one call cost, in whole numbers throughout.
import type { Price, Tariff, TokenRates, Usage } from '../domain.ts'
import { nanoOfPico } from './usd.ts'

export interface Cost {
  /** Whole nano-USD, rounded up once a call. */
  readonly nano: number
  /** At which the tokens were charged. */
  readonly tariff: Tariff
  /** The price of the service tier is not known. */
  readonly isEstimated: boolean
}

/** Names of the service tier that a provider uses unless another one is requested: OpenAI's, Anthropic's and Groq's. */
const usualTiers: ReadonlySet<string> = new Set(['auto', 'default', 'on_demand', 'standard', 'standard_only'])

/**
 * The cost of a call.
 * @param serviceTier as the provider reports it or the client requested it. If the price does not have it, the dearest of
 * its tariffs applies.
 */
export function costOf(usage: Usage, price: Price, serviceTier: string | undefined): Cost {
  let dearest: { readonly nano: number; readonly tariff: Tariff } | undefined
  for (const tariff of tariffsFor(price, serviceTier)) {
    const nano = costAt(tariff, usage)
    if (dearest === undefined || nano > dearest.nano) dearest = { nano, tariff }
  }
  const isKnown =
    serviceTier === undefined || usualTiers.has(serviceTier) || price.serviceTiers.has(serviceTier)
  return { ...dearest!, isEstimated: !isKnown }
}

/** The tariffs of which the dearest applies: one, unless the price does not have the service tier. */
export function tariffsFor(price: Price, serviceTier: string | undefined): readonly Tariff[] {
  const tariff = serviceTier === undefined ? price : price.serviceTiers.get(serviceTier)
  if (tariff !== undefined) return [tariff]
  return usualTiers.has(serviceTier!) ? [price] : [price, ...price.serviceTiers.values()]
}

/** The cost of a call at one tariff, in whole nano-USD. */
export function costAt(tariff: Tariff, usage: Usage): number {
  const rates = ratesFor(tariff, usage.promptTokens)
  const { input, cachedInput, cacheWrite, hourCacheWrite, output, reasoning, request } = rates
  const { promptTokens, completionTokens, totalTokens } = usage
  const { cachedTokens = 0, cacheWriteTokens = 0, hourCacheWriteTokens = 0, reasoningTokens = 0 } = usage
  // Parts that exceed the whole are a provider's mistake: no token is paid for twice.
  const cached = Math.min(cachedTokens, promptTokens)
  const allWritten = Math.min(cacheWriteTokens, promptTokens - cached)
  const hourWritten = Math.min(hourCacheWriteTokens, allWritten)
  const written = allWritten - hourWritten
  const fresh = promptTokens - cached - allWritten
  // Gemini and xAI count reasoning in the total only, or beside the output.
  const rest = Math.max(0, totalTokens - promptTokens - completionTokens)
  const isBeside = reasoningTokens > completionTokens || (rest > 0 && rest >= reasoningTokens)
  const answered = isBeside ? completionTokens : completionTokens - reasoningTokens
  const unexplained = isBeside ? Math.max(0, rest - reasoningTokens) : rest
  const restRate = Math.max(input, output)
  const pico =
    fresh * input +
    cached * cachedInput +
    written * cacheWrite +
    hourWritten * hourCacheWrite +
    answered * output +
    reasoningTokens * reasoning +
    unexplained * restRate +
    request
  // All terms are at least 0, so a safe sum has only safe terms.
  if (Number.isSafeInteger(pico)) return nanoOfPico(pico)
  return nanoOfPico(
    BigInt(fresh) * BigInt(input) +
      BigInt(cached) * BigInt(cachedInput) +
      BigInt(written) * BigInt(cacheWrite) +
      BigInt(hourWritten) * BigInt(hourCacheWrite) +
      BigInt(answered) * BigInt(output) +
      BigInt(reasoningTokens) * BigInt(reasoning) +
      BigInt(unexplained) * BigInt(restRate) +
      BigInt(request),
  )
}

function ratesFor({ rates, above }: Tariff, promptTokens: number): TokenRates {
  return above.findLast(({ inputTokens }) => promptTokens > inputTokens)?.rates ?? rates
}
