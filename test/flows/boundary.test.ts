// What may not leave the machine does not: by the model, by all, by the client's record, by the header of a call, and on each
// connection.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { createTicker } from '../../src/call/ticker.ts'
import { roundTrips, SkippingClock } from '../faults/fault.ts'
import { listOf } from '../fixtures/model-lists.ts'
import { type Running, startGateway, type TestGateway } from '../support/app.ts'
import { post } from '../support/calls.ts'
import { messages } from '../support/chat-content.ts'
import { resolveNames, watchConnections } from '../support/connections-made.ts'
import { startHttpProxy, startTlsProvider, trustFixture } from '../support/proxies.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { json, sse, wait, type Step } from '../support/upstream-script.ts'

const completion = json(200, { id: 'x', object: 'chat.completion', choices: [] })
const speaks = ['chat', 'messages', 'responses'] as const

async function startModelServer(t: TestContext): Promise<ScriptedUpstream> {
  const upstream = await startUpstream(t)
  upstream.respondAlways(completion)
  return upstream
}

const bounded = (boundary: string) => ({ 'x-llm-gateway-boundary': boundary })

function call(
  t: TestContext,
  gateway: TestGateway,
  model: string,
  headers: Readonly<Record<string, string>> = {},
  path = '/v1/chat/completions',
) {
  const body = JSON.stringify({ model, messages, input: 'x', max_tokens: 5 })
  return exchange(t, gateway.url, rawRequest(`POST ${path}`, headers, body))
}

interface Servers extends Running<'here'> {
  readonly cloud: ScriptedUpstream
  readonly lan: ScriptedUpstream
}

/**
 * Three servers of this machine, two of which the configuration knows by names: one of a private network, and a public one.
 * Models: `here`, `lan`, `cloud`; `both` with a target here and one in the cloud; `mixed` in the cloud, which falls back on `here`.
 */
async function startThree(t: TestContext, more: object = {}): Promise<Servers> {
  const [lan, cloud] = [await startModelServer(t), await startModelServer(t)]
  resolveNames(t, (name) => (name === 'gpu.lan' || name === 'api.example.com' ? ['127.0.0.1'] : []))
  const urlOf = (name: string, { url }: ScriptedUpstream) => `http://${name}:${new URL(url).port}/v1`
  const started = await startGateway<'here'>(t, {
    providers: {
      here: {},
      lan: { base_url: urlOf('gpu.lan', lan), speaks: [...speaks] },
      cloud: { base_url: urlOf('api.example.com', cloud), allow_http: true, speaks: [...speaks] },
    } as Record<'here', object>,
    models: {
      here: { provider: 'here' },
      lan: { provider: 'lan' },
      cloud: { provider: 'cloud' },
      both: { targets: [{ provider: 'cloud' }, { provider: 'here', tier: 2 }] },
      mixed: { provider: 'cloud', fallbacks: ['lan', 'here'] },
      secret: { provider: 'here', boundary: 'local' },
    },
    ...more,
  })
  started.upstreams.here.respondAlways(completion)
  return Object.assign(started, { lan, cloud })
}

suite('the response says where it was made:', () => {
  for (const [model, boundary] of [
    ['here', 'local'],
    ['lan', 'private'],
    ['cloud', 'any'],
    ['both', 'any'],
  ] as const) {
    test(`${model} is ${boundary}`, async (t) => {
      const { gateway } = await startThree(t)
      const response = await call(t, gateway, model)
      assert.equal(response.status, 200)
      assert.equal(response.header('x-llm-gateway-boundary'), boundary)
    })
  }

  test('a stream too', async (t) => {
    const { gateway, upstreams } = await startThree(t)
    upstreams.here.respond(sse(['{"choices":[{"index":0,"delta":{"content":"x"}}]}', '[DONE]']))
    const response = await post(gateway, { model: 'here', messages, stream: true })
    assert.equal(response.headers.get('x-llm-gateway-boundary'), 'local')
    await response.text()
  })
})

test('a stream that begins with a heartbeat says it, too', async (t) => {
  const clock = new SkippingClock()
  const { gateway, upstream } = await startGateway(t, {}, { clock, ticker: createTicker(clock.fake) })
  const answer = Promise.withResolvers<void>()
  upstream.respond(afterwards(answer.promise))
  const client = await connectRaw(t, gateway.url)
  const body = JSON.stringify({ model: 'plain', messages, stream: true })
  client.send(rawRequest('POST /v1/chat/completions', {}, body))
  await upstream.nextRequest()
  await roundTrips(t, { gateway })
  clock.fake.advance(15_100)
  assert.equal((await client.head()).header('x-llm-gateway-boundary'), 'local')
  answer.resolve()
  assert.equal((await client.response()).status, 200)
})

test('worker threads keep boundaries, too', async (t) => {
  const { gateway, upstreams } = await startGateway<'here'>(t, {
    server: { workers: 2 },
    providers: { far: { base_url: 'http://10.255.255.1:8000/v1' }, here: {} } as Record<'here', object>,
    models: { m: { targets: [{ provider: 'far' }, { provider: 'here', tier: 2 }] }, n: { provider: 'far' } },
  })
  upstreams.here.respondAlways(completion)
  const response = await call(t, gateway, 'm', bounded('local'))
  assert.deepEqual([response.status, response.header('x-llm-gateway-boundary')], [200, 'local'])
  const refused = await call(t, gateway, 'n', bounded('local'))
  assert.equal(refused.status, 403)
  assert.match(refused.body().toString(), /n → far \(10\.255\.255\.1\): leaves the box/)
})

suite('a call that narrows its boundary', () => {
  test('passes over targets outside', async (t) => {
    const { gateway, cloud } = await startThree(t)
    assert.equal((await call(t, gateway, 'both')).header('x-llm-gateway-provider'), 'cloud')
    for (const boundary of ['local', 'private']) {
      const response = await call(t, gateway, 'both', bounded(boundary))
      assert.equal(response.status, 200)
      assert.equal(response.header('x-llm-gateway-provider'), 'here')
      assert.equal(response.header('x-llm-gateway-boundary'), 'local')
    }
    assert.equal(cloud.requests.length, 1)
  })

  test('passes over fallbacks outside, and is answered by those inside', async (t) => {
    const { gateway, cloud } = await startThree(t)
    const near = await call(t, gateway, 'mixed', bounded('private'))
    assert.deepEqual([near.status, near.header('x-llm-gateway-provider')], [200, 'lan'])
    const here = await call(t, gateway, 'mixed', bounded('local'))
    assert.deepEqual([here.status, here.header('x-llm-gateway-provider')], [200, 'here'])
    assert.equal(cloud.requests.length, 0)
  })

  test('gets the limits of the fallback that stands in for a model outside', async (t) => {
    const { gateway, cloud } = await startThree(t, {
      rate_limit_settings: { limits: { here: { rpm: 1 } } },
    })
    assert.equal((await call(t, gateway, 'mixed', bounded('local'))).status, 200)
    const limited = await call(t, gateway, 'mixed', bounded('local'))
    assert.equal(limited.status, 429)
    assert.match(limited.body().toString(), /Rate limit reached for here on requests per min/)
    assert.equal(cloud.requests.length, 0)
  })

  /** Anthropic's errors have types in place of codes. */
  const refusals = [
    ['/v1/chat/completions', 'outside_boundary'],
    ['/v1/responses', 'outside_boundary'],
    ['/v1/messages', undefined],
    ['/v1/messages/count_tokens', undefined],
  ] as const
  for (const [path, code] of refusals) {
    test(`is refused with the chain where nothing is inside, at ${path}`, async (t) => {
      const { gateway, cloud } = await startThree(t)
      const response = await call(t, gateway, 'cloud', bounded('local'), path)
      assert.equal(response.status, 403)
      assert.equal(response.header('x-llm-gateway-error'), 'outside_boundary')
      const { error } = JSON.parse(response.body().toString()) as {
        error: { code?: string; type: string; message: string }
      }
      assert.deepEqual([error.code, error.type], [code, 'permission_error'])
      assert.equal(
        error.message,
        'This call may be answered by this machine only, by the header x-llm-gateway-boundary. cloud → cloud (api.example.com): leaves the box.',
      )
      assert.equal(cloud.requests.length, 0)
    })
  }

  test('names the fallbacks in its refusal', async (t) => {
    const { gateway } = await startThree(t, {
      models: { a: { provider: 'cloud', fallbacks: ['b'] }, b: { provider: 'lan', aliases: ['bee'] } },
    })
    const response = await call(t, gateway, 'a', bounded('local'))
    assert.match(
      response.body().toString(),
      /a → cloud \(api\.example\.com\): leaves the box; a → fallback b → lan \(gpu\.lan\): leaves the box/,
    )
    const near = await call(t, gateway, 'bee', bounded('local'))
    assert.match(near.body().toString(), /bee → lan \(gpu\.lan\): leaves the box/)
  })

  test('widens nothing', async (t) => {
    const { gateway, cloud } = await startThree(t, {
      models: { both: { targets: [{ provider: 'here' }], boundary: 'local' }, cloud: { provider: 'cloud' } },
    })
    const response = await call(t, gateway, 'both', bounded('any'))
    assert.deepEqual([response.status, response.header('x-llm-gateway-boundary')], [200, 'local'])
    assert.equal(cloud.requests.length, 0)
  })

  for (const value of ['', 'LOCAL', 'lan', 'local, any', 'local;q=1']) {
    test(`is refused if the header is ${JSON.stringify(value)}`, async (t) => {
      const { gateway, upstreams, cloud } = await startThree(t)
      const response = await call(t, gateway, 'both', bounded(value))
      assert.equal(response.status, 400)
      assert.match(response.body().toString(), /x-llm-gateway-boundary must be local, private or any/)
      assert.equal(upstreams.here.requests.length + cloud.requests.length, 0)
    })
  }

  test('is refused if it has the header twice', async (t) => {
    const { gateway } = await startThree(t)
    const request = rawRequest('POST /v1/chat/completions', bounded('any'), '{"model":"both"}')
    const twice = request.toString().replace('\r\n\r\n', '\r\nx-llm-gateway-boundary: local\r\n\r\n')
    assert.equal((await exchange(t, gateway.url, twice)).status, 400)
  })

  test('does not send the header on', async (t) => {
    const { gateway, upstreams } = await startThree(t)
    await call(t, gateway, 'here', bounded('local'))
    assert.equal(upstreams.here.requests[0]!.header('x-llm-gateway-boundary'), undefined)
  })
})

suite('other boundaries of a call:', () => {
  test("its client's record", async (t) => {
    const { gateway, cloud } = await startThree(t, { clients: { default: { boundary: 'private' } } })
    assert.equal((await call(t, gateway, 'lan')).status, 200)
    assert.equal((await call(t, gateway, 'both')).header('x-llm-gateway-provider'), 'here')
    const refused = await call(t, gateway, 'cloud', bounded('any'))
    assert.equal(refused.status, 403)
    assert.match(
      refused.body().toString(),
      /by this machine and its private networks only, by the client's record \\"default\\"\. cloud → cloud \(api\.example\.com\): leaves the private network/,
    )
    assert.equal(cloud.requests.length, 0)
  })

  test('routing.boundary, and nothing else asks outside either', async (t) => {
    const { gateway, upstreams } = await startGateway(t, {
      providers: { scripted: {} },
      routing: { retries: 0, boundary: 'local' },
    })
    upstreams.scripted.respondAlways(completion)
    const response = await call(t, gateway, 'plain')
    assert.deepEqual([response.status, response.header('x-llm-gateway-boundary')], [200, 'local'])
  })

  test('that of a fallback binds it, whatever bounds the model that was asked for', async (t) => {
    const near = await startModelServer(t)
    let addresses = ['127.0.0.1']
    resolveNames(t, () => addresses)
    const { gateway } = await startGateway(t, {
      providers: {
        broken: { base_url: 'http://127.0.0.1:9/v1', speaks: ['chat'] },
        near: { base_url: `http://localhost:${new URL(near.url).port}/v1`, speaks: ['chat'] },
      },
      models: {
        m: { provider: 'broken', fallbacks: ['n'] },
        n: { provider: 'near', boundary: 'local' },
      },
    })
    assert.equal((await call(t, gateway, 'm')).status, 200)
    addresses = ['192.0.2.1']
    assert.equal(near.requests.length, 1)
  })
})

suite('each connection is checked:', () => {
  const outside = [
    '192.0.2.1',
    '10.0.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    '::',
    'fe80::1%eth0',
  ]

  async function startNamed(t: TestContext, name: string, boundary: string) {
    const server = await startModelServer(t)
    const names = new Map([[name, ['127.0.0.1']]])
    resolveNames(t, (each) => names.get(each) ?? [])
    const base_url = `http://${name}:${new URL(server.url).port}/v1`
    const setup = (more: object = {}) => ({
      providers: { named: { base_url, allow_http: true, speaks: ['chat'] as 'chat'[], ...more } },
      models: { m: { provider: 'named', boundary: boundary as 'local' }, free: { provider: 'named' } },
    })
    const { gateway } = await startGateway(t, setup())
    return { gateway, server, names, setup }
  }

  test('a name that leads outside by now is refused with the chain', async (t) => {
    const { gateway, server, names, setup } = await startNamed(t, 'localhost', 'local')
    assert.equal((await call(t, gateway, 'm')).status, 200)
    const made = watchConnections(t)
    for (const address of outside) {
      names.set('localhost', ['127.0.0.1', address])
      // The connection that was kept has to be made anew.
      await gateway.reload(setup({ headers: { 'x-try': address.replaceAll(/\W/g, '-') } }))
      const response = await call(t, gateway, 'm')
      assert.equal(response.status, 403, address)
      assert.equal(response.header('x-llm-gateway-error'), 'outside_boundary')
      assert.match(
        response.body().toString(),
        new RegExp(
          `m → named \\\\(localhost resolves to ${address}, which is not a loopback address\\\\): leaves the box`.replaceAll(
            '\\\\',
            '\\',
          ),
        ),
      )
    }
    assert.equal(server.requests.length, 1)
    assert.ok(
      made.every((address) => address === '127.0.0.1'),
      made.join(),
    )
  })

  test('a refused address is held against nobody: the next call is answered once the name is back', async (t) => {
    const { gateway, names } = await startNamed(t, 'localhost', 'local')
    names.set('localhost', ['192.0.2.1'])
    assert.equal((await call(t, gateway, 'm')).status, 403)
    names.set('localhost', ['::1', '127.0.0.1'])
    assert.equal((await call(t, gateway, 'm')).status, 200)
  })

  test('localhost is here for calls without a boundary, too', async (t) => {
    const { gateway, names } = await startNamed(t, 'localhost', 'local')
    names.set('localhost', ['192.0.2.1'])
    const made = watchConnections(t)
    const response = await call(t, gateway, 'free')
    assert.equal(response.status, 502)
    assert.match(
      response.body().toString(),
      /localhost resolves to 192\.0\.2\.1, which is not a loopback address/,
    )
    assert.ok(!made.includes('192.0.2.1'))
  })

  test('calls without a boundary leave no connection for calls with one', async (t) => {
    const { gateway, server, names } = await startNamed(t, 'gpu.lan', 'private')
    // Stands for a public address here: the connection that is kept leads to wherever the name led before.
    const made = watchConnections(t)
    assert.equal((await call(t, gateway, 'free')).header('x-llm-gateway-boundary'), 'any')
    names.set('gpu.lan', ['192.0.2.1'])
    const refused = await call(t, gateway, 'm')
    assert.equal(refused.status, 403)
    assert.match(refused.body().toString(), /gpu\.lan resolves to 192\.0\.2\.1/)
    names.set('gpu.lan', ['127.0.0.1'])
    const inside = await call(t, gateway, 'm')
    assert.deepEqual([inside.status, inside.header('x-llm-gateway-boundary')], [200, 'private'])
    assert.equal(server.requests.length, 2)
    assert.equal(made.includes('192.0.2.1'), false)
  })

  test('a redirect is the answer, and is not followed', async (t) => {
    const { gateway, upstreams, cloud } = await startThree(t)
    const made = watchConnections(t)
    const location = `${cloud.url}/v1/chat/completions`
    upstreams.here.respond(json(307, { redirect: true }, { location }))
    const response = await call(t, gateway, 'secret')
    assert.ok(response.status >= 300, String(response.status))
    assert.equal(cloud.requests.length, 0)
    assert.ok(!made.includes(new URL(cloud.url).host))
  })
})

test('a proxy of the environment is left out within a boundary', async (t) => {
  trustFixture(t)
  const port = await startTlsProvider(t, JSON.stringify({ id: 'x', choices: [] }))
  const proxy = await startHttpProxy(t, port)
  resolveNames(t, () => ['127.0.0.1'])
  const { gateway } = await startGateway(
    t,
    {
      providers: { nas: { base_url: `https://nas.lan:${port}/v1`, speaks: ['chat'] } },
      models: { m: { provider: 'nas', boundary: 'private' }, free: { provider: 'nas' } },
    },
    { env: { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` } },
  )
  const made = watchConnections(t)
  await call(t, gateway, 'm')
  assert.deepEqual(proxy.asked, [])
  assert.ok(made.length > 0)
  await call(t, gateway, 'free')
  assert.deepEqual(proxy.asked, [`CONNECT nas.lan:${port}`])
})

test('nor is one used where a fallback leads through a model that is bounded', async (t) => {
  trustFixture(t)
  const port = await startTlsProvider(t, JSON.stringify({ id: 'x', choices: [] }))
  const proxy = await startHttpProxy(t, port)
  resolveNames(t, () => ['127.0.0.1'])
  const { gateway } = await startGateway(
    t,
    {
      providers: {
        dead: { base_url: 'http://127.0.0.1:9/v1', speaks: ['chat'] },
        nas: { base_url: `https://nas.lan:${port}/v1`, speaks: ['chat'] },
      },
      models: {
        asked: { provider: 'dead', fallbacks: ['bounded'] },
        bounded: { use: 'free', boundary: 'private' },
        free: { provider: 'nas' },
      },
    },
    { env: { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` } },
  )
  assert.equal((await call(t, gateway, 'asked')).header('x-llm-gateway-boundary'), 'private')
  assert.deepEqual(proxy.asked, [])
})

suite('models that an Ollama on this machine passes on', () => {
  const host = { remote_host: 'https://ollama.com:443', remote_model: 'gpt-oss:120b' }
  const listed = [
    { name: 'gpt-oss:20b' },
    { name: 'gpt-oss:120b-cloud', ...host },
    { name: 'Copied:latest', ...host },
    { name: 'hosted:1b', remote_host: 'https://ollama.com:443' },
  ]

  async function startOllama(t: TestContext, more: object = {}) {
    const started = await startGateway(t, {
      providers: { ollama: { kind: 'ollama' } },
      models: { 'own/*': { provider: 'ollama' } },
      routes: { rest: { provider: 'ollama' } },
      ...more,
    })
    const { ollama } = started.upstreams
    let tags = json(200, { models: listed })
    ollama.respondAlways(({ target }) => (target === '/api/tags' ? tags : completion))
    const prompts = () => ollama.requests.filter(({ method }) => method === 'POST').length
    return { ...started, ollama, prompts, list: (answer: typeof tags) => (tags = answer) }
  }

  test('are outside by their names, without a question', async (t) => {
    const { gateway, ollama } = await startOllama(t)
    const free = await call(t, gateway, 'own/gpt-oss:120b-cloud')
    assert.deepEqual([free.status, free.header('x-llm-gateway-boundary')], [200, 'any'])
    const refused = await call(t, gateway, 'own/gpt-oss:120b-cloud', bounded('local'))
    assert.equal(refused.status, 403)
    assert.match(
      refused.body().toString(),
      /own\/gpt-oss:120b-cloud → ollama \(127\.0\.0\.1, which passes gpt-oss:120b-cloud on\): leaves the box/,
    )
    const body = '{"model":"gpt-oss:120b-cloud"}'
    const other = await exchange(t, gateway.url, rawRequest('POST /v1/conversations', bounded('local'), body))
    assert.equal(other.status, 403)
    assert.equal(ollama.requests.length, 1)
  })

  test('are outside by the mark in its list, whatever their names', async (t) => {
    const { gateway, prompts } = await startOllama(t)
    for (const name of ['Copied', 'copied:latest', 'hosted:1b']) {
      const refused = await call(t, gateway, `own/${name}`, bounded('local'))
      assert.equal(refused.status, 403, name)
      assert.equal(refused.header('x-llm-gateway-error'), 'outside_boundary')
      const text = refused.body().toString()
      assert.ok(
        text.includes(`own/${name} → ollama (127.0.0.1, which passes ${name} on): leaves the box`),
        text,
      )
    }
    assert.equal(prompts(), 0)
  })

  test('leave those that it runs itself inside, of which the list is read for each call', async (t) => {
    const { gateway, prompts, list } = await startOllama(t)
    const near = await call(t, gateway, 'own/gpt-oss:20b', bounded('local'))
    assert.deepEqual([near.status, near.header('x-llm-gateway-boundary')], [200, 'local'])
    list(json(200, { models: [{ name: 'gpt-oss:20b', ...host }] }))
    assert.equal((await call(t, gateway, 'own/gpt-oss:20b', bounded('local'))).status, 403)
    assert.equal(prompts(), 1)
  })

  test('may be all of those of which nothing is known', async (t) => {
    const { gateway, prompts, list } = await startOllama(t)
    const unlisted = await call(t, gateway, 'own/other', bounded('private'))
    assert.equal(unlisted.status, 403)
    assert.match(
      unlisted.body().toString(),
      /own\/other → ollama \(127\.0\.0\.1, which may pass other on: its list of models lacks it\): leaves the private network/,
    )
    for (const answer of [json(404, {}), json(200, { models: 'none' })]) {
      list(answer)
      const unknown = await call(t, gateway, 'own/gpt-oss:20b', bounded('local'))
      assert.equal(unknown.status, 403)
      assert.match(unknown.body().toString(), /may pass gpt-oss:20b on: it returned no list of its models/)
    }
    assert.equal(prompts(), 0)
  })

  test('are passed over for a target inside', async (t) => {
    const { gateway, upstreams, prompts } = await startGatewayOfTwo(t)
    const response = await call(t, gateway, 'm', bounded('local'))
    assert.deepEqual([response.status, response.header('x-llm-gateway-provider')], [200, 'here'])
    assert.deepEqual([prompts(), upstreams.here.requests.length], [0, 1])
  })

  async function startGatewayOfTwo(t: TestContext) {
    const here = await startModelServer(t)
    const started = await startOllama(t, {
      providers: { ollama: { kind: 'ollama' }, here: { base_url: `${here.url}/v1`, speaks: [...speaks] } },
      models: {
        m: {
          targets: [
            { provider: 'ollama', model: 'copied' },
            { provider: 'here', tier: 2 },
          ],
        },
      },
      routes: {},
    })
    return { ...started, upstreams: { here } }
  }

  test('get no prompt by its own routes either, while other requests of those pass', async (t) => {
    const { gateway, prompts } = await startOllama(t)
    const send = (path: string, model: string) =>
      exchange(
        t,
        gateway.url,
        rawRequest(`POST /providers/ollama${path}`, bounded('local'), JSON.stringify({ model })),
      )
    const refused = await send('/api/chat', 'copied')
    assert.equal(refused.status, 403)
    assert.match(refused.body().toString(), /which passes copied on/)
    assert.equal(prompts(), 0)
    assert.equal((await send('/api/chat', 'gpt-oss:20b')).status, 200)
    assert.equal((await send('/api/show', 'copied')).status, 200)
    assert.equal(prompts(), 2)
  })

  test('may have answered any call without a boundary', async (t) => {
    const { gateway, ollama } = await startOllama(t)
    const free = await call(t, gateway, 'own/copied')
    assert.deepEqual([free.status, free.header('x-llm-gateway-boundary')], [200, 'any'])
    assert.equal(ollama.requests.length, 1)
  })

  test('cost nothing of a server that is away: the call fails as any other', async (t) => {
    const { gateway, ollama } = await startOllama(t)
    await ollama.close()
    assert.equal((await call(t, gateway, 'own/gpt-oss:20b', bounded('local'))).status, 502)
  })
})

suite("another spelling of a bounded model's name", () => {
  const spellings = [
    'notes:latest',
    'Notes',
    'library/notes',
    'library/NOTES:latest',
    'registry.ollama.ai/library/notes',
    'https://registry.ollama.ai/library/notes',
    'Diary',
    'Private-x',
    'library/private-x',
    'Leading',
  ]

  async function startBounded(t: TestContext, models: object = {}, lists: readonly string[] = []) {
    const lan = await startModelServer(t)
    lan.respondAlways(({ method }) => (method === 'GET' ? json(200, listOf(...lists)) : completion))
    resolveNames(t, () => ['127.0.0.1'])
    const started = await startGateway<'here'>(t, {
      providers: {
        here: {},
        lan: {
          kind: 'ollama',
          base_url: `http://gpu.lan:${new URL(lan.url).port}/v1`,
          discover_models: lists.length > 0,
        },
      } as Record<'here', object>,
      models: {
        notes: { provider: 'here', boundary: 'local', aliases: ['diary'] },
        'private-*': { provider: 'here', boundary: 'local' },
        leading: { use: 'notes' },
        ...models,
      },
    })
    started.upstreams.here.respondAlways(completion)
    const prompts = () => lan.requests.filter(({ method }) => method === 'POST').length
    return { ...started, prompts }
  }

  for (const spelled of spellings) {
    test(`stays inside, whatever wildcard matches it: ${spelled}`, async (t) => {
      const { gateway, upstreams, prompts } = await startBounded(t, { '*': { provider: 'lan', model: '*' } })
      for (const path of ['/v1/chat/completions', '/api/chat']) {
        const response = await call(t, gateway, spelled, {}, path)
        assert.equal(response.header('x-llm-gateway-boundary'), 'local')
      }
      assert.deepEqual([upstreams.here.requests.length, prompts()], [2, 0])
      assert.equal((await call(t, gateway, 'other')).header('x-llm-gateway-provider'), 'lan')
    })

    test(`stays inside, whatever list has it: ${spelled}`, async (t) => {
      const { gateway, prompts } = await startBounded(t, {}, [spelled, 'other'])
      await gateway.logged({ event: 'models_discovered', provider: 'lan' })
      assert.equal((await call(t, gateway, spelled)).header('x-llm-gateway-boundary'), 'local')
      assert.equal(prompts(), 0)
      assert.equal((await call(t, gateway, 'other')).header('x-llm-gateway-provider'), 'lan')
    })
  }

  test("passes no prompt to a provider that a path names, outside the model's boundary", async (t) => {
    const { gateway, prompts } = await startBounded(t, { '*': { provider: 'lan', model: '*' } })
    for (const spelled of [...spellings, 'notes', 'leading']) {
      const response = await call(t, gateway, spelled, {}, '/providers/lan/api/chat')
      assert.equal(response.status, 403, spelled)
      assert.match(response.body().toString(), /leaves the box/)
    }
    assert.equal(prompts(), 0)
    assert.equal((await call(t, gateway, 'other', {}, '/providers/lan/api/chat')).status, 200)
  })

  test('is a model of its own if the file has it', async (t) => {
    const { gateway } = await startBounded(t, {
      Notes: { provider: 'lan' },
      'Private-X*': { provider: 'lan' },
    })
    for (const name of ['Notes', 'Private-X1']) {
      assert.equal((await call(t, gateway, name)).header('x-llm-gateway-provider'), 'lan', name)
    }
  })
})

suite('other routes', () => {
  const routes = { rest: { provider: 'cloud' } }

  function rest(t: TestContext, gateway: TestGateway, body: string, headers: Record<string, string> = {}) {
    return exchange(t, gateway.url, rawRequest('POST /v1/conversations', headers, body))
  }

  test('pass to no provider outside the boundary of the request', async (t) => {
    const { gateway, cloud } = await startThree(t, { routes })
    const free = await rest(t, gateway, '{"model":"cloud","input":"x"}')
    assert.deepEqual([free.status, free.header('x-llm-gateway-boundary')], [200, 'any'])
    const response = await rest(t, gateway, '{"model":"cloud","input":"x"}', bounded('private'))
    assert.equal(response.status, 403)
    assert.match(
      response.body().toString(),
      /\/v1\/conversations → cloud \(api\.example\.com\): leaves the private network/,
    )
    assert.equal((await rest(t, gateway, '{}', bounded('here'))).status, 400)
    assert.equal(cloud.requests.length, 1)
  })

  test('pass no prompt of a model that is bounded more', async (t) => {
    const { gateway, cloud } = await startThree(t, { routes })
    const response = await rest(t, gateway, '{"input":"x","model":"secret"}')
    assert.equal(response.status, 403)
    assert.match(
      response.body().toString(),
      /by the boundary of the model \\"secret\\"\. secret → \/v1\/conversations → cloud \(api\.example\.com\): leaves the box/,
    )
    assert.equal((await rest(t, gateway, '{"model":"secret","model":"x"}')).status, 403)
    assert.equal(cloud.requests.length, 0)
    assert.equal((await rest(t, gateway, '{"input":"x","model":"cloud"}')).status, 200)
  })
})

async function* afterwards(until: Promise<void>): AsyncGenerator<Step> {
  yield wait(until)
  yield* sse(['{"choices":[]}', '[DONE]'])
}
