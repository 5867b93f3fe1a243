// Usage in the forms of the servers of OpenAI's API: OpenAI, Anthropic, llama.cpp, Groq and the rerank servers.
// A provider's numbers are not trusted: an implausible count is ignored.
import { type JsonObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import { readJson, scanJson } from '../../bytes/json/scan.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { eventData } from '../../bytes/sse.ts'
import { maxPlausibleTokens, type UsageParts } from '../../domain.ts'
import { nanoOfUsd } from '../../prices/usd.ts'
import { type EventUsage, type PartialUsage, partsOf, type UsageReader } from '../usage.ts'
import { indexOfKey, keyOf } from '../event-bytes.ts'
import { requestedIn, withoutRequested } from './include-usage.ts'

/** The top-level members that may hold usage; of a long response nothing else needs to be read. */
const usageMembers = new MemberNames(['meta', 'service_tier', 'timings', 'usage', 'x_groq'])

const COLON = 0x3a
const SPACE = 0x20
const NULL_START = 0x6e
const OPENING = 0x7b
const CLOSING = 0x7d
const usageKey = keyOf('"usage"', 'usage"')
const timingsKey = Buffer.from('"timings"')

/** How all formats report usage; how a format writes its texts is its own. */
export const usageReader: Omit<UsageReader, 'textBytes'> = {
  readEvent(event): EventUsage | undefined {
    const found = usageIn(event)
    if (found !== 'some') return found === 'null' ? nullUsage : undefined
    const data = parse(eventData(event))
    return { usage: findUsage(data), requested: requestedIn(data), isUnrequested: hasOwnForm(data) }
  },

  withoutRequested,

  // llama.cpp reports its tokens on the last chunk before the end mark, even if the client did not request them.
  readLastEvent: (event) => (event.includes(timingsKey) ? findUsage(parse(eventData(event))) : undefined),

  readWhole(body, value) {
    if (value !== undefined) return findUsage(value)
    const outcome = scanJson(body, usageMembers)
    if (!outcome.ok) return undefined
    const { members } = outcome.scan
    return findUsage(
      Object.fromEntries(Array.from(members, ([name, member]) => [name, readJson(body, member)])),
    )
  },

  readPart(part) {
    const at = part.lastIndexOf(usageKey.bytes)
    return at < 0 ? undefined : findUsage({ usage: parse(objectAt(part, at + usageKey.bytes.length)) })
  },
}

const nullUsage: EventUsage = { usage: undefined, requested: 'member', isUnrequested: false }

/** Most chunks of OpenAI's have `"usage":null`; they need no parsing. Groq's last one has a second, real one. */
function usageIn(event: Buffer): 'none' | 'null' | 'some' {
  let at = indexOfKey(event, usageKey)
  if (at < 0) return 'none'
  while (at >= 0) {
    const after = at + usageKey.bytes.length
    if (!isNullValue(event, after)) return 'some'
    at = indexOfKey(event, usageKey, after)
  }
  return 'null'
}

function isNullValue(event: Buffer, at: number): boolean {
  let index = at
  while (event[index] === COLON || event[index] === SPACE) index += 1
  return event[index] === NULL_START
}

/** The bytes of the object that starts after `at`, to its closing brace; undefined when it is not all there. */
function objectAt(bytes: Buffer, at: number): Buffer | undefined {
  const start = bytes.indexOf(OPENING, at)
  let depth = 0
  for (let index = start; index >= 0 && index < bytes.length; index += 1) {
    if (bytes[index] === OPENING) depth += 1
    else if (bytes[index] === CLOSING) depth -= 1
    if (depth === 0) return bytes.subarray(start, index + 1)
  }
  return undefined
}

/** A provider's broken event counts nothing; the client gets it as it came. */
function parse(data: Buffer | undefined): unknown {
  return data === undefined ? undefined : parseJson(data)
}

/** The usage in a response or in the data of an event; undefined when there is none that counts anything. */
export function findUsage(value: unknown): PartialUsage | undefined {
  const { response, message, x_groq: groq, timings, meta } = membersOf(value)
  for (const holder of [value, response, message, groq]) {
    const { usage: reported, service_tier: serviceTier } = membersOf(holder)
    const usage = readUsage(membersOf(reported), serviceTier)
    if (usage !== undefined)
      return timings === undefined ? usage : { ...usage, ...timesOf(membersOf(timings)) }
  }
  return readTimings(membersOf(timings)) ?? readTokens(membersOf(membersOf(meta)['tokens']))
}

/** Whether there are counts in the place or the form that only one server uses: without being asked. */
function hasOwnForm(data: unknown): boolean {
  const { x_groq: groq, timings } = membersOf(data)
  return findUsage({ timings, x_groq: groq }) !== undefined
}

/** @param serviceTier where OpenAI reports it: beside the usage. */
function readUsage(usage: JsonObject, serviceTier: unknown): PartialUsage | undefined {
  // Whisper is charged by the second, and reports that it counts no tokens.
  if (usage['type'] === 'duration') return { promptTokens: 0, completionTokens: 0, totalTokens: 0 }
  // Anthropic counts tokens of its cache apart; OpenAI's count includes them, and gateways that translate between the two
  // report both.
  const promptTokens =
    count(usage['prompt_tokens']) ??
    sum([usage['input_tokens'], usage['cache_creation_input_tokens'], usage['cache_read_input_tokens']])
  const completionTokens = count(usage['completion_tokens'] ?? usage['output_tokens'])
  const totalTokens = count(usage['total_tokens'])
  return counted({ promptTokens, completionTokens, totalTokens, ...readParts(usage, serviceTier) })
}

/** In the places of OpenAI's two formats, of Anthropic, of DeepSeek and, for the cost, of OpenRouter. */
function readParts(usage: JsonObject, serviceTier: unknown): UsageParts {
  const prompt = membersOf(usage['prompt_tokens_details'] ?? usage['input_tokens_details'])
  const output = membersOf(usage['completion_tokens_details'] ?? usage['output_tokens_details'])
  return partsOf({
    cachedTokens: count(
      prompt['cached_tokens'] ?? usage['cache_read_input_tokens'] ?? usage['prompt_cache_hit_tokens'],
    ),
    cacheWriteTokens: count(prompt['cache_write_tokens'] ?? usage['cache_creation_input_tokens']),
    hourCacheWriteTokens: count(membersOf(usage['cache_creation'])['ephemeral_1h_input_tokens']),
    reasoningTokens: count(output['reasoning_tokens'] ?? output['thinking_tokens']),
    reportedCostNano: reportedCost(usage),
    serviceTier: tierName(usage['service_tier'] ?? serviceTier),
  })
}

/**
 * OpenRouter's charge. With the operator's own key at the upstream provider it is only OpenRouter's fee, and the upstream
 * provider's charge comes on top (https://openrouter.ai/docs/guides/guides/usage-accounting).
 */
function reportedCost(usage: JsonObject): number | undefined {
  const fee = nanoOfUsd(usage['cost'])
  if (fee === undefined || usage['is_byok'] !== true) return fee
  const upstream = nanoOfUsd(membersOf(usage['cost_details'])['upstream_inference_cost'])
  return upstream === undefined ? undefined : fee + upstream
}

const maxTierLength = 32

function tierName(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= maxTierLength ? value : undefined
}

/** llama.cpp's own form, on the last chunk also where no usage was requested. */
function readTimings(timings: JsonObject): PartialUsage | undefined {
  const promptTokens = sum([timings['prompt_n'], timings['cache_n']])
  const completionTokens = count(timings['predicted_n'])
  const parts = partsOf({ cachedTokens: count(timings['cache_n']), ...timesOf(timings) })
  return counted({ promptTokens, completionTokens, totalTokens: undefined, ...parts })
}

function timesOf(timings: JsonObject): UsageParts {
  return partsOf({ promptMs: duration(timings['prompt_ms']), outputMs: duration(timings['predicted_ms']) })
}

/** The `meta.tokens` of Cohere, whose form rerank servers share. */
function readTokens(tokens: JsonObject): PartialUsage | undefined {
  return counted({
    promptTokens: count(tokens['input_tokens']),
    completionTokens: count(tokens['output_tokens']),
    totalTokens: undefined,
  })
}

/**
 * Ollama sends zeros before it has counted. Its older versions report 0 for a prompt that was cached; a prompt always has
 * at least one token.
 */
function counted(usage: PartialUsage): PartialUsage | undefined {
  const { promptTokens, completionTokens, totalTokens } = usage
  if ((promptTokens ?? 0) + (completionTokens ?? 0) + (totalTokens ?? 0) === 0) return undefined
  if (promptTokens !== 0) return usage
  return { ...usage, promptTokens: undefined, totalTokens: undefined }
}

function count(value: unknown): number | undefined {
  const isCount = typeof value === 'number' && value >= 0 && value <= maxPlausibleTokens
  return isCount ? Math.ceil(value) : undefined
}

/** At most a day. */
function duration(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= 86_400_000 ? value : undefined
}

function sum(values: readonly unknown[]): number | undefined {
  const counts = values.map(count).filter((value) => value !== undefined)
  return counts.length === 0 ? undefined : counts.reduce((total, value) => total + value, 0)
}
