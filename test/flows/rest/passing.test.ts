// `routes.rest`: requests of the API that are no model calls pass to one provider as they are.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../../support/app.ts'
import { providerKey } from '../../support/gateway-config.ts'
import { connectRaw, exchange, rawRequest } from '../../support/raw-client.ts'
import { refusingUrl } from '../../support/scripted-upstream.ts'
import { restSetup } from './rest.ts'
import {
  chunk,
  content,
  end,
  hang,
  head,
  json,
  reset,
  sse,
  streamHead,
} from '../../support/upstream-script.ts'

const file = { id: 'file-1', object: 'file', purpose: 'batch', bytes: 3 }

suite('what passes', () => {
  test('method, path, query and body reach the provider as they are, with its own key', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond(json(200, { id: 'batch_1', object: 'batch' }))
    const body = '{"input_file_id": "file-1",\n "endpoint":"/v1/chat/completions", "completion_window":"24h"}'
    const headers = {
      authorization: 'Bearer sk-client-own',
      'x-api-key': 'sk-client-own',
      cookie: 'a=b',
      'openai-beta': 'assistants=v2',
      'openai-organization': 'org-1',
      'idempotency-key': 'once',
      accept: 'application/json',
    }
    const response = await exchange(
      t,
      gateway.url,
      rawRequest('POST /v1/batches?include[]=a&include%5B%5D=b&api_key=sk-client-own', headers, body),
    )
    assert.equal(response.status, 200)
    assert.equal(response.body().toString(), '{"id":"batch_1","object":"batch"}')
    const request = await upstream.nextRequest()
    assert.equal(request.method, 'POST')
    assert.equal(request.target, '/v1/batches?include[]=a&include%5B%5D=b')
    assert.equal(request.body.toString(), body)
    assert.equal(request.header('authorization'), `Bearer ${providerKey}`)
    assert.equal(request.header('content-type'), 'application/json')
    assert.equal(request.header('openai-beta'), 'assistants=v2')
    assert.equal(request.header('idempotency-key'), 'once')
    assert.equal(request.header('accept'), 'application/json')
    for (const name of ['x-api-key', 'cookie', 'openai-organization', 'origin'])
      assert.equal(request.header(name), undefined, name)
  })

  test('a POST whose connection breaks is not sent again, and a GET is', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    for (const [line, sent] of [
      ['POST /v1/batches', 2],
      ['GET /v1/files/file-1', 3],
    ] as const) {
      const before = upstream.requests.length
      upstream.respond(json(200, file))
      assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1'))).status, 200)
      // On the connection that is open by now.
      upstream.respond([reset])
      upstream.respond(json(200, file))
      const isPost = line.startsWith('POST')
      const response = await exchange(t, gateway.url, rawRequest(line, {}, isPost ? '{}' : undefined))
      assert.equal(response.status, isPost ? 502 : 200)
      assert.equal(upstream.requests.length - before, sent, line)
      if (isPost) await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1'))
    }
  })

  test('a GET and a DELETE have no body', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respondAlways(json(200, file))
    for (const method of ['GET', 'DELETE'] as const) {
      const response = await exchange(t, gateway.url, rawRequest(`${method} /v1/files/file-1`))
      assert.equal(response.status, 200, method)
      const request = await upstream.nextRequest()
      assert.equal(request.method, method)
      assert.equal(request.target, '/v1/files/file-1')
      assert.equal(request.body.length, 0)
    }
  })

  test('the bytes of a file come as they are, under the headers that describe them', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    const bytes = Buffer.from([0, 255, 10, 13, 10, 0, 128])
    upstream.respond(
      content(200, 'application/octet-stream', bytes, {
        'content-disposition': 'attachment; filename="a.bin"',
        'set-cookie': 'a=b',
        'access-control-allow-origin': '*',
      }),
    )
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1/content'))
    assert.deepEqual(response.body(), bytes)
    assert.equal(response.header('content-type'), 'application/octet-stream')
    assert.equal(response.header('content-disposition'), 'attachment; filename="a.bin"')
    assert.equal(response.header('content-length'), '7')
    assert.equal(response.header('set-cookie'), undefined)
    assert.equal(response.header('access-control-allow-origin'), undefined)
    assert.equal(response.header('x-llm-gateway-provider'), 'scripted')
  })

  test('a part of a file is asked for and comes as one', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond(content(206, 'video/mp4', 'bc', { 'content-range': 'bytes 1-2/4' }))
    const response = await exchange(
      t,
      gateway.url,
      rawRequest('GET /v1/videos/video_1/content', { range: 'bytes=1-2' }),
    )
    assert.equal(response.status, 206)
    assert.equal(response.header('content-range'), 'bytes 1-2/4')
    assert.equal((await upstream.nextRequest()).header('range'), 'bytes=1-2')
  })

  test('a 204 has neither a body nor a length', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond([head(204)])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('DELETE /v1/vaults/vault_1'))
    const response = await client.response()
    assert.equal(response.status, 204)
    assert.equal(response.header('content-length'), undefined)
  })

  test('events come as they come, and their usage is logged', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    const events = [
      '{"id":"run_1","object":"thread.run","thread_id":"thread_1","status":"queued"}',
      '{"id":"run_1","object":"thread.run","usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}',
      '[DONE]',
    ]
    upstream.respond(sse(events))
    const body = '{"assistant_id":"asst_1","stream":true}'
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/threads/thread_1/runs', {}, body))
    assert.equal(response.body().toString(), events.map((event) => `data: ${event}\n\n`).join(''))
    const line = await gateway.logged({ event: 'call' })
    assert.equal(line['dialect'], 'other')
    assert.equal(line['route'], 'POST /threads/{thread}/runs')
    assert.equal(line['prompt_tokens'], 7)
    assert.equal(line['completion_tokens'], 2)
    assert.equal(line['provider'], 'scripted')
  })

  test('with the version twice, and as Azure writes it', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respondAlways(json(200, { data: [] }))
    for (const target of ['/v1/v1/files?limit=1', '/openai/v1/files?api-version=1&limit=1']) {
      const response = await exchange(t, gateway.url, rawRequest(`GET ${target}`))
      assert.equal(response.status, 200, target)
      assert.equal((await upstream.nextRequest()).target, '/v1/files?limit=1')
    }
  })
})

suite('what does not pass', () => {
  const refused: readonly (readonly [line: `${string} ${string}`, status: number, code: string])[] = [
    ['GET /v1/organization/users', 403, 'management_not_allowed'],
    ['POST /v1/organization/admin_api_keys', 403, 'management_not_allowed'],
    ['POST /v1/realtime/client_secrets', 403, 'management_not_allowed'],
    ['POST /v1/chatkit/sessions', 403, 'management_not_allowed'],
    ['DELETE /v1/models/ft:gpt', 405, 'method_not_allowed'],
    ['GET /v1/unheard/of', 403, 'management_not_allowed'],
    ['PUT /v1/files/file-1', 403, 'management_not_allowed'],
    ['PATCH /v1/files/file-1', 403, 'management_not_allowed'],
    ['DELETE /v1/videos/edits', 403, 'management_not_allowed'],
    ['GET /v1/Files', 403, 'management_not_allowed'],
    ['GET /v1/files/', 403, 'management_not_allowed'],
    ['GET /v1/files/..', 403, 'management_not_allowed'],
    ['GET /v1/files/../organization/users', 403, 'management_not_allowed'],
    ['GET /v1/files/./x', 403, 'management_not_allowed'],
    ['GET /v1/files/a;b', 403, 'management_not_allowed'],
    ['GET /v1/files//x', 400, 'invalid_request'],
    ['GET /v1/files/%2e%2e/organization/users', 404, 'unknown_url'],
    ['GET /v1/files/a%2fb', 404, 'unknown_url'],
    ['GET /v1/files/a%252fb', 404, 'unknown_url'],
    ['GET /v1/f%69les', 404, 'unknown_url'],
    ['GET /v1/files\\x', 400, 'invalid_request'],
    ['GET /v1/embeddings', 405, 'method_not_allowed'],
    ['GET /files', 404, 'unknown_url'],
    ['GET /chat/completions', 405, 'method_not_allowed'],
    ['GET /openai/deployments/a/chat/completions', 405, 'method_not_allowed'],
    ['DELETE /v1/openai/deployments/a/responses', 405, 'method_not_allowed'],
  ]

  test("a route of Anthropic's API is refused in its format", async (t) => {
    const { gateway } = await startGateway(t, restSetup)
    for (const [line, headers] of [
      ['GET /v1/messages/batches', {}],
      ['GET /v1/unheard/of', { 'anthropic-version': '2023-06-01' }],
    ] as const) {
      const response = await exchange(t, gateway.url, rawRequest(line, headers))
      assert.equal(response.status, 403)
      const { type, error, request_id } = JSON.parse(response.body().toString()) as Record<string, unknown>
      assert.deepEqual([type, request_id], ['error', response.header('x-request-id')])
      assert.deepEqual((error as { type: string }).type, 'permission_error')
    }
  })

  for (const [line, status, code] of refused) {
    test(`${line}: ${status} ${code}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, restSetup)
      const response = await exchange(t, gateway.url, rawRequest(line))
      assert.equal(response.status, status)
      assert.equal(response.header('x-llm-gateway-error'), code)
      assert.equal(upstream.connections, 0)
    })
  }

  const mistyped: readonly (readonly [line: `${string} ${string}`, near: string | undefined])[] = [
    ['POST /v1/chat/completion', '/v1/chat/completions'],
    ['POST /v1/response', '/v1/responses'],
    ['POST /v1/message', '/v1/messages'],
    ['GET /v1/Files', '/v1/files'],
    ['GET /v1/model', '/v1/models'],
    ['GET /v1/vector_store/vs_1/files', '/v1/vector_stores/vs_1/files'],
    ['GET /v1/unheard/of', undefined],
    ['GET /v1/files/a;b', undefined],
    ['GET /v1/organization', undefined],
  ]
  for (const [line, near] of mistyped) {
    test(`${line} names the rule, and ${near ?? 'no other path'}`, async (t) => {
      const { gateway } = await startGateway(t, restSetup)
      const response = await exchange(t, gateway.url, rawRequest(line))
      const { error } = JSON.parse(response.body().toString()) as { error: { message: string } }
      assert.match(error.message, /^routes\.rest of the gateway's configuration does not pass /)
      assert.equal(/ Did you mean "(.*)"\?$/.exec(error.message)?.[1], near)
    })
  }

  test('anything, without a provider: 404 with the key to set', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    for (const line of ['GET /v1/files', 'POST /v1/batches', 'GET /v1/responses/resp_1'] as const) {
      const response = await exchange(t, gateway.url, rawRequest(line))
      assert.equal(response.status, 404, line)
      assert.match(response.body().toString(), /routes\.rest/, line)
    }
    assert.equal(upstream.connections, 0)
  })

  test('a WebSocket: 426', async (t) => {
    const { gateway } = await startGateway(t, restSetup)
    const headers = { upgrade: 'websocket', connection: 'upgrade' }
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/realtime?model=m', headers))
    assert.equal(response.status, 426)
  })

  test('a body of JSON beyond the limit: 413', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      ...restSetup,
      server: { max_request_body_bytes: 2048 },
    })
    const body = JSON.stringify({ name: 'x'.repeat(3000) })
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/vector_stores', {}, body))
    assert.equal(response.status, 413)
    assert.equal(upstream.connections, 0)
  })
})

suite('what goes wrong', () => {
  test("the provider's own errors pass, without its key", async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond(json(404, { error: { message: `No such File: ${providerKey}`, code: 'not_here' } }))
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/files/file-9'))
    assert.equal(response.status, 404)
    assert.match(response.body().toString(), /No such File: \[secret\]/)
    const line = await gateway.logged({ event: 'call' })
    assert.equal(line['provider_status'], 404)
    assert.equal(line['provider_code'], 'not_here')
  })

  test("a refusal of the gateway's key is no refusal of the client's", async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond(json(401, { error: { message: 'bad key' } }))
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/files'))
    assert.equal(response.status, 502)
    assert.equal(response.header('x-llm-gateway-error'), 'provider_auth_failed')
  })

  test('an unreachable provider: 502, and its models come last for a while', async (t) => {
    const base_url = `${await refusingUrl(t)}/v1`
    const { gateway, upstreams } = await startGateway<'gone' | 'there'>(t, {
      providers: { gone: { base_url }, there: {} },
      models: { both: { targets: [{ provider: 'gone' }, { provider: 'there' }] } },
      routes: { rest: { provider: 'gone' } },
      routing: { retries: 0, restart_wait_ms: 0, cooldown_ms: 60_000 },
    })
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/files'))
    assert.equal(response.status, 502)
    assert.equal(response.header('x-llm-gateway-error'), 'provider_unreachable')
    upstreams.there.respondAlways(json(200, { choices: [] }))
    const call = rawRequest('POST /v1/chat/completions', {}, '{"model":"both","messages":[]}')
    for (let count = 0; count < 4; count += 1) await exchange(t, gateway.url, call)
    assert.equal(gateway.log().filter((line) => line['attempts'] === 2).length, 0)
  })

  test('a client that leaves cancels the request, which is logged with 499', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond([hang])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('GET /v1/files/file-1/content'))
    const request = await upstream.nextRequest()
    client.leave()
    assert.equal((await request.outcome).kind, 'aborted')
    assert.equal((await gateway.logged({ event: 'call' }))['status'], 499)
  })

  test('a provider that breaks off in the middle breaks off for the client', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond([
      head(200, { 'content-type': 'application/octet-stream', 'content-length': '10' }),
      { kind: 'write', bytes: Buffer.from('abc'), splitAt: [] },
      end,
    ])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('GET /v1/files/file-1/content'))
    const response = await client.response()
    assert.equal(response.complete, false)
    assert.equal((await gateway.logged({ event: 'call' }))['code'], 'provider_bad_response')
  })

  test('a stream that breaks off ends with an error event', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond([streamHead(), chunk('data: {"id":"run_1"}\n\n'), end])
    const response = await exchange(
      t,
      gateway.url,
      rawRequest('POST /v1/threads/thread_1/runs', {}, '{"stream":true}'),
    )
    assert.match(response.body().toString(), /^data: \{"id":"run_1"\}\n\ndata: \{"error":/)
  })

  test('a redirect is not followed', async (t) => {
    const { gateway, upstream } = await startGateway(t, restSetup)
    upstream.respond([head(302, { location: 'http://192.0.2.1/', 'content-length': '0' })])
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1/content'))
    assert.equal(response.status, 502)
    assert.equal(response.header('location'), undefined)
  })

  test('a stop ends what is under way with 503', async (t) => {
    const { gateway, upstream } = await startGateway(t, { ...restSetup, server: { shutdown_grace_ms: 0 } })
    upstream.respond([hang])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('GET /v1/files'))
    await upstream.nextRequest()
    const stopped = gateway.stop()
    const response = await client.response()
    assert.equal(response.status, 503)
    assert.equal(response.header('x-llm-gateway-error'), 'shutting_down')
    await stopped
  })
})

test('the flood limit counts such requests together with model calls', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    ...restSetup,
    rate_limit_settings: { per_client: { rpm: 2 } },
  })
  upstream.respondAlways(json(200, { data: [], choices: [] }))
  const call = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[]}')
  assert.equal((await exchange(t, gateway.url, call)).status, 200)
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/files'))).status, 200)
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/files'))).status, 429)
})

test('a reload takes the routes up, and away', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const providers = { scripted: { base_url: `${upstream.url}/v1` } }
  upstream.respondAlways(json(200, { data: [] }))
  const statusNow = async () => (await exchange(t, gateway.url, rawRequest('GET /v1/files'))).status
  assert.equal(await statusNow(), 404)
  await gateway.reload({ providers, routes: { rest: { provider: 'scripted' } } })
  assert.equal(await statusNow(), 200)
  await gateway.reload({ providers })
  assert.equal(await statusNow(), 404)
})

test('a connection that had closed while idle costs nothing', async (t) => {
  const { gateway, upstream } = await startGateway(t, restSetup)
  upstream.respond([...(json(200, file) as Iterable<never>)])
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1'))).status, 200)
  upstream.respond([{ kind: 'reset' }])
  upstream.respond(json(200, file))
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/files/file-1'))).status, 200)
  assert.equal(upstream.requests.length, 3)
})
