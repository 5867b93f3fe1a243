// What the status page shows of a running gateway, and to whom.
import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { suite, test } from 'node:test'

import { newDirectory } from '../../ledger/ended-call.ts'
import { startGateway } from '../../support/app.ts'
import { chat } from '../../support/calls.ts'
import { delta, whole } from '../../support/chat-content.ts'
import { until } from '../../support/deadline.ts'
import { at, echo } from '../../support/gateway-config.ts'
import { unless } from '../../support/needs.ts'
import { connectRaw, exchange, rawRequest } from '../../support/raw-client.ts'
import { refusingUrl } from '../../support/scripted-upstream.ts'
import { chunk, hang, json, streamHead } from '../../support/upstream-script.ts'
import { ask, readReport } from './status-client.ts'

const onlyLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }
const owner = `user:${userInfo().username}`

suite('the report', onlyLinux, () => {
  test('of a fresh gateway has nothing to complain of', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const report = await readReport(t, gateway)
    assert.deepEqual(Object.keys(report), [
      'version',
      'now',
      'started_at',
      'draining',
      'config_file',
      'workers',
      'reload',
      'viewer',
      'attention',
      'last_failure',
      'calls',
      'calls_unshown',
      'providers',
      'services',
      'limits',
      'budgets',
      'store',
      'usage',
      'recent',
      'failures',
    ])
    assert.deepEqual(report.viewer, { user: owner, sees_all: true, may_cancel: true, playground: true })
    assert.deepEqual(report.workers, { wanted: 1, running: 1 })
    assert.equal(report.draining, false)
    assert.equal(report.reload, null)
    assert.equal(report.usage, null)
    assert.equal(report.last_failure, null)
    assert.deepEqual([report.calls, report.recent, report.failures, report.limits], [[], [], [], []])
    const [provider] = report.providers
    assert.equal(provider!.state, 'unused')
    assert.equal(provider!.minutes.length, 15)
  })

  test('shows calls under way and those that have ended', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(whole())
    await chat(gateway, 'short')
    upstream.respond([streamHead(), chunk(`data: ${delta('opening words')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const body = JSON.stringify({
      model: 'plain',
      stream: true,
      messages: [{ role: 'user', content: 'a secret' }],
    })
    client.send(rawRequest('POST /v1/chat/completions', { 'x-request-id': 'req_open' }, body))
    await client.seen('opening words')
    const report = await readReport(t, gateway)
    const [open] = report.calls
    assert.deepEqual(
      [open!.id, open!.model, open!.client, open!.phase],
      ['req_open', 'plain', owner, 'streaming'],
    )
    const [recent] = report.recent
    assert.equal(recent!.model, 'renamed')
    assert.equal(recent!.outcome, 'ok')
    assert.equal(recent!.status, 200)
    const [provider] = report.providers
    assert.deepEqual([provider!.state, provider!.in_flight], ['ok', 1])
    assert.notEqual(provider!.last_success, null)
    assert.equal(provider!.key_from, 'env SCRIPTED_KEY')
    const text = JSON.stringify(report)
    assert.doesNotMatch(text, /a secret|opening words|sk-provider/)
  })

  test('says when a call has room again, also where the slots of its provider are taken', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      providers: { scripted: { max_parallel_requests: 1 } },
      rate_limit_settings: { limits: { plain: { rpm: 100 } } },
    })
    const rowOf = async () => (await readReport(t, gateway)).limits.find(({ model }) => model === 'plain')!
    assert.equal((await rowOf()).full_at, null)
    upstream.respond([streamHead(), chunk(`data: ${delta('opening words')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const body = JSON.stringify({ model: 'plain', stream: true, messages: [] })
    client.send(rawRequest('POST /v1/chat/completions', {}, body))
    await client.seen('opening words')

    const row = await rowOf()
    assert.deepEqual([row.frees_in_ms, row.full_at], [0, 'scripted'])
    const { status } = await chat(gateway, 'plain')
    assert.equal(status, 429)
    const text = (await ask(t, gateway, '/status', { accept: 'text/plain' })).body().toString()
    assert.match(text, /^ *plain +requests per minute +1\/100 +0 +when a call at scripted ends$/m)
  })

  test('says why a provider fails, until when it is tried last, and what to do', async (t) => {
    const routing = { retries: 0, restart_wait_ms: 0, cooldown_ms: 60_000 }
    const { gateway, upstream } = await startGateway(t, { routing })
    upstream.respond(json(401, { error: { message: 'bad key', code: 'invalid_api_key' } }))
    await chat(gateway, 'plain')
    const { providers, recent, failures, last_failure: last } = await readReport(t, gateway)
    const [provider] = providers
    assert.deepEqual([provider!.state, provider!.trouble], ['cooling', 'auth'])
    assert.ok(Date.parse(provider!.until!) > Date.now())
    assert.match(provider!.reason!, /scripted|401/)
    assert.deepEqual(provider!.minutes.at(-1), { calls: 1, failed: 1 })
    assert.match(recent[0]!.fix!, /key of provider scripted/)
    assert.deepEqual(
      [last!.id, last!.severity, last!.fix, last!.after],
      [recent[0]!.id, 'critical', recent[0]!.fix, 'No call has succeeded since.'],
    )
    assert.match(last!.what, / at scripted: key refused$/)
    assert.deepEqual(
      failures.map(({ code, provider: of, count }) => [code, of, count]),
      [['provider_auth_failed', 'scripted', 1]],
    )
    assert.match(failures[0]!.fix!, /doctor --provider scripted/)
  })

  test('knows a call that fell back by the name that its client used, and each provider by its own words', async (t) => {
    const { gateway, upstreams } = await startGateway(t, {
      providers: { cloud: {}, gpu: {} },
      models: {
        safe: { provider: 'cloud', fallbacks: ['coder'], aliases: ['s'] },
        coder: { provider: 'gpu' },
      },
    })
    const words = { error: { message: 'The account is closed.', code: 'account_closed' } }
    upstreams.cloud.respond(json(401, words))
    upstreams.gpu.respond(whole())
    await chat(gateway, 's')
    const reasonsOf = async () => {
      const { providers } = await readReport(t, gateway)
      return Object.fromEntries(providers.map(({ name, reason }) => [name, reason]))
    }
    const first = await reasonsOf()
    assert.match(first['cloud']!, /^Provider "cloud" rejected .* Provider "cloud": The account is closed\.$/)
    assert.equal(first['gpu'], null)
    upstreams.cloud.respond(json(429, { error: { message: 'Slower, please.', code: 'slow_down' } }))
    upstreams.gpu.respond(json(503, { error: { message: 'The queue is full.' } }))
    await chat(gateway, 'safe')
    const { cloud, gpu } = await reasonsOf()
    assert.equal(cloud, 'status 429, code slow_down: Slower, please.')
    assert.equal(gpu, 'status 503: The queue is full.')
    const { recent, last_failure: last } = await readReport(t, gateway)
    assert.deepEqual(
      recent.map(({ asked, model }) => [asked, model]),
      [
        ['safe', 'coder'],
        ['s', 'coder'],
      ],
    )
    assert.equal(last!.what, 'safe → coder: no provider works')
    const text = (await ask(t, gateway, '/status', { accept: 'text/plain' })).body().toString()
    assert.match(
      text,
      /^Last failed call\n {2}critical safe → coder: no provider works, .* ago\n {4}No target/m,
    )
    assert.match(text, / s → coder +user:/)
  })

  test('says why a provider failed whose client has left', async (t) => {
    const routing = { retries: 3, restart_wait_ms: 60_000, cooldown_ms: 60_000 }
    const { gateway } = await startGateway(t, {
      providers: { away: at({ url: await refusingUrl(t) }) },
      models: { plain: { provider: 'away' } },
      routing,
    })
    const client = await connectRaw(t, gateway.url)
    const body = JSON.stringify({ model: 'plain', messages: [] })
    client.send(rawRequest('POST /v1/chat/completions', {}, body))
    await until(async () => (await readReport(t, gateway)).providers[0]!.reason !== null, 'an attempt')
    client.leave()
    await gateway.logged({ status: 499 })
    const { providers } = await readReport(t, gateway)
    assert.match(providers[0]!.reason!, /^Provider "away" cannot be reached: .*ECONNREFUSED/)
  })

  test('has the conditions that need a person, for who sees all calls', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(json(401, {}))
    await chat(gateway, 'plain')
    await until(async () => {
      const { attention } = await readReport(t, gateway)
      return attention.some(({ rule, subject }) => rule === 'ProviderAuth' && subject === 'scripted')
    }, 'a condition')
  })

  for (const workers of [1, 2]) {
    test(`says which address of a provider cannot be reached, and why, with ${workers} threads`, async (t) => {
      const url = await refusingUrl(t)
      const { gateway } = await startGateway(t, {
        server: { workers },
        providers: { away: at({ url }) },
        models: { plain: { provider: 'away' } },
        routing: { retries: 0, restart_wait_ms: 0, cooldown_ms: 3_600_000 },
      })
      await chat(gateway, 'plain')
      await until(async () => {
        const { attention } = await readReport(t, gateway)
        const why = attention.find(({ rule, subject }) => rule === 'ProviderDown' && subject === 'away')?.why
        return why === `No connection to ${new URL(url).host} can be made (ECONNREFUSED).`
      }, 'a condition')
    })
  }

  test('has the limits of models, and what is spent of budgets', async (t) => {
    const { gateway, upstream } = await startGateway(
      t,
      {
        providers: { scripted: {} },
        models: { plain: { provider: 'scripted', price: { input: 1, output: 1 } } },
        rate_limit_settings: { limits: { plain: { rpm: 5, max_parallel_requests: 2 } } },
        budgets: { total: [{ usd: 5, per: 'day' }] },
      },
      { stateDirectory: newDirectory() },
    )
    upstream.respondAlways(whole())
    await chat(gateway, 'plain')
    const { limits, budgets } = await readReport(t, gateway)
    assert.deepEqual(
      limits.map(({ model, dimension, used, limit }) => [model, dimension, used, limit]),
      [
        ['plain', 'requests', 1, 5],
        ['plain', 'parallel', 0, 2],
      ],
    )
    assert.deepEqual(
      budgets.map(({ of, unit, per, limit }) => [of, unit, per, limit]),
      [['all clients', 'usd', 'day', '5']],
    )
    assert.notEqual(budgets[0]!.spent, '0')
  })

  test('adds usage up by day, model, client and key of the viewer', async (t) => {
    const { gateway, upstream } = await startGateway(t, {}, { stateDirectory: newDirectory() })
    upstream.respondAlways(whole())
    await chat(gateway, 'plain')
    await until(async () => {
      // Each zone is a view of its own: what was read for another one is not shown again.
      const zone = `Etc/GMT-${1 + Math.floor(Math.random() * 14)}`
      const { usage } = await readReport(t, gateway, `?days=7&zone=${zone}`)
      return (
        usage?.models[0]?.name === 'plain' && usage.clients[0]?.name === owner && usage.days.length === 30
      )
    }, 'the row of a call')
  })

  test('refuses zones and days that there are not', async (t) => {
    const { gateway } = await startGateway(t, echo)
    for (const query of ['?zone=Mars/Olympus', '?days=2', '?days=1&days=7', '?zone=UTC&zone=UTC']) {
      const response = await ask(t, gateway, `/status/data${query}`)
      assert.equal(response.status, 400, query)
    }
  })

  test('is not logged, unless it is refused', async (t) => {
    const { gateway } = await startGateway(t, echo)
    await readReport(t, gateway)
    const script = await ask(t, gateway, '/status/app.js')
    assert.equal(
      (await ask(t, gateway, '/status/app.js', { 'if-none-match': script.header('etag') })).status,
      304,
    )
    await ask(t, gateway, '/status/data', { origin: 'https://evil.example' })
    const refused = await gateway.logged({ event: 'origin_not_allowed' })
    assert.equal(refused['status'], 403)
    const requests = gateway.log().filter((line) => 'request_id' in line)
    assert.deepEqual(requests, [refused])
  })

  test('shows hostile names and reasons as data', async (t) => {
    const hostile = `<img/src=x/onerror=alert(1)>evil"'`
    const { gateway, upstream } = await startGateway(t, {
      providers: { scripted: {} },
      models: { [hostile]: { provider: 'scripted', model: hostile } },
    })
    upstream.respond(json(500, { error: { message: `${hostile}\r\n\r\ndata: {"calls":[]}` } }))
    const body = JSON.stringify({ model: hostile, messages: [] })
    await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, body))
    const response = await ask(t, gateway, '/status/data')
    assert.equal(response.header('content-type'), 'application/json; charset=utf-8')
    assert.doesNotMatch(response.body().toString(), /\u202E/)
    const { recent } = JSON.parse(response.body().toString()) as Awaited<ReturnType<typeof readReport>>
    assert.equal(recent[0]!.model, hostile.replace('\u202E', '\\u202e'))
    const text = await ask(t, gateway, '/status', { accept: 'text/plain' })
    assert.equal(text.header('content-type'), 'text/plain; charset=utf-8')
    assert.doesNotMatch(text.body().toString(), /\u202E/)
  })
})

suite('a name', onlyLinux, () => {
  test('is explained with the live state of its targets', async (t) => {
    const routing = { retries: 0, restart_wait_ms: 0, cooldown_ms: 60_000 }
    const { gateway, upstream } = await startGateway(t, { routing })
    upstream.respond(json(401, {}))
    await chat(gateway, 'plain')
    const response = await ask(t, gateway, '/status/explain?model=short')
    const { model, route } = JSON.parse(response.body().toString())
    assert.equal(model, 'short')
    assert.deepEqual([route.rule, route.entry], ['alias', 'renamed'])
    const { provider, state, trouble } = route.targets[0]
    assert.deepEqual(
      { provider, state, trouble },
      { provider: 'scripted', state: 'cooling', trouble: 'auth' },
    )
  })

  test('is explained as failing where its provider is still chosen, but has failed last', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      routing: { retries: 0, restart_wait_ms: 0, cooldown_ms: 0 },
    })
    upstream.respond(json(401, {}))
    await chat(gateway, 'plain')
    const response = await ask(t, gateway, '/status/explain?model=plain')
    assert.equal(JSON.parse(response.body().toString()).route.targets[0].state, 'failing')
  })

  test('that leads nowhere is answered with what was meant', async (t) => {
    const { gateway } = await startGateway(t)
    const response = await ask(t, gateway, '/status/explain?model=renamd')
    assert.equal(response.status, 200)
    assert.deepEqual(JSON.parse(response.body().toString()), {
      model: 'renamd',
      route: null,
      suggestion: 'renamed',
    })
    for (const query of ['', '?model=', '?model=a&model=b']) {
      assert.equal((await ask(t, gateway, `/status/explain${query}`)).status, 400)
    }
  })
})

suite('several threads', onlyLinux, () => {
  test('have one report, whichever serves it', async (t) => {
    const { gateway, upstream } = await startGateway(t, { server: { workers: 2 } })
    upstream.respondAlways(whole())
    // Each on a connection of its own, which the kernel deals out.
    for (let count = 0; count < 12; count++) await chat(gateway, 'plain')
    for (let count = 0; count < 4; count++) {
      const report = await readReport(t, gateway)
      assert.equal(report.recent.length, 12)
      assert.deepEqual(report.workers, { wanted: 2, running: 2 })
      assert.equal(
        report.providers[0]!.minutes.reduce((sum, { calls }) => sum + calls, 0),
        12,
      )
    }
    const explained = await ask(t, gateway, '/status/explain?model=plain')
    assert.equal(JSON.parse(explained.body().toString()).route.entry, 'plain')
  })
})

suite('keys that are required', onlyLinux, () => {
  test('are not for the page, which then offers no playground', async (t) => {
    const { gateway } = await startGateway(t, { ...echo, keys: { mode: 'required' } })
    const report = await readReport(t, gateway)
    assert.deepEqual(report.viewer, { user: owner, sees_all: true, may_cancel: true, playground: false })
  })
})

suite('an identity behind a proxy', onlyLinux, () => {
  test('sees its own calls only, and no names of others', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      server: { trusted_proxies: [{ user: 'self' }] },
      identity: { sources: [{ kind: 'header' as const, header: 'x-mail', from_user: 'self' }] },
      status: { via_proxy: true, allowed_users: ['self', 'head:ann'] },
    })
    const as = (name: string) => ({ 'x-forwarded-for': '192.0.2.1', 'x-mail': name })
    const body = JSON.stringify({ model: 'plain', messages: [] })
    upstream.respondAlways(json(500, { error: { message: 'words about somebody' } }))
    for (const name of ['ann', 'eve']) {
      await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', as(name), body))
    }
    const report = await readReport(t, gateway, '', as('ann'))
    assert.deepEqual(report.viewer, {
      user: 'head:ann',
      sees_all: false,
      may_cancel: false,
      playground: false,
    })
    assert.deepEqual(
      report.recent.map(({ client }) => client),
      ['head:ann'],
    )
    assert.equal(
      report.failures.reduce((sum, { count }) => sum + count, 0),
      1,
    )
    assert.deepEqual([report.providers[0]!.reason, report.providers[0]!.key_from], [null, null])
    assert.doesNotMatch(JSON.stringify(report), /head:eve/)
  })
})

test('others cannot keep the page from the user that runs the gateway', onlyLinux, async (t) => {
  const { gateway } = await startGateway(t, {
    ...echo,
    server: { trusted_proxies: [{ user: 'self' }] },
    identity: { sources: [{ kind: 'header' as const, header: 'x-mail', from_user: 'self' }] },
    status: { via_proxy: true, allowed_users: ['self', 'head:ann'] },
  })
  const open = async (headers: Readonly<Record<string, string>>) => {
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('GET /status/events', headers))
    return (await client.head()).status
  }
  const ann = { 'x-forwarded-for': '192.0.2.1', 'x-mail': 'ann' }
  for (let count = 0; count < 8; count++) assert.equal(await open(ann), 200)
  assert.equal(await open(ann), 503)
  for (let count = 0; count < 8; count++) assert.equal(await open({}), 200)
  assert.equal(await open({}), 503)
})

test('a provider that is asked for its models is no longer unused', onlyLinux, async (t) => {
  const { gateway: other } = await startGateway(t, echo)
  const { gateway } = await startGateway(t, {
    providers: { away: at({ url: other.url }, { discover_models: true }) },
  })
  await until(async () => {
    const [provider] = (await readReport(t, gateway)).providers
    return provider!.state === 'ok' && provider!.models > 0
  }, 'a list of models')
})
