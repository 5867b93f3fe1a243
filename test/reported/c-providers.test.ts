// Providers as operators write them down, and what becomes of the calls.
import assert from 'node:assert/strict'
import dns from 'node:dns'
import { suite, test, type TestContext } from 'node:test'

import { startGateway } from '../support/app.ts'
import { chat, modelsOf, post } from '../support/calls.ts'
import { loadText, problemsOf } from '../support/config-file.ts'
import { configText } from '../support/gateway-config.ts'
import { startHttpProxy, startSocksProxy, startTlsProvider, trustFixture } from '../support/proxies.ts'
import { type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { content, json } from '../support/upstream-script.ts'

const completion = json(200, { id: 'x', object: 'chat.completion', choices: [] })

async function startModelServer(t: TestContext): Promise<ScriptedUpstream> {
  const upstream = await startUpstream(t)
  upstream.respondAlways(completion)
  return upstream
}

/** Every name has these addresses, from the next look-up on. */
function resolveTo(t: TestContext, ...addresses: readonly string[]): void {
  t.mock.restoreAll()
  const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  const lookup = (_: string, __: object, callback: (error: null, found: dns.LookupAddress[]) => void) =>
    callback(null, all)
  t.mock.method(dns, 'lookup', lookup as unknown as typeof dns.lookup)
}

suite('providers', () => {
  test('the query of a base URL goes with every request', async (t) => {
    const azure = await startModelServer(t)
    const health_check = { path: '/models?limit=1' }
    const base_url = `${azure.url}/openai?api-version=2024-10-21`
    const { gateway } = await startGateway(t, { providers: { azure: { base_url, health_check } } })
    await azure.nextRequest()
    assert.equal((await chat(gateway, 'plain')).status, 200)
    assert.deepEqual(
      azure.requests.map(({ target }) => target),
      ['/openai/models?limit=1&api-version=2024-10-21', '/openai/chat/completions?api-version=2024-10-21'],
    )
  })

  test('a parameter of the base URL outweighs the one that a client sends', async (t) => {
    const azure = await startModelServer(t)
    const base_url = `${azure.url}/openai?api-version=2024-10-21`
    const { gateway } = await startGateway(t, { providers: { azure: { base_url } } })

    const path = '/v1/chat/completions?beta=true&api%2Dversion=2026-01-01'
    await post(gateway, { model: 'plain', messages: [] }, { path })

    const target = '/openai/chat/completions?api-version=2024-10-21&beta=true'
    assert.deepEqual(
      azure.requests.map((request) => request.target),
      [target],
    )
  })

  test('a name over plain http is asked only while all of its addresses are loopback or private', async (t) => {
    const nas = await startModelServer(t)
    const { port } = new URL(nas.url)
    const base_url = `http://nas.example:${port}/v1`
    const { gateway } = await startGateway(t, { providers: { nas: { base_url } } })

    resolveTo(t, '127.0.0.1')
    assert.equal((await chat(gateway, 'plain')).status, 200)
    assert.equal(nas.requests[0]?.header('host'), `nas.example:${port}`)

    for (const other of ['93.184.216.34', '169.254.169.254', '::ffff:8.8.8.8', '0.0.0.0']) {
      resolveTo(t, '127.0.0.1', other)
      // The connection that was kept has to be made anew.
      await gateway.reload({ providers: { nas: { base_url, headers: { 'x-try': other } } } })
      const refused = await chat(gateway, 'plain')
      assert.equal(refused.status, 502)
      assert.match(refused.body, new RegExp(`nas.example resolves to ${other}, which is not a loopback`))
    }
    assert.equal(nas.requests.length, 1)
  })

  test('a key goes over plain http to a name only if the file says so, with a warning', (t) => {
    const of = (more: object) => {
      const nas = { base_url: 'http://nas.local:8000/v1', api_key: { env: 'KEY' }, ...more }
      return problemsOf(t, configText({ providers: { nas } }), { env: { KEY: 'sk-nas-4711' } })
    }
    assert.match(of({})[0] ?? '', /would send the key unencrypted, to whatever address the name has/)
    const [warning, ...more] = of({ allow_http: true })
    assert.match(warning ?? '', /http:\/\/ sends the key, prompts and responses unencrypted to "nas.local"/)
    assert.deepEqual(more, [])
    const allowed = { base_url: 'http://8.8.8.8/v1', allow_http: true }
    assert.ok(loadText(t, configText({ providers: { allowed } })).ok)
  })

  test('a base URL without a path, or with the path of a route, is a warning at validation', (t) => {
    const of = (base_url: string) => problemsOf(t, configText({ providers: { p: { base_url } } })).join('\n')
    assert.match(of('http://127.0.0.1:11434'), /has no path; most servers have their API below \/v1/)
    assert.match(of('https://a.example/v1/chat/completions'), /ends in \/chat\/completions/)
    assert.equal(of('http://127.0.0.1:11434/v1'), '')
  })

  test('a 404 that is no API is not passed on: it names base_url, and the fallback is tried', async (t) => {
    const bodies = ['404 page not found', '{"detail":"Not Found"}', '', '<h1>Not Found</h1>']
    const [wrong, right] = [await startUpstream(t), await startModelServer(t)]
    const providers = { wrong: { base_url: wrong.url }, right: { base_url: `${right.url}/v1` } }
    const models = {
      alone: { provider: 'wrong' },
      plain: { provider: 'wrong', fallbacks: ['m'] },
      m: { provider: 'right' },
    }
    const { gateway } = await startGateway(t, { providers, models, routing: { retries: 0 } })
    for (const body of bodies) {
      const type = body.startsWith('<')
        ? 'text/html'
        : body.startsWith('{')
          ? 'application/json'
          : 'text/plain'
      wrong.respondAlways(content(404, type, body))
      const alone = await chat(gateway, 'alone')
      assert.deepEqual(
        [alone.status, alone.headers.get('x-llm-gateway-error')],
        [502, 'provider_bad_response'],
      )
      assert.match(alone.body, /providers\.wrong\.base_url/)
      const fallen = await chat(gateway, 'plain')
      assert.deepEqual([fallen.status, fallen.headers.get('x-llm-gateway-provider')], [200, 'right'])
    }
    // A call for another route may still work: nothing cools down.
    assert.equal(wrong.requests.length, 2 * bodies.length)
  })

  test('what a provider says of its models is in the list for clients, also for those of the file', async (t) => {
    const vllm = await startUpstream(t)
    const entry = {
      id: 'qwen',
      owned_by: 'vllm',
      max_model_len: 32_768,
      context_length: 32_000,
      root: '/models',
    }
    vllm.respondAlways(json(200, { object: 'list', data: [{ ...entry, created: 1_700_000_000 }] }))
    const providers = { vllm: { base_url: `${vllm.url}/v1`, discover_models: true } }
    const models = { coder: { provider: 'vllm', model: 'qwen' }, other: { provider: 'vllm' } }
    const { gateway } = await startGateway(t, { providers, models })
    await gateway.logged({ event: 'models_discovered' })
    const known = { max_model_len: 32_768, context_length: 32_000, created: 1_700_000_000 }
    const listed = await modelsOf(gateway)
    for (const id of ['qwen', 'vllm/qwen', 'coder']) {
      assert.deepEqual(listed.get(id), { id, object: 'model', owned_by: 'vllm', ...known })
    }
    assert.deepEqual(listed.get('other'), { id: 'other', object: 'model', owned_by: 'vllm', created: 0 })
  })

  suite('are reached through the proxy', () => {
    const cloud = { base_url: 'https://api.example/v1', api_key: { env: 'SCRIPTED_KEY' } }
    const body = '{"id":"x","object":"chat.completion","choices":[]}'

    test('that the environment names, with its password, by CONNECT', async (t) => {
      trustFixture(t)
      const proxy = await startHttpProxy(t, await startTlsProvider(t, body))
      const env = { HTTPS_PROXY: `http://ann:p%40ss@127.0.0.1:${proxy.port}` }
      const { gateway } = await startGateway(t, { providers: { cloud } }, { env })
      const answer = await chat(gateway, 'plain')
      assert.deepEqual([answer.status, answer.body], [200, body])
      assert.equal(proxy.asked[0], 'CONNECT api.example:443')
      assert.equal(proxy.credentials[0], `Basic ${Buffer.from('ann:p@ss').toString('base64')}`)
    })

    test('that the file names, over TLS, whatever the environment says', async (t) => {
      trustFixture(t)
      const proxy = await startHttpProxy(t, await startTlsProvider(t, body), true)
      const env = { https_proxy: 'http://127.0.0.1:1', no_proxy: '*' }
      const setup = { providers: { cloud: { ...cloud, proxy: `https://127.0.0.1:${proxy.port}` } } }
      const { gateway } = await startGateway(t, setup, { env })
      assert.equal((await chat(gateway, 'plain')).status, 200)
      assert.equal(proxy.asked[0], 'CONNECT api.example:443')
    })

    test('over SOCKS5, which resolves the name', async (t) => {
      trustFixture(t)
      const proxy = await startSocksProxy(t, await startTlsProvider(t, body))
      const env = { ALL_PROXY: `socks5h://ann:secret-word@127.0.0.1:${proxy.port}` }
      const { gateway } = await startGateway(t, { providers: { cloud } }, { env })
      assert.equal((await chat(gateway, 'plain')).status, 200)
      assert.equal(proxy.asked[0], 'CONNECT api.example:443')
      assert.match(proxy.credentials[0] ?? '', /^ann:secret-word/)
    })

    test('which forwards requests over plain http', async (t) => {
      const proxy = await startModelServer(t)
      const base_url = 'http://api.example:8000/v1?a=b'
      const env = { http_proxy: proxy.url.replace('//', '//ann:secret@') }
      const setup = { providers: { cloud: { base_url, allow_http: true } } }
      const { gateway } = await startGateway(t, setup, { env })
      assert.equal((await chat(gateway, 'plain')).status, 200)
      const [request] = proxy.requests
      assert.equal(request?.target, 'http://api.example:8000/v1/chat/completions?a=b')
      assert.equal(request.header('host'), 'api.example:8000')
      assert.equal(request.header('proxy-authorization'), `Basic ${btoa('ann:secret')}`)
    })

    test('and a refusal of the proxy is told as its own, without its password', async (t) => {
      const proxy = await startHttpProxy(t, undefined)
      const env = { HTTPS_PROXY: `http://ann:secret-word@127.0.0.1:${proxy.port}` }
      const { gateway } = await startGateway(t, { providers: { cloud } }, { env })
      const { status, body: refusal } = await chat(gateway, 'plain')
      assert.equal(status, 502)
      assert.match(refusal, /the proxy http:\/\/127.0.0.1:\d+: it refused the connection to api.example:443/)
      assert.match(refusal, /status 403/)
      assert.doesNotMatch(refusal + JSON.stringify(gateway.log()), /secret-word/)
    })

    test('but never if they are local, by NO_PROXY, or with proxy: none', async (t) => {
      const local = await startModelServer(t)
      const proxy = await startHttpProxy(t, undefined)
      const env = {
        HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
        HTTP_PROXY: `http://127.0.0.1:${proxy.port}`,
      }
      const { gateway } = await startGateway(
        t,
        { providers: { local: { base_url: `${local.url}/v1` } } },
        { env },
      )
      assert.equal((await chat(gateway, 'plain')).status, 200)

      resolveTo(t, '127.0.0.1')
      for (const [more, exceptions] of [
        [{ proxy: 'none' }, ''],
        [{}, 'other.example, .EXAMPLE'],
      ] as const) {
        const base_url = `http://nas.example:${new URL(local.url).port}/v1`
        const setup = { providers: { nas: { base_url, allow_http: true, ...more } } }
        const other = await startGateway(t, setup, { env: { ...env, NO_PROXY: exceptions } })
        assert.equal((await chat(other.gateway, 'plain')).status, 200)
      }
      assert.deepEqual(proxy.asked, [])
    })
  })
})
