// The list of models in a provider's response.
import { type ModelList, readModelList } from '../dialects/openai/model-list.ts'
import { okBodyOf, type ProbeOutcome } from '../upstream/probe.ts'
import type { Provider } from '../upstream/provider.ts'

/** @param maxNameLength in characters; longer names are skipped. @returns undefined: there is no response, or not a whole list. */
export function listIn(
  outcome: ProbeOutcome,
  provider: Pick<Provider, 'mask'>,
  maxNameLength: number,
): ModelList | undefined {
  const body = okBodyOf(outcome)
  return body && readModelList(body, maxNameLength, (text) => provider.mask(text))
}
