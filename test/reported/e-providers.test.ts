// Real model servers as providers, and what their clients get.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { startGateway } from '../support/app.ts'
import { chat, modelsOf } from '../support/calls.ts'
import { providerKey } from '../support/gateway-config.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { content, json, type Script } from '../support/upstream-script.ts'

/** A list of these models, which serves as an answer to calls, too. */
function list(...data: readonly object[]): Script {
  return json(200, { object: 'list', data })
}

suite('model servers', () => {
  test('a start only connects to a provider, because any request may load a model', async (t) => {
    const swap = await startUpstream(t)
    const base_url = `${swap.url}/upstream/gemma/v1`
    const { gateway } = await startGatewayProcess(t, { providers: { swap: { base_url } } })
    await gateway.says(/"event":"provider_reachable","provider":"swap"/)
    // The system has accepted it; this process may not have seen it yet.
    while (swap.connections === 0) await nextTurn()
    await swap.allClosed()
    assert.deepEqual([swap.connections, swap.requests.length], [1, 0])
  })

  test("a health check can ask at the server's root, as it does by default where the kind is known", async (t) => {
    const swap = await startUpstream(t)
    swap.respondAlways(({ target }) =>
      target === '/health' ? json(200, {}) : content(404, 'text/plain', ''),
    )
    const base_url = `${swap.url}/v1`
    const at = (path: string) => ({ base_url, health_check: { path } })
    const providers = {
      below: at('/health'),
      root: at('//health'),
      llama: { kind: 'llama_cpp', base_url, health_check: true },
      short: { base_url: `${swap.url}/no`, health_check: true },
    } as const
    const { gateway } = await startGateway(t, { providers })
    for (const provider of ['root', 'llama']) await gateway.logged({ event: 'provider_healthy', provider })
    const { reason } = await gateway.logged({ event: 'provider_unhealthy', provider: 'below' })
    assert.match(String(reason), /^status 404 for \/health below base_url; .*"\/\/health"/)
    const short = await gateway.logged({ event: 'provider_unhealthy', provider: 'short' })
    assert.match(
      String(short['reason']),
      /^status 404 for \/models below base_url, which often ends in \/v1$/,
    )
    assert.deepEqual(swap.requests.map(({ target }) => target).toSorted(), [
      '/health',
      '/health',
      '/no/models',
      '/v1/health',
    ])
  })

  test('the names that a provider lists behind a wildcard are in the list of models', async (t) => {
    const providers = { scripted: { discover_models: true } }
    const models = { 'open/*': { provider: 'scripted' }, 'scripted/*': { provider: 'scripted' } }
    const { gateway, upstream } = await startGateway(t, { providers, models })
    upstream.respondAlways(list({ id: 'gemma' }))
    await upstream.nextRequest()
    await gateway.logged({ event: 'models_discovered' })
    const offered = await modelsOf(gateway)
    assert.deepEqual([...offered.keys()].toSorted(), ['gemma', 'open/gemma', 'scripted/gemma'])
  })

  test('a provider receives the one of its names for a model that the client used', async (t) => {
    const providers = { scripted: { discover_models: true } }
    const { gateway, upstream } = await startGateway(t, {
      providers,
      models: { other: { provider: 'scripted' } },
    })
    upstream.respondAlways(list({ id: 'gemma270:latest' }))
    await gateway.logged({ event: 'models_discovered' })
    const used = ['gemma270', 'scripted/gemma270', 'gemma270:latest']
    for (const name of used) assert.equal((await chat(gateway, name)).status, 200)
    const calls = upstream.requests.filter(({ method }) => method === 'POST')
    const received = calls.map(({ body }) => (JSON.parse(body.toString()) as { model: string }).model)
    assert.deepEqual(received, ['gemma270', 'gemma270', 'gemma270:latest'])
  })

  test("a provider's own request id is logged and passed on, with an error as well", async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const ids: [header: string, value: string, passed: string | null][] = [
      ['x-request-id', 'req_011CSabc-7', 'req_011CSabc-7'],
      ['request-id', 'chatcmpl:1.2', 'chatcmpl:1.2'],
      ['x-request-id', providerKey, null],
      ['x-request-id', 'a "b"', null],
    ]
    for (const status of [200, 400, 401]) {
      for (const [header, value, passed] of ids) {
        upstream.respond(json(status, { choices: [] }, { [header]: value }))
        const { headers } = await chat(gateway, 'plain')
        assert.equal(headers.get('x-llm-gateway-provider-request-id'), passed)
        const request_id = headers.get('x-request-id')
        const line = await gateway.logged({ event: 'call', request_id })
        assert.equal(line['provider_request_id'] ?? null, passed)
      }
    }
    // vLLM repeats the id of the request.
    upstream.respond((request) =>
      json(200, { choices: [] }, { 'x-request-id': request.header('x-request-id')! }),
    )
    const { headers } = await chat(gateway, 'plain')
    assert.equal(headers.get('x-llm-gateway-provider-request-id'), null)
  })

  test('weights of 3 and 1 share calls that come one by one three to one, after each of them', async (t) => {
    const targets = [
      { provider: 'heavy', weight: 3 },
      { provider: 'light', weight: 1 },
    ]
    const setup = { providers: { heavy: {}, light: {} }, models: { m: { targets } } }
    const { gateway, upstreams } = await startGateway(t, setup)
    for (const upstream of Object.values(upstreams)) upstream.respondAlways(json(200, { choices: [] }))
    for (let call = 1; call <= 8; call++) {
      const messages = [{ role: 'user', content: `question ${call}` }]
      assert.equal((await chat(gateway, 'm', { messages })).status, 200)
      const heavy = upstreams.heavy.requests.length
      assert.ok(Math.abs(heavy - call * 0.75) <= 1, `${heavy} of ${call}`)
    }
    assert.equal(upstreams.heavy.requests.length, 6)
  })
})
