// Reported by clients of the HTTP surface: upgrades, preflights, origins, paths, media types, retries.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { APIError, AzureOpenAI, toFile } from 'openai'

import { recordedClient } from '../flows/openai-client.ts'
import { startGateway } from '../support/app.ts'
import { providerModel } from '../support/gateway-config.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'

const chatPath = 'POST /v1/chat/completions'
const body = '{"model":"plain","messages":[]}'

suite('Clients of the HTTP surface', () => {
  test('an offer of h2c is ignored, and the call is served over HTTP/1.1', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { ok: true }))
    // As Java's HttpClient and `curl --http2` send it.
    const offer = {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAEAAEAAAAIAAAAB',
    }
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest(chatPath, offer, body))

    const response = await client.response()

    assert.equal(response.status, 200)
    assert.match(response.startLine, /^HTTP\/1\.1 /)
    assert.equal(response.body().toString(), '{"ok":true}')
    const request = await upstream.nextRequest()
    assert.equal(request.body.toString(), body)
    assert.equal(request.header('upgrade'), undefined)
    // The parser drops what follows such a request, so the connection may not be used again.
    assert.equal(response.header('connection'), 'close')
    assert.equal(await client.ended, 'end')
  })

  test('a WebSocket for responses gets 426 at once, so that Codex goes on with POST', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const handshake = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'openai-beta': 'responses_websockets=2026-02-06',
    }

    const response = await exchange(t, gateway.url, rawRequest('GET /v1/responses', handshake))

    assert.equal(response.status, 426)
    assert.equal(response.header('x-llm-gateway-error'), 'websocket_not_supported')
    // RFC 9110 §15.5.22: the protocol that is required.
    assert.equal(response.header('upgrade'), 'HTTP/1.1')
    assert.match(response.header('connection') ?? '', /\bupgrade\b/)
    assert.equal(upstream.connections, 0)
  })

  test('a steady 429 is asked for by the gateway alone: the SDK hears that it was, and gives up', async (t) => {
    const { gateway, upstream } = await startGateway(t, { routing: { retries: 2, cooldown_ms: 0 } })
    const error = { message: 'slow down', type: 'requests', code: 'rate_limit_exceeded' }
    upstream.respondAlways(json(429, { error }, { 'retry-after-ms': '300', 'x-should-retry': 'true' }))
    const { openai } = recordedClient(gateway, { maxRetries: 2 })

    const failure = await openai.chat.completions.create({ model: 'plain', messages: [] }).then(
      () => assert.fail('a provider that always refuses answered'),
      (cause: unknown) => cause,
    )

    assert.ok(failure instanceof APIError)
    assert.equal(failure.status, 429)
    assert.equal(failure.headers?.get('x-should-retry'), 'false')
    assert.equal(failure.headers?.get('retry-after-ms'), '300')
    assert.equal(upstream.requests.length, 3)
  })

  test('a provider’s 401 is a 502 that the SDK does not send again', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(401, { error: { message: 'wrong key' } }))
    const { openai, sent } = recordedClient(gateway, { maxRetries: 2 })

    const failure = await openai.chat.completions.create({ model: 'plain', messages: [] }).then(
      () => assert.fail('a provider that refuses the key answered'),
      (cause: unknown) => cause,
    )

    assert.ok(failure instanceof APIError)
    assert.equal(failure.status, 502)
    assert.equal(failure.code, 'provider_auth_failed')
    assert.equal(failure.headers?.get('x-should-retry'), 'false')
    assert.equal(sent.length, 1)
    assert.equal(upstream.requests.length, 1)
  })

  test('a page of an allowed origin may send any header, from a less private network too, and read all that matters', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const asked =
      'anthropic-version,http-referer,idempotency-key,openai-beta,traceparent,x-api-key,x-mistral-user-agent,x-own,x-title'
    const origin = 'http://localhost:3000'
    const preflight = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': asked,
      'access-control-request-private-network': 'true',
    }

    const allowed = await exchange(t, gateway.url, rawRequest('OPTIONS /v1/chat/completions', preflight))

    assert.equal(allowed.status, 204)
    assert.deepEqual(allowed.header('access-control-allow-headers')?.split(/, */), asked.split(','))
    assert.equal(allowed.header('access-control-allow-private-network'), 'true')
    assert.match(allowed.header('vary') ?? '', /\baccess-control-request-headers\b/i)

    upstream.respondAlways(json(200, {}))
    const response = await exchange(t, gateway.url, rawRequest(chatPath, { origin }, body))
    const readable = response.header('access-control-expose-headers')?.split(/, */) ?? []
    for (const name of ['x-should-retry', 'retry-after', 'x-request-id'])
      assert.ok(readable.includes(name), name)
    const own = response.headers
      .map(([name]) => name.toLowerCase())
      .filter((name) => name.startsWith('x-llm-gateway'))
    assert.ok(own.length > 0)
    for (const name of [...own, 'x-llm-gateway-error']) assert.ok(readable.includes(name), name)
  })

  test('origins of desktop apps and extensions can be listed, and those beside them stay out', async (t) => {
    const allowed_origins = ['app://-', 'app://.', 'file://', 'vscode-webview://*', 'chrome-extension://*']
    const { gateway } = await startGateway(t, { cors: { allowed_origins } })
    const statusOf = async (origin: string) =>
      (await exchange(t, gateway.url, rawRequest('GET /v1/models', { origin }))).status

    for (const origin of [
      'app://-',
      'app://.',
      'file://',
      'vscode-webview://0a1b2c3d-4e5f',
      'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    ]) {
      assert.equal(await statusOf(origin), 200, origin)
    }
    for (const origin of [
      'null',
      'app://x',
      'http://localhost:3000',
      'vscode-webview://',
      'vscode-webview://a/b',
      'vscode-webview://a@b',
      'vscode-webviews://a',
      'x-vscode-webview://a',
      'file:///etc/passwd',
      'moz-extension://a',
    ]) {
      assert.equal(await statusOf(origin), 403, origin)
    }
  })

  test('the origin null is served only where that is asked for', async (t) => {
    const asked = await startGateway(t, { cors: { allow_null_origin: true } })
    const all = await startGateway(t, { cors: { allow_all: true } })
    // As a sandboxed frame sends it.
    const request = rawRequest(chatPath, { origin: 'null', 'sec-fetch-site': 'cross-site' }, body)
    asked.upstream.respondAlways(json(200, {}))

    const served = await exchange(t, asked.gateway.url, request)
    const refused = await exchange(t, all.gateway.url, request)

    assert.equal(served.status, 200)
    assert.equal(served.header('access-control-allow-origin'), 'null')
    assert.equal(refused.status, 403)
    assert.match(refused.body().toString(), /cors\.allow_null_origin/)
    assert.equal(all.upstream.connections, 0)
  })

  test('a name in a path that is too long is refused in words', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const path = `/openai/deployments/${'x'.repeat(1_025)}/chat/completions`

    const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, {}, body))

    assert.equal(response.status, 400)
    assert.match(response.body().toString(), /longer than 1024 characters/)
    assert.equal(upstream.connections, 0)
  })

  test('a name in a path is measured as it is meant, not as it is encoded', async (t) => {
    const { gateway } = await startGateway(t)
    const path = `/openai/deployments/${encodeURIComponent('ö'.repeat(250))}/chat/completions`

    const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, {}, body))

    assert.equal(response.status, 404)
    assert.match(response.body().toString(), /"model_not_found"/)
  })

  test('images to edit are served as JSON too', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { created: 1, data: [] }))
    const url = `data:image/png;base64,${'iVBORw0KGgo'.repeat(20_000)}`
    for (const images of [[{ file_id: 'file-1' }], [{ image_url: url }]]) {
      const sent = JSON.stringify({ prompt: 'a hat', images, model: 'renamed', n: 1 })

      const response = await exchange(t, gateway.url, rawRequest('POST /v1/images/edits', {}, sent))

      assert.equal(response.status, 200)
      const request = await upstream.nextRequest()
      assert.equal(request.target, '/v1/images/edits')
      assert.equal(request.header('content-type'), 'application/json')
      assert.equal(request.body.toString(), sent.replace('"renamed"', JSON.stringify(providerModel)))
    }
  })

  test('a base URL with too much is served where it is plain what was meant', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, {}))
    for (const path of [
      '/v1/v1/chat/completions',
      '/v1/v1/v1/chat/completions',
      '/v1/chat/completions/',
      '/chat/completions/',
      '/openai/v1/chat/completions',
      '/v1/openai/v1/chat/completions',
      '/openai/v1/v1/chat/completions',
    ]) {
      const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, {}, body))
      assert.equal(response.status, 200, path)
      assert.equal((await upstream.nextRequest()).target, '/v1/chat/completions')
    }
    for (const path of [
      '/v1/v1/models',
      '/v1/models/',
      '/openai/models?api-version=1',
      '/v1/v1/models/open%2Fx',
      '/v1/v1/limits',
      '/v1/healthz',
      '/v1/v1/readyz',
    ]) {
      assert.equal((await exchange(t, gateway.url, rawRequest(`GET ${path}`))).status, 200, path)
    }
  })

  test('Azure’s SDK is served: the deployment is the model', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, { choices: [], data: [], text: '' }))
    const options = { endpoint: gateway.url, apiKey: 'none', apiVersion: '2026-01-01', maxRetries: 0 }
    const file = await toFile(Buffer.from('RIFF'), 'a.wav')

    const azure = new AzureOpenAI({ ...options, deployment: 'renamed' })
    await azure.chat.completions.create({ model: 'gpt-4o', messages: [] })
    await azure.audio.transcriptions.create({ file, model: 'whisper' })
    await new AzureOpenAI(options).embeddings.create({
      model: 'open/nomic',
      input: 'x',
      encoding_format: 'float',
    })

    const [chat, audio, embedding] = upstream.requests
    assert.equal(chat!.target, '/v1/chat/completions')
    assert.equal(chat!.body.toString(), JSON.stringify({ model: providerModel, messages: [] }))
    assert.equal(audio!.target, '/v1/audio/transcriptions')
    assert.match(audio!.body.toString(), new RegExp(`name="model"\r\n\r\n${providerModel}\r\n`))
    assert.equal(embedding!.target, '/v1/embeddings')
    assert.equal((JSON.parse(embedding!.body.toString()) as { model: string }).model, 'nomic')
    assert.equal(chat!.header('api-key'), undefined)
    await gateway.logged({ event: 'call', model: 'renamed', target_model: providerModel })
  })

  test('what has no route is answered with the base URL that works', async (t) => {
    const { gateway } = await startGateway(t)
    const { host } = new URL(gateway.url)
    const base = `http://${host}/v1`
    for (const [line, words] of [
      ['POST /v1/chat/completions/chat/completions', 'remove /chat/completions from its base URL'],
      ['GET /v1/chat/completions/models', 'remove /chat/completions from its base URL'],
      ['POST /v1beta/models/m:generateContent', 'Gemini’s own API'],
      ['POST /props', 'Set the client’s base URL to'],
      ['POST /foo', 'Set the client’s base URL to'],
      ['POST /openai/deployments/plain/nothing', 'Set the client’s base URL to'],
      ['GET /v1/v1x', 'Set the client’s base URL to'],
      ['GET /openai-v1', 'Set the client’s base URL to'],
      ['POST /', 'Set the client’s base URL to'],
      ['POST /v1', 'Set the client’s base URL to'],
      ['POST /v1/v1', 'Set the client’s base URL to'],
      ['POST /openai/v1', 'Set the client’s base URL to'],
    ] as const) {
      const response = await exchange(
        t,
        gateway.url,
        rawRequest(line, { host }, line.startsWith('GET') ? undefined : '{}'),
      )
      assert.equal(response.status, /^POST (?:\/|\/v1|\/v1\/v1|\/openai\/v1)$/.test(line) ? 405 : 404, line)
      const { error } = JSON.parse(response.body().toString()) as { error: { message: string } }
      assert.ok(error.message.replaceAll("'", '’').includes(words), error.message)
      assert.ok(error.message.includes(base), error.message)
    }
    for (const path of ['/', '/v1', '/v1/', '/v1/v1', '/v1/v1/', '/v1/v1?x=y', '/openai', '/openai/v1']) {
      const response = await exchange(t, gateway.url, rawRequest(`GET ${path}`, { host }))
      assert.equal(response.status, 200, path)
      assert.equal(response.body().toString(), `llm-gateway is running. Its base URL is ${base}\n`)
      assert.equal((await exchange(t, gateway.url, rawRequest(`HEAD ${path}`))).status, 200)
    }
  })

  test('what model servers report at their root is found below the provider', async (t) => {
    const { gateway } = await startGateway(t)
    for (const [path, words] of [
      ['/props', 'GET /providers/NAME/props asks the server of the provider NAME.'],
      ['/health', 'GET /providers/NAME/health asks'],
      ['/slots?model=m', 'GET /providers/NAME/slots asks'],
      ['/version', 'GET /providers/NAME/version asks'],
    ] as const) {
      const response = await exchange(t, gateway.url, rawRequest(`GET ${path}`))
      assert.equal(response.status, 404, path)
      assert.ok(response.body().toString().includes(words), response.body().toString())
    }
  })

  test('what llama-swap has at its root leads to the commands', async (t) => {
    const { gateway } = await startGateway(t)
    for (const [path, words] of [
      ['/running', 'on the command line: llm-gateway services.'],
      ['/unload', 'on the command line: llm-gateway services stop NAME.'],
      ['/logs/stream/qwen?no-history', 'on the command line: llm-gateway services NAME.'],
      ['/upstream/qwen/health', 'routes of a model server are below /providers/NAME.'],
      ['/upstreams', 'Set the client'],
    ] as const) {
      const response = await exchange(t, gateway.url, rawRequest(`GET ${path}`))
      assert.equal(response.status, 404, path)
      assert.ok(response.body().toString().includes(words), response.body().toString())
    }
  })

  test('clients of Ollama’s own API get its form of an error', async (t) => {
    const { gateway } = await startGateway(t)
    for (const [path, headers, status] of [
      ['/api/chat', {}, 400],
      ['/api/pull', {}, 404],
      ['/v1/api/tags', {}, 405],
      ['/api/chat', { origin: 'http://evil.example' }, 403],
    ] as const) {
      const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, headers, '{}'))
      assert.equal(response.status, status, path)
      const { error } = JSON.parse(response.body().toString()) as { error: unknown }
      assert.equal(typeof error, 'string')
    }
  })
})
