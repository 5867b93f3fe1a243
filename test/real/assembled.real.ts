// Whole answers of a real llama.cpp, directly and put together of a stream: the same bytes but for ids, times and the order of
// members.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'

import { type JsonView, viewJson } from '../../src/bytes/json/view.ts'
import type { Running } from '../support/app.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'

const skip = missingLlamaCpp()

const chat = '/v1/chat/completions'
const completions = '/v1/completions'
const messages = '/v1/messages'
const responses = '/v1/responses'

const parameters = {
  type: 'object',
  properties: { city: { type: 'string', enum: ['Paris', 'Orléans'] }, n: { type: 'number' } },
  required: ['city', 'n'],
}
const tools = [{ type: 'function', function: { name: 'weather', parameters } }]
const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Orléans", "n": 3.50}}\n</tool_call>'
/** A base model calls a tool where it has seen nothing else. */
const calling = [
  { role: 'user', content: `Repeat: ${call} ${call} ${call}` },
  { role: 'assistant', content: call },
  { role: 'user', content: `Repeat: ${call} ${call}` },
]
const hello = [{ role: 'user', content: 'Count "é" to ten, 😀.' }]
const think = { chat_template_kwargs: { think: true } }
const schema = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 8 }, age: { type: 'integer' } },
  required: ['name', 'age'],
}
const namedTools = [{ name: 'weather', input_schema: parameters }]
const flatTools = [{ type: 'function', name: 'weather', parameters }]

/** What is asked, and the route. */
const asked: Readonly<Record<string, readonly [path: string, request: object]>> = {
  chat: [chat, { messages: hello, max_tokens: 24 }],
  'chat with a seed': [chat, { messages: hello, max_tokens: 24, temperature: 1.5, seed: 7 }],
  'chat that stops at once': [chat, { messages: hello, max_tokens: 24, stop: ['<'] }],
  'chat that stops': [chat, { messages: hello, max_tokens: 24, stop: ['start', 'user'] }],
  'chat with a bias': [
    chat,
    {
      messages: hello,
      max_tokens: 12,
      logit_bias: [
        ['<', -100],
        ['|', -100],
      ],
    },
  ],
  'chat with max_completion_tokens': [chat, { messages: hello, max_completion_tokens: 9 }],
  'chat by a schema': [
    chat,
    {
      messages: hello,
      max_tokens: 60,
      response_format: { type: 'json_schema', json_schema: { name: 'p', schema } },
    },
  ],
  'chat by a grammar': [
    chat,
    { messages: hello, max_tokens: 60, grammar: 'root ::= "é\\n\\t\\"" [0-9]+ "\\\\ü"' },
  ],
  'chat with timings of each token': [chat, { messages: hello, max_tokens: 9, timings_per_token: true }],
  'chat with n 1 and no logprobs': [
    chat,
    { messages: hello, max_tokens: 9, n: 1, logprobs: false, top_logprobs: null },
  ],
  'chat whose options leave usage out': [
    chat,
    { messages: hello, max_tokens: 9, stream: false, stream_options: { include_usage: false } },
  ],
  'chat with tools that are not called': [chat, { messages: hello, tools, max_tokens: 24 }],
  'chat with calls of tools': [chat, { messages: calling, tools, max_tokens: 80 }],
  'chat with one call of a tool': [
    chat,
    { messages: calling, tools, max_tokens: 80, parallel_tool_calls: false, stop: ['</tool_call>'] },
  ],
  'chat with a call that is cut': [chat, { messages: calling, tools, max_tokens: 20 }],
  'chat that thinks': [chat, { messages: hello, max_tokens: 24, ...think }],
  'chat that thinks, then answers': [
    chat,
    { messages: hello, max_tokens: 120, ...think, grammar: 'root ::= "Hm, é." "\\n</think>\\n\\n" "Yes."' },
  ],
  completions: [completions, { prompt: 'One, two,', max_tokens: 24 }],
  'completions that stop': [completions, { prompt: 'One, two,', max_tokens: 24, stop: [' '] }],
  'completions by a schema': [completions, { prompt: 'One, two,', max_tokens: 60, json_schema: schema }],
  Messages: [messages, { messages: hello, max_tokens: 24 }],
  'Messages that stop': [messages, { messages: hello, max_tokens: 24, stop_sequences: ['start'] }],
  'Messages that stop at once': [messages, { messages: hello, max_tokens: 24, stop_sequences: ['<'] }],
  'Messages with calls of tools': [messages, { messages: calling, tools: namedTools, max_tokens: 80 }],
  'Messages with a call that is cut': [messages, { messages: calling, tools: namedTools, max_tokens: 20 }],
  'Messages that think': [messages, { messages: hello, max_tokens: 24, ...think }],
  Responses: [responses, { input: 'Count to ten.', max_output_tokens: 24 }],
  'Responses with calls of tools': [
    responses,
    { input: calling[0]!.content, tools: flatTools, max_output_tokens: 80 },
  ],
  'Responses that think': [responses, { input: 'Count to ten.', max_output_tokens: 24, ...think }],
}

/** Answers that are more than their streams. */
const whole: Readonly<Record<string, readonly [path: string, request: object]>> = {
  'a few tokens': [chat, { messages: hello, max_tokens: 1 }],
  'two choices': [chat, { messages: hello, max_tokens: 12, n: 2 }],
  logprobs: [chat, { messages: hello, max_tokens: 12, logprobs: true, top_logprobs: 2 }],
  n_probs: [completions, { prompt: 'One', max_tokens: 12, n_probs: 1 }],
  'two prompts': [completions, { prompt: ['One', 'Two'], max_tokens: 12 }],
  'another form of reasoning': [chat, { messages: hello, max_tokens: 12, reasoning_format: 'none' }],
}

suite('whole answers of a real llama.cpp, put together', { skip }, () => {
  const releases: (() => unknown)[] = []
  const suiteEnd = { after: (release: () => unknown) => void releases.unshift(release) }
  let gateway: Running['gateway']

  before(async () => {
    ;({ gateway } = await startLlamaCpp(suiteEnd, 'tools-and-thinking.jinja'))
  })
  after(async () => {
    for (const release of releases) await release()
  })

  async function answer(model: string, [path, request]: readonly [string, object]) {
    const response = await fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({ model, temperature: 0, ...request }),
    })
    const body = Buffer.from(await response.arrayBuffer())
    const { status, headers } = response
    const type = headers.get('content-type')
    return { way: headers.get('x-llm-gateway-way'), seen: { status, type, body: normal(viewJson(body)) } }
  }

  for (const [what, request] of Object.entries(asked)) {
    test(what, async () => {
      const direct = await answer('gemma-whole', request)
      const assembled = await answer('gemma', request)
      assert.deepEqual([direct.way, assembled.way, direct.seen.status], ['pass', 'assembled', 200])
      assert.deepEqual(assembled.seen, direct.seen)
    })
  }

  for (const [what, request] of Object.entries(whole)) {
    test(`${what}: not put together`, async () => {
      const direct = await answer('gemma-whole', request)
      const same = await answer('gemma', request)
      assert.deepEqual(same, direct)
      assert.equal(same.way, 'pass')
    })
  }

  test('a refusal is the same', async () => {
    const tooLong = [chat, { messages: [{ role: 'user', content: 'word '.repeat(6_000) }] }] as const
    const malformed = [chat, { messages: 'Hi' }] as const
    for (const request of [tooLong, malformed]) {
      const [direct, assembled] = [await answer('gemma-whole', request), await answer('gemma', request)]
      assert.equal(direct.seen.status, 400)
      assert.deepEqual(assembled.seen, direct.seen)
    }
  })
})

/** Ids are random, and times differ; what they are is compared. */
const differing = /^(?:id|call_id|created|created_at|completed_at|.*_ms|.*_per_second)$/

/** The value as it is written, its members in order. */
function normal(value: JsonView, name = ''): string {
  if (differing.test(name)) return value.kind
  if (value.kind === 'array')
    return `[${value
      .elements()
      .map((element) => normal(element))
      .join()}]`
  if (value.kind !== 'object') return value.raw.toString()
  const members = [...value.members()].toSorted(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${normal(member, key)}`).join()}}`
}
