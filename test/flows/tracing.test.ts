// Traces, from a client's headers to the bytes that a receiver of OpenTelemetry gets.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { createKey } from '../../src/clients/keys/key-format.ts'
import type { RawConfig, RawProvider } from '../../src/config/raw.ts'
import { type Options, startGateway, type TestGateway } from '../support/app.ts'
import { report } from '../support/calls.ts'
import { delta, messages, usageEvent, whole } from '../support/chat-content.ts'
import { soon, until } from '../support/deadline.ts'
import { helloMessage } from '../support/message-events.ts'
import {
  type OtlpReceiver,
  type ReceivedExport,
  type ReceivedSpan,
  startOtlpReceiver,
} from '../support/otlp-receiver.ts'
import { providerKey, type Setup } from '../support/gateway-config.ts'
import { refusingUrl, startUpstream } from '../support/scripted-upstream.ts'
import { after, json, sse } from '../support/upstream-script.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const clientSpan = '00f067aa0ba902b7'
const traceparent = `00-${traceId}-${clientSpan}-01`

type Tracing = NonNullable<RawConfig['tracing']>

async function startTraced<Name extends string = 'scripted'>(
  t: TestContext,
  setup: Setup<Name> = {},
  tracing: Tracing = {},
  options: Options = {},
) {
  const receiver = await startOtlpReceiver(t)
  const traced = { ...setup, tracing: { endpoint: receiver.url, ...tracing } }
  return Object.assign(await startGateway<Name>(t, traced, options), { receiver })
}

function call(
  gateway: TestGateway,
  { path = '/v1/chat/completions', body = {}, headers = {} }: CallOptions = {},
): Promise<Response> {
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'plain', messages, ...body }),
  })
}

interface CallOptions {
  readonly path?: string
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
}

/** The spans of all calls: what waits is sent when the gateway stops. */
async function spansAfter(gateway: TestGateway, receiver: OtlpReceiver): Promise<ReceivedSpan[]> {
  await gateway.stop()
  return receiver.spans()
}

function only(spans: readonly ReceivedSpan[], kind: ReceivedSpan['kind']): ReceivedSpan {
  const found = spans.filter((span) => span.kind === kind)
  assert.equal(found.length, 1, `spans of kind ${kind}: ${found.map(({ name }) => name).join(', ')}`)
  return found[0]!
}

describe('a call', () => {
  test('has a span of its own and one for its attempt, below the span of its client', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t)
    upstream.respond(whole())
    const response = await call(gateway, { headers: { traceparent, 'x-session-id': 'talk-1' } })
    assert.equal(response.status, 200)
    const line = await gateway.logged({ event: 'call' })

    const spans = await spansAfter(gateway, receiver)
    const server = only(spans, 'server')
    const client = only(spans, 'client')
    assert.equal(spans.length, 2)
    assert.deepEqual([server.traceId, server.parentId], [traceId, clientSpan])
    assert.deepEqual([client.traceId, client.parentId], [traceId, server.spanId])
    assert.equal(server.name, 'POST /v1/chat/completions')
    assert.deepEqual(
      pick(server.attributes, 'http.request.method', 'url.path', 'http.response.status_code', 'session.id'),
      ['POST', '/v1/chat/completions', 200, 'talk-1'],
    )
    assert.equal(server.attributes['llm_gateway.request_id'], line['request_id'])
    assert.equal(server.attributes['llm_gateway.client'], line['client'])
    assert.equal(client.name, 'chat plain')
    const { host, port } = new URL(upstream.url)
    assert.deepEqual(client.attributes, {
      'gen_ai.operation.name': 'chat',
      'gen_ai.system': 'scripted',
      'gen_ai.request.model': 'plain',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 5,
      'server.address': host.split(':')[0],
      'server.port': Number(port),
      'http.response.status_code': 200,
      'session.id': 'talk-1',
      'llm_gateway.provider': 'scripted',
      'llm_gateway.way': 'pass',
    })
    assert.ok(server.start <= client.start && client.start <= client.end && client.end <= server.end)
    assert.deepEqual(server.resource, {
      'service.name': 'llm-gateway',
      'service.version': '0.0.0-test',
    })
    assert.deepEqual(
      [line['trace_id'], line['span_id']],
      [traceId, server.spanId],
      'the log line names the span',
    )
  })

  test('leads on to a local provider: its parent is the attempt, and the client’s own bytes stay behind', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t)
    upstream.respond(whole())
    const sent = { traceparent: `01-${traceId}-${clientSpan}-01-more`, tracestate: 'a=1,b=2', baggage: 'k=v' }
    await call(gateway, { headers: sent })

    const request = await upstream.nextRequest()
    const client = only(await spansAfter(gateway, receiver), 'client')
    assert.equal(request.header('traceparent'), `00-${traceId}-${client.spanId}-01`)
    assert.equal(request.header('tracestate'), 'a=1,b=2')
    assert.equal(request.header('baggage'), undefined)
    assert.equal(client.state, 'a=1,b=2')
  })

  test('without a trace begins one', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t)
    upstream.respondAlways(whole())
    for (const headers of [{}, { traceparent: traceparent.toUpperCase() }]) await call(gateway, { headers })

    const spans = await spansAfter(gateway, receiver)
    const servers = spans.filter(({ kind }) => kind === 'server')
    assert.deepEqual(
      servers.map(({ parentId }) => parentId),
      ['', ''],
    )
    assert.equal(new Set([traceId, ...servers.map((span) => span.traceId)]).size, 3)
  })

  test('that its client does not record is not exported, and its provider learns so', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t)
    upstream.respond(whole())
    await call(gateway, { headers: { traceparent: `00-${traceId}-${clientSpan}-00` } })

    const sent = (await upstream.nextRequest()).header('traceparent')
    assert.match(sent!, new RegExp(`^00-${traceId}-(?!${clientSpan})[0-9a-f]{16}-00$`))
    const line = await gateway.logged({ event: 'call' })
    assert.equal(line['trace_id'], traceId)
    assert.deepEqual(await spansAfter(gateway, receiver), [])
  })

  test('follows the ratio where it begins a trace, and its client where it does not', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t, {}, { sample_ratio: 0 })
    upstream.respondAlways(whole())
    await call(gateway)
    await call(gateway, { headers: { traceparent } })

    const spans = await spansAfter(gateway, receiver)
    assert.deepEqual([...new Set(spans.map((span) => span.traceId))], [traceId])
  })

  test('that streams has the time of its first event', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t, {}, { conventions: 'latest' })
    const usage = { prompt_tokens: 7, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 3 } }
    upstream.respond(sse([delta('Hello'), usageEvent({ ...usage, total_tokens: 12 }), '[DONE]']))
    const response = await call(gateway, { body: { stream: true } })
    await response.text()

    const client = only(await spansAfter(gateway, receiver), 'client')
    assert.deepEqual(
      client.events.map(({ name }) => name),
      ['first_token'],
    )
    const { at } = client.events[0]!
    assert.ok(client.start <= at && at <= client.end)
    assert.ok(Number(client.attributes['gen_ai.response.time_to_first_chunk']) > 0)
    assert.deepEqual(
      pick(
        client.attributes,
        'gen_ai.provider.name',
        'gen_ai.request.stream',
        'gen_ai.usage.input_tokens',
        'gen_ai.usage.cache_read.input_tokens',
      ),
      ['scripted', true, 7, 3],
    )
    assert.equal(client.attributes['gen_ai.system'], undefined)
  })

  test('that fails over has a span for each attempt, and its usage once', async (t) => {
    const { gateway, upstreams, receiver } = await startTraced<'first' | 'second'>(t, {
      providers: { first: {}, second: {} },
      models: { plain: { targets: [{ provider: 'first' }, { provider: 'second', tier: 2 }] } },
    })
    upstreams.first.respond(json(503, { error: { message: 'busy', code: 'overloaded_now' } }))
    upstreams.second.respond(whole())
    await call(gateway, { headers: { traceparent } })

    const spans = await spansAfter(gateway, receiver)
    const server = only(spans, 'server')
    const attempts = spans.filter(({ kind }) => kind === 'client')
    assert.deepEqual(
      attempts.map(({ parentId, hasFailed, attributes }) => [
        parentId,
        hasFailed,
        ...pick(
          attributes,
          'llm_gateway.provider',
          'http.response.status_code',
          'error.type',
          'gen_ai.usage.input_tokens',
        ),
      ]),
      [
        [server.spanId, true, 'first', 503, 'overloaded', undefined],
        [server.spanId, false, 'second', 200, undefined, 7],
      ],
    )
    assert.deepEqual(
      [upstreams.first, upstreams.second].map(({ requests: [request] }) => request!.header('traceparent')),
      attempts.map(({ spanId }) => `00-${traceId}-${spanId}-01`),
    )
    assert.deepEqual([server.hasFailed, server.attributes['llm_gateway.attempts']], [false, 2])
  })

  test('that no provider answers has failed', async (t) => {
    const { gateway, receiver } = await startTraced(t, {
      providers: { away: { base_url: `${await refusingUrl(t)}/v1` } },
    })
    assert.equal((await call(gateway)).status, 502)

    const spans = await spansAfter(gateway, receiver)
    for (const kind of ['server', 'client'] as const) {
      const span = only(spans, kind)
      assert.deepEqual([span.hasFailed, span.attributes['error.type']], [true, 'provider_unreachable'])
    }
  })

  test('that the gateway refuses has a span without an attempt', async (t) => {
    const { gateway, receiver } = await startTraced(t)
    assert.equal((await call(gateway, { body: { model: 'nobody' } })).status, 404)

    const [server, ...others] = await spansAfter(gateway, receiver)
    assert.deepEqual(others, [])
    assert.deepEqual([server!.hasFailed, server!.attributes['error.type']], [false, 'model_not_found'])
  })

  test('that waits in line has a span for that', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t, {
      rate_limit_settings: { limits: { plain: { max_parallel_requests: 1, when_limited: 'wait' } } },
    })
    const gate = Promise.withResolvers<void>()
    upstream.respond(after(gate.promise, whole()))
    upstream.respond(whole())
    const first = call(gateway)
    await upstream.nextRequest()
    const second = call(gateway, { headers: { traceparent } })
    await until(async () => (await report(gateway, 'plain')).waiting === 1, 'a call in line')
    gate.resolve()
    await Promise.all([first, second])

    const spans = (await spansAfter(gateway, receiver)).filter((span) => span.traceId === traceId)
    const server = only(spans, 'server')
    const wait = only(spans, 'internal')
    const attempt = only(spans, 'client')
    assert.deepEqual([wait.name, wait.parentId], ['wait in line', server.spanId])
    assert.ok(server.start <= wait.start && wait.start < wait.end && wait.end <= attempt.start)
  })
})

interface Dialect {
  readonly path: string
  readonly body: object
  readonly speaks: NonNullable<RawProvider['speaks']>
  readonly answer: object
  readonly operation: string
}

const embedding = { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [1] }], model: 'm' }
const completion = { id: 'c', object: 'text_completion', choices: [{ index: 0, text: 'Hi!' }] }
const asked = { messages, max_tokens: 9 }
const { chat, message, response } = {
  chat: {
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hi!' } }],
  },
  message: helloMessage,
  response: { id: 'r', object: 'response', status: 'completed', output: [] },
}

const dialects: Readonly<Record<string, Dialect>> = {
  chat: { path: '/chat/completions', body: asked, speaks: ['chat'], answer: chat, operation: 'chat' },
  'chat, translated to messages': {
    path: '/chat/completions',
    body: asked,
    speaks: ['messages'],
    answer: message,
    operation: 'chat',
  },
  messages: { path: '/messages', body: asked, speaks: ['messages'], answer: message, operation: 'chat' },
  'messages, translated to chat': {
    path: '/messages',
    body: asked,
    speaks: ['chat'],
    answer: chat,
    operation: 'chat',
  },
  responses: {
    path: '/responses',
    body: { input: 'hi' },
    speaks: ['responses'],
    answer: response,
    operation: 'chat',
  },
  'responses, translated to chat': {
    path: '/responses',
    body: { input: 'hi' },
    speaks: ['chat'],
    answer: chat,
    operation: 'chat',
  },
  'responses, translated to messages': {
    path: '/responses',
    body: { input: 'hi', max_output_tokens: 9 },
    speaks: ['messages'],
    answer: message,
    operation: 'chat',
  },
  completions: {
    path: '/completions',
    body: { prompt: 'hi' },
    speaks: ['chat'],
    answer: completion,
    operation: 'text_completion',
  },
  embeddings: {
    path: '/embeddings',
    body: { input: 'hi' },
    speaks: ['chat'],
    answer: embedding,
    operation: 'embeddings',
  },
  images: {
    path: '/images/generations',
    body: { prompt: 'hi' },
    speaks: ['chat'],
    answer: { created: 1, data: [{ b64_json: 'aGk=' }] },
    operation: 'generate_content',
  },
  rerank: {
    path: '/rerank',
    body: { query: 'hi', documents: ['a'] },
    speaks: ['chat'],
    answer: { results: [{ index: 0, relevance_score: 1 }] },
    operation: 'rerank',
  },
  'counts of tokens': {
    path: '/messages/count_tokens',
    body: { messages },
    speaks: ['messages'],
    answer: { input_tokens: 3 },
    operation: 'other',
  },
}

describe('the provider of every format gets the attempt as parent', () => {
  for (const [name, { path, body, speaks, answer, operation }] of Object.entries(dialects)) {
    test(name, async (t) => {
      const { gateway, upstream, receiver } = await startTraced(t, { providers: { scripted: { speaks } } })
      upstream.respond(json(200, answer))
      const got = await call(gateway, { path: `/v1${path}`, body, headers: { traceparent } })
      assert.equal(got.status, 200, await got.text())

      const spans = await spansAfter(gateway, receiver)
      const server = only(spans, 'server')
      const client = only(spans, 'client')
      assert.equal(server.name, `POST /v1${path}`)
      assert.equal(client.name, `${operation} plain`)
      assert.deepEqual([server.parentId, client.parentId], [clientSpan, server.spanId])
      const [request] = upstream.requests
      assert.equal(request!.header('traceparent'), `00-${traceId}-${client.spanId}-01`)
    })
  }

  test('a request of another route', async (t) => {
    const rest = { routes: { rest: { provider: 'scripted' } } }
    const { gateway, upstream, receiver } = await startTraced(t, rest)
    upstream.respond(json(200, { object: 'list', data: [] }))
    const got = await fetch(`${gateway.url}/v1/files`, { headers: { traceparent, tracestate: 'a=1' } })
    assert.equal(got.status, 200, await got.text())

    const spans = await spansAfter(gateway, receiver)
    const client = only(spans, 'client')
    assert.deepEqual([only(spans, 'server').name, client.name], ['GET /v1/files', 'GET /files'])
    const [request] = upstream.requests
    assert.equal(request!.header('traceparent'), `00-${traceId}-${client.spanId}-01`)
    assert.equal(request!.header('tracestate'), 'a=1')
  })
})

describe('the headers of a trace', () => {
  const sent = { traceparent, tracestate: 'a=1' }

  test('never reach a remote provider by themselves', async (t) => {
    const proxy = await startUpstream(t)
    const remote = { base_url: 'http://api.example.com/v1', allow_http: true, proxy: proxy.url }
    const speaks: RawProvider['speaks'] = ['chat']
    const { gateway } = await startTraced(t, { providers: { remote: { ...remote, speaks } } })
    proxy.respond(whole())
    assert.equal((await call(gateway, { headers: sent })).status, 200)

    const [request] = proxy.requests
    assert.equal(request!.target, 'http://api.example.com/v1/chat/completions')
    assert.deepEqual([request!.header('traceparent'), request!.header('tracestate')], [undefined, undefined])
  })

  const settings: readonly (readonly [
    trace_context: 'auto' | 'always' | 'never',
    isTraced: boolean,
    goes: 'not' | 'passed' | 'own',
  ])[] = [
    ['auto', true, 'own'],
    ['always', true, 'own'],
    ['never', true, 'not'],
    ['auto', false, 'not'],
    ['always', false, 'passed'],
    ['never', false, 'not'],
  ]
  for (const [trace_context, isTraced, goes] of settings) {
    test(`trace_context: ${trace_context}, with${isTraced ? '' : 'out'} an endpoint: ${goes}`, async (t) => {
      const receiver = await startOtlpReceiver(t)
      const tracing = { endpoint: isTraced ? receiver.url : null }
      const providers = { scripted: { trace_context } }
      const { gateway, upstream } = await startGateway(t, { providers, tracing })
      upstream.respond(whole())
      await call(gateway, { headers: sent })

      const [request] = upstream.requests
      const parent = request!.header('traceparent')
      if (goes === 'not') assert.equal(parent, undefined)
      else if (goes === 'passed') assert.equal(parent, traceparent)
      else assert.match(parent!, new RegExp(`^00-${traceId}-(?!${clientSpan})[0-9a-f]{16}-01$`))
      assert.equal(request!.header('tracestate'), goes === 'not' ? undefined : 'a=1')
    })
  }

  test('that are invalid are not passed on either', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      providers: { scripted: { trace_context: 'always' } },
    })
    upstream.respondAlways(whole())
    await call(gateway, { headers: { traceparent: `${traceparent}x`, tracestate: 'a=1' } })
    await call(gateway, { headers: { tracestate: 'a=1' } })
    for (const request of upstream.requests) {
      assert.deepEqual([request.header('traceparent'), request.header('tracestate')], [undefined, undefined])
    }
    assert.equal(upstream.requests.length, 2)
  })

  test('name the trace of the client in the log, without an endpoint too', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(whole())
    await call(gateway, { headers: { traceparent } })
    const line = await gateway.logged({ event: 'call' })
    assert.deepEqual([line['trace_id'], line['span_id']], [traceId, undefined])
  })
})

describe('exports', () => {
  test('go to the path of the protocol, with the configured headers', async (t) => {
    const headers = { authorization: { env: 'RECEIVER_KEY' }, 'x-team': 'home' }
    const resource = { 'deployment.environment.name': 'home' }
    const options = { env: { RECEIVER_KEY: 'Basic secret-of-receiver' } }
    const tracing: Tracing = { headers, resource, service_name: 'gate' }
    const { gateway, upstream, receiver } = await startTraced(t, {}, tracing, options)
    upstream.respond(whole())
    await call(gateway)
    const [span] = await spansAfter(gateway, receiver)

    const [{ target, headers: got }] = receiver.exports as [ReceivedExport]
    assert.equal(target, '/v1/traces')
    assert.equal(got['content-type'], 'application/x-protobuf')
    assert.equal(got['authorization'], 'Basic secret-of-receiver')
    assert.equal(got['x-team'], 'home')
    assert.deepEqual(pick(span!.resource, 'service.name', 'deployment.environment.name'), ['gate', 'home'])
  })

  test('are JSON with hexadecimal ids where the receiver wants that', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t, {}, { protocol: 'http/json' })
    upstream.respond(whole())
    await call(gateway, { headers: { traceparent } })
    await gateway.stop()

    const [{ headers, body }] = receiver.exports as [ReceivedExport]
    assert.equal(headers['content-type'], 'application/json')
    const { resourceSpans } = JSON.parse(body.toString()) as JsonExport
    const [server] = resourceSpans[0]!.scopeSpans[0]!.spans
    assert.deepEqual([server!.traceId, server!.parentSpanId], [traceId, clientSpan])
    assert.match(server!.startTimeUnixNano, /^\d{19}$/)
  })

  test('hold nothing of what was asked, answered or sent in headers', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t)
    upstream.respond(json(400, { error: { message: 'bad Zeitgeist', code: 'bad' } }))
    const secret = 'sk-of-a-client-1234567890'
    const body = { messages: [{ role: 'user', content: 'Zeitgeist' }], user: 'Zeitgeist' }
    const headers = { authorization: `Bearer ${secret}`, 'x-session-id': 'not plain: Zeitgeist', traceparent }
    await call(gateway, { body, headers })

    assert.equal((await spansAfter(gateway, receiver)).length, 2)
    const bytes = receiver.exports.map((each) => each.body.toString('latin1')).join('')
    for (const text of ['Zeitgeist', secret, providerKey]) assert.ok(!bytes.includes(text), text)
  })

  test('hold no session that is a key', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t)
    upstream.respond(whole())
    const { text: key } = createKey('llmg_', 43)
    await call(gateway, { headers: { 'x-session-id': key, traceparent } })

    assert.equal((await spansAfter(gateway, receiver)).length, 2)
    const bytes = receiver.exports.map((each) => each.body.toString('latin1')).join('')
    assert.ok(!bytes.includes(key))
  })

  for (const code of [
    'The prompt was: Zeitgeist',
    'a-prompt-nobody-may-read-4711',
    'sk-of-a-client-1234567890',
    createKey('llmg_', 43).text,
  ]) {
    for (const status of [400, 500]) {
      test(`hold no code of a provider that is ${code.slice(0, 12)}… (${status}), and neither does anything else`, async (t) => {
        const routing = { retries: 0, restart_wait_ms: 0 }
        const { gateway, upstream, receiver } = await startTraced(t, { routing })
        upstream.respondAlways(json(status, { error: { message: 'no', code, type: code } }))
        await call(gateway, { body: { messages: [{ role: 'user', content: code }] } })
        const line = await gateway.logged({ event: 'call' })
        assert.equal(line['provider_code'], undefined)
        const page = await (await fetch(`${gateway.url}/status/data`)).text()
        const metrics = await (await fetch(`${gateway.url}/metrics`)).text()

        assert.equal((await spansAfter(gateway, receiver)).length, 2)
        const spans = receiver.exports.map((each) => each.body.toString('latin1')).join('')
        const places = { spans, page, metrics, log: JSON.stringify(gateway.log()) }
        for (const [place, text] of Object.entries(places)) assert.ok(!text.includes(code), place)
      })
    }
  }

  test('ask no OTEL_ variable', async (t) => {
    const other = await startOtlpReceiver(t)
    const variables = {
      OTEL_EXPORTER_OTLP_ENDPOINT: other.url,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${other.url}/v1/traces`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-from-environment=1',
      OTEL_RESOURCE_ATTRIBUTES: 'from.environment=1',
      OTEL_SERVICE_NAME: 'environment',
      OTEL_TRACES_SAMPLER: 'always_off',
      OTEL_SDK_DISABLED: 'true',
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '1',
      OTEL_BSP_MAX_QUEUE_SIZE: '1',
    }
    Object.assign(process.env, variables)
    t.after(() => {
      for (const name of Object.keys(variables)) delete process.env[name]
    })
    const traced = await startTraced(t)
    const plain = await startGateway(t)
    for (const { gateway, upstream } of [traced, plain]) {
      upstream.respond(whole())
      await call(gateway)
      await gateway.stop()
    }
    assert.equal(other.exports.length, 0)
    const [{ headers }] = traced.receiver.exports as [ReceivedExport]
    assert.equal(headers['x-from-environment'], undefined)
    assert.equal(traced.receiver.spans().length, 2)
    assert.deepEqual(Object.keys(traced.receiver.spans()[0]!.resource), ['service.name', 'service.version'])
  })

  test('come from every worker thread', async (t) => {
    const { gateway, upstream, receiver } = await startTraced(t, { server: { workers: 2 } })
    upstream.respondAlways(whole())
    const calls = Array.from({ length: 40 }, (_, index) =>
      call(gateway, { headers: { 'x-request-id': `call-${index}`, connection: 'close' } }),
    )
    await Promise.all(calls)

    const spans = await spansAfter(gateway, receiver)
    const ids = spans.map(({ attributes }) => attributes['llm_gateway.request_id']).filter(Boolean)
    assert.equal(new Set(ids).size, 40)
    assert.equal(spans.length, 80)
  })

  test('go to another receiver after a reload, and end with the endpoint', async (t) => {
    const setup = { providers: { echo: { kind: 'echo' as const } } }
    const { gateway, receiver } = await startTraced(t, setup)
    await call(gateway)
    const second = await startOtlpReceiver(t)
    await gateway.reload({ ...setup, tracing: { endpoint: `${second.url}/v1/traces/` } })
    await call(gateway)
    await gateway.reload(setup)
    await receiver.received(1)
    await second.received(1)
    await call(gateway)
    await gateway.stop()
    assert.deepEqual(
      [receiver, second].map((each) => each.spans().length),
      [2, 2],
    )
    assert.equal(second.exports[0]!.target, '/v1/traces')
  })

  test('that fail are reported once for a cause, and calls go on', async (t) => {
    const { gateway, receiver } = await startTraced(
      t,
      { providers: { echo: { kind: 'echo' } } },
      { protocol: 'http/json' },
    )
    receiver.answer = (_, reply) => void reply.writeHead(415).end('no JSON here')
    assert.equal((await call(gateway)).status, 200)
    await gateway.stop()
    const lines = gateway.log().filter(({ event }) => event === 'exporter_failed')
    assert.deepEqual(
      lines.map(({ endpoint, reason }) => [endpoint, reason]),
      [[receiver.url, 'status 415']],
    )
  })

  test('that hang hold up neither calls nor the end of the gateway', async (t) => {
    const { gateway, receiver } = await startTraced(t, { providers: { echo: { kind: 'echo' } } })
    receiver.answer = () => {}
    assert.equal((await call(gateway)).status, 200)
    await soon(gateway.stop(), () => 'the end of the gateway')
    assert.equal(receiver.exports.length, 1)
    await gateway.logged({ event: 'stopped' })
  })
})

interface JsonExport {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string
        readonly parentSpanId: string
        readonly startTimeUnixNano: string
      }[]
    }[]
  }[]
}

function pick(attributes: ReceivedSpan['attributes'], ...names: readonly string[]): unknown[] {
  return names.map((name) => attributes[name])
}
