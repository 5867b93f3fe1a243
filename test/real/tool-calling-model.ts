// A model that asks for one tool call and then repeats a word of what the tool has found, over chat and Responses, so that
// an agent's whole turn can be followed: what it offers, what it runs, what it sends back, what it shows.
import type { ReceivedRequest } from '../support/scripted-upstream.ts'
import { json, type Script, stream } from '../support/upstream-script.ts'

export interface ToolCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** What it counts in each response: by the number of the request, so that no two are the same. */
export function tokensOf(requestNumber: number): { readonly prompt: number; readonly completion: number } {
  return { prompt: 1_000 + requestNumber, completion: 10 + requestNumber }
}

/** Its own id of the request. */
export function providerRequestId(requestNumber: number): string {
  return `req-${requestNumber}`
}

/**
 * A response for each request: the call of the tool, and once the conversation holds `secret`, a sentence with it. A
 * request without tools asks for a title.
 */
export function createToolCallingModel(secret: string, tool: ToolCall): (request: ReceivedRequest) => Script {
  let count = 0
  return ({ method, target, body }) => {
    if (method !== 'POST') return json(404, { error: { message: `no route ${method} ${target}` } })
    const request = JSON.parse(body.toString()) as Request
    const offered = namesOf(request.tools ?? [])
    const found = JSON.stringify(request.messages ?? request.input).includes(secret)
    const answer = found
      ? `The secret word is ${secret}.`
      : offered.includes(tool.name)
        ? tool
        : offered.length === 0
          ? 'A title'
          : `There is no tool ${tool.name} among ${offered.join(', ')}.`
    const call: Answering = { number: ++count, request, answer }
    return target.startsWith('/v1/responses') ? responseOf(call) : chatOf(call)
  }
}

interface Request {
  readonly model: string
  readonly stream?: boolean
  readonly stream_options?: { readonly include_usage?: boolean }
  readonly messages?: unknown
  readonly input?: unknown
  readonly tools?: readonly OfferedTool[]
}

/** Of chat it has a function, of Responses a name. */
interface OfferedTool {
  readonly name?: string
  readonly function?: { readonly name: string }
}

interface Answering {
  readonly number: number
  readonly request: Request
  readonly answer: string | ToolCall
}

function namesOf(tools: readonly OfferedTool[]): string[] {
  return tools.map(({ name, function: { name: ofFunction } = { name: '' } }) => name ?? ofFunction)
}

/** Two pieces, so that clients have to join them. */
function halves(text: string): [string, string] {
  const middle = Math.ceil(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)]
}

function headersOf(number: number) {
  return { 'x-request-id': providerRequestId(number) }
}

function chatOf({ number, request, answer }: Answering): Script {
  const { prompt, completion } = tokensOf(number)
  const usage = {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  }
  const common = { id: `chatcmpl-${number}`, created: 1_763_769_600, model: request.model }
  if (request.stream !== true) {
    const message = { role: 'assistant', content: typeof answer === 'string' ? answer : null, refusal: null }
    const choices = [{ index: 0, message, finish_reason: 'stop' }]
    return json(200, { ...common, object: 'chat.completion', choices, usage }, headersOf(number))
  }
  const choice = (delta: object, finish_reason: string | null = null) => ({
    choices: [{ index: 0, delta, finish_reason }],
  })
  const deltas =
    typeof answer === 'string'
      ? [...halves(answer).map((content) => choice({ content })), choice({}, 'stop')]
      : [
          choice({ tool_calls: [toolCallStart(number, answer.name)] }),
          ...halves(JSON.stringify(answer.arguments)).map((text) =>
            choice({ tool_calls: [{ index: 0, function: { arguments: text } }] }),
          ),
          choice({}, 'tool_calls'),
        ]
  const isAsked = request.stream_options?.include_usage === true
  const chunks = [
    choice({ role: 'assistant', content: '' }),
    ...deltas,
    ...(isAsked ? [{ choices: [], usage }] : []),
  ]
  const events = chunks.map((chunk) =>
    JSON.stringify({ ...common, object: 'chat.completion.chunk', ...chunk }),
  )
  const text = [...events, '[DONE]'].map((data) => `data: ${data}\n\n`).join('')
  return stream(text, { headers: headersOf(number) })
}

function toolCallStart(number: number, name: string) {
  return { index: 0, id: `call_${number}`, type: 'function', function: { name, arguments: '' } }
}

function responseOf({ number, request, answer }: Answering): Script {
  const { prompt, completion } = tokensOf(number)
  const usage = {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: completion,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: prompt + completion,
  }
  const common = {
    id: `resp_${number}`,
    object: 'response',
    created_at: 1_763_769_600,
    model: request.model,
    error: null,
    incomplete_details: null,
    parallel_tool_calls: true,
    tools: [],
  }
  const { item, events } = typeof answer === 'string' ? textItem(number, answer) : callItem(number, answer)
  const completed = { ...common, status: 'completed', output: [item], usage }
  if (request.stream !== true) return json(200, completed, headersOf(number))
  const started = { ...common, status: 'in_progress', output: [], usage: null }
  const all: StreamEvent[] = [
    { type: 'response.created', response: started },
    { type: 'response.in_progress', response: started },
    ...events,
    { type: 'response.completed', response: completed },
  ]
  const text = all
    .map((event, index) => {
      const data = JSON.stringify({ ...event, sequence_number: index })
      return `event: ${event.type}\ndata: ${data}\n\n`
    })
    .join('')
  return stream(text, { headers: headersOf(number) })
}

interface StreamEvent {
  readonly type: string
  readonly [member: string]: unknown
}

interface OutputItem {
  readonly item: object
  readonly events: readonly StreamEvent[]
}

function textItem(number: number, text: string): OutputItem {
  const id = `msg_${number}`
  const at = { item_id: id, output_index: 0, content_index: 0 }
  const message = { id, type: 'message', role: 'assistant' }
  const part = (content: string) => ({ type: 'output_text', text: content, annotations: [], logprobs: [] })
  const item = { ...message, status: 'completed', content: [part(text)] }
  const started = { ...message, status: 'in_progress', content: [] }
  return {
    item,
    events: [
      { type: 'response.output_item.added', output_index: 0, item: started },
      { type: 'response.content_part.added', ...at, part: part('') },
      ...halves(text).map((delta) => ({ type: 'response.output_text.delta', ...at, delta, logprobs: [] })),
      { type: 'response.output_text.done', ...at, text, logprobs: [] },
      { type: 'response.content_part.done', ...at, part: part(text) },
      { type: 'response.output_item.done', output_index: 0, item },
    ],
  }
}

function callItem(number: number, { name, arguments: values }: ToolCall): OutputItem {
  const id = `fc_${number}`
  const at = { item_id: id, output_index: 0 }
  const text = JSON.stringify(values)
  const call = { id, type: 'function_call', call_id: `call_${number}`, name }
  const item = { ...call, status: 'completed', arguments: text }
  return {
    item,
    events: [
      {
        type: 'response.output_item.added',
        output_index: 0,
        item: { ...call, status: 'in_progress', arguments: '' },
      },
      ...halves(text).map((delta) => ({ type: 'response.function_call_arguments.delta', ...at, delta })),
      { type: 'response.function_call_arguments.done', ...at, name, arguments: text },
      { type: 'response.output_item.done', output_index: 0, item },
    ],
  }
}
