// Responses that are far from what a model writes, but short enough to be read: many pieces must not cost more and more for
// each of them, and depth must not cost the stack.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { readErrorBody, readStream } from '../dialects/translate/client-rules.ts'
import { startGateway } from '../support/app.ts'
import { post } from '../support/calls.ts'
import { delta, whole } from '../support/chat-content.ts'
import { helloMessage } from '../support/message-events.ts'
import { content, json, sse } from '../support/upstream-script.ts'

const turns = [{ role: 'user', content: 'hi' }]
const chat = { model: 'small', messages: turns }
const question = { ...chat, max_tokens: 64 }

function start(t: TestContext, speaks: readonly ('chat' | 'messages' | 'responses')[]) {
  return startGateway(t, {
    providers: { scripted: { speaks: [...speaks] } },
    models: { small: { provider: 'scripted' } },
  })
}

function piece(members: object, finish: string | null = null): string {
  return JSON.stringify({ choices: [{ index: 0, delta: members, finish_reason: finish }] })
}

/** Ends what would else take minutes. */
const timeout = 60_000

suite('a response of many pieces', { timeout }, () => {
  test('has a thousand tool calls whose arguments are objects', async (t) => {
    const { gateway, upstream } = await start(t, ['chat'])
    const args = { list: Array.from({ length: 4_000 }, () => []) }
    const calls = Array.from({ length: 1_000 }, (_, at) => ({
      id: `call_${at}`,
      type: 'function',
      function: { name: 'f', arguments: args },
    }))
    const message = { role: 'assistant', content: null, tool_calls: calls }
    upstream.respond(json(200, { choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }))
    const response = await post(gateway, question, { path: '/v1/messages' })

    const { content: blocks } = (await response.json()) as { content: { id: string; input: unknown }[] }
    assert.equal(blocks.length, 1_000)
    assert.deepEqual(blocks.at(-1), { type: 'tool_use', id: 'call_999', name: 'f', input: args })
  })

  test('becomes a whole body of 2,000 tool calls', async (t) => {
    const { gateway, upstream } = await start(t, ['chat'])
    const called = { name: 'f', arguments: '{"x"' }
    const starts = Array.from({ length: 2_000 }, (_, index) =>
      piece({ tool_calls: [{ index, id: `call_${index}`, type: 'function', function: called }] }),
    )
    const more = piece({ tool_calls: [{ index: 1_999, function: { arguments: ':1}' } }] })
    upstream.respond(sse([...starts, more, piece({}, 'tool_calls'), '[DONE]']))
    const response = await post(gateway, chat)

    const { choices } = (await response.json()) as {
      choices: { message: { tool_calls: { id: string }[] } }[]
    }
    const calls = choices[0]!.message.tool_calls
    assert.equal(calls.length, 2_000)
    const last = { name: 'f', arguments: '{"x":1}' }
    assert.deepEqual(calls.at(-1), { id: 'call_1999', type: 'function', function: last })
  })

  test('becomes a whole body of 20,000 members', async (t) => {
    const { gateway, upstream } = await start(t, ['chat'])
    const pieces = Array.from({ length: 20_000 }, (_, at) => piece({ content: 'a', [`member_${at}`]: at }))
    const odd = '{"choices":[{"index":0,"delta":{"__proto__":{"content":"b"}},"finish_reason":null}]}'
    upstream.respond(sse([...pieces, odd, piece({}, 'stop'), '[DONE]']))
    const response = await post(gateway, chat)

    const { choices } = (await response.json()) as { choices: { message: Record<string, unknown> }[] }
    const { message } = choices[0]!
    assert.equal(message['content'], 'a'.repeat(20_000))
    assert.equal(message['member_19999'], 19_999)
    assert.ok(Object.hasOwn(message, '__proto__'))
  })
})

suite('a request of many parts is translated', () => {
  const texts = Array.from({ length: 300_000 }, () => ({ type: 'text', text: 'a' }))
  for (const [speaks, path] of [
    ['chat', '/v1/messages'],
    ['messages', '/v1/chat/completions'],
  ] as const) {
    test(`to ${speaks}`, async (t) => {
      const { gateway, upstream } = await start(t, [speaks])
      upstream.respond(speaks === 'chat' ? whole() : json(200, helloMessage))
      const body = { ...question, messages: [{ role: 'user', content: texts }] }
      const response = await post(gateway, body, { path })

      assert.equal(response.status, 200, await response.text())
      const { messages } = JSON.parse((await upstream.nextRequest()).body.toString()) as {
        messages: { content: unknown[] | string }[]
      }
      assert.equal(JSON.stringify(messages[0]!.content).match(/a(?=[^a-z])/g)?.length, 300_000)
    })
  }
})

suite('a response of which too much is held', () => {
  test('ends with an error: reasoning of a Messages provider whose signature does not come', async (t) => {
    const { gateway, upstream } = await start(t, ['messages'])
    const delta = { type: 'thinking_delta', thinking: 'x'.repeat(1_000_000) }
    const thought = JSON.stringify({ type: 'content_block_delta', index: 0, delta })
    const events = [
      { type: 'message_start', message: { ...helloMessage, content: [] } },
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
    ]
    const thoughts = Array.from({ length: 20 }, () => thought)
    upstream.respond(sse([...events.map((event) => JSON.stringify(event)), ...thoughts]))
    const response = await post(gateway, { ...chat, stream: true })

    const { end } = readStream('chat', await response.text())
    assert.match((end as { message: string }).message, /too long to be translated/)
  })

  test('ends with an error: blocks of a Messages provider that do not end', async (t) => {
    const { gateway, upstream } = await start(t, ['messages'])
    const begun = { type: 'message_start', message: { ...helloMessage, content: [] } }
    const input = { text: 'x'.repeat(1_000_000) }
    const blocks = Array.from({ length: 20 }, (_, index) => ({
      type: 'content_block_start',
      index,
      content_block: { type: 'tool_use', id: `toolu_${index}`, name: 'f', input },
    }))
    upstream.respond(sse([begun, ...blocks].map((event) => JSON.stringify(event))))
    const response = await post(gateway, { ...chat, stream: true })

    const { end } = readStream('chat', await response.text())
    assert.match((end as { message: string }).message, /too long to be translated/)
  })

  test('ends with an error: a message in thousands of parts', async (t) => {
    const { gateway, upstream } = await start(t, ['chat'])
    const pieces = Array.from({ length: 20_000 }, (_, at) => piece({ [at % 2 ? 'content' : 'refusal']: 'a' }))
    upstream.respond(sse([...pieces, piece({}, 'stop'), '[DONE]']))
    const body = { model: 'small', input: 'hi' }
    const response = await post(gateway, body, { path: '/v1/responses' })

    assert.equal(response.status, 502)
    assert.match(await response.text(), /too long to be translated/)
  })
})

const deep = '['.repeat(100_000) + ']'.repeat(100_000)

/** JSON with a value nested as deep. */
function withDepth(value: object): string {
  return JSON.stringify(value).replace('"DEEP"', deep)
}

suite('a value nested 100,000 levels deep', () => {
  const url = { type: 'url_citation', url_citation: { title: 'DEEP' } }
  const token = { token: 'a', logprob: -1, top_logprobs: 'DEEP' }
  const chunks = {
    annotations: { index: 0, delta: { content: 'a', annotations: [url] } },
    logprobs: { index: 0, delta: { content: 'a' }, logprobs: { content: [token] } },
  }
  for (const [what, choice] of Object.entries(chunks)) {
    test(`breaks off a stream that is translated: ${what}`, async (t) => {
      const { gateway, upstream } = await start(t, ['chat'])
      const chunk = withDepth({ choices: [choice] })
      upstream.respond(sse([delta('Well'), chunk, piece({}, 'stop'), '[DONE]']))
      const body = { model: 'small', input: 'hi', stream: true }
      const response = await post(gateway, body, { path: '/v1/responses' })

      const { text, end } = readStream('response', await response.text())
      assert.equal(text, 'Well')
      assert.match((end as { message: string }).message, /deeper than 1000 levels/)
      const { code } = await gateway.logged({ event: 'call' })
      assert.equal(code, 'provider_bad_response')
    })
  }

  test('is the fault of a provider whose stream becomes a whole message', async (t) => {
    const { gateway, upstream } = await start(t, ['messages'])
    const usage = withDepth({ type: 'message_delta', delta: {}, usage: { output_tokens: 'DEEP' } })
    const first = JSON.stringify({ type: 'message_start', message: { ...helloMessage, content: [] } })
    const block = '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Well"}}'
    upstream.respond(sse([first, block, usage, '{"type":"message_stop"}']))
    const response = await post(gateway, question, { path: '/v1/messages' })

    assert.equal(response.status, 502)
    const { message } = readErrorBody('messages', Buffer.from(await response.arrayBuffer()))
    assert.match(message, /deeper than 1000 levels/)
  })

  test('is the fault of a provider whose whole response becomes a stream', async (t) => {
    const { gateway, upstream } = await start(t, ['responses'])
    const part = { type: 'output_text', text: 'a', annotations: 'DEEP' }
    const output = [{ id: 'msg_1', type: 'message', role: 'assistant', content: [part] }]
    const body = withDepth({ id: 'resp_1', object: 'response', status: 'completed', output })
    upstream.respond(content(200, 'application/json', body))
    const asked = { model: 'small', input: 'hi', stream: true }
    const response = await post(gateway, asked, { path: '/v1/responses' })

    assert.equal(response.status, 502)
    const { message } = readErrorBody('response', Buffer.from(await response.arrayBuffer()))
    assert.match(message, /deeper than 1000 levels/)
  })
})
