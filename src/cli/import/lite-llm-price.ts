// Prices of LiteLLM: USD for one token; ours are for a million.
import type { RawPrice } from '../../prices/read-price.ts'
import type { Foreign } from './foreign.ts'

const members = [
  ['input', 'input_cost_per_token'],
  ['output', 'output_cost_per_token'],
  ['cached_input', 'cache_read_input_token_cost'],
  ['cache_write', 'cache_creation_input_token_cost'],
  ['reasoning', 'output_cost_per_reasoning_token'],
] as const

/** @param places where the costs may stand; the first one counts. Undefined without a price of the prompt. */
export function readPrice(places: readonly Foreign[]): RawPrice | undefined {
  const price: Record<string, string> = {}
  for (const [ours, theirs] of members) {
    const cost = places.map((place) => place.get(theirs).number()).find((each) => each !== undefined)
    if (cost !== undefined && cost >= 0) price[ours] = perMillion(cost)
  }
  return price['input'] === undefined ? undefined : (price as unknown as RawPrice)
}

/** At most six decimals. */
function perMillion(cost: number): string {
  const text = (cost * 1_000_000).toFixed(6)
  return text.replace(/\.?0+$/, '') || '0'
}
