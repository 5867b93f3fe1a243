// The table of what the translation of Messages to chat carries, against what it does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { coverage } from '../../../src/dialects/translate/messages_chat/coverage.ts'
import {
  chatStream,
  chunk,
  droppedOf,
  finish,
  mark,
  type RequestSamples,
  type ResponseSamples,
  testRequests,
  testResponses,
} from './coverage.ts'

const user = (content: unknown) => ({ role: 'user', content })
const way = {
  dialect: 'messages',
  way: 'messages_chat',
  request: { max_tokens: 9, messages: [user('Hi')] },
  streamed: { stop_sequences: [mark] },
}
const assistant = (content: unknown) => ({ role: 'assistant', content })
const inUser = (block: object) => ({ messages: [user([block])] })
const inAssistant = (block: object) => ({ messages: [user('Hi'), assistant([block]), user('So?')] })
const inResult = (more: object, content: unknown = mark) =>
  inUser({ type: 'tool_result', tool_use_id: 'a', content, ...more })
const text = { type: 'text', text: mark }
const source = { type: 'base64', media_type: 'application/pdf', data: mark }
const tool = { name: 'look', input_schema: { type: 'object' } }
const withTool = (more: object) => ({ tools: [{ ...tool, ...more }] })
const schema = { type: 'object', title: mark }

/** For each member of the table a request that has it. */
const requests: RequestSamples = {
  model: { request: {}, sends: 'provider-model' },
  max_tokens: { request: { max_tokens: 77 }, sends: '"max_tokens":77' },
  system: { request: { system: mark } },
  'system.billing_header': {
    request: { system: [{ type: 'text', text: `x-anthropic-billing-header: ${mark}` }] },
  },
  'system.cache_control': {
    request: { system: [{ ...text, text: 'x', cache_control: { type: mark } }] },
  },
  'messages.user': { request: { messages: [user(mark)] } },
  'messages.assistant': { request: inAssistant(text) },
  'messages.assistant (last)': { request: { messages: [user('Hi'), assistant(mark)] } },
  'messages.system': { request: { messages: [user('Hi'), { role: 'system', content: mark }] } },
  'messages.output_config': { request: { messages: [{ ...user('Hi'), output_config: { effort: mark } }] } },
  'content.text': { request: inUser(text) },
  'content.image': { request: inUser({ type: 'image', source: { type: 'url', url: mark } }) },
  'content.document (text, content)': {
    request: inUser({ type: 'document', source: { type: 'text', data: mark } }),
  },
  'content.document (PDF)': {
    request: inUser({ type: 'document', source }),
    traits: { hasFileParts: true },
  },
  'content.document (url, file)': {
    request: inUser({ type: 'document', source: { type: 'url', url: mark } }),
    named: 'messages.0.content.0.source',
  },
  'content.search_result': {
    request: inUser({ type: 'search_result', source: 's', title: 't', content: [text] }),
  },
  'content.container_upload': {
    request: inUser({ type: 'container_upload', file_id: mark }),
    named: 'messages.0.content.0',
  },
  'content.tool_use': {
    request: inAssistant({ type: 'tool_use', id: 'a', name: 'look', input: { at: mark } }),
  },
  'content.tool_result': { request: inResult({}) },
  'content.tool_result.is_error': { request: inResult({ is_error: true }), sends: `[tool error] ${mark}` },
  'content.tool_reference': {
    request: inResult({}, [{ type: 'tool_reference', tool_name: mark }]),
  },
  'content.thinking': {
    request: inAssistant({ type: 'thinking', thinking: mark, signature: '' }),
    traits: { reasoningField: 'reasoning_content', reasoningTurns: 'all' },
    alsoDropped: ['content.signature'],
  },
  'content.signature': {
    request: inAssistant({ type: 'thinking', thinking: 'Hm.', signature: mark }),
    traits: { reasoningField: 'reasoning_content', reasoningTurns: 'all' },
  },
  'content.redacted_thinking': { request: inAssistant({ type: 'redacted_thinking', data: mark }) },
  'content.server_tool_use': {
    request: inAssistant({ type: 'server_tool_use', id: 's', name: 'web_search', input: { q: mark } }),
  },
  'content.citations': { request: inAssistant({ ...text, text: 'x', citations: [{ cited_text: mark }] }) },
  'content.cache_control': { request: inUser({ ...text, text: 'x', cache_control: { type: mark } }) },
  tools: { request: withTool({ description: mark }) },
  'tools.strict': { request: withTool({ strict: true }), sends: '"strict":true' },
  'tools.cache_control': { request: withTool({ cache_control: { type: mark } }) },
  'tools.defer_loading': { request: withTool({ defer_loading: true }) },
  'tools.eager_input_streaming': { request: withTool({ eager_input_streaming: true }) },
  'tools.input_examples': { request: withTool({ input_examples: [mark] }) },
  'tools.allowed_callers': { request: withTool({ allowed_callers: [mark] }) },
  'tools.web_search': { request: { tools: [tool, { type: 'web_search_20250305', name: mark }] } },
  tool_choice: {
    request: { ...withTool({}), tool_choice: { type: 'any' } },
    sends: '"tool_choice":"required"',
  },
  'tool_choice.disable_parallel_tool_use': {
    request: { ...withTool({}), tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    sends: '"parallel_tool_calls":false',
  },
  stop_sequences: { request: { stop_sequences: [mark] } },
  temperature: { request: { temperature: 0.25 }, sends: '"temperature":0.25' },
  top_p: { request: { top_p: 0.25 }, sends: '"top_p":0.25' },
  top_k: { request: { top_k: 25 }, traits: { hasTopK: true }, sends: '"top_k":25' },
  thinking: { request: { thinking: { type: 'disabled' } }, sends: '"reasoning_effort":"none"' },
  'thinking.display': { request: { thinking: { type: 'adaptive', display: mark } } },
  'output_config.effort': {
    request: { output_config: { effort: 'medium' } },
    sends: '"reasoning_effort":"medium"',
  },
  'output_config.format': { request: { output_config: { format: { type: 'json_schema', schema } } } },
  output_format: { request: { output_format: { type: 'json_schema', schema } } },
  'output_config.task_budget': { request: { output_config: { task_budget: { type: mark } } } },
  stream: { request: { stream: true }, sends: '"stream":true' },
  metadata: { request: { metadata: { user_id: mark } } },
  cache_control: { request: { cache_control: { type: mark } } },
  service_tier: { request: { service_tier: mark } },
  context_management: { request: { context_management: { edits: [mark] } } },
  inference_geo: { request: { inference_geo: mark } },
  container: { request: { container: mark } },
  mcp_servers: { request: { mcp_servers: [{ url: mark }] } },
}

const call = { function: { name: mark, arguments: '{}' } }

/** For each member a chunk that has it. */
const responses: ResponseSamples = {
  id: { events: [{ id: mark, choices: [] }], returns: '"id":"msg_id1"' },
  model: { events: [{ model: mark, choices: [] }], returns: '"model":"m"' },
  content: { events: [chunk({ content: mark })] },
  reasoning_content: { events: [chunk({ reasoning_content: mark })] },
  reasoning_details: { events: [chunk({ reasoning_details: [{ text: mark }] })] },
  refusal: { events: [chunk({ refusal: mark })], returns: '"stop_reason":"refusal"' },
  tool_calls: { events: [chunk({ tool_calls: [call] })] },
  function_call: { events: [chunk({ function_call: call.function })] },
  finish_reason: { events: [chunk({}, { finish_reason: 'length' })], returns: '"stop_reason":"max_tokens"' },
  stop_reason: {
    events: [finish({ stop_reason: mark })],
    returns: `"stop_reason":"stop_sequence","stop_sequence":"${mark}"`,
  },
  usage: {
    events: [{ usage: { prompt_tokens: 7, completion_tokens: 1234 } }],
    returns: '"output_tokens":1234',
  },
  error: { events: [{ error: { message: mark } }] },
  annotations: { events: [chunk({ annotations: [mark] })] },
  audio: { events: [chunk({ audio: { data: mark } })] },
  logprobs: { events: [chunk({}, { logprobs: { content: [mark] } })] },
  service_tier: { events: [{ ...chunk({}), service_tier: mark }] },
  system_fingerprint: { events: [{ ...chunk({}), system_fingerprint: mark }] },
}

describe('of a Messages request for a chat provider', () => {
  testRequests(way, coverage.request, requests)

  test('an unknown member is dropped and named', () => {
    const request = { invented: 1, [`${mark} "x"`]: 2, tools: [{ ...tool, invented: 3 }] }
    assert.deepEqual(droppedOf(way, request), ['invented', '?', 'tools.invented'])
  })
})

describe('of a chat response for a Messages client', () => {
  testResponses(way, coverage.response, responses, chatStream)
})
