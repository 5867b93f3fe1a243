// How far llama.cpp is with a prompt: chunks that come before the answer, for whoever asks for them.
// https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (`return_progress`)
import { membersOf, parseJson } from '../../../bytes/json/parse.ts'
import { eventData } from '../../../bytes/sse.ts'
import { isTokenCount, type PromptProgress } from '../../usage.ts'

export const progressMember = 'prompt_progress'

/** The request's member that asks for these chunks. */
export const progressWish = 'return_progress'

const progressKey = Buffer.from(`"${progressMember}"`)

/**
 * It processes batches, and ends one so many tokens before the end of a prompt, to keep its state there; a batch that has begun
 * is finished whether or not the client is still there. It ends one 4 tokens before the end, too, and begins the last before it
 * notices that the client has left (docs/trials/llama-cpp.md#whole-answers-put-together-of-streams).
 */
const tokensBehindBatches = [516, 0] as const

/** `n_batch`, unless its operator sets another. */
const maxBatchTokens = 2048

/** As `ReadProgress`. */
export function progressIn(event: Buffer): PromptProgress | undefined {
  if (!event.includes(progressKey)) return undefined
  const { total, cache, processed } = membersOf(membersOf(parseJson(eventData(event) ?? ''))[progressMember])
  if (!isTokenCount(total)) return undefined
  const begunTokens = isTokenCount(processed) ? endOfBatch(total, processed) : total
  return { totalTokens: total, begunTokens, cachedTokens: isTokenCount(cache) ? cache : undefined }
}

/** The first token of a prompt is often a batch of its own. */
function endOfBatch(total: number, processed: number): number {
  const start = Math.max(processed, 1)
  const end = tokensBehindBatches.map((behind) => total - behind).find((at) => at > start) ?? total
  return Math.min(end, start + maxBatchTokens)
}
