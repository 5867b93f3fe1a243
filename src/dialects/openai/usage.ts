// What an answer says of its tokens, in the forms of OpenAI, Anthropic, llama.cpp, Groq and the rerank servers.
// A provider's numbers are not trusted: what is no plausible count is passed over.
import type { Usage } from '../../domain.ts'
import { MemberNames } from '../../http/member-names.ts'

/** Counts as far as an answer gave them. Streams may tell of the prompt first and of the output later. */
export interface PartialUsage {
  readonly promptTokens: number | undefined
  readonly completionTokens: number | undefined
  readonly totalTokens: number | undefined
}

/** No answer has more; a larger number is a mistake or an attack on the limits. */
const maxPlausibleTokens = 100_000_000

type Fields = Readonly<Record<string, unknown>>

/** The top-level members that may hold usage; of a long answer nothing else needs to be read. */
export const usageMembers = new MemberNames(['meta', 'timings', 'usage', 'x_groq'])

/** The usage in an answer or in the data of an event; undefined when there is none that counts anything. */
export function findUsage(answer: unknown): PartialUsage | undefined {
  if (!isFields(answer)) return undefined
  for (const holder of [answer, answer['response'], answer['message'], answer['x_groq']]) {
    const usage = isFields(holder) ? readUsage(holder['usage']) : undefined
    if (usage !== undefined) return usage
  }
  return readTimings(answer['timings']) ?? readMeta(answer['meta'])
}

/**
 * The newer counts where there are any. Usage on a stream is cumulative (Gemini, Anthropic, vLLM's continuous form),
 * so it is never summed.
 */
export function newerUsage(older: PartialUsage | undefined, newer: PartialUsage): PartialUsage {
  if (older === undefined) return newer
  return {
    promptTokens: newer.promptTokens ?? older.promptTokens,
    completionTokens: newer.completionTokens ?? older.completionTokens,
    // An older total does not know of newer output.
    totalTokens: newer.totalTokens ?? (newer.completionTokens === undefined ? older.totalTokens : undefined),
  }
}

/**
 * Whether the counts leave nothing to guess: of prompt, output and total, any two tell the third.
 * @param hasOutput false where the answer is not made of tokens, so that its count is known to be 0.
 */
export function isWholeCount(usage: PartialUsage, hasOutput: boolean): boolean {
  const { promptTokens, completionTokens, totalTokens } = usage
  const counts = [promptTokens, hasOutput ? completionTokens : 0, totalTokens]
  return counts.filter((known) => known !== undefined).length >= 2
}

/** Fills in what the provider left out: from what it gave, else from the estimates. */
export function completeUsage(
  { promptTokens, completionTokens, totalTokens }: PartialUsage,
  estimated: Usage,
): Usage {
  if (totalTokens === undefined) {
    const prompt = promptTokens ?? estimated.promptTokens
    const completion = completionTokens ?? estimated.completionTokens
    return { promptTokens: prompt, completionTokens: completion, totalTokens: prompt + completion }
  }
  // A total alone is a prompt's: embeddings and rerank servers give nothing else.
  const prompt = promptTokens ?? Math.max(0, totalTokens - (completionTokens ?? 0))
  const completion = completionTokens ?? Math.max(0, totalTokens - prompt)
  return {
    promptTokens: prompt,
    completionTokens: completion,
    totalTokens: Math.max(totalTokens, prompt + completion),
  }
}

function readUsage(usage: unknown): PartialUsage | undefined {
  if (!isFields(usage)) return undefined
  // Whisper is charged by the second: it counts no tokens, and says so.
  if (usage['type'] === 'duration') return { promptTokens: 0, completionTokens: 0, totalTokens: 0 }
  // Anthropic counts apart what it found in or wrote to its cache; in OpenAI's count it is included, and gateways that
  // translate between the two give both.
  const promptTokens =
    count(usage['prompt_tokens']) ??
    sum([usage['input_tokens'], usage['cache_creation_input_tokens'], usage['cache_read_input_tokens']])
  const completionTokens = count(usage['completion_tokens'] ?? usage['output_tokens'])
  return counted({ promptTokens, completionTokens, totalTokens: count(usage['total_tokens']) })
}

/** llama.cpp's own form, on the last chunk also where no usage was asked for. */
function readTimings(timings: unknown): PartialUsage | undefined {
  if (!isFields(timings)) return undefined
  const promptTokens = sum([timings['prompt_n'], timings['cache_n']])
  return counted({ promptTokens, completionTokens: count(timings['predicted_n']), totalTokens: undefined })
}

/** Cohere's form, which rerank servers share. */
function readMeta(meta: unknown): PartialUsage | undefined {
  const tokens = isFields(meta) ? meta['tokens'] : undefined
  if (!isFields(tokens)) return undefined
  return counted({
    promptTokens: count(tokens['input_tokens']),
    completionTokens: count(tokens['output_tokens']),
    totalTokens: undefined,
  })
}

/**
 * All zeros is what Ollama sends before it has counted. A prompt of 0 is what its older versions say of one that they
 * found in their cache; no prompt is empty of tokens.
 */
function counted(usage: PartialUsage): PartialUsage | undefined {
  const { promptTokens, completionTokens, totalTokens } = usage
  if ((promptTokens ?? 0) + (completionTokens ?? 0) + (totalTokens ?? 0) === 0) return undefined
  if (promptTokens !== 0) return usage
  return { promptTokens: undefined, completionTokens, totalTokens: undefined }
}

function count(value: unknown): number | undefined {
  const isCount = typeof value === 'number' && value >= 0 && value <= maxPlausibleTokens
  return isCount ? Math.ceil(value) : undefined
}

function sum(values: readonly unknown[]): number | undefined {
  const counts = values.map(count).filter((value) => value !== undefined)
  return counts.length === 0 ? undefined : counts.reduce((total, value) => total + value, 0)
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
