// What an answer says of its tokens, in the forms of OpenAI, Anthropic, llama.cpp, Groq and the rerank servers.
// A provider's numbers are not trusted: what is no plausible count is passed over.
import type { Usage } from '../domain.ts'

/** Counts as far as an answer gave them. Streams may tell of the prompt first and of the output later. */
export interface PartialUsage {
  readonly promptTokens: number | undefined
  readonly completionTokens: number | undefined
  readonly totalTokens: number | undefined
}

/** No answer has more; a larger number is a mistake or an attack on the limits. */
const maxPlausibleTokens = 100_000_000

type Fields = Readonly<Record<string, unknown>>

/** The usage in an answer or in the data of an event; undefined when there is none that counts anything. */
export function findUsage(answer: unknown): PartialUsage | undefined {
  if (!isFields(answer)) return undefined
  const holders = [answer, answer['response'], answer['message'], answer['x_groq']]
  for (const holder of holders) {
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
    totalTokens: newer.totalTokens ?? (newer.completionTokens === undefined ? older.totalTokens : undefined),
  }
}

/** Fills in what the provider left out from what it gave, and from the estimates where it gave nothing. */
export function completeUsage(given: PartialUsage, estimated: Usage): Usage {
  const { totalTokens } = given
  const completionTokens =
    given.completionTokens ??
    (totalTokens === undefined || given.promptTokens === undefined
      ? totalTokens === undefined
        ? estimated.completionTokens
        : 0
      : Math.max(0, totalTokens - given.promptTokens))
  // Older servers report 0 for a prompt that they found in their cache; no prompt is free of tokens.
  const promptTokens =
    given.promptTokens ??
    (totalTokens === undefined ? estimated.promptTokens : Math.max(0, totalTokens - completionTokens))
  return {
    promptTokens,
    completionTokens,
    totalTokens: Math.max(totalTokens ?? 0, promptTokens + completionTokens),
  }
}

function readUsage(usage: unknown): PartialUsage | undefined {
  if (!isFields(usage)) return undefined
  // Whisper is charged by the second: it counts no tokens, and says so.
  if (usage['type'] === 'duration') return { promptTokens: 0, completionTokens: 0, totalTokens: 0 }
  return counted(
    sum([
      usage['prompt_tokens'] ?? usage['input_tokens'],
      usage['cache_creation_input_tokens'],
      usage['cache_read_input_tokens'],
    ]),
    count(usage['completion_tokens'] ?? usage['output_tokens']),
    count(usage['total_tokens']),
  )
}

/** llama.cpp's own form, on the last chunk also where no usage was asked for. */
function readTimings(timings: unknown): PartialUsage | undefined {
  if (!isFields(timings)) return undefined
  return counted(sum([timings['prompt_n'], timings['cache_n']]), count(timings['predicted_n']), undefined)
}

/** Cohere's form, which rerank servers share. */
function readMeta(meta: unknown): PartialUsage | undefined {
  const tokens = isFields(meta) ? meta['tokens'] : undefined
  if (!isFields(tokens)) return undefined
  return counted(count(tokens['input_tokens']), count(tokens['output_tokens']), undefined)
}

/** All zeros is what Ollama sends before it has counted. */
function counted(
  promptTokens: number | undefined,
  completionTokens: number | undefined,
  totalTokens: number | undefined,
): PartialUsage | undefined {
  const known = (promptTokens ?? 0) + (completionTokens ?? 0) + (totalTokens ?? 0)
  if (known === 0) return undefined
  return { promptTokens: promptTokens === 0 ? undefined : promptTokens, completionTokens, totalTokens }
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
