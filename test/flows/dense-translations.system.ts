// Requests and streams for Responses clients with more items than a model's have, in front of a provider that speaks only chat: time
// must not grow with their square, and what a last event could not hold ends the stream.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { readAsCodex } from '../dialects/translate/codex-rules.ts'
import { startGateway, type TestGateway } from '../support/app.ts'
import { post } from '../support/calls.ts'
import { callPiece, delta, finish, piece, whole } from '../support/chat-content.ts'
import { sse } from '../support/upstream-script.ts'

function start(t: TestContext) {
  const rate_limit_settings = { limits: { small: { rpm: 20, tpm: 500_000 } } }
  const models = { small: { provider: 'scripted' }, large: { provider: 'scripted' } }
  return startGateway(t, { providers: { scripted: { speaks: ['chat'] } }, models, rate_limit_settings })
}

async function respond(gateway: TestGateway, body: object) {
  const response = await post(gateway, { model: 'small', input: 'hi', ...body }, { path: '/v1/responses' })
  return { status: response.status, body: await response.text() }
}

suite('a stream that is longer than its last event may repeat', () => {
  /** An event of some 200 kB. */
  const token = { token: 'x', logprob: -1, bytes: [120], top_logprobs: [] }
  const long = {
    text: delta('x'.repeat(200_000)),
    reasoning: piece({ reasoning_content: 'x'.repeat(200_000) }),
    arguments: callPiece(0, 'x'.repeat(200_000)),
    logprobs: delta('', {
      choices: [
        {
          index: 0,
          delta: { content: 'x' },
          logprobs: { content: Array.from({ length: 3_000 }, () => token) },
        },
      ],
    }),
  }
  for (const [what, payload] of Object.entries(long)) {
    test(`ends with an error: ${what}`, async (t) => {
      const { gateway, upstream } = await start(t)
      const first = what === 'arguments' ? callPiece(0, '', { id: 'call_1', name: 'f' }) : delta('Hello')
      const payloads = [first, ...Array.from({ length: 100 }, () => payload), finish('stop'), '[DONE]']
      upstream.respond(sse(payloads))
      const { status, body } = await respond(gateway, { stream: true })
      assert.equal(status, 200)
      const { end } = readAsCodex(body)
      assert.equal(end.type, 'response.failed')
      assert.match(end.response!.error!.message, /too long to be translated/)
      const line = await gateway.logged({ event: 'call', way: 'responses_chat' })
      assert.equal(line['code'], 'provider_bad_response')
    })
  }
})

suite('a request of very many small items', () => {
  const many = <Item>(count: number, itemAt: (index: number) => Item) =>
    Array.from({ length: count }, (_, index) => itemAt(index))
  const user = { role: 'user', content: '~' }
  const call = (id: string) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' })
  const output = (id: string, value: unknown = '~') => ({
    type: 'function_call_output',
    call_id: id,
    output: value,
  })
  const parts = (type: string) => many(150_000, () => ({ type, text: '~' }))
  const calls = (prefix: string) => many(30_000, (index) => call(`${prefix}${index}`))
  const shapes: Readonly<Record<string, readonly object[]>> = {
    'messages of a user': many(150_000, () => user),
    'messages of the assistant': [...many(150_000, () => ({ role: 'assistant', content: '~' })), user],
    'parts of the assistant': [{ role: 'assistant', content: parts('output_text') }, user],
    'parts of an output': [call('a'), output('a', parts('input_text'))],
    'instructions in the middle': [user, ...many(100_000, () => ({ role: 'developer', content: '~' }))],
    'calls of one id': many(60_000, () => call('a')),
    'outputs of one call': [call('a'), ...many(60_000, () => output('a'))],
    'outputs behind the calls of another turn': [
      ...calls('a'),
      output('a0'),
      ...calls('b'),
      ...many(29_999, (index) => output(`a${index + 1}`)),
    ],
  }
  for (const [what, input] of Object.entries(shapes)) {
    // The last shapes would take from seconds to minutes in time that grew with the square of the items.
    test(`is translated: ${what}`, { timeout: 60_000 }, async (t) => {
      const { gateway, upstream } = await start(t)
      upstream.respond(whole())
      const { status, body } = await respond(gateway, { model: 'large', input })
      assert.equal(status, 200, body.slice(0, 1_000))
      const { messages } = JSON.parse((await upstream.nextRequest()).body.toString())
      assert.deepEqual(countsOf(messages), countsOf(input), what)
    })
  }

  /** How many texts, calls and results there are, wherever they stand. */
  function countsOf(value: unknown): object {
    const text = JSON.stringify(value)
    const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0
    return { texts: count(/~/g), calls: count(/"f"/g) }
  }
})
