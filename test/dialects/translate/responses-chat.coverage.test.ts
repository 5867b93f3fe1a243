// The table of what the translation of Responses to chat carries, against what it does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { packReasoning } from '../../../src/dialects/translate/reasoning-envelope.ts'
import { coverage } from '../../../src/dialects/translate/responses_chat/coverage.ts'
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

const way = {
  dialect: 'response',
  way: 'responses_chat',
  request: { input: 'Hi' },
  streamed: { include: ['reasoning.encrypted_content'] },
}
const user = (content: unknown) => ({ role: 'user', content })
const items = (...input: object[]) => ({ input: [user('Hi'), ...input, user('So?')] })
const inUser = (part: object) => items(user([part]))
const called = { type: 'function_call', call_id: 'a', name: 'look', arguments: '{}' }
const tool = { type: 'function', name: 'look', parameters: { type: 'object' } }
const withTool = (more: object) => ({ tools: [{ ...tool, ...more }] })
const platform = { hasPlatformMembers: true }
const reasons = { reasoningField: 'reasoning_content', reasoningTurns: 'all' } as const

/** For each member of the table a request that has it. */
const requests: RequestSamples = {
  model: { request: {}, sends: 'provider-model' },
  instructions: { request: { instructions: mark } },
  'input (text)': { request: { input: mark } },
  'input.user': { request: items(user(mark)) },
  'input.assistant': { request: items({ role: 'assistant', content: mark }) },
  'input.assistant (last)': { request: { input: [user('Hi'), { role: 'assistant', content: mark }] } },
  'input.developer': { request: items({ role: 'developer', content: mark }) },
  'input.phase': { request: items({ role: 'assistant', content: 'x', phase: mark }) },
  'content.input_text': { request: inUser({ type: 'input_text', text: mark }) },
  'content.input_image': { request: inUser({ type: 'input_image', image_url: mark }) },
  'content.input_file': {
    request: inUser({ type: 'input_file', filename: 'a', file_data: mark }),
    traits: { hasFileParts: true },
  },
  'content.input_audio': { request: inUser({ type: 'input_audio', input_audio: { data: mark } }) },
  'content.refusal': { request: items({ role: 'assistant', content: [{ type: 'refusal', refusal: mark }] }) },
  'input.function_call': { request: items({ ...called, arguments: mark }) },
  'input.function_call_output': {
    request: items(called, { type: 'function_call_output', call_id: 'a', output: mark }),
  },
  'input.custom_tool_call': { request: items({ ...called, type: 'custom_tool_call', input: mark }) },
  'input.custom_tool_call_output': {
    request: items(
      { ...called, type: 'custom_tool_call' },
      { type: 'custom_tool_call_output', call_id: 'a', output: mark },
    ),
  },
  'input.local_shell_call': {
    request: items({ type: 'local_shell_call', call_id: 'a', action: { command: [mark] } }),
  },
  'input.local_shell_call_output': {
    request: items(
      { type: 'local_shell_call', call_id: 'a', action: {} },
      { type: 'local_shell_call_output', id: 'a', output: mark },
    ),
  },
  'input.reasoning': {
    request: items({ type: 'reasoning', summary: [{ type: 'summary_text', text: mark }] }, called),
    traits: reasons,
  },
  'input.encrypted_content': {
    request: items({ type: 'reasoning', summary: [], encrypted_content: mark }, called),
    traits: reasons,
  },
  'input.additional_tools': {
    request: items({ type: 'additional_tools', tools: [{ ...tool, name: mark }] }),
  },
  'input.web_search_call': { request: items({ type: 'web_search_call', action: { query: mark } }) },
  'input.item_reference': { request: items({ type: 'item_reference', id: mark }), named: 'input' },
  'input.compaction': { request: items({ type: 'compaction', encrypted_content: mark }), named: 'input' },
  'input.compaction_trigger': { request: items({ type: 'compaction_trigger' }), named: 'input' },
  tools: { request: withTool({ description: mark }) },
  'tools.strict': { request: withTool({ strict: true }), sends: '"strict":true' },
  'tools.custom': { request: { tools: [{ type: 'custom', name: mark }] } },
  'tools.namespace': {
    request: { tools: [{ type: 'namespace', name: 'space', tools: [tool] }] },
    sends: 'space__look',
  },
  'tools.defer_loading': { request: withTool({ defer_loading: true }) },
  'tools.output_schema': { request: withTool({ output_schema: { title: mark } }) },
  'tools.web_search': {
    request: { tools: [tool, { type: 'web_search', filters: { allowed_domains: [mark] } }] },
  },
  'tools.local_shell': { request: { tools: [tool, { type: 'local_shell' }] } },
  tool_choice: { request: { ...withTool({}), tool_choice: 'required' }, sends: '"tool_choice":"required"' },
  parallel_tool_calls: {
    request: { ...withTool({}), parallel_tool_calls: false },
    sends: '"parallel_tool_calls":false',
  },
  max_output_tokens: { request: { max_output_tokens: 77 }, sends: '"max_tokens":77' },
  temperature: { request: { temperature: 0.25 }, sends: '"temperature":0.25' },
  top_p: { request: { top_p: 0.25 }, sends: '"top_p":0.25' },
  top_logprobs: { request: { top_logprobs: 3 }, sends: '"logprobs":true,"top_logprobs":3' },
  'include (logprobs)': { request: { include: ['message.output_text.logprobs'] }, sends: '"logprobs":true' },
  'include (reasoning.encrypted_content)': {
    request: {
      ...items({ type: 'reasoning', encrypted_content: packReasoning({ text: mark, details: [] }) }, called),
      include: ['reasoning.encrypted_content'],
    },
    traits: reasons,
  },
  include: { request: { include: ['file_search_call.results'] } },
  'reasoning.effort': { request: { reasoning: { effort: 'medium' } }, sends: '"reasoning_effort":"medium"' },
  'reasoning.summary': { request: { reasoning: { summary: mark } } },
  'text.format': {
    request: { text: { format: { type: 'json_schema', name: 'a', schema: { title: mark } } } },
  },
  'text.verbosity': { request: { text: { verbosity: 'low' } }, traits: platform, sends: '"verbosity":"low"' },
  stream: { request: { stream: true }, sends: '"stream":true' },
  stream_options: { request: { stream_options: { include_obfuscation: false } } },
  user: { request: { user: mark } },
  metadata: { request: { metadata: { a: mark } }, traits: platform },
  safety_identifier: { request: { safety_identifier: mark }, traits: platform },
  prompt_cache_key: { request: { prompt_cache_key: mark }, traits: platform },
  prompt_cache_retention: { request: { prompt_cache_retention: mark }, traits: platform },
  service_tier: { request: { service_tier: mark }, traits: platform },
  'store (false)': { request: { store: false }, traits: platform, sends: '"store":false' },
  store: { request: { store: true }, traits: platform },
  truncation: { request: { truncation: 'auto' } },
  max_tool_calls: { request: { max_tool_calls: 3 } },
  client_metadata: { request: { client_metadata: { a: mark } } },
  context_management: { request: { context_management: [{ type: mark }] } },
  previous_response_id: { request: { previous_response_id: mark } },
  conversation: { request: { conversation: mark } },
  prompt: { request: { prompt: { id: mark } } },
  background: { request: { background: true } },
}

const call = { function: { name: mark, arguments: '{}' } }
const packed = packReasoning({ text: 'Hm', details: [{ signature: mark }] })

/** For each member a chunk that has it. */
const responses: ResponseSamples = {
  id: { events: [{ id: mark, choices: [] }], returns: '"id":"resp_id1"' },
  model: { events: [{ model: mark, choices: [] }], returns: '"model":"m"' },
  content: { events: [chunk({ content: mark })] },
  reasoning_content: { events: [chunk({ reasoning_content: mark })] },
  reasoning_details: {
    events: [chunk({ reasoning: 'Hm', reasoning_details: [{ signature: mark }] })],
    returns: packed,
  },
  refusal: { events: [chunk({ refusal: mark })] },
  tool_calls: { events: [chunk({ tool_calls: [call] })] },
  function_call: { events: [chunk({ function_call: call.function })] },
  finish_reason: {
    events: [chunk({}, { finish_reason: 'length' })],
    returns: '"reason":"max_output_tokens"',
  },
  stop_reason: { events: [finish({ stop_reason: mark })] },
  usage: {
    events: [{ usage: { prompt_tokens: 7, completion_tokens: 1234 } }],
    returns: '"output_tokens":1234',
  },
  error: { events: [{ error: { message: mark } }] },
  annotations: { events: [chunk({ content: 'x', annotations: [{ type: mark }] })] },
  logprobs: { events: [chunk({ content: 'x' }, { logprobs: { content: [{ token: mark }] } })] },
  audio: { events: [chunk({ audio: { data: mark } })] },
  service_tier: { events: [{ ...chunk({}), service_tier: mark }] },
  system_fingerprint: { events: [{ ...chunk({}), system_fingerprint: mark }] },
}

describe('of a Responses request for a chat provider', () => {
  testRequests(way, coverage.request, requests)

  test('an unknown member is dropped and named', () => {
    const request = { invented: 1, [`${mark} "x"`]: 2, tools: [{ ...tool, invented: 3 }] }
    assert.deepEqual(droppedOf(way, request), ['invented', '?', 'tools.invented'])
  })

  test('what only OpenAI knows is dropped for others', () => {
    const names = ['metadata', 'prompt_cache_key', 'safety_identifier', 'service_tier']
    assert.deepEqual(droppedOf(way, Object.fromEntries(names.map((name) => [name, 'a']))), names)
  })
})

describe('of a chat response for a Responses client', () => {
  testResponses(way, coverage.response, responses, chatStream)
})
