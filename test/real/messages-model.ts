// The tool-calling model over Anthropic's Messages. https://docs.claude.com/en/api/messages-streaming
import { json, type Script, stream } from '../support/upstream-script.ts'
import { type Answering, halves, tokensOf } from './answering.ts'

export function messagesOf(call: Answering, headers: Readonly<Record<string, string>>): Script {
  if (call.request.stream === true) return stream(eventsOf(call).join(''), { headers })
  const { prompt, completion } = tokensOf(call.number)
  const usage = { input_tokens: prompt, output_tokens: completion }
  return json(200, { ...messageOf(call), content: [blockOf(call)], ...endOf(call), usage }, headers)
}

function messageOf({ number, request }: Answering) {
  return { id: `msg_${number}`, type: 'message', role: 'assistant', model: request.model }
}

function endOf({ answer }: Answering) {
  return { stop_reason: typeof answer === 'string' ? 'end_turn' : 'tool_use', stop_sequence: null }
}

function blockOf({ number, answer }: Answering) {
  if (typeof answer === 'string') return { type: 'text', text: answer }
  return { type: 'tool_use', id: `toolu_${number}`, name: answer.name, input: answer.arguments }
}

function eventsOf(call: Answering): string[] {
  const { answer } = call
  const { prompt, completion } = tokensOf(call.number)
  const deltas =
    typeof answer === 'string'
      ? halves(answer).map((text) => ({ type: 'text_delta', text }))
      : ['', ...halves(JSON.stringify(answer.arguments))].map((text) => ({
          type: 'input_json_delta',
          partial_json: text,
        }))
  const begun = typeof answer === 'string' ? { type: 'text', text: '' } : { ...blockOf(call), input: {} }
  const message = { ...messageOf(call), content: [], stop_reason: null, stop_sequence: null }
  const events = [
    { type: 'message_start', message: { ...message, usage: { input_tokens: prompt, output_tokens: 1 } } },
    { type: 'content_block_start', index: 0, content_block: begun },
    { type: 'ping' },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index: 0, delta })),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: endOf(call), usage: { output_tokens: completion } },
    { type: 'message_stop' },
  ]
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
}
