// Tokens as Anthropic counts them, and the same as chat counts them: Anthropic's input leaves out what came from a cache or
// went into one. https://docs.claude.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance
import { type JsonObject, membersOf } from '../../../bytes/json/parse.ts'
import { countOf } from '../usage.ts'

/** Whole numbers, at least 0. */
export interface MessagesCounts {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly output: number
  /** Of the output; undefined where it is not reported. */
  readonly thinking: number | undefined
}

/** The counts of a stream are totals and never shrink; an event may leave some out. */
export function newerCounts(older: MessagesCounts | undefined, usage: JsonObject): MessagesCounts {
  const newer = (name: string, before: number | undefined) => Math.max(before ?? 0, countOf(usage[name]) ?? 0)
  const thinking = countOf(membersOf(usage['output_tokens_details'])['thinking_tokens'])
  return {
    input: newer('input_tokens', older?.input),
    cacheRead: newer('cache_read_input_tokens', older?.cacheRead),
    cacheWrite: newer('cache_creation_input_tokens', older?.cacheWrite),
    output: newer('output_tokens', older?.output),
    thinking: thinking ?? older?.thinking,
  }
}

/** The `usage` of a chat response; undefined if nothing was counted. */
export function chatUsageOf(counts: MessagesCounts | undefined): JsonObject | undefined {
  if (counts === undefined) return undefined
  const { input, cacheRead, cacheWrite, output, thinking } = counts
  const prompt = input + cacheRead + cacheWrite
  if (prompt + output === 0) return undefined
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    prompt_tokens_details: { cached_tokens: cacheRead, cache_write_tokens: cacheWrite },
    ...(thinking !== undefined && { completion_tokens_details: { reasoning_tokens: thinking } }),
  }
}
