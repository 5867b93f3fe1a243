// Clients of Anthropic's API in front of a provider that speaks it: bytes and headers as they are.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { providerKey, providerModel } from '../support/gateway-config.ts'
import {
  eventText,
  helloMessage,
  helloStream,
  messageStart,
  ping,
  textBlock,
} from '../support/message-events.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { chunk, content, json, lastChunk, stream, streamHead } from '../support/upstream-script.ts'

const version = { 'anthropic-version': '2023-06-01' }
const question = { model: 'plain', max_tokens: 64, messages: [{ role: 'user', content: 'hello' }] }
const body = JSON.stringify(question)
const streamed = JSON.stringify({ ...question, stream: true })

describe('a request', () => {
  test('keeps its query, its bytes but for the model, and the members that no one knows', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(json(200, helloMessage))
    const odd = '{"max_tokens": 1, "model":"renamed","messages":[ ],"x_new":{"b":1.0,"a":"\\u00e9"}}'

    await exchange(t, gateway.url, rawRequest('POST /v1/messages?beta=true', version, odd))

    const request = await upstream.nextRequest()
    assert.equal(request.target, '/v1/messages?beta=true')
    assert.equal(request.body.toString(), odd.replace('"renamed"', JSON.stringify(providerModel)))
  })

  test('is served below /v1, without it and with it twice, with a key in either header', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, helloMessage))
    const keys = [{ 'x-api-key': 'client-secret' }, { authorization: 'Bearer client-secret' }, {}]
    for (const path of ['/v1/messages', '/messages', '/v1/v1/messages', '/v1/messages/']) {
      for (const key of keys) {
        const headers = { ...version, ...key }
        const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, headers, body))
        assert.equal(response.status, 200)
        const request = await upstream.nextRequest()
        assert.equal(request.header('x-api-key'), undefined)
        assert.equal(request.header('authorization'), `Bearer ${providerKey}`)
      }
    }
    await gateway.logged({ event: 'call', dialect: 'messages', prompt_tokens: 100, completion_tokens: 5 })
    assert.doesNotMatch(JSON.stringify(gateway.log()), /client-secret/)
  })

  test('finds a model by its name without the mark of a long context, unless a model has it', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      models: {
        plain: { provider: 'scripted' },
        renamed: { provider: 'scripted', model: providerModel, aliases: ['short'] },
        'marked[1m]': { provider: 'scripted' },
      },
    })
    upstream.respondAlways(json(200, helloMessage))
    const sent = async (model: string) => {
      const asked = JSON.stringify({ ...question, model })
      const { status } = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, asked))
      return status === 200 ? JSON.parse((await upstream.nextRequest()).body.toString()).model : status
    }
    assert.equal(await sent('plain[1m]'), 'plain')
    await gateway.logged({ model: 'plain', asked: 'plain[1m]' })
    assert.equal(await sent('short[1m]'), providerModel)
    await gateway.logged({ model: 'renamed', asked: 'short[1m]' })
    assert.equal(await sent('marked[1m]'), 'marked[1m]')
    assert.equal(await sent('nowhere[1m]'), 404)
    await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, '{"model":"plain[1m]"}'))
    await gateway.logged({ dialect: 'chat', status: 404 })
  })

  test('carries the headers of the API, each line of them, and none that say who asks', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(json(200, helloMessage))
    const head = rawRequest(
      'POST /v1/messages',
      {
        ...version,
        'Anthropic-Dangerous-Direct-Browser-Access': 'true',
        'x-claude-code-session-id': 'abc',
        'x-app': 'cli',
        'x-stainless-lang': 'js',
        'user-agent': 'claude-cli/2.1',
        'anthropic-hop': 'hop',
        connection: 'keep-alive, anthropic-hop',
        'anthropic-api-key': 'of-the-client',
        'Anthropic-Authorization': 'Bearer of-the-client',
      },
      body,
    ).toString()
    const betas = 'anthropic-beta: first-2025,second-2026\r\nAnthropic-Beta: third-2026\r\n'

    const [line, ...rest] = head.split('\r\n')
    await exchange(t, gateway.url, Buffer.from([line, betas.trimEnd(), ...rest].join('\r\n')))

    const { headers } = await upstream.nextRequest()
    const sent = headers.map(([name, value]) => `${name.toLowerCase()}: ${value}`)
    assert.deepEqual(
      sent.filter((each) => each.startsWith('anthropic')),
      [
        'anthropic-beta: first-2025,second-2026',
        'anthropic-beta: third-2026',
        'anthropic-version: 2023-06-01',
        'anthropic-dangerous-direct-browser-access: true',
      ],
    )
    assert.ok(!sent.some((each) => /claude-code|x-app|stainless|claude-cli/.test(each)))
  })

  test('keeps the headers that the operator has set, and adds to lists of betas', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      providers: { scripted: { headers: { 'anthropic-version': '2025-01-01', 'anthropic-beta': 'own' } } },
    })
    upstream.respond(json(200, helloMessage))

    const headers = { ...version, 'anthropic-beta': 'first' }
    await exchange(t, gateway.url, rawRequest('POST /v1/messages', headers, body))

    const request = await upstream.nextRequest()
    assert.equal(request.header('anthropic-version'), '2025-01-01')
    const betas = request.headers.filter(([name]) => name.toLowerCase() === 'anthropic-beta')
    assert.deepEqual(
      betas.map(([, value]) => value),
      ['own', 'first'],
    )
  })

  test('carries to Anthropic itself what Claude Code says of its session, and the version that it has', async (t) => {
    const { gateway, upstream } = await startGateway(t, { providers: { scripted: { kind: 'anthropic' } } })
    upstream.respondAlways(json(200, helloMessage))
    const own = { 'anthropic-version': '2030-01-01', 'x-claude-code-session-id': 'abc' }

    await exchange(t, gateway.url, rawRequest('POST /v1/messages', own, body))
    const request = await upstream.nextRequest()
    assert.equal(request.header('x-claude-code-session-id'), 'abc')
    assert.equal(request.header('anthropic-version'), '2030-01-01')
    assert.equal(request.header('x-api-key'), providerKey)

    await exchange(t, gateway.url, rawRequest('POST /v1/messages', {}, body))
    assert.equal((await upstream.nextRequest()).header('anthropic-version'), '2023-06-01')
  })

  test('of another format carries none of them', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respondAlways(json(200, {}))
    const headers = { ...version, 'anthropic-beta': 'first', 'x-codex-window-id': 'w', originator: 'codex' }
    for (const path of ['/v1/chat/completions', '/v1/responses', '/v1/embeddings']) {
      await exchange(t, gateway.url, rawRequest(`POST ${path}`, headers, '{"model":"plain"}'))
      const { headers: sent } = await upstream.nextRequest()
      assert.ok(!sent.some(([name]) => /anthropic|codex|originator/i.test(name)), path)
    }
  })
})

describe('a response', () => {
  test('that is whole passes byte for byte, with the headers of the API', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const text = ` ${JSON.stringify(helloMessage, null, 1)}\n`
    const headers = {
      'request-id': 'req_of_the_provider',
      'anthropic-organization-id': 'org-1',
      'anthropic-ratelimit-input-tokens-remaining': '7',
      'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:00Z',
      'set-cookie': 'a=b',
    }
    upstream.respond(content(200, 'application/json', text, headers))

    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, body))

    assert.equal(response.body().toString(), text)
    const { 'set-cookie': cookie, ...passed } = headers
    for (const [name, value] of Object.entries(passed)) assert.equal(response.header(name), value)
    assert.ok(cookie !== undefined && response.header('set-cookie') === undefined)
  })

  test('has an id of its request in any case, the one under which it is logged', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(json(200, helloMessage))
    const headers = { ...version, 'x-request-id': 'mine-1' }
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', headers, body))
    assert.equal(response.header('request-id'), 'mine-1')
  })

  test('says how the limits of the gateway stand, in place of those of the provider', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      rate_limit_settings: { per_client: {}, limits: { plain: { rpm: 5 } } },
    })
    const headers = {
      'anthropic-ratelimit-requests-remaining': '999',
      'anthropic-ratelimit-output-tokens-remaining': '8',
    }
    upstream.respond(json(200, helloMessage, headers))
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, body))
    assert.equal(response.header('anthropic-ratelimit-requests-limit'), '5')
    assert.equal(response.header('anthropic-ratelimit-requests-remaining'), '4')
    assert.match(
      response.header('anthropic-ratelimit-requests-reset') ?? '',
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    )
    assert.equal(response.header('anthropic-ratelimit-output-tokens-remaining'), '8')
    assert.equal(response.header('x-ratelimit-limit-requests'), undefined)
  })

  test('that is a stream passes byte for byte, however it is cut', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(stream(helloStream, { splitAt: 'every byte', headers: { 'request-id': 'req_7' } }))

    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, streamed))

    assert.equal(response.body().toString(), helloStream)
    assert.equal(response.header('request-id'), 'req_7')
    await gateway.logged({ dialect: 'messages', stream: true, prompt_tokens: 100, completion_tokens: 5 })
  })

  test('that is an error passes byte for byte, with its id and the state of the limits', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const text =
      '{ "type":"error", "error":{"type":"invalid_request_error","message":"max_tokens: required"} }'
    const headers = { 'request-id': 'req_8', 'anthropic-ratelimit-tokens-remaining': '3' }
    upstream.respond(content(400, 'application/json', text, headers))

    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, body))

    assert.deepEqual([response.status, response.body().toString()], [400, text])
    for (const [name, value] of Object.entries(headers)) assert.equal(response.header(name), value)
  })

  test('that is overloaded keeps its status, as a response and as the first event', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    upstream.respond(json(529, error))
    upstream.respond(stream([messageStart, ping, error].map(eventText).join('')))
    for (const asked of [body, streamed]) {
      const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, asked))
      assert.deepEqual([response.status, JSON.parse(response.body().toString())], [529, error])
    }
  })
})

test('overload of all targets reaches the client as that, whatever ids their errors have', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    providers: { first: {}, second: {} },
    models: { plain: { targets: [{ provider: 'first' }, { provider: 'second', tier: 2 }] } },
  })
  const error = { type: 'overloaded_error', message: 'Overloaded' }
  upstreams.first.respondAlways(json(529, { type: 'error', error, request_id: 'req_1' }))
  upstreams.second.respondAlways(json(529, { type: 'error', error, request_id: 'req_2' }))
  const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, body))
  assert.equal(response.status, 529)
  assert.deepEqual(JSON.parse(response.body().toString()).error, error)

  upstreams.second.respondAlways(json(500, { type: 'error', error: { type: 'api_error', message: 'm' } }))
  const mixed = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, body))
  assert.equal(mixed.status, 503)
  assert.equal(JSON.parse(mixed.body().toString()).error.type, 'api_error')
})

describe('a stream that breaks', () => {
  const begun = [messageStart, ...textBlock(0, 'Hel').slice(0, 2)].map(eventText).join('')

  test('before its first piece of an answer is tried elsewhere', async (t) => {
    const { gateway, upstreams } = await startGateway(t, {
      providers: { first: {}, second: {} },
      models: { plain: { targets: [{ provider: 'first' }, { provider: 'second', tier: 2 }] } },
    })
    upstreams.first.respond(stream([messageStart, ping].map(eventText).join('')))
    upstreams.second.respond(stream(helloStream))
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, streamed))
    assert.equal(response.body().toString(), helloStream)
  })

  test('without message_stop ends with an error event', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([streamHead(), chunk(begun), lastChunk])
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, streamed))
    const text = response.body().toString()
    assert.ok(text.startsWith(begun))
    assert.match(
      text.slice(begun.length),
      /^event: error\ndata: \{"type":"error","error":\{"type":"api_error",/,
    )
  })

  test('by an error of the provider ends with it', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const error = eventText({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })
    upstream.respond(stream(begun + error))
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', version, streamed))
    assert.equal(response.body().toString(), begun + error)
    await gateway.logged({ dialect: 'messages', code: 'provider_bad_response' })
  })

  test('by its client ends the call at the provider', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([{ kind: 'hang' }])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /v1/messages', version, streamed))
    const request = await upstream.nextRequest()
    client.leave()
    assert.equal((await request.outcome).kind, 'aborted')
    await gateway.logged({ dialect: 'messages', status: 499 })
  })
})
