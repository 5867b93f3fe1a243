// How a translated stream ends, on each way: where the response ends, not where the provider's body does.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { startGateway, type TestGateway } from '../support/app.ts'
import { used } from '../support/calls.ts'
import { delta, messages, usageEvent } from '../support/chat-content.ts'
import {
  errorEvent,
  eventText,
  messageEnd,
  messageStart,
  type MessageEvent,
  ping,
  textBlock,
  toolBlock,
} from '../support/message-events.ts'
import { connectRaw, rawRequest, type RawResponse } from '../support/raw-client.ts'
import {
  chunk,
  content,
  hang,
  json,
  lastChunk,
  reset,
  type Script,
  streamHead,
} from '../support/upstream-script.ts'

/** A client's format: its request, and how its streams end. */
interface Client {
  readonly path: string
  readonly body: object
  /** The last event of a whole stream. */
  readonly ending: RegExp
  /** The last event of a stream with this error message. */
  readonly failure: (message: string) => RegExp
  /** The text in a whole body. */
  readonly textOf: (body: never) => unknown
}

/** What a provider streams. The model is named like the provider. */
interface Provided {
  readonly model: 'chats' | 'claude' | 'responds'
  readonly begin: string
  readonly end: string
  /** Ends the answer, and what follows the translation's end. */
  readonly endAndMore: string
  readonly broken: string
  readonly problem: string
  readonly error: string
  readonly tokens: number
}

const clients = {
  chat: {
    path: '/v1/chat/completions',
    body: { messages },
    ending: /"finish_reason":"stop".*\n\ndata: \[DONE\]\n\n$/,
    failure: (message) => new RegExp(`\\n\\ndata: {"error":{"message":"[^"]*${message}[^\\n]*\\n\\n$`),
    textOf: (body: { choices: { message: { content: string } }[] }) => body.choices[0]!.message.content,
  },
  messages: {
    path: '/v1/messages',
    body: { max_tokens: 64, messages },
    ending: /event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/,
    failure: (message) =>
      new RegExp(`\\n\\nevent: error\\ndata: {"type":"error","error":{[^\\n]*${message}[^\\n]*\\n\\n$`),
    textOf: (body: { content: { text: string }[] }) => body.content[0]!.text,
  },
  responses: {
    path: '/v1/responses',
    body: { input: 'hi' },
    ending: /event: response\.completed\ndata: [^\n]*\n\n$/,
    failure: (message) =>
      new RegExp(`event: error\\n[^\\n]*${message}[^\\n]*\\n\\nevent: response\\.failed\\n[^\\n]*\\n\\n$`),
    textOf: (body: { output: { content: { text: string }[] }[] }) => body.output[0]!.content[0]!.text,
  },
} as const satisfies Record<string, Client>

function dataOf(...payloads: readonly string[]): string {
  return payloads.map((payload) => `data: ${payload}\n\n`).join('')
}

function eventsOf(...events: readonly MessageEvent[]): string {
  return events.map(eventText).join('')
}

const finish = delta('', { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
const usage = usageEvent({ prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 })

const chats: Provided = {
  model: 'chats',
  begin: dataOf(delta('Hello')),
  end: dataOf(finish, usage, '[DONE]'),
  endAndMore: dataOf(finish, usage),
  broken: dataOf('{"choices":'),
  problem: 'not a JSON object',
  error: dataOf('{"error":{"message":"Out of memory.","code":500}}'),
  tokens: 12,
}

const claude: Provided = {
  model: 'claude',
  begin: eventsOf(messageStart, ...textBlock(0, 'Hello').slice(0, 2)),
  end: eventsOf(...messageEnd),
  endAndMore: eventsOf(...messageEnd, ping, ping, ping),
  broken: eventsOf({ type: 'content_block_delta', index: 4, delta: { type: 'text_delta', text: 'x' } }),
  problem: 'a block that has not begun',
  error: eventsOf(errorEvent('api_error', 'Out of memory.')),
  tokens: 105,
}

const completed = {
  id: 'resp_1',
  object: 'response',
  status: 'completed',
  output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hello' }] }],
  usage: { input_tokens: 7, output_tokens: 5, total_tokens: 12 },
}
const responseEnd = eventsOf({ type: 'response.completed', response: completed })

const responds = {
  model: 'responds',
  begin: eventsOf({ type: 'response.output_text.delta', delta: 'Hello' }),
  end: responseEnd,
  endAndMore: responseEnd,
  error: eventsOf({ type: 'error', code: 'server_error', message: 'Out of memory.' }),
  tokens: 12,
} as const

const ways: readonly (readonly [name: string, client: Client, provided: Provided])[] = [
  ['messages_chat', clients.messages, chats],
  ['responses_chat', clients.responses, chats],
  ['chat_messages', clients.chat, claude],
  ['responses_messages', clients.responses, claude],
]

async function start(t: TestContext) {
  const limit = { rpm: 20, tpm: 500_000 }
  const { gateway, upstreams } = await startGateway(t, {
    providers: {
      chats: { speaks: ['chat'] },
      claude: { kind: 'anthropic' },
      responds: { speaks: ['responses'] },
    },
    models: {
      chats: { provider: 'chats' },
      claude: { provider: 'claude' },
      responds: { provider: 'responds' },
    },
    rate_limit_settings: { limits: { chats: limit, claude: limit, responds: limit } },
  })
  return { gateway, upstreams }
}

/** Sends a call to a provider that streams these pieces, whatever the client wants. */
async function call(
  t: TestContext,
  [way, { path, body }, { model }]: readonly [string, Client, Pick<Provided, 'model'>],
  { isStream, script }: { readonly isStream: boolean; readonly script: Script },
) {
  const { gateway, upstreams } = await start(t)
  const upstream = upstreams[model]
  upstream.respond(script)
  const client = await connectRaw(t, gateway.url)
  client.send(rawRequest(`POST ${path}`, {}, JSON.stringify({ model, ...body, stream: isStream })))
  const request = await upstream.nextRequest()
  return { gateway, client, request, logged: () => gateway.logged({ event: 'call', way }) }
}

function streamed(...pieces: readonly string[]): Script {
  return [streamHead(), ...pieces.map(chunk), lastChunk]
}

function cut(...pieces: readonly string[]): Script {
  return [streamHead(), ...pieces.map(chunk), reset]
}

function open(...pieces: readonly string[]): Script {
  return [streamHead(), ...pieces.map(chunk), hang]
}

function textIn(response: RawResponse): string {
  assert.ok(response.complete)
  return response.body().toString()
}

/** The bytes are in the client's format: an error of another would lack these. */
async function assertFailed(
  response: RawResponse,
  line: Promise<Record<string, unknown>>,
  message: string,
): Promise<void> {
  assert.deepEqual([response.status, response.header('x-llm-gateway-error')], [502, 'provider_bad_response'])
  const { error } = JSON.parse(textIn(response)) as { error: { message: string } }
  assert.ok(error.message.includes(message), error.message)
  const { status, code } = await line
  assert.deepEqual([status, code], [502, 'provider_bad_response'])
}

async function assertCharged(
  gateway: TestGateway,
  { model, tokens }: Pick<Provided, 'model' | 'tokens'>,
): Promise<void> {
  assert.deepEqual(await used(gateway, model), { requests: 1, tokens, parallel: 0 })
}

for (const way of ways) {
  const [name, { ending, failure, textOf }, provided] = way
  const { begin, end, endAndMore, broken, problem, error, model } = provided

  suite(`a stream by ${name}`, () => {
    test('that breaks its format and then reports an error ends with an error event', async (t) => {
      const { client, logged } = await call(t, way, {
        isStream: true,
        script: streamed(begin, broken, error),
      })
      const text = textIn(await client.response())
      assert.match(text, failure(problem))
      assert.doesNotMatch(text, /Out of memory/)
      const { status, code } = await logged()
      assert.deepEqual([status, code], [200, 'provider_bad_response'])
    })

    test('that breaks its format ends at once, at the provider too, and is charged for what was seen', async (t) => {
      const script = open(begin, broken + end)
      const { gateway, client, request } = await call(t, way, { isStream: true, script })
      assert.match(textIn(await client.response()), failure(problem))
      assert.equal((await request.outcome).kind, 'aborted')
      const { requests, tokens, parallel } = await used(gateway, model)
      assert.ok(requests === 1 && tokens > 0 && parallel === 0)
    })

    test('ends with the provider’s error at once, as one error', async (t) => {
      const script = open(begin, error + end)
      const { client, logged } = await call(t, way, { isStream: true, script })
      const text = textIn(await client.response())
      assert.match(text, failure('Out of memory.'))
      assert.doesNotMatch(text, ending)
      const { status, code } = await logged()
      assert.deepEqual([status, code], [200, 'provider_bad_response'])
    })

    test('whose client has the end is complete, though the provider is cut', async (t) => {
      // A stream of chat is whole only with its end mark; Messages clients have their end before it.
      const last = name === 'responses_chat' ? end : endAndMore
      const { gateway, client, logged } = await call(t, way, { isStream: true, script: cut(begin, last) })
      const text = textIn(await client.response())
      assert.match(text, ending)
      assert.doesNotMatch(text, /error"?:(?! ?null)/)
      const { status, code, estimated } = await logged()
      assert.deepEqual([status, code, estimated], [200, undefined, false])
      await assertCharged(gateway, provided)
    })

    test('ends with its last event, though the provider’s body stays open', async (t) => {
      const { gateway, client, logged } = await call(t, way, { isStream: true, script: open(begin, end) })
      assert.match(textIn(await client.response()), ending)
      client.leave()
      const { status, code } = await logged()
      assert.deepEqual([status, code], [200, undefined])
      await assertCharged(gateway, provided)
    })

    test('may end in the chunk in which it begins', async (t) => {
      for (const [script, last] of [
        [open(begin + end), ending],
        [open(begin + broken), failure(problem)],
        [streamed(begin + end), ending],
      ] as const) {
        const { client } = await call(t, way, { isStream: true, script })
        assert.match(textIn(await client.response()), last)
      }
    })
  })

  suite(`a whole body from a stream by ${name}`, () => {
    test('is a 502 at once where the stream breaks its format', async (t) => {
      const script = open(begin, broken)
      const { client, request, logged } = await call(t, way, { isStream: false, script })
      await assertFailed(await client.response(), logged(), problem)
      assert.equal((await request.outcome).kind, 'aborted')
    })

    test('is a 502 where the stream goes on after an error', async (t) => {
      const script = streamed(begin, error, endAndMore + end)
      const { client, logged } = await call(t, way, { isStream: false, script })
      await assertFailed(await client.response(), logged(), 'ended its stream with an error')
    })

    test('is sent once it is complete, whatever becomes of the provider’s body', async (t) => {
      for (const script of [open(begin, end), cut(begin, end)]) {
        const { gateway, client, logged } = await call(t, way, { isStream: false, script })
        const response = await client.response()
        assert.equal(response.status, 200)
        assert.equal(textOf(JSON.parse(textIn(response)) as never), 'Hello')
        client.leave()
        assert.equal((await logged())['code'], undefined)
        await assertCharged(gateway, provided)
      }
    })

    test('is a 502 where the provider’s body is empty', async (t) => {
      for (const type of ['application/json', 'text/event-stream']) {
        const script = content(200, type, '')
        const { client, logged } = await call(t, way, { isStream: false, script })
        await assertFailed(
          await client.response(),
          logged(),
          type === 'application/json' ? 'empty' : 'ended its stream',
        )
      }
    })
  })
}

for (const way of [
  ['assembled', clients.chat, chats],
  ['assembled', clients.messages, claude],
  ['assembled', clients.responses, responds],
] as const) {
  const [, { path, textOf }, provided] = way
  const { begin, end, endAndMore, error } = provided

  suite(`a whole body of ${path} from a stream of its format`, () => {
    test('is a 502 where the stream goes on after an error', async (t) => {
      const script = streamed(begin, error, endAndMore + end)
      const { client, logged } = await call(t, way, { isStream: false, script })
      await assertFailed(await client.response(), logged(), 'ended its stream with an error')
    })

    test('is sent at the end mark, though the provider’s body stays open', async (t) => {
      const { gateway, client } = await call(t, way, { isStream: false, script: open(begin, end) })
      const response = await client.response()
      assert.equal(textOf(JSON.parse(textIn(response)) as never), 'Hello')
      await assertCharged(gateway, provided)
    })
  })
}

for (const way of ways.filter(([, , { model }]) => model === 'claude')) {
  test(`a whole tool_use without a name is a 502 by ${way[0]}`, async (t) => {
    const [{ content_block: block }] = toolBlock(0, { id: 'toolu_1', name: 'look' }) as [MessageEvent]
    const broken = { ...(block as object), name: null }
    const script = json(200, { id: 'msg_1', type: 'message', role: 'assistant', content: [broken] })
    const { client, logged } = await call(t, way, { isStream: false, script })
    await assertFailed(await client.response(), logged(), 'a tool call without an id or a name')
  })
}

test('an error that a provider of Messages reports as a mere text ends the stream as one', async (t) => {
  const way = ways.find(([name]) => name === 'chat_messages')!
  const [, { failure }, { begin }] = way
  const script = streamed(begin, dataOf('{"error":"Out of memory."}'))
  const { client } = await call(t, way, { isStream: true, script })
  assert.match(textIn(await client.response()), failure('Out of memory.'))
})

test('a provider’s error that is translated for a Messages client has the request’s id', async (t) => {
  const script = json(429, { error: { message: 'Slow down.' } })
  const { client } = await call(t, ways[0]!, { isStream: true, script })
  const response = await client.response()
  assert.equal(response.status, 429)
  const body = JSON.parse(textIn(response)) as { request_id: string }
  assert.deepEqual(body, {
    type: 'error',
    error: { type: 'rate_limit_error', message: 'Slow down.' },
    request_id: response.header('request-id'),
  })
  assert.ok(body.request_id)
})

test('a stream that holds more for its last event than may be held ends at once, at the provider too', async (t) => {
  const way = ['responses_chat', clients.responses, chats] as const
  // 17 MiB of text.
  const mebibyte = dataOf(...Array.from({ length: 16 }, () => delta('a'.repeat(65_536))))
  const script = open(chats.begin, ...Array.from({ length: 17 }, () => mebibyte))
  const { client, request } = await call(t, way, { isStream: true, script })
  const text = textIn(await client.response())
  // Without the deltas: an assertion prints what did not match.
  assert.match(text.slice(text.lastIndexOf('event: error')), clients.responses.failure('too long'))
  assert.equal((await request.outcome).kind, 'aborted')
})

test('a stream that ends with an error is charged for the output that came after the last count', async (t) => {
  const way = ways.find(([name]) => name === 'chat_messages')!
  const pieces = Array.from({ length: 40 }, () => textBlock(0, 'word')[1]!)
  const script = streamed(claude.begin, eventsOf(...pieces), claude.error)
  const { gateway, client } = await call(t, way, { isStream: true, script })
  textIn(await client.response())
  const { tokens } = await used(gateway, 'claude')
  const counted = claude.tokens - 5
  assert.ok(tokens >= counted + 40, `${tokens} for a prompt of about ${counted} and 40 pieces`)
})
