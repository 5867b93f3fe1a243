// The official `openai` client asks for chat and text completions.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import { json, sse } from '../support/upstream-script.ts'
import { startWithClient } from './openai-client.ts'
import { providerModel } from '../support/gateway-config.ts'

const question = [{ role: 'user', content: 'Zahl? 你好 🙂' }] as const

function completion(message: object, finish_reason = 'stop'): object {
  const choices = [{ index: 0, message: { role: 'assistant', refusal: null, ...message }, finish_reason }]
  const usage = { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 }
  return { id: 'chatcmpl-1', object: 'chat.completion', created: 1_760_000_000, model: 'm', choices, usage }
}

function chunk(delta: object, finish_reason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason }]
  return JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices })
}

test('a whole chat answer arrives as the provider wrote it, and the request as the client wrote it', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const answer = completion({ content: 'zweiundvierzig 🙂' })
  upstream.respond(json(200, answer))

  const reply = await openai.chat.completions.create({ model: 'plain', messages: [...question], seed: 7 })

  const request = await upstream.nextRequest()
  assert.equal(request.method, 'POST')
  assert.equal(request.target, '/v1/chat/completions')
  assert.equal(request.header('content-type'), 'application/json')
  assert.deepEqual(request.body, sent[0]!.body)
  assert.deepEqual({ ...reply }, answer)
})

for (const name of ['renamed', 'short']) {
  test(`for the model "${name}" nothing but the name differs from what the client sent`, async (t) => {
    const { openai, sent, upstream } = await startWithClient(t)
    upstream.respond(json(200, completion({ content: 'ok' })))

    await openai.chat.completions.create({
      messages: [{ role: 'user', content: `a "${name}" in the text stays` }],
      model: name,
      temperature: 0.1,
    })

    const expected = sent[0]!.body
      .toString()
      .replace(`"model":"${name}"`, `"model":${JSON.stringify(providerModel)}`)
    assert.ok(expected.includes(providerModel))
    assert.equal((await upstream.nextRequest()).body.toString(), expected)
  })
}

test('a streamed chat answer comes chunk by chunk and ends by itself', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  upstream.respond(
    sse([
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'zwei' }),
      chunk({ content: 'und' }),
      chunk({}, 'stop'),
      '[DONE]',
    ]),
  )

  const stream = await openai.chat.completions.create({
    model: 'llama3.1:8b',
    messages: [...question],
    stream: true,
  })
  const pieces: (string | null | undefined)[] = []
  for await (const part of stream) pieces.push(part.choices[0]?.delta.content)

  assert.deepEqual(pieces, ['', 'zwei', 'und', undefined])
  const { body } = await upstream.nextRequest()
  assert.equal(JSON.parse(body.toString()).stream, true)
  assert.deepEqual(pickWithoutStreamOptions(body), pickWithoutStreamOptions(sent[0]!.body))
})

/** The gateway may ask for usage on streams by itself; everything else is the client's. */
function pickWithoutStreamOptions(body: Buffer): unknown {
  const { stream_options: _, ...rest } = JSON.parse(body.toString()) as Record<string, unknown>
  return rest
}

test('usage that the client asks for on a stream reaches it', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const usage = { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 }
  const last = JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', model: 'm', choices: [], usage })
  upstream.respond(sse([chunk({ content: 'a' }), chunk({}, 'stop'), last, '[DONE]']))

  const stream = await openai.chat.completions.create({
    model: 'plain',
    messages: [...question],
    stream: true,
    stream_options: { include_usage: true },
  })
  let seen: unknown
  for await (const part of stream) seen = part.usage ?? seen

  assert.deepEqual(seen, usage)
  assert.deepEqual((await upstream.nextRequest()).body, sent[0]!.body)
})

test('streamed tool calls add up to the arguments that the provider sent', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const call = (part: object) => chunk({ role: 'assistant', tool_calls: [{ index: 0, ...part }] })
  upstream.respond(
    sse([
      call({ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }),
      call({ function: { arguments: '{"city":"Köl' } }),
      call({ function: { arguments: 'n","days":3}' } }),
      chunk({}, 'tool_calls'),
      '[DONE]',
    ]),
  )
  const parameters = {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer', maximum: 9_007_199_254_740_991 } },
  }

  const stream = openai.chat.completions.stream({
    model: 'plain',
    messages: [...question],
    tools: [{ type: 'function', function: { name: 'weather', parameters } }],
    stream_options: { include_usage: true },
  })
  const message = await stream.finalMessage()

  const [toolCall] = message.tool_calls ?? []
  assert.ok(toolCall?.type === 'function')
  assert.equal(toolCall.id, 'call_1')
  assert.deepEqual(JSON.parse(toolCall.function.arguments), { city: 'Köln', days: 3 })
  assert.deepEqual((await upstream.nextRequest()).body, sent[0]!.body)
})

test('tool calls and their results pass whole', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const tool_calls = [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1.0}' } }]
  upstream.respond(json(200, completion({ content: null, tool_calls }, 'tool_calls')))

  const reply = await openai.chat.completions.create({
    model: 'plain',
    messages: [
      ...question,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'call_0', content: 'sunny' },
    ],
    tools: [{ type: 'function', function: { name: 'f' } }],
    parallel_tool_calls: false,
  })

  assert.deepEqual(reply.choices[0]?.message.tool_calls, tool_calls)
  assert.deepEqual((await upstream.nextRequest()).body, sent[0]!.body)
})

test('an image of 5 MB in a data URL reaches the provider unchanged', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  upstream.respond(json(200, completion({ content: 'a cat' })))
  const url = `data:image/png;base64,${randomBytes(5_000_000).toString('base64')}`

  const reply = await openai.chat.completions.create({
    model: 'renamed',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url, detail: 'low' } },
        ],
      },
    ],
  })

  assert.equal(reply.choices[0]?.message.content, 'a cat')
  const sentBody = sent[0]!.body.toString('latin1').replace('"model":"renamed"', `"model":"${providerModel}"`)
  const { body } = await upstream.nextRequest()
  assert.ok(body.length > 6_600_000)
  assert.ok(body.equals(Buffer.from(sentBody, 'latin1')))
})

test('a text completion passes whole and streamed', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const part = (text: string, finish_reason: string | null) => ({
    id: 'cmpl-1',
    object: 'text_completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, text, logprobs: null, finish_reason }],
  })
  upstream.respond(json(200, part('Once upon', 'stop')))
  upstream.respond(sse([JSON.stringify(part('Once', null)), JSON.stringify(part(' upon', 'stop')), '[DONE]']))
  const prompt = 'Tell\u2028me'

  const whole = await openai.completions.create({ model: 'plain', prompt, max_tokens: 5 })
  const stream = await openai.completions.create({
    model: 'plain',
    prompt,
    stream: true,
    stream_options: { include_usage: true },
  })
  let text = ''
  for await (const piece of stream) text += piece.choices[0]?.text ?? ''

  assert.equal(whole.choices[0]?.text, 'Once upon')
  assert.equal(text, 'Once upon')
  for (const each of sent) {
    const request = await upstream.nextRequest()
    assert.equal(request.target, '/v1/completions')
    assert.deepEqual(request.body, each.body)
  }
})
