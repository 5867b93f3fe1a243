// Responses of model servers' own routes: how their streams end, and where their tokens are counted.
// https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md, https://docs.ollama.com/api
import { isObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import { eventData } from '../../bytes/sse.ts'
import type { ProviderDialect, StreamEnding } from '../dialect.ts'
import { contentTextBytes } from '../event-bytes.ts'
import { apiDialect } from '../openai/api-format.ts'
import { errorHeadOf } from '../openai/errors.ts'
import { findUsage, usageReader } from '../openai/usage.ts'
import { isTokenCount, type PartialUsage, type UsageReader } from '../usage.ts'
import { judgeWholeResponse } from '../whole-response.ts'

/** For a response that passes whatever it is. @param path as requests of the provider have it, for messages. */
export function nativeDialect(path: string): ProviderDialect {
  return { ...apiDialect(path), isRouteOptional: true, usage: { ...nativeUsage, textBytes: () => 0 } }
}

/** llama.cpp writes events whose last one has `stop: true`, without an end mark; several prompts have one each. */
export const nativeStream: Pick<ProviderDialect, 'ending' | 'errorHeadOf' | 'isEndMark' | 'judgeWhole'> = {
  // Programs that stand in for llama.cpp may write OpenAI's mark.
  isEndMark: () => false,
  errorHeadOf,
  judgeWhole: (head, body) =>
    judgeWholeResponse(head, body, { mayBeEmpty: false, errorHeadOf, outputMember: undefined }),
  ending(tail) {
    let ending: StreamEnding = 'cut'
    for (const event of tail) {
      const { error, stop } = membersOf(parseJson(eventData(event) ?? ''))
      if (error !== undefined && error !== null) return 'error'
      if (stop === true) ending = 'complete'
    }
    return ending
  },
}

const timingsStart = Buffer.from('"timings')

export const nativeUsage: UsageReader = {
  ...usageReader,
  textBytes: contentTextBytes,

  readLastEvent(event) {
    const data = event.includes(timingsStart) ? eventData(event) : undefined
    return data === undefined ? undefined : countsIn(parseJson(data))
  },

  readWhole(body, value) {
    if (value === undefined) return usageReader.readWhole(body, value)
    return Array.isArray(value) ? sumOf(value.map(countsIn)) : countsIn(value)
  },

  readPart: (part) => usageReader.readPart(part) ?? ollamaCountsIn(part.toString('latin1')),
}

function countsIn(value: unknown): PartialUsage | undefined {
  const usage = findUsage(value)
  if (usage !== undefined || !isObject(value)) return usage
  return flatTimings(value) ?? ollamaCounts(value['prompt_eval_count'], value['eval_count'])
}

/** As llama.cpp writes them when `response_fields` asks for single ones. */
function flatTimings(value: object): PartialUsage | undefined {
  const timings = Object.entries(value).flatMap(([name, count]) =>
    name.startsWith('timings/') ? [[name.slice('timings/'.length), count]] : [],
  )
  return timings.length === 0 ? undefined : findUsage({ timings: Object.fromEntries(timings) })
}

/** In the last of an answer's lines. */
function ollamaCountsIn(text: string): PartialUsage | undefined {
  const last = (name: string) =>
    Array.from(text.matchAll(new RegExp(`"${name}":(\\d{1,9})`, 'g'))).at(-1)?.[1]
  const [prompt, output] = [last('prompt_eval_count'), last('eval_count')]
  return ollamaCounts(prompt && Number(prompt), output && Number(output))
}

/** Ollama leaves a count of zero out. */
function ollamaCounts(prompt: unknown, output: unknown): PartialUsage | undefined {
  const promptTokens = isTokenCount(prompt) ? prompt : undefined
  const completionTokens = isTokenCount(output) ? output : undefined
  if (promptTokens === undefined && completionTokens === undefined) return undefined
  return { promptTokens, completionTokens: completionTokens ?? 0, totalTokens: undefined }
}

/** Several prompts have an answer each. */
function sumOf(counts: readonly (PartialUsage | undefined)[]): PartialUsage | undefined {
  const known = counts.filter((each) => each !== undefined)
  if (known.length === 0 || known.length < counts.length) return undefined
  const total = (of: 'promptTokens' | 'completionTokens' | 'cachedTokens') =>
    known.reduce((sum, each) => sum + (each[of] ?? 0), 0)
  const cachedTokens = total('cachedTokens')
  return {
    promptTokens: total('promptTokens'),
    completionTokens: total('completionTokens'),
    totalTokens: undefined,
    ...(cachedTokens > 0 && { cachedTokens }),
  }
}
