// Which headers pass the gateway, in both directions.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { exchange, rawRequest } from '../support/raw-client.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { json, sse } from '../support/upstream-script.ts'
import { startWithClient } from './openai-client.ts'
import { startGateway } from '../support/app.ts'
import { providerKey } from '../support/gateway-config.ts'

const body = '{"model":"plain","messages":[]}'

/** What a client may try to send along. */
const foreign = {
  authorization: 'Bearer client-secret',
  'x-api-key': 'client-secret',
  'api-key': 'client-secret',
  'x-goog-api-key': 'client-secret',
  'proxy-authorization': 'Basic client-secret',
  cookie: 'session=client-secret',
  'openai-organization': 'org-client',
  'openai-project': 'proj-client',
  'user-agent': 'client/1.0',
  'x-forwarded-for': '203.0.113.9',
  'x-forwarded-host': 'evil.example',
  forwarded: 'host=evil.example',
  referer: 'http://localhost/page',
  'accept-language': 'de',
  'accept-encoding': 'gzip, br',
  'x-anything': 'client',
  connection: 'close, authorization, content-type',
  te: 'trailers',
}

test('nothing of the client’s headers reaches the provider, and the provider’s key does once', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(json(200, {}))

  await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', foreign, body))

  const { headers } = await upstream.nextRequest()
  assert.deepEqual(headers.map(([name]) => name.toLowerCase()).toSorted(), [
    'accept',
    'accept-encoding',
    'authorization',
    'connection',
    'content-length',
    'content-type',
    'host',
    'user-agent',
    'x-request-id',
  ])
  const values = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))
  assert.equal(values['authorization'], `Bearer ${providerKey}`)
  assert.equal(values['accept-encoding'], 'identity')
  assert.equal(values['host'], new URL(upstream.url).host)
  assert.equal(values['user-agent'], 'llm-gateway/0.0.0-test')
  assert.doesNotMatch(JSON.stringify(headers), /client-secret|org-client|proj-client|evil\.example|203\.0/)
})

test('the SDK’s own key, organization and project stay at the gateway', async (t) => {
  const { openai, upstream } = await startWithClient(t, {
    apiKey: 'client-secret',
    organization: 'org-client',
    project: 'proj-client',
    defaultHeaders: { 'x-extra': 'client' },
  })
  upstream.respond(json(200, { choices: [] }))

  await openai.chat.completions.create({ model: 'plain', messages: [] })

  const { headers } = await upstream.nextRequest()
  assert.doesNotMatch(JSON.stringify(headers), /client-secret|org-client|proj-client|x-extra|stainless/i)
})

test('a key in the query stays at the gateway, however its name is written', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(json(200, {}))

  for (const name of [
    'key',
    'KEY',
    'k%65y',
    'api_key',
    'api-key',
    'apiKey',
    'access_token',
    'subscription-key',
    '%ff',
  ]) {
    const target = `POST /v1/chat/completions?a=1&${name}=client-secret&b=%20x` as const
    await exchange(t, gateway.url, rawRequest(target, {}, body))

    assert.equal((await upstream.nextRequest()).target, '/v1/chat/completions?a=1&b=%20x', name)
  }
})

test('a provider with a header of its own for the key gets it there and nowhere else', async (t) => {
  const upstream = await startUpstream(t)
  const { gateway } = await startGateway(t, {
    providers: {
      own: {
        base_url: upstream.url,
        api_key: { env: 'SCRIPTED_KEY' },
        auth: { header: 'api-key' },
        headers: { 'x-team': 'a' },
      },
    },
  })
  upstream.respond(json(200, {}))

  await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', foreign, body))

  const request = await upstream.nextRequest()
  assert.equal(request.target, '/chat/completions')
  assert.equal(request.header('api-key'), providerKey)
  assert.equal(request.header('x-team'), 'a')
  assert.equal(request.header('authorization'), undefined)
})

test('a key of one provider never reaches another', async (t) => {
  const [first, second] = [await startUpstream(t), await startUpstream(t)]
  const { gateway } = await startGateway(
    t,
    {
      providers: {
        first: { base_url: first.url, api_key: { env: 'FIRST' } },
        second: { base_url: second.url, api_key: { env: 'SECOND' } },
        keyless: { base_url: `${second.url}/keyless` },
      },
      models: {
        plain: { provider: 'first' },
        other: { provider: 'second' },
        free: { provider: 'keyless' },
      },
    },
    { env: { FIRST: 'key-one', SECOND: 'key-two' } },
  )
  for (const upstream of [first, second]) upstream.respondAlways(json(200, {}))

  for (const model of ['plain', 'other', 'free']) {
    await exchange(t, gateway.url, rawRequest('POST /v1/completions', {}, JSON.stringify({ model })))
  }

  assert.equal((await first.nextRequest()).header('authorization'), 'Bearer key-one')
  assert.equal((await second.nextRequest()).header('authorization'), 'Bearer key-two')
  assert.equal((await second.nextRequest()).header('authorization'), undefined)
})

/** What providers and what stands in front of them send along. */
const providers = {
  'set-cookie': '__cf_bm=1; path=/; domain=.provider.example',
  server: 'uvicorn',
  'access-control-allow-origin': '*',
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'x-internal',
  'www-authenticate': 'Bearer realm="provider"',
  'x-ratelimit-limit-requests': '10',
  'x-ratelimit-remaining-tokens': '9',
  'openai-organization': 'user-owner',
  'x-request-id': 'req_of_the_provider',
  'strict-transport-security': 'max-age=1',
  'alt-svc': 'h3=":443"',
  location: 'http://provider.example/',
  'x-powered-by': 'Express',
  'x-llm-gateway-error': 'forged',
  'cf-ray': '1',
  via: '1.1 proxy',
  'keep-alive': 'timeout=1',
  trailer: 'x-late',
  'x-llm-gateway-boundary': 'forged',
  'x-llm-gateway-provider': 'forged',
  'x-llm-gateway-way': 'forged',
  'server-timing': 'forged;dur=1',
}

const mayPass = {
  'openai-processing-ms': '12',
  'openai-version': '2020-10-01',
  'retry-after': '3',
  'retry-after-ms': '2900',
  'x-should-retry': 'false',
}

for (const [what, script] of [
  ['a whole answer', json(200, {}, { ...providers, ...mayPass })],
  ['an error', json(429, { error: { message: 'slow down' } }, { ...providers, ...mayPass })],
  ['a stream', sse(['{"choices":[]}', '[DONE]'], { headers: { ...providers, ...mayPass } })],
] as const) {
  test(`of ${what} only listed headers of the provider reach the client`, async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(script)

    const asked = what === 'a stream' ? body.replace('{', '{"stream":true,') : body
    const request = rawRequest('POST /v1/chat/completions', { 'x-request-id': 'mine-1' }, asked)
    const response = await exchange(t, gateway.url, request)

    const expected = new Set([
      ...Object.keys(mayPass),
      'content-type',
      what === 'a stream' ? 'transfer-encoding' : 'content-length',
      'cross-origin-resource-policy',
      'x-content-type-options',
      'x-llm-gateway-boundary',
      'x-llm-gateway-provider',
      'x-llm-gateway-provider-request-id',
      'x-llm-gateway-way',
      'server-timing',
      'x-request-id',
      'connection',
      'keep-alive',
      'date',
      ...(what === 'a stream' ? ['cache-control', 'x-accel-buffering'] : []),
    ])
    const names = response.headers.map(([name]) => name.toLowerCase())
    // Answers to pages vary by their origin, also those to nobody's page.
    const rest = names.filter((name) => name !== 'vary')
    assert.deepEqual(rest.toSorted(), [...expected].toSorted())
    assert.equal(response.header('x-request-id'), 'mine-1')
    assert.equal(response.header('x-llm-gateway-provider'), 'scripted')
    assert.equal(response.header('x-llm-gateway-boundary'), 'local')
    assert.equal(response.header('x-llm-gateway-way'), 'pass')
    assert.equal(response.header('x-llm-gateway-provider-request-id'), 'req_of_the_provider')
    assert.doesNotMatch(response.header('server-timing') ?? '', /forged/)
    for (const [name, value] of Object.entries(mayPass)) assert.equal(response.header(name), value)
  })
}

test('a key that a provider repeats in a header or an error of 401 does not reach the client', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  const message = `Incorrect API key provided: ${providerKey}`
  upstream.respond(json(401, { error: { message } }, { 'www-authenticate': `Bearer ${providerKey}` }))

  const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, body))

  assert.equal(response.status, 502)
  assert.doesNotMatch(JSON.stringify(response.headers) + response.body().toString(), /sk-provider/)
  await gateway.logged({ code: 'provider_auth_failed' })
  assert.doesNotMatch(JSON.stringify(gateway.log()), /sk-provider/)
})

test('Anthropic gets its key and the version of its API', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    providers: { claude: { kind: 'anthropic', discover_models: true } },
  })
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/models?limit=1000')
  assert.equal(request.header('x-api-key'), providerKey)
  assert.equal(request.header('anthropic-version'), '2023-06-01')
  assert.equal(request.header('authorization'), undefined)
  await gateway.stop()
})

test('what Codex says of its session goes to OpenAI itself alone, and what OpenAI says of the models comes back', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    providers: { platform: { translation: { platform_members: true } }, other: {} },
    models: { platform: { provider: 'platform' }, other: { provider: 'other' } },
  })
  const codex = {
    originator: 'codex_exec',
    'session-id': 's',
    'thread-id': 't',
    'x-codex-window-id': 'w',
    'x-openai-subagent': 'a',
    'openai-beta': 'b',
  }
  const accounts = {
    'openai-organization': 'org-client',
    'openai-project': 'proj-client',
    'session-token': 'x',
  }
  const sentBack = { 'openai-model': 'm', 'x-codex-primary-used-percent': '7', 'x-models-etag': '"e"' }
  for (const upstream of Object.values(upstreams)) {
    upstream.respondAlways(json(200, { output: [] }, { ...sentBack, 'openai-organization': 'user-owner' }))
  }

  for (const model of ['platform', 'other'] as const) {
    const asked = JSON.stringify({ model, input: 'hello' })
    const request = rawRequest('POST /v1/responses', { ...codex, ...accounts }, asked)
    const response = await exchange(t, gateway.url, request)
    const { headers } = await upstreams[model].nextRequest()
    const names = headers.map(([name]) => name.toLowerCase())
    const carried = Object.keys(codex).filter((name) => names.includes(name))
    assert.deepEqual(carried, model === 'platform' ? Object.keys(codex) : [])
    assert.ok(!Object.keys(accounts).some((name) => names.includes(name)))
    for (const [name, value] of Object.entries(sentBack)) assert.equal(response.header(name), value)
    assert.equal(response.header('openai-organization'), undefined)
  }
})
