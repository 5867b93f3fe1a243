// The table of what the translation of chat to Messages carries, against what it does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { coverage } from '../../../src/dialects/translate/chat_messages/coverage.ts'
import {
  droppedOf,
  mark,
  messageStream,
  type RequestSamples,
  type ResponseSamples,
  testRequests,
  testResponses,
} from './coverage.ts'

const user = (content: unknown) => ({ role: 'user', content })

const way = {
  dialect: 'chat',
  way: 'chat_messages',
  request: { messages: [user('Hi')] },
  streamed: { stream_options: { include_usage: true } },
}
const said = (...messages: object[]) => ({ messages: [user('Hi'), ...messages, user('So?')] })
const inUser = (part: object) => ({ messages: [user([part])] })
const called = { name: 'look', arguments: '{}' }
const call = { id: 'a', type: 'function', function: called }
const assistant = (more: object) => ({ role: 'assistant', content: 'x', ...more })
const tool = { type: 'function', function: { name: 'look', parameters: { type: 'object' } } }
const tools = { tools: [tool] }
const png = 'data:image/png;base64,'
const detail = { type: 'reasoning.text', text: 'Hm.', signature: mark, format: 'anthropic-claude-v1' }

/** For each member of the table a request that has it. */
const requests: RequestSamples = {
  model: { request: {}, sends: 'provider-model' },
  'messages.system': { request: { messages: [{ role: 'system', content: mark }, user('Hi')] } },
  'messages.system (later)': { request: said({ role: 'developer', content: mark }) },
  'messages.user': { request: { messages: [user(mark)] } },
  'messages.assistant': { request: said(assistant({ content: mark })) },
  'messages.assistant (last)': { request: { messages: [user('Hi'), assistant({ content: mark })] } },
  'messages.refusal': { request: said(assistant({ content: null, refusal: mark })) },
  'messages.tool_calls': {
    request: said(assistant({ tool_calls: [{ ...call, function: { ...called, arguments: '{"x": 1.0}' } }] })),
    sends: '"input":{"x": 1.0}',
  },
  'messages.tool': {
    request: said(assistant({ tool_calls: [call] }), { role: 'tool', tool_call_id: 'a', content: mark }),
  },
  'messages.function_call': {
    request: said(assistant({ function_call: called }), { role: 'function', name: 'look', content: mark }),
  },
  'messages.reasoning_content': { request: said(assistant({ reasoning_content: mark })) },
  'messages.reasoning_details': { request: said(assistant({ reasoning_details: [detail] })) },
  'messages.name': { request: { messages: [{ ...user('Hi'), name: mark }] } },
  'messages.audio': { request: said(assistant({ audio: { id: mark } })) },
  'messages.content.text': { request: inUser({ type: 'text', text: mark }) },
  'messages.content.image_url': { request: inUser({ type: 'image_url', image_url: { url: png + mark } }) },
  'messages.content.image_url.detail': {
    request: inUser({ type: 'image_url', image_url: { url: png, detail: 'high' } }),
  },
  'messages.content.file': {
    request: inUser({ type: 'file', file: { file_data: `data:application/pdf;base64,${mark}` } }),
  },
  'messages.content.input_audio': { request: inUser({ type: 'input_audio', input_audio: { data: mark } }) },
  cache_control: { request: inUser({ type: 'text', text: 'x', cache_control: { type: mark } }) },
  max_tokens: { request: { max_tokens: 77 }, sends: '"max_tokens":77' },
  max_completion_tokens: { request: { max_completion_tokens: 77 }, sends: '"max_tokens":77' },
  tools: { request: { tools: [{ ...tool, function: { name: 'look', description: mark } }] } },
  'tools.strict': {
    request: { tools: [{ ...tool, function: { name: 'look', strict: true } }] },
    sends: '"strict":true',
  },
  functions: { request: { functions: [{ name: mark }] } },
  function_call: {
    request: { functions: [{ name: 'look' }], function_call: { name: 'look' } },
    sends: '"tool_choice":{"type":"tool","name":"look","disable_parallel_tool_use":true}',
  },
  tool_choice: { request: { ...tools, tool_choice: 'required' }, sends: '"tool_choice":{"type":"any"}' },
  parallel_tool_calls: {
    request: { ...tools, parallel_tool_calls: false },
    sends: '"disable_parallel_tool_use":true',
  },
  reasoning_effort: {
    request: { reasoning_effort: 'low' },
    sends: '"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}',
  },
  thinking: {
    request: { thinking: { type: 'enabled', budget_tokens: 2048 } },
    sends: '"budget_tokens":2048',
  },
  temperature: { request: { temperature: 0.25 }, sends: '"temperature":0.25' },
  top_p: { request: { top_p: 0.25 }, sends: '"top_p":0.25' },
  top_k: { request: { top_k: 7 }, traits: { hasTopK: true }, sends: '"top_k":7' },
  stop: { request: { stop: [mark] } },
  'response_format (json_schema)': {
    request: {
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { title: mark } } },
    },
  },
  'response_format (json_object)': {
    request: { response_format: { type: 'json_object' } },
    sends: 'a single JSON object',
  },
  user: { request: { user: mark }, sends: `"metadata":{"user_id":"${mark}"}` },
  safety_identifier: { request: { safety_identifier: mark }, sends: `"metadata":{"user_id":"${mark}"}` },
  stream: { request: { stream: true }, sends: '"stream":true' },
  n: { request: { n: 2 } },
  logprobs: { request: { logprobs: true } },
  top_logprobs: { request: { top_logprobs: 3 } },
  logit_bias: { request: { logit_bias: { 50256: -100 } } },
  audio: { request: { audio: { voice: mark } } },
  modalities: { request: { modalities: ['text', 'audio'] } },
  prediction: { request: { prediction: { type: 'content', content: mark } } },
  web_search_options: { request: { web_search_options: {} } },
  seed: { request: { seed: 7 } },
  presence_penalty: { request: { presence_penalty: 0.5 } },
  frequency_penalty: { request: { frequency_penalty: 0.5 } },
  store: { request: { store: true } },
  metadata: { request: { metadata: { a: mark } } },
  verbosity: { request: { verbosity: 'low' } },
  service_tier: { request: { service_tier: mark } },
  prompt_cache_key: { request: { prompt_cache_key: mark } },
}

function block(start: object, ...deltas: readonly object[]): object[] {
  return [
    { type: 'content_block_start', index: 0, content_block: start },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index: 0, delta })),
    { type: 'content_block_stop', index: 0 },
  ]
}

const text = { type: 'text', text: '' }
const thinking = { type: 'thinking', thinking: '' }
const end = (delta: object, usage: object = {}) => [{ type: 'message_delta', delta, usage }]

/** For each member the events that have it. */
const responses: ResponseSamples = {
  id: { events: [], returns: '"id":"chatcmpl-id1"' },
  model: { events: [], returns: '"model":"m"' },
  'content.text': { events: block(text, { type: 'text_delta', text: mark }) },
  'content.citations': { events: block(text, { type: 'citations_delta', citation: { cited_text: mark } }) },
  'content.thinking': { events: block(thinking, { type: 'thinking_delta', thinking: mark }) },
  'content.signature': { events: block(thinking, { type: 'signature_delta', signature: mark }) },
  'content.redacted_thinking': { events: block({ type: 'redacted_thinking', data: mark }) },
  'content.tool_use': {
    events: block(
      { type: 'tool_use', id: 'a', name: 'look', input: {} },
      { type: 'input_json_delta', partial_json: `{"${mark}"` },
    ),
  },
  'content.server_tool_use': {
    events: block(
      { type: 'server_tool_use', id: mark, name: 'web_search', input: {} },
      { type: 'input_json_delta', partial_json: `{"${mark}"` },
    ),
  },
  stop_reason: { events: end({ stop_reason: 'max_tokens' }), returns: '"finish_reason":"length"' },
  stop_sequence: { events: end({ stop_reason: 'stop_sequence', stop_sequence: mark }) },
  stop_details: { events: end({ stop_reason: 'refusal', stop_details: { explanation: mark } }) },
  usage: { events: end({}, { output_tokens: 1234 }), returns: '"completion_tokens":1234' },
  'usage.service_tier': { events: end({}, { output_tokens: 1, service_tier: mark }) },
  error: { events: [{ type: 'error', error: { type: 'api_error', message: mark } }] },
}

describe('of a chat request for a provider of Messages', () => {
  testRequests(way, coverage.request, requests)

  test('an unknown member is dropped and named', () => {
    const part = { type: 'text', text: 'x', invented: 2 }
    const request = {
      invented: 1,
      messages: [{ ...user([part]), invented: 3 }],
      tools: [{ ...tool, invented: 4, function: { ...tool.function, invented: 5 } }],
    }
    assert.deepEqual(droppedOf(way, request), [
      'invented',
      'messages.invented',
      'messages.content.invented',
      'tools.invented',
      'tools.function.invented',
    ])
  })
})

describe('of a response of Messages for a chat client', () => {
  testResponses(way, coverage.response, responses, messageStream)
})
