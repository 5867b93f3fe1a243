// Lists of models that do not come, or are none; and reloads and the end while they are asked for.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { settled } from '../support/fake-clock.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'
import { bytes, content, end, hang, head, reset } from '../support/upstream-script.ts'
import type { Script, Step } from '../support/upstream-script.ts'
import {
  call,
  discovering,
  offered,
  refreshMs,
  startAsking,
  startDiscovering,
  startModelServer,
} from './model-servers.ts'
import type { TestGateway } from '../support/app.ts'

/** Until the list is asked for again and again without end. */
function* endless(): Generator<Step> {
  yield head(200, { 'content-type': 'application/json' })
  yield bytes('{"object":"list","data":[')
  for (;;) yield bytes(`{"id":"${'m'.repeat(60_000)}"},`)
}

const noLists: readonly [what: string, answer: Script, reason: RegExp][] = [
  ['a web page', content(200, 'text/html', '<!doctype html><title>Router</title>'), /not a list of models/],
  ['a redirect', [head(302, { location: '/v1/elsewhere', 'content-length': '0' })], /status 302/],
  [
    'a list that is cut off',
    [head(200, { 'content-length': '900' }), bytes('{"data":[{"id":"m"}]'), end],
    /connection failed/,
  ],
  ['a body without end', endless(), /exceeds 4194304 bytes/],
  ['a reset', [reset], /connection failed/],
  ['no HTTP', [bytes('SSH-2.0-OpenSSH_9.2\r\n'), end], /connection failed/],
]

describe('a provider that answers with', () => {
  for (const [what, answer, reason] of noLists) {
    test(`${what} offers nothing, and the log says why`, async (t) => {
      const odd = await startModelServer(t)
      odd.lists(answer)
      const { gateway } = await startAsking(t, { odd })
      const line = await gateway.logged({ event: 'discovery_failed', provider: 'odd' })
      assert.equal(line['level'], 'WARN')
      assert.match(String(line['reason']), reason)
      assert.deepEqual(Object.keys(await offered(t, gateway)), ['echo'])
      assert.ok(odd.listings().every(({ target }) => target === '/v1/models'))
      assert.equal(odd.listings().length, String(line['reason']).includes('connection failed') ? 2 : 1)
    })
  }

  test('silence is given up after ten seconds, and asked again', async (t) => {
    const slow = await startModelServer(t)
    slow.lists([hang])
    const { gateway, clock } = await startAsking(t, { slow })
    const first = await slow.nextRequest()
    clock.advance(10_000)
    assert.equal((await first.outcome).kind, 'aborted')
    await gateway.logged({ event: 'discovery_failed', reason: 'no response within 10 s' })
    slow.has('m')
    clock.advance(refreshMs)
    await gateway.logged({ event: 'models_discovered', provider: 'slow', added: 1 })
  })

  test('silence is asked no second time meanwhile', async (t) => {
    const slow = await startModelServer(t)
    slow.lists([hang])
    const { gateway, clock } = await startAsking(t, { slow })
    await slow.nextRequest()
    const timers = clock.pendingTimers
    const calls = [call(t, gateway, 'x'), call(t, gateway, 'y')]
    while (clock.pendingTimers < timers + calls.length) await settled()
    void gateway.reload(discovering({ slow }))
    clock.advance(9_999)
    await settled()
    assert.equal(slow.listings().length, 1)
    clock.advance(1)
    for (const answer of calls) assert.equal((await answer).status, 404)
  })

  test('names that no log and no header may hold shows them only escaped', async (t) => {
    const evil = await startModelServer(t, 'a\nb', '__proto__', '"><script>', 'x*', 'é')
    const { gateway } = await startDiscovering(t, { evil })
    assert.deepEqual(
      Object.keys(await offered(t, gateway)).filter((name) => name.startsWith('evil/')),
      ['evil/"><script>', 'evil/__proto__', 'evil/é'],
    )
    for (const name of ['__proto__', '"><script>', 'é']) {
      assert.equal((await call(t, gateway, name)).status, 200, name)
    }
    assert.deepEqual(evil.called(), ['__proto__', '"><script>', 'é'])
  })
})

describe('a provider that is away', () => {
  test('since the start is reported without a warning if it is local, also where models of the file need it', async (t) => {
    const away = { url: await refusingUrl(t) }
    const { gateway } = await startAsking(t, { away }, { models: { m: { provider: 'away' } } })
    await gateway.logged({ event: 'discovery_failed', provider: 'away', level: 'INFO' })
    assert.deepEqual((await call(t, gateway, 'm')).code, 'provider_unreachable')
    await gateway.logged({ event: 'call', model: 'm', level: 'ERROR' })
  })

  test('keeps its models: calls fail by what is true', async (t) => {
    const { gateway } = await startLeft(t)
    const { status, code } = await call(t, gateway, 'm')
    assert.deepEqual([status, code], [502, 'provider_unreachable'])
  })

  async function startLeft(t: TestContext) {
    const server = await startModelServer(t, 'm')
    const started = await startDiscovering(t, { server })
    await server.close()
    started.clock.advance(refreshMs)
    await started.gateway.logged({ event: 'discovery_failed', provider: 'server', level: 'WARN' })
    return started
  }
})

describe('a reload', () => {
  test('asks again at once, and serves by what was listed meanwhile', async (t) => {
    const server = await startModelServer(t, 'm')
    const { gateway } = await startDiscovering(t, { server })
    server.has('m', 'new')
    void gateway.reload(discovering({ server }))
    assert.equal((await call(t, gateway, 'm')).status, 200)
    await gateway.logged({ event: 'models_discovered', added: 1, count: 2 })
    assert.equal((await call(t, gateway, 'server/new')).status, 200)
  })

  test('with another address asks there, and no more at the old one', async (t) => {
    const [old, current] = [await startModelServer(t, 'm'), await startModelServer(t, 'n')]
    const { gateway, clock } = await startDiscovering(t, { server: old })
    void gateway.reload(discovering({ server: current }))
    await gateway.logged({ event: 'models_discovered', added: 1, removed: 1 })
    assert.equal((await call(t, gateway, 'n')).status, 200)
    clock.advance(refreshMs)
    await current.nextRequest()
    assert.equal(old.listings().length, 1)
  })

  test('under way does not lose a call that waits for a list', async (t) => {
    const server = await startModelServer(t)
    server.lists([hang])
    const { gateway } = await startAsking(t, { server })
    await server.nextRequest()
    const answer = call(t, gateway, 'm')
    await assertQuiet(gateway)
    void gateway.reload(discovering({}))
    assert.equal((await answer).status, 404)
  })
})

/** Whatever can happen without time passing has happened. */
async function assertQuiet(gateway: TestGateway): Promise<void> {
  const lines = gateway.log().length
  for (let turn = 0; turn < 20; turn++) await settled()
  assert.equal(gateway.log().length, lines)
}
