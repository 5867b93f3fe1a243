// Calls that wait for their client's limit with their bodies unread, and whose client leaves: what it has sent hides that.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { chat, modelsOf, sendChat } from '../support/calls.ts'
import { messages } from '../support/chat-content.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { connectRaw, exchange, type RawClient, rawRequest } from '../support/raw-client.ts'
import { startLimited } from './limited.ts'

const limits = { when_limited: 'wait', max_wait_ms: 60_000, per_client: { rpm: 2 } } as const

const departures = {
  closes: (client: RawClient) => client.leave('close'),
  'half-closes': (client: RawClient) => client.endSending(),
  resets: (client: RawClient) => client.leave('reset'),
}

/** The limit is used up. */
async function startFull(t: TestContext) {
  const started = await startLimited(t, limits)
  await chat(started.gateway, 'small')
  await chat(started.gateway, 'small')
  const before = started.clock.pendingTimers
  const untilWaiting = (count: number) =>
    until(() => started.clock.pendingTimers === before + count, `${count} calls to wait`)
  const sendLarge = () => sendChat(t, started.gateway, { user: 'x'.repeat(300_000) })
  return { ...started, untilWaiting, sendLarge }
}

suite('a client whose call waits for its limit, unread', () => {
  for (const [how, leave] of Object.entries(departures)) {
    test(`and that ${how} is not served, and takes no place from the next`, async (t) => {
      const { gateway, clock, upstream, untilWaiting, sendLarge } = await startFull(t)
      const leaving = await sendLarge()
      await untilWaiting(1)
      const staying = chat(gateway, 'small', { user: 'stays' })
      await untilWaiting(2)

      leave(leaving)
      // By the time of a further exchange the kernel has the departure.
      assert.ok((await modelsOf(gateway)).size > 0)
      clock.advance(60_000)
      const line = await gateway.logged({ event: 'call', status: 499 })
      assert.equal((await staying).status, 200)
      assert.equal((await chat(gateway, 'small')).status, 200)

      assert.deepEqual([line['wait_ms'], line['attempts'], line['dialect']], [60_000, 0, 'chat'])
      assert.equal(upstream.requests.length, 4)
      assert.ok(upstream.requests.every(({ body }) => body.length < 1_000))
      if (how === 'half-closes') await leaving.ended
    })
  }

  test('makes room when all 64 places are taken', async (t) => {
    const { gateway, clock, upstream, untilWaiting, sendLarge } = await startFull(t)
    const leaving: RawClient[] = []
    for (let call = 0; call < 64; call++) leaving.push(await sendLarge())
    await untilWaiting(64)

    for (const client of leaving) client.leave('close')
    assert.ok((await modelsOf(gateway)).size > 0)
    const staying = chat(gateway, 'small')
    await untilWaiting(1)
    clock.advance(60_000)

    assert.equal((await staying).status, 200)
    assert.equal(upstream.requests.length, 3)
  })

  test('and that is seen to leave is logged', async (t) => {
    const { gateway, untilWaiting } = await startFull(t)
    const leaving = await sendChat(t, gateway)
    await untilWaiting(1)

    leaving.leave('close')
    await untilWaiting(0)

    await gateway.logged({ event: 'call', status: 499, attempts: 0 })
  })

  test('and that closes its Unix socket is not served', async (t) => {
    const socketPath = join(scratchDirectory(t), 'gateway.sock')
    const server = { hosts: ['127.0.0.1'], unix_socket: socketPath }
    const { gateway, clock, upstream } = await startLimited(t, limits, { server })
    const call = (more: object = {}) =>
      rawRequest('POST /v1/chat/completions', {}, JSON.stringify({ model: 'small', messages, ...more }))
    for (let count = 0; count < 2; count++) {
      assert.equal((await exchange(t, { socketPath }, call())).status, 200)
    }
    const before = clock.pendingTimers
    const [leaving, staying] = [await connectRaw(t, { socketPath }), await connectRaw(t, { socketPath })]
    leaving.send(call({ user: 'x'.repeat(300_000) }))
    staying.send(call({ user: 'y'.repeat(100_000) }))
    await until(() => clock.pendingTimers === before + 2, 'both calls to wait')

    leaving.leave('close')
    assert.equal((await exchange(t, { socketPath }, rawRequest('GET /healthz'))).status, 200)
    clock.advance(60_000)

    assert.equal((await staying.response()).status, 200)
    await gateway.logged({ event: 'call', status: 499, attempts: 0 })
    assert.equal(upstream.requests.length, 3)
  })
})
