// The table of what the way of Responses to Messages carries, where it differs from the way to chat, against what it does.
import { describe } from 'node:test'
import { packReasoning } from '../../../src/dialects/translate/reasoning-envelope.ts'
import { coverage as toChat } from '../../../src/dialects/translate/responses_chat/coverage.ts'
import { coverage } from '../../../src/dialects/translate/responses_messages/coverage.ts'
import {
  endFor,
  errorEvent,
  type MessageEvent,
  textBlock,
  thinkingBlock,
  toolBlock,
} from '../../support/message-events.ts'
import {
  mark,
  messageStream,
  type RequestSamples,
  type ResponseSamples,
  testRequests,
  testResponses,
} from './coverage.ts'

const way = {
  dialect: 'response',
  way: 'responses_messages',
  traits: { maxTemperature: 1 },
  request: { input: 'Hi' },
  streamed: { include: ['reasoning.encrypted_content'] },
}
const user = (content: unknown) => ({ role: 'user', content })
const items = (...input: object[]) => ({ input: [user('Hi'), ...input, user('So?')] })
const inUser = (part: object) => ({ input: [user([part])] })
const call = { type: 'function_call', call_id: 'a', name: 'look', arguments: '{}' }
const details = [{ type: 'reasoning.text', text: 'Hm.', signature: mark, format: 'anthropic-claude-v1' }]

/** For each member of the table that the way to chat carries otherwise a request that has it. */
const requests: RequestSamples = {
  instructions: { request: { instructions: mark }, sends: `"system":[{"type":"text","text":"${mark}"}]` },
  'input.assistant (last)': { request: { input: [user('Hi'), { role: 'assistant', content: `${mark} ` }] } },
  'content.input_image': {
    request: inUser({ type: 'input_image', image_url: `data:image/png;base64,${mark}` }),
  },
  'content.input_file': {
    request: inUser({
      type: 'input_file',
      filename: 'a',
      file_data: `data:application/pdf;base64,${mark}`,
    }),
  },
  'content.input_audio': {
    request: inUser({ type: 'input_audio', input_audio: { data: mark } }),
    named: 'input.content.input_audio',
  },
  'input.function_call': {
    request: items({ ...call, arguments: '{"x": 1.0}' }),
    sends: '"input":{"x": 1.0}',
  },
  'input.function_call_output': {
    request: items(call, { type: 'function_call_output', call_id: 'a', output: mark }),
  },
  'input.reasoning': {
    request: items({ type: 'reasoning', summary: [{ type: 'summary_text', text: mark }] }, call),
  },
  'input.encrypted_content': {
    request: items({ type: 'reasoning', summary: [], encrypted_content: mark }, call),
  },
  max_output_tokens: { request: { max_output_tokens: 77 }, sends: '"max_tokens":77' },
  temperature: { request: { temperature: 1.5 }, sends: '"temperature":1' },
  top_p: { request: { top_p: 0.25 }, sends: '"top_p":0.25' },
  top_logprobs: { request: { top_logprobs: 3 } },
  'include (logprobs)': {
    request: { include: ['message.output_text.logprobs'] },
    named: 'top_logprobs',
  },
  'include (reasoning.encrypted_content)': {
    request: {
      ...items({ type: 'reasoning', encrypted_content: packReasoning({ text: 'Hm.', details }) }, call),
      include: ['reasoning.encrypted_content'],
    },
    sends: `{"type":"thinking","thinking":"Hm.","signature":"${mark}"}`,
  },
  'reasoning.effort': {
    request: { reasoning: { effort: 'medium' } },
    sends: '"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}',
  },
  'text.format': {
    request: { text: { format: { type: 'json_schema', name: 'a', schema: { title: mark } } } },
    sends: `"format":{"type":"json_schema","schema":{"title":"${mark}"}}`,
  },
  'text.verbosity': { request: { text: { verbosity: 'low' } } },
  stream: { request: { stream: true }, sends: '"stream":true' },
  user: { request: { user: mark }, sends: `"metadata":{"user_id":"${mark}"}` },
  metadata: { request: { metadata: { a: mark } } },
  safety_identifier: { request: { safety_identifier: mark }, sends: `"metadata":{"user_id":"${mark}"}` },
  prompt_cache_key: { request: { prompt_cache_key: mark } },
  prompt_cache_retention: { request: { prompt_cache_retention: mark } },
  service_tier: { request: { service_tier: mark } },
  'store (false)': { request: { store: false }, sends: '"model"' },
}

/** For each member the events that have it. */
const responses: ResponseSamples = {
  id: { events: [], returns: '"id":"resp_id1"' },
  model: { events: [], returns: '"model":"m"' },
  'content.text': { events: textBlock(0, mark) },
  'content.citations': {
    events: textBlock(0, '').toSpliced(2, 0, {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'citations_delta', citation: { cited_text: mark } },
    }),
  },
  'content.thinking': { events: thinkingBlock(0, mark, '') },
  'content.signature': {
    events: thinkingBlock(0, 'Hm.', mark),
    returns: packReasoning({ text: 'Hm.', details: [{ ...details[0], index: 0 }] }),
  },
  'content.redacted_thinking': {
    events: [
      { type: 'content_block_start', index: 0, content_block: { type: 'redacted_thinking', data: mark } },
      { type: 'content_block_stop', index: 0 },
    ],
    returns: packReasoning({
      text: '',
      details: [{ type: 'reasoning.encrypted', data: mark, format: 'anthropic-claude-v1', index: 0 }],
    }),
  },
  'content.tool_use': { events: toolBlock(0, { id: 'a', name: 'look' }, `{"${mark}":1}`) },
  'content.server_tool_use': {
    events: [
      {
        type: 'content_block_start',
        index: 0,
        content_block: { type: 'server_tool_use', id: mark, name: 'web_search', input: {} },
      },
      { type: 'content_block_stop', index: 0 },
    ],
  },
  stop_reason: { events: endFor('max_tokens').slice(0, 1), returns: '"reason":"max_output_tokens"' },
  stop_sequence: { events: [ending({ stop_reason: 'stop_sequence', stop_sequence: mark })] },
  stop_details: { events: [ending({ stop_reason: 'refusal', stop_details: { explanation: mark } })] },
  usage: { events: [ending({}, { output_tokens: 1234 })], returns: '"output_tokens":1234' },
  'usage.service_tier': { events: [ending({}, { output_tokens: 1, service_tier: mark })] },
  error: { events: [errorEvent('api_error', mark)] },
}

function ending(delta: object, usage: object = {}): MessageEvent {
  return { type: 'message_delta', delta, usage }
}

describe('of a Responses request for a provider of Messages, where it is not carried as for a chat provider', () => {
  const others = Object.entries(coverage.request).filter(
    ([name, covered]) => covered !== toChat.request[name],
  )
  testRequests(way, Object.fromEntries(others), requests)
})

describe('of a response of Messages for a Responses client', () => {
  testResponses(way, coverage.response, responses, messageStream)
})
