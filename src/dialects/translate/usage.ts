// Usage as chat reports it, with the parts that other formats report apart.
import { type JsonObject, membersOf } from '../../bytes/json/parse.ts'
import { findUsage } from '../openai/usage.ts'

/** Tokens of one response. All counts are whole numbers, at least 0; undefined: the provider has not reported it. */
export interface ChatUsage {
  /** The whole prompt, including what came from a cache or went into one. */
  readonly promptTokens: number
  /** Of the prompt: read from a cache. */
  readonly cachedTokens: number
  /** Of the prompt: written to a cache. */
  readonly cacheWriteTokens: number
  /** The whole output, including reasoning. */
  readonly completionTokens: number
  /** Of the output; undefined where the provider does not report it. */
  readonly reasoningTokens: number | undefined
}

/**
 * The usage in a chunk or in a whole response; undefined if there is none that counts anything.
 * @param older of an earlier chunk of the same response.
 */
export function readChatUsage(value: JsonObject, older?: ChatUsage): ChatUsage | undefined {
  const counts = findUsage(value)
  if (counts === undefined) return undefined
  const { promptTokens, completionTokens, totalTokens } = counts
  const usage = membersOf(value['usage'] ?? membersOf(value['x_groq'])['usage'])
  const prompt =
    promptTokens ?? older?.promptTokens ?? Math.max(0, (totalTokens ?? 0) - (completionTokens ?? 0))
  const details = membersOf(usage['prompt_tokens_details'])
  const cached =
    countOf(details['cached_tokens']) ??
    // DeepSeek's name; llama.cpp's where it reports nothing else.
    countOf(usage['prompt_cache_hit_tokens']) ??
    countOf(membersOf(value['timings'])['cache_n']) ??
    0
  const cachedTokens = Math.min(cached, prompt)
  return {
    promptTokens: prompt,
    cachedTokens,
    cacheWriteTokens: Math.min(countOf(details['cache_write_tokens']) ?? 0, prompt - cachedTokens),
    completionTokens: completionTokens ?? Math.max(0, (totalTokens ?? 0) - prompt),
    reasoningTokens: countOf(membersOf(usage['completion_tokens_details'])['reasoning_tokens']),
  }
}

/** A count as JSON has it; undefined for any other value. */
export function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
