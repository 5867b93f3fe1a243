// Usage as Ollama's own API reports it: in the last line of a stream, or in a whole response.
// https://docs.ollama.com/api/usage
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { readJson, scanJson } from '../../bytes/json/scan.ts'
import { maxPlausibleTokens } from '../../domain.ts'
import { indexOfKey, keyOf } from '../event-bytes.ts'
import { isTokenCount, type PartialUsage, partsOf, type UsageReader } from '../usage.ts'

const names = ['eval_count', 'eval_duration', 'prompt_eval_count'] as const
const members = new MemberNames(names)
/** Of a line without it, nothing needs to be parsed; the name of the prompt's count ends in it, too. */
const countKey = keyOf('eval_count"', 'val_count"')
const countInText = /"(prompt_eval_count|eval_count|eval_duration)"\s*:\s*(\d{1,15})/g

export const usageReader: Omit<UsageReader, 'textBytes'> = {
  readEvent(line) {
    if (indexOfKey(line, countKey) < 0) return undefined
    return { usage: findUsage(parseJson(line)), requested: undefined, isUnrequested: false }
  },
  withoutRequested: (line) => line,
  readLastEvent: () => undefined,
  readWhole(body, value) {
    if (value !== undefined) return findUsage(value)
    const outcome = scanJson(body, members)
    if (!outcome.ok) return undefined
    const found = Array.from(outcome.scan.members, ([name, member]) => [name, readJson(body, member)])
    return findUsage(Object.fromEntries(found))
  },
  readPart(part) {
    const found = Array.from(part.toString('latin1').matchAll(countInText))
    return findUsage(Object.fromEntries(found.map(([, name, digits]) => [name, Number(digits)])))
  },
}

const nsPerMs = 1_000_000

/**
 * A prompt that was cached whole may be left out, or counted as 0. The time for the prompt is that of the part that was not
 * cached, whose size is not reported, so that it shows nothing.
 */
function findUsage(value: unknown): PartialUsage | undefined {
  const { prompt_eval_count: prompt, eval_count: output, eval_duration: outputNs } = membersOf(value)
  const promptTokens = countOf(prompt)
  const completionTokens = countOf(output)
  if ((promptTokens ?? 0) + (completionTokens ?? 0) === 0) return undefined
  const outputMs = typeof outputNs === 'number' && outputNs > 0 ? outputNs / nsPerMs : undefined
  return {
    promptTokens: promptTokens || undefined,
    completionTokens,
    totalTokens: undefined,
    ...partsOf({ outputMs }),
  }
}

function countOf(value: unknown): number | undefined {
  return isTokenCount(value) && value <= maxPlausibleTokens ? value : undefined
}
