// `max_parallel_requests: auto`: as many calls at once as the server reports slots.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { startGateway } from '../support/app.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at } from '../support/gateway-config.ts'
import { json } from '../support/upstream-script.ts'
import { call } from './model-servers.ts'
import { propsOf, type ReportingServer, slotsOf, startReportingServer } from './model-server-reports.ts'
import { routerList } from '../fixtures/model-lists.ts'

/** Longer than such a server is looked at again, and shorter than a look may take besides. */
const slotLookMs = 11_001

async function start(t: TestContext, server: ReportingServer, whenLimited: 'wait' | 'reject' = 'wait') {
  const clock = new FakeClock()
  const { gateway } = await startGateway(
    t,
    {
      providers: { box: at(server, { kind: 'llama_cpp', max_parallel_requests: 'auto' }) },
      models: { m: { provider: 'box' }, gemma: { provider: 'box' }, qwen: { provider: 'box' } },
      rate_limit_settings: { per_client: {}, when_limited: whenLimited, max_wait_ms: 3_000_000 },
    },
    { clock },
  )
  return { gateway, clock }
}

suite('slots', () => {
  test('a server with two slots has two calls at once; the third one comes in when it has three', async (t) => {
    const server = await startReportingServer(t)
    const { gateway, clock } = await start(t, server)
    await gateway.logged({ event: 'server_reported' })
    const calls = [1, 2, 3, 4].map(() => call(t, gateway, 'm'))
    await until(() => server.calls() === 2, 'two calls')
    // The look at what others do shows no more than these two.
    server.answers('/props', propsOf({ total_slots: 3 }))
    clock.advance(slotLookMs)
    await until(() => server.calls() === 3, 'the third call')
    server.letGo()
    assert.deepEqual(
      (await Promise.all(calls)).map(({ status }) => status),
      [200, 200, 200, 200],
    )
  })

  test('the refusal names the number, and no key that would have to be raised', async (t) => {
    const server = await startReportingServer(t, { '/props': propsOf({ total_slots: 1 }) })
    const { gateway } = await start(t, server, 'reject')
    await gateway.logged({ event: 'server_reported' })
    const first = call(t, gateway, 'm')
    await until(() => server.calls() === 1, 'the first call')
    const { status, message } = await call(t, gateway, 'm')
    assert.equal(status, 429)
    assert.match(message, /provider box: Limit 1, .*max_parallel_requests: auto.*when_limited: wait/)
    assert.doesNotMatch(message, /too low/)
    server.letGo()
    assert.equal((await first).status, 200)
  })

  test('a server that does not answer keeps its number', async (t) => {
    const server = await startReportingServer(t, { '/props': propsOf({ total_slots: 1 }) })
    const { gateway, clock } = await start(t, server, 'reject')
    await gateway.logged({ event: 'server_reported' })
    server.answers('/props', () => json(503, { error: { message: 'Loading model', code: 503 } }))
    clock.advance(slotLookMs)
    await gateway.logged({ event: 'server_reported', state: 'loading' })
    const first = call(t, gateway, 'm')
    await until(() => server.calls() === 1, 'the first call')
    assert.equal((await call(t, gateway, 'm')).status, 429)
    server.letGo()
    await first
  })

  test('a server that cannot be reached has no slots and no loaded model', async (t) => {
    const server = await startReportingServer(t)
    const { gateway, clock } = await start(t, server)
    await gateway.logged({ event: 'server_reported' })
    const shown = async () => {
      const { providers } = (await (await fetch(`${gateway.url}/status/data`)).json()) as {
        providers: readonly { slots: number | null; served: readonly { state: string | null }[] }[]
      }
      const [box] = providers
      return [box!.slots, box!.served[0]!.state]
    }
    assert.deepEqual(await shown(), [2, 'loaded'])
    await server.close()
    const isGone = async () => {
      clock.advance(slotLookMs)
      return (await shown())[0] === null
    }
    await until(isGone, 'the slots to be forgotten')
    assert.deepEqual(await shown(), [null, null])
  })

  test('slots that other programs use are not given out, while calls wait, and one always is', async (t) => {
    const server = await startReportingServer(t, { '/props': propsOf(), '/slots': slotsOf(2) })
    const { gateway, clock } = await start(t, server)
    await gateway.logged({ event: 'server_reported' })
    const calls = [1, 2, 3].map(() => call(t, gateway, 'm'))
    await until(() => server.asked('/slots').length === 1, 'the look at the slots')
    assert.equal(server.calls(), 2)
    server.letGo()
    await Promise.all(calls)
    clock.advance(slotLookMs)
    assert.equal(server.asked('/slots').length, 1)
  })

  test('the slots of a server that sleeps are never looked at', async (t) => {
    const sleeping = propsOf({ is_sleeping: true, total_slots: 1 })
    const server = await startReportingServer(t, { '/props': sleeping, '/slots': slotsOf(0) })
    const { gateway } = await start(t, server)
    await gateway.logged({ event: 'server_reported' })
    const calls = [1, 2].map(() => call(t, gateway, 'm'))
    await until(() => server.asked('/props').length === 2, 'the look before that at the slots')
    server.letGo()
    await Promise.all(calls)
    assert.equal(server.asked('/slots').length, 0)
  })

  test('a router has slots per model, and only loaded ones are asked', async (t) => {
    const server = await startReportingServer(t, {
      '/props': { role: 'router', max_instances: 2 },
      '/v1/models': routerList,
      '/props?model=gemma&autoload=false': propsOf({ total_slots: 1 }),
    })
    const { gateway } = await start(t, server, 'reject')
    await gateway.logged({ event: 'server_reported', models: 1 })
    const first = [call(t, gateway, 'gemma'), call(t, gateway, 'qwen'), call(t, gateway, 'qwen')]
    await until(() => server.calls() === 3, 'three calls')
    const { status, message } = await call(t, gateway, 'gemma')
    assert.equal(status, 429)
    assert.match(message, /box\/gemma/)
    server.letGo()
    await Promise.all(first)
    assert.ok(server.requests.every(({ target }) => !target.includes('qwen')))
  })

  test('a call that waits for a model’s slot gets one of those that it has after it was unloaded', async (t) => {
    const gemma = '/props?model=gemma&autoload=false'
    const [loaded, ...others] = routerList.data
    const unloaded = { ...loaded, status: { ...loaded!.status, value: 'unloaded' } }
    // Another model with slots of its own stays, so that the server goes on having slots per model.
    const other = { ...loaded, id: 'other', aliases: ['other'] }
    const listOf = (first: object) => ({ object: 'list', data: [first, other, ...others] })
    const server = await startReportingServer(t, {
      '/props': { role: 'router', max_instances: 2 },
      '/v1/models': listOf(loaded!),
      [gemma]: propsOf({ total_slots: 1 }),
      '/props?model=other&autoload=false': propsOf({ total_slots: 1 }),
    })
    const { gateway, clock } = await start(t, server)
    await gateway.logged({ event: 'server_reported', models: 2 })
    const calls = [1, 2].map(() => call(t, gateway, 'gemma'))
    await until(() => server.calls() === 1, 'the first call')
    server.answers('/v1/models', listOf(unloaded))
    clock.advance(slotLookMs)
    await gateway.logged({ event: 'server_reported', models: 1 })
    server.answers('/v1/models', listOf(loaded!))
    server.answers(gemma, propsOf({ total_slots: 2 }))
    clock.advance(slotLookMs)
    await until(() => server.calls() === 2, 'the second call')
    server.letGo()
    for (const { status } of await Promise.all(calls)) assert.equal(status, 200)
  })

  test('a server that is not asked about anything gets no requests but calls', async (t) => {
    const server = await startReportingServer(t)
    const { gateway } = await startGateway(t, {
      providers: { box: at(server, { kind: 'llama_cpp' }) },
      models: { m: { provider: 'box' } },
    })
    server.letGo()
    assert.equal((await call(t, gateway, 'm')).status, 200)
    assert.deepEqual(
      server.requests.filter(({ method }) => method === 'GET'),
      [],
    )
  })
})
