// A model that asks for one tool call and then repeats a word of what the tool has found, over chat, Responses and Messages,
// so that an agent's whole turn can be followed: what it offers, what it runs, what it sends back, what it shows.
import type { ReceivedRequest } from '../support/scripted-upstream.ts'
import { chunk, json, reset, type Script, stream, streamHead } from '../support/upstream-script.ts'
import {
  type Answering,
  halves,
  type OfferedTool,
  type Request,
  tokensOf,
  type ToolCall,
} from './answering.ts'
import { messagesOf } from './messages-model.ts'

/** Its own id of the request. */
export function providerRequestId(requestNumber: number): string {
  return `req-${requestNumber}`
}

/**
 * A response for each request: the call of the tool, and once its work is done, a sentence with `secret`. A request without
 * tools asks for a title.
 * @param isDone by default once the conversation holds `secret`.
 */
export function createToolCallingModel(
  secret: string,
  tool: ToolCall,
  isDone = (conversation: string) => conversation.includes(secret),
): (request: ReceivedRequest) => Script {
  let count = 0
  return ({ method, target, body }) => {
    if (method !== 'POST') return json(404, { error: { message: `no route ${method} ${target}` } })
    const request = JSON.parse(body.toString()) as Request
    const offered = namesOf(request.tools ?? [])
    const found = isDone(JSON.stringify(request.messages ?? request.input))
    const answer = found
      ? `The secret word is ${secret}.`
      : offered.includes(tool.name)
        ? tool
        : offered.length === 0
          ? 'A title'
          : `There is no tool ${tool.name} among ${offered.join(', ')}.`
    const call: Answering = { number: ++count, request, answer }
    if (target.startsWith('/v1/messages')) return messagesOf(call, headersOf(call.number))
    return target.startsWith('/v1/responses') ? responseOf(call) : chatOf(call)
  }
}

/** The beginning of a sentence, and then a broken connection. */
export function breakOff({ target, body }: ReceivedRequest): Script {
  const request = JSON.parse(body.toString()) as Request
  const isResponse = target.startsWith('/v1/responses')
  const events = isResponse ? responseEvents : chatEvents
  const begun = events({ number: 1, request, answer: 'The secret word' }).slice(0, isResponse ? 5 : 2)
  return [streamHead(), chunk(begun.join('')), reset]
}

function namesOf(tools: readonly OfferedTool[]): string[] {
  return tools.map(({ name, function: { name: ofFunction } = { name: '' } }) => name ?? ofFunction)
}

function headersOf(number: number) {
  return { 'x-request-id': providerRequestId(number) }
}

function chatOf(call: Answering): Script {
  const { number, request, answer } = call
  if (request.stream === true) return stream(chatEvents(call).join(''), { headers: headersOf(number) })
  const message =
    typeof answer === 'string'
      ? { role: 'assistant', content: answer, refusal: null }
      : { role: 'assistant', content: null, refusal: null, tool_calls: [wholeToolCall(number, answer)] }
  const finish_reason = typeof answer === 'string' ? 'stop' : 'tool_calls'
  const choices = [{ index: 0, message, finish_reason }]
  const body = { ...chatHead(call), object: 'chat.completion', choices, usage: chatUsage(number) }
  return json(200, body, headersOf(number))
}

function chatHead({ number, request }: Answering) {
  return { id: `chatcmpl-${number}`, created: 1_763_769_600, model: request.model }
}

function chatUsage(number: number) {
  const { prompt, completion } = tokensOf(number)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  }
}

function chatEvents(call: Answering): string[] {
  const { number, request, answer } = call
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
  const usage = isAsked ? [{ choices: [], usage: chatUsage(number) }] : []
  const chunks = [choice({ role: 'assistant', content: '' }), ...deltas, ...usage]
  const common = { ...chatHead(call), object: 'chat.completion.chunk' }
  const data = chunks.map((chunk) => JSON.stringify({ ...common, ...chunk }))
  return [...data, '[DONE]'].map((line) => `data: ${line}\n\n`)
}

function toolCallStart(number: number, name: string) {
  return { index: 0, id: `call_${number}`, type: 'function', function: { name, arguments: '' } }
}

function wholeToolCall(number: number, { name, arguments: values }: ToolCall) {
  return { id: `call_${number}`, type: 'function', function: { name, arguments: JSON.stringify(values) } }
}

function responseOf(call: Answering): Script {
  const { number, request } = call
  if (request.stream === true) return stream(responseEvents(call).join(''), { headers: headersOf(number) })
  return json(200, completedResponse(call), headersOf(number))
}

function responseHead({ number, request }: Answering) {
  return {
    id: `resp_${number}`,
    object: 'response',
    created_at: 1_763_769_600,
    model: request.model,
    error: null,
    incomplete_details: null,
    parallel_tool_calls: true,
    tools: [],
  }
}

function completedResponse(call: Answering) {
  const { prompt, completion } = tokensOf(call.number)
  const usage = {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: completion,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: prompt + completion,
  }
  return { ...responseHead(call), status: 'completed', output: [itemOf(call).item], usage }
}

function responseEvents(call: Answering): string[] {
  const response = { ...responseHead(call), status: 'in_progress', output: [], usage: null }
  const all: StreamEvent[] = [
    { type: 'response.created', response },
    { type: 'response.in_progress', response },
    ...itemOf(call).events,
    { type: 'response.completed', response: completedResponse(call) },
  ]
  return all.map((event, index) => {
    const data = JSON.stringify({ ...event, sequence_number: index })
    return `event: ${event.type}\ndata: ${data}\n\n`
  })
}

function itemOf({ number, answer }: Answering): OutputItem {
  return typeof answer === 'string' ? textItem(number, answer) : callItem(number, answer)
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
