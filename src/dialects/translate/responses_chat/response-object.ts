// The response object, which repeats what the request has set.
import { type Encodable, encodeWhole } from '../../../bytes/json/encode.ts'
import { parseJson } from '../../../bytes/json/parse.ts'
import { maxSmallBytes } from '../../../bytes/large-body.ts'
import type { ResponseIdentity } from '../../openai/response-stream.ts'
import type { ChatUsage } from '../usage.ts'
import type { Members } from '../members.ts'

const LF = 0x0a
const CR = 0x0d

export interface ResponseState {
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed'
  readonly output?: readonly object[]
  readonly usage?: ChatUsage
  /** Why the response is incomplete. */
  readonly incompleteReason?: 'max_output_tokens' | 'content_filter'
}

/** Members of the request, and what stands in the response if they are absent. */
const echoed = {
  instructions: null,
  max_output_tokens: null,
  metadata: {},
  parallel_tool_calls: true,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  temperature: null,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_logprobs: 0,
  top_p: null,
  truncation: 'disabled',
  user: null,
} as const

/** Of one response. */
export class ResponseObject {
  readonly identity: ResponseIdentity
  /** JSON without the closing brace. */
  readonly #identity: string
  /** JSON without braces. */
  readonly #echo: Buffer

  /** @param members of the request. What is repeated of them is copied, up to 64 KiB. */
  constructor(identity: ResponseIdentity, members: Members) {
    const { id, createdAt, model } = identity
    this.identity = identity
    this.#identity = JSON.stringify({ id, object: 'response', created_at: createdAt, model }).slice(0, -1)
    this.#echo = echoOf(members)
  }

  /** With all members, in one line. */
  encode(state: ResponseState): Buffer {
    const { status, output = [], usage, incompleteReason: reason } = state
    const before = { status, background: false, error: null, incomplete_details: reason ? { reason } : null }
    const after = { previous_response_id: null, store: false, output, usage: usage ? usageOf(usage) : null }
    return Buffer.concat([
      Buffer.from(`${this.#identity},${inner(before)},`),
      this.#echo,
      Buffer.from(`,${inner(after)}}`),
    ])
  }

  /** Only what names the response, for events that repeat it often. */
  encodeBrief(): Buffer {
    return Buffer.from(`${this.#identity},"status":"in_progress","output":[]}`)
  }
}

/** The JSON of an object without its braces. */
function inner(value: object): string {
  return JSON.stringify(value).slice(1, -1)
}

function echoOf(members: Members): Buffer {
  let left = maxSmallBytes
  const echo: Record<string, Encodable> = {}
  for (const [name, absent] of Object.entries(echoed)) {
    const view = members.get(name)
    const length = view === undefined || view.kind === 'null' ? 0 : view.end - view.start
    const fits = length > 0 && length <= left
    if (fits) left -= length
    echo[name] = fits ? view! : absent
  }
  const json = encodeWhole(echo)
  // A line break between members would end a line of an event.
  const line = json.includes(LF) || json.includes(CR) ? Buffer.from(JSON.stringify(parseJson(json))) : json
  return line.subarray(1, -1)
}

function usageOf(usage: ChatUsage): object {
  const { promptTokens, cachedTokens, cacheWriteTokens, completionTokens, reasoningTokens } = usage
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: cacheWriteTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens ?? 0 },
    total_tokens: promptTokens + completionTokens,
  }
}
