// The table of what the translation of Messages to chat carries, against what it does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ProviderTraits } from '../../../src/config/types.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import { coverage } from '../../../src/dialects/translate/messages_chat/coverage.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import { GatewayError } from '../../../src/errors.ts'
import { begin, readRequest, sentText, throughStream, providerOf } from './vector.ts'

const way = { dialect: 'messages', way: 'messages_chat', name: '', file: () => undefined }
const mark = 'b7f3'

function translate(request: object, traits: Partial<ProviderTraits> = {}): Translation | GatewayError {
  const body = JSON.stringify({ model: 'm', max_tokens: 9, messages: [user('Hi')], ...request })
  return begin({ ...way, traits }, readRequest('messages', body) as ModelRequest)
}

const user = (content: unknown) => ({ role: 'user', content })
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

interface Sample {
  readonly request: object
  readonly traits?: Partial<ProviderTraits>
  /** What the provider gets; else the mark. */
  readonly sends?: string
}

/** For each member of the table a request that has it. */
const requests: Readonly<Record<string, Sample>> = {
  model: { request: {}, sends: 'provider-model' },
  max_tokens: { request: { max_tokens: 77 }, sends: '"max_tokens":77' },
  system: { request: { system: mark } },
  'system.billing_header': {
    request: { system: [{ type: 'text', text: `x-anthropic-billing-header: ${mark}` }] },
  },
  'system.cache_control': {
    request: { system: [{ ...text, cache_control: { type: 'ephemeral' } }] },
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
  },
  'content.search_result': {
    request: inUser({ type: 'search_result', source: 's', title: 't', content: [text] }),
  },
  'content.container_upload': { request: inUser({ type: 'container_upload', file_id: mark }) },
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

const chunk = (delta: object, more: object = {}) => ({ choices: [{ index: 0, delta, ...more }] })
const finish = (more: object = {}) => chunk({}, { finish_reason: 'stop', ...more })
const call = { function: { name: mark, arguments: '{}' } }

/** For each member a chunk that has it, and what the client gets of it; else the mark. */
const responses: Readonly<Record<string, { readonly chunk: object; readonly returns?: string }>> = {
  id: { chunk: { id: mark, choices: [] }, returns: '"id":"msg_id1"' },
  model: { chunk: { model: mark, choices: [] }, returns: '"model":"m"' },
  content: { chunk: chunk({ content: mark }) },
  reasoning_content: { chunk: chunk({ reasoning_content: mark }) },
  reasoning_details: { chunk: chunk({ reasoning_details: [{ text: mark }] }) },
  refusal: { chunk: chunk({ refusal: mark }), returns: '"stop_reason":"refusal"' },
  tool_calls: { chunk: chunk({ tool_calls: [call] }) },
  function_call: { chunk: chunk({ function_call: call.function }) },
  finish_reason: { chunk: chunk({}, { finish_reason: 'length' }), returns: '"stop_reason":"max_tokens"' },
  stop_reason: {
    chunk: finish({ stop_reason: mark }),
    returns: `"stop_reason":"stop_sequence","stop_sequence":"${mark}"`,
  },
  usage: { chunk: { usage: { prompt_tokens: 7, completion_tokens: 1234 } }, returns: '"output_tokens":1234' },
  error: { chunk: { error: { message: mark } } },
  annotations: { chunk: chunk({ annotations: [mark] }) },
  audio: { chunk: chunk({ audio: { data: mark } }) },
  logprobs: { chunk: chunk({}, { logprobs: { content: [mark] } }) },
  service_tier: { chunk: { ...chunk({}), service_tier: mark } },
  system_fingerprint: { chunk: { ...chunk({}), system_fingerprint: mark } },
}

describe('of a Messages request for a chat provider', () => {
  test('each member of the table has a sample', () => {
    assert.deepEqual(Object.keys(requests), Object.keys(coverage.request))
  })

  for (const [member, [carriage]] of Object.entries(coverage.request)) {
    test(`${member} is ${carriage}`, () => {
      const { request, traits, sends = mark } = requests[member]!
      const translation = translate(request, traits)
      if (carriage === 'refused') {
        assert.ok(translation instanceof GatewayError)
        assert.equal(translation.code, 'not_translatable')
        return
      }
      if (translation instanceof GatewayError) throw translation
      const { dropped = [] } = translation
      if (carriage === 'dropped') {
        assert.ok(dropped.includes(member), dropped.join())
        if (member !== 'system.cache_control') assert.ok(!sentText(translation).includes(mark))
      } else {
        assert.deepEqual(
          dropped.filter((name) => name !== 'content.signature'),
          [],
        )
        assert.ok(sentText(translation).includes(sends), sentText(translation))
      }
    })
  }

  test('an unknown member is dropped and named', () => {
    const translation = translate({ invented: 1, [`${mark} "x"`]: 2, tools: [{ ...tool, invented: 3 }] })
    assert.ok(!(translation instanceof GatewayError))
    assert.deepEqual(translation.dropped, ['invented', '?', 'tools.invented'])
  })
})

describe('of a chat response for a Messages client', () => {
  test('each member of the table has a sample', () => {
    assert.deepEqual(Object.keys(responses), Object.keys(coverage.response))
  })

  for (const [member, [carriage]] of Object.entries(coverage.response)) {
    test(`${member} is ${carriage}`, () => {
      const { chunk, returns = mark } = responses[member]!
      const { response } = translate({ stream: true, stop_sequences: [mark] }) as Translation
      const end = JSON.stringify(chunk).includes('finish_reason') ? [] : [finish()]
      const events = [chunk, ...end, '[DONE]'].map((data) =>
        Buffer.from(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`),
      )
      const { bytes } = throughStream({ response: response!, provider: providerOf(way) }, events)
      assert.equal(bytes.includes(returns), carriage !== 'dropped', bytes)
    })
  }
})
