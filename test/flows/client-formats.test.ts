// What the gateway itself says, in the format of each client: Chat, Responses and Messages.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { connectRaw, exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { hang, json } from '../support/upstream-script.ts'
import { limited, startLimited } from './limited.ts'

interface Client {
  readonly path: `POST ${string}`
  readonly body: (model: string, stream?: boolean) => string
  /** Status → type of the error. */
  readonly types: Readonly<Record<number, string>>
  readonly limitHeader: string
}

const openAiTypes = {
  400: 'invalid_request_error',
  403: 'permission_error',
  404: 'invalid_request_error',
  405: 'invalid_request_error',
  413: 'invalid_request_error',
  415: 'invalid_request_error',
  417: 'invalid_request_error',
  429: 'requests',
}
const user = [{ role: 'user', content: 'hello' }]
const clients: Readonly<Record<string, Client>> = {
  chat: {
    path: 'POST /v1/chat/completions',
    body: (model, stream) => JSON.stringify({ model, messages: user, stream }),
    types: openAiTypes,
    limitHeader: 'x-ratelimit-limit-requests',
  },
  responses: {
    path: 'POST /v1/responses',
    body: (model, stream) => JSON.stringify({ model, input: 'hello', stream }),
    types: openAiTypes,
    limitHeader: 'x-ratelimit-limit-requests',
  },
  messages: {
    path: 'POST /v1/messages',
    body: (model, stream) => JSON.stringify({ model, max_tokens: 9, messages: user, stream }),
    types: {
      400: 'invalid_request_error',
      403: 'permission_error',
      404: 'not_found_error',
      405: 'invalid_request_error',
      413: 'request_too_large',
      415: 'invalid_request_error',
      417: 'invalid_request_error',
      429: 'rate_limit_error',
    },
    limitHeader: 'anthropic-ratelimit-requests-limit',
  },
}

/** The error is in the client's envelope, and in no other. */
function assertError(response: RawResponse, { types, path }: Client, status: number, code: string): void {
  assert.equal(response.status, status)
  assert.equal(response.header('x-llm-gateway-error'), code)
  assert.match(response.header('content-type') ?? '', /^application\/json/)
  const body = JSON.parse(response.body().toString()) as { error: { type: string } }
  assert.equal(body.error.type, types[status])
  if (path.includes('messages')) {
    assert.deepEqual(Object.keys(body).toSorted(), ['error', 'request_id', 'type'])
    assert.equal((body as unknown as { request_id: string }).request_id, response.header('request-id'))
    assert.deepEqual(Object.keys(body.error).toSorted(), ['message', 'type'])
  } else {
    assert.deepEqual(Object.keys(body), ['error'])
    assert.deepEqual(Object.keys(body.error).toSorted(), ['code', 'message', 'param', 'type'])
  }
}

for (const [name, client] of Object.entries(clients)) {
  const { path, body, limitHeader } = client

  describe(`a client of ${name}`, () => {
    const ask = async (t: Cleanup, url: string, model = 'small', stream = false) =>
      exchange(t, url, rawRequest(path, {}, body(model, stream)))

    test('that asks for a model that does not exist', async (t) => {
      const { gateway } = await startGateway(t)
      for (const stream of [false, true]) {
        assertError(await ask(t, gateway.url, 'nowhere', stream), client, 404, 'model_not_found')
      }
    })

    test('that is at the limit of a model', async (t) => {
      const { gateway } = await startLimited(t, { limits: { small: { rpm: 1 } } })
      await ask(t, gateway.url)
      const response = await ask(t, gateway.url, 'small', true)
      assertError(response, client, 429, 'rate_limit_exceeded')
      assert.equal(response.header('retry-after'), '60')
      assert.equal(response.header('retry-after-ms'), '60000')
      assert.equal(response.header(limitHeader), '1')
    })

    test('whose call can never fit', async (t) => {
      const { gateway } = await startLimited(t, { limits: { small: { tpm: 1 } } })
      const response = await ask(t, gateway.url)
      assert.equal(response.status, 429)
      assert.equal(response.header('x-should-retry'), 'false')
      assert.equal(response.header('retry-after'), undefined)
    })

    test('that finds the line of a model full', async (t) => {
      const setup = limited({
        limits: { small: { max_parallel_requests: 1, when_limited: 'wait', max_wait_ms: 60_000 } },
      })
      const { gateway, upstream } = await startGateway(t, setup)
      upstream.respondAlways([hang])
      const waiting = await Promise.all(
        Array.from({ length: 101 }, async () => {
          const each = await connectRaw(t, gateway.url)
          each.send(rawRequest(path, {}, body('small')))
          return each
        }),
      )
      const response = await exchange(t, gateway.url, rawRequest(path, {}, body('small')))
      assertError(response, client, 429, 'rate_limit_exceeded')
      for (const each of waiting) each.leave('reset')
    })

    test('that sends more than one client may', async (t) => {
      const { gateway } = await startLimited(t, { per_client: { rpm: 1 } })
      await ask(t, gateway.url)
      const response = await ask(t, gateway.url)
      assertError(response, client, 429, 'rate_limit_exceeded')
      assert.equal(response.header('retry-after'), '60')
    })

    test('that a guard or the body refuses', async (t) => {
      const { gateway } = await startGateway(t, { server: { max_request_body_bytes: 2_000 } })
      const refusals: readonly (readonly [Readonly<Record<string, string>>, string, number, string])[] = [
        [{ host: 'evil.example' }, body('plain'), 403, 'host_not_allowed'],
        [{ origin: 'http://evil.example' }, body('plain'), 403, 'origin_not_allowed'],
        [{ expect: 'wonders' }, body('plain'), 417, 'expectation_failed'],
        [{ 'content-encoding': 'gzip, br' }, body('plain'), 415, 'unsupported_media_type'],
        [{ 'content-type': 'text/plain' }, body('plain'), 415, 'unsupported_media_type'],
        [{}, ' '.repeat(3_000), 413, 'request_too_large'],
        [{}, '{"model":', 400, 'invalid_request'],
        [{}, '{}', 400, 'invalid_request'],
      ]
      for (const [headers, sent, status, code] of refusals) {
        assertError(await exchange(t, gateway.url, rawRequest(path, headers, sent)), client, status, code)
      }
      const chunked = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
      const long = `${rawRequest(path, chunked).toString()}bb9\r\n${' '.repeat(3_001)}\r\n0\r\n\r\n`
      assertError(await exchange(t, gateway.url, long), client, 413, 'request_too_large')
      const wrong = rawRequest(`GET ${path.slice(5)}`)
      assertError(await exchange(t, gateway.url, wrong), client, 405, 'method_not_allowed')
    })
  })
}

/** Every way from a client's format to a provider's. */
const ways = Object.keys(clients).flatMap((name) =>
  (['chat', 'messages', 'responses'] as const).map((spoken) => [name, spoken] as const),
)

for (const [name, spoken] of ways) {
  test(`a client of ${name} that leaves in the prefill of a provider that speaks ${spoken}`, async (t) => {
    const { path, body } = clients[name]!
    const { gateway, upstream } = await startGateway(t, { providers: { scripted: { speaks: [spoken] } } })
    upstream.respondAlways([hang])
    for (const stream of [false, true]) {
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest(path, {}, body('plain', stream)))
      const first = await Promise.race([upstream.nextRequest(), client.response()])
      // Not every pair of formats has a way.
      if (!('outcome' in first)) {
        assert.equal(first.header('x-llm-gateway-error'), 'not_translatable')
        continue
      }
      client.leave()
      assert.equal((await first.outcome).kind, 'aborted')
      await gateway.logged({ status: 499, stream, attempts: 1 })
      assert.equal(client.received().length, 0)
    }
  })
}

describe('around the calls', () => {
  test('HEAD and GET of the root are answered, and so are paths with /v1 twice', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { type: 'message', content: [] }))
    for (const line of [
      'HEAD /',
      'GET /',
      'HEAD /v1',
      'GET /v1',
      'GET /v1/v1/models',
      'HEAD /v1/models',
    ] as const) {
      assert.equal((await exchange(t, gateway.url, rawRequest(line))).status, 200, line)
    }
    const { body } = clients['messages']!
    for (const path of ['/v1/v1/messages?beta=true', '/v1/v1/messages/count_tokens?beta=true']) {
      const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, {}, body('plain')))
      assert.equal(response.status, 200, path)
    }
  })

  test('an offer of a WebSocket on a model route ends the connection with 426 and JSON; a POST then works', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { output: [], content: [], choices: [] }))
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    for (const { path, body } of Object.values(clients)) {
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest(`GET ${path.slice(5)}`, upgrade))
      const response = await client.response()
      assert.equal(response.status, 426)
      const { error } = JSON.parse(response.body().toString()) as { error: { type: string } }
      assert.equal(error.type, 'invalid_request_error')
      assert.equal(await client.ended, 'end')
      assert.equal((await exchange(t, gateway.url, rawRequest(path, {}, body('plain')))).status, 200)
    }
  })

  test('an unknown path gets the error of the API that its client speaks', async (t) => {
    const { gateway } = await startGateway(t)
    const typeAt = async (line: `POST ${string}`, headers: Readonly<Record<string, string>> = {}) => {
      const response = await exchange(t, gateway.url, rawRequest(line, headers, '{}'))
      const body = JSON.parse(response.body().toString()) as {
        type?: string
        error: string | { type: string }
      }
      return [response.status, body.type, typeof body.error === 'string' ? 'text' : body.error.type]
    }
    const version = { 'anthropic-version': '2023-06-01' }
    assert.deepEqual(await typeAt('POST /v1/messages/batches'), [404, 'error', 'not_found_error'])
    assert.deepEqual(await typeAt('POST /v1/complete', version), [404, 'error', 'not_found_error'])
    assert.deepEqual(await typeAt('POST /v1/complete'), [404, undefined, 'invalid_request_error'])
    assert.deepEqual(await typeAt('POST /api/pull'), [404, undefined, 'text'])
  })
})
