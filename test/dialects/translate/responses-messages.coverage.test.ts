// The table of what the way of Responses to Messages carries, where it differs from the way to chat, against what it does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ProviderTraits } from '../../../src/config/types.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import { packReasoning } from '../../../src/dialects/translate/reasoning-envelope.ts'
import { coverage as toChat } from '../../../src/dialects/translate/responses_chat/coverage.ts'
import { coverage } from '../../../src/dialects/translate/responses_messages/coverage.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import { GatewayError } from '../../../src/errors.ts'
import {
  endFor,
  errorEvent,
  eventText,
  type MessageEvent,
  messageStart,
  textBlock,
  thinkingBlock,
  toolBlock,
} from '../../support/message-events.ts'
import { begin, providerOf, readRequest, sentText, throughStream } from './vector.ts'

const way = { dialect: 'response', way: 'responses_messages' }
const mark = 'b7f3'

function translate(request: object, traits: Partial<ProviderTraits> = {}): Translation | GatewayError {
  const body = JSON.stringify({ model: 'm', input: 'Hi', ...request })
  return begin(
    { ...way, traits: { maxTemperature: 1, ...traits } },
    readRequest('response', body) as ModelRequest,
  )
}

const user = (content: unknown) => ({ role: 'user', content })
const items = (...input: object[]) => ({ input: [user('Hi'), ...input, user('So?')] })
const inUser = (part: object) => ({ input: [user([part])] })
const call = { type: 'function_call', call_id: 'a', name: 'look', arguments: '{}' }
const details = [{ type: 'reasoning.text', text: 'Hm.', signature: mark, format: 'anthropic-claude-v1' }]

interface Sample {
  readonly request: object
  /** What the provider gets; else the mark. */
  readonly sends?: string
  /** The name of what is refused or dropped, if it is not the member's. */
  readonly named?: string
}

/** For each member of the table that the way to chat carries otherwise a request that has it. */
const requests: Readonly<Record<string, Sample>> = {
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

/** For each member the events that have it, and what the client gets of it; else the mark. */
const responses: Readonly<
  Record<string, { readonly events: readonly MessageEvent[]; readonly returns?: string }>
> = {
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

describe('of a Responses request for a provider of Messages', () => {
  test('each member that the way to chat carries otherwise has a sample', () => {
    const { request } = coverage
    const others = Object.keys(request).filter((name) => request[name] !== toChat.request[name])
    assert.deepEqual(Object.keys(requests), others)
  })

  for (const [member, { request, sends = mark, named = member }] of Object.entries(requests)) {
    const [carriage] = coverage.request[member]!
    test(`${member} is ${carriage}`, () => {
      const translation = translate(request)
      if (carriage === 'refused') {
        assert.ok(translation instanceof GatewayError)
        assert.deepEqual([translation.code, translation.param], ['not_translatable', named])
        return
      }
      if (translation instanceof GatewayError) throw translation
      const { dropped = [] } = translation
      const sent = sentText(translation)
      if (carriage === 'dropped') {
        assert.ok(dropped.includes(named), dropped.join())
        assert.ok(!sent.includes(mark))
      } else {
        assert.deepEqual(dropped, [])
        assert.ok(sent.includes(sends), sent)
      }
    })
  }
})

describe('of a response of Messages for a Responses client', () => {
  test('each member of the table has a sample', () => {
    assert.deepEqual(Object.keys(responses), Object.keys(coverage.response))
  })

  for (const [member, [carriage]] of Object.entries(coverage.response)) {
    test(`${member} is ${carriage}`, () => {
      const { events, returns = mark } = responses[member]!
      const { response } = translate({
        stream: true,
        include: ['reasoning.encrypted_content'],
      }) as Translation
      const stream = [messageStart, ...events, { type: 'message_stop' }].map((event) =>
        Buffer.from(eventText(event)),
      )
      const { bytes } = throughStream({ response: response!, provider: providerOf(way) }, stream)
      assert.equal(bytes.includes(returns), carriage !== 'dropped', bytes)
    })
  }
})
