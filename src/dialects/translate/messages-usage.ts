// Usage as Messages reports it: a prompt's tokens that a cache has are counted apart.
import type { ChatUsage } from './usage.ts'

/** The `usage` of a message, or of an event of its stream. */
export function messagesUsage(usage: ChatUsage): object {
  const { promptTokens, cachedTokens, cacheWriteTokens, completionTokens, reasoningTokens } = usage
  return {
    input_tokens: promptTokens - cachedTokens - cacheWriteTokens,
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
    ...(reasoningTokens !== undefined && { output_tokens_details: { thinking_tokens: reasoningTokens } }),
  }
}
