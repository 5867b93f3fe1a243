// How far llama.cpp is with a prompt: chunks that come before the answer, for whoever asks for them.
// https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (`return_progress`)
import { membersOf, parseJson } from '../../../bytes/json/parse.ts'
import { eventData } from '../../../bytes/sse.ts'
import { isTokenCount, type PartialUsage } from '../../usage.ts'

export const progressMember = 'prompt_progress'

const progressKey = Buffer.from(`"${progressMember}"`)

/** The size of the prompt, which the first of these chunks already has. */
export function promptIn(event: Buffer): PartialUsage | undefined {
  if (!event.includes(progressKey)) return undefined
  const { total, cache } = membersOf(membersOf(parseJson(eventData(event) ?? ''))[progressMember])
  if (!isTokenCount(total)) return undefined
  return {
    promptTokens: total,
    completionTokens: undefined,
    totalTokens: undefined,
    ...(isTokenCount(cache) && { cachedTokens: cache }),
  }
}
