// What the tokens of a call that has not begun cost at most.
import type { Price, Tariff, TokenRates } from '../domain.ts'
import { tariffsFor } from './cost.ts'

/** In whole pico-USD: of a token of the prompt, of the output, and of the call. */
export interface ExpectedRates {
  readonly input: number
  readonly output: number
  readonly request: number
}

/** What is known of a call before it begins. */
export interface ExpectedCall {
  readonly requestedTier: string | undefined
  /** The prompt surely has no more tokens. */
  readonly maxPromptTokens: number
  /** Whether the prompt may be written to a cache in full, and reasoning cost more than the rest. */
  readonly isWorstCase: boolean
}

export function expectedRates(
  price: Price,
  { requestedTier, maxPromptTokens, isWorstCase }: ExpectedCall,
): ExpectedRates {
  const rates = tariffsFor(price, requestedTier).flatMap((tariff) => [...ratesUpTo(tariff, maxPromptTokens)])
  const most = (of: (each: TokenRates) => number) => Math.max(...rates.map(of))
  const usual = { input: most(({ input }) => input), output: most(({ output }) => output) }
  const request = most(({ request }) => request)
  if (!isWorstCase) return { ...usual, request }
  return {
    input: Math.max(
      usual.input,
      most(({ cacheWrite, hourCacheWrite }) => Math.max(cacheWrite, hourCacheWrite)),
    ),
    output: Math.max(
      usual.output,
      most(({ reasoning }) => reasoning),
    ),
    request,
  }
}

function* ratesUpTo({ rates, above }: Tariff, maxPromptTokens: number): Generator<TokenRates> {
  yield rates
  for (const each of above) if (maxPromptTokens > each.inputTokens) yield each.rates
}
