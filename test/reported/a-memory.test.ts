// What one client, or many bodies, may take of the gateway, and what becomes of everybody else.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway, type TestGateway } from '../support/app.ts'
import { report } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { unless } from '../support/needs.ts'
import { connectRaw, type RawClient, rawRequest } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { wait } from '../support/upstream-script.ts'

const isLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }

/** Sends a call through a front proxy, for the client at this address. */
async function sendFor(t: Cleanup, gateway: TestGateway, address: string): Promise<RawClient> {
  const client = await connectRaw(t, gateway.url)
  const body = JSON.stringify({ model: 'plain', messages: [{ role: 'user', content: address }] })
  client.send(rawRequest('POST /v1/chat/completions', { 'x-forwarded-for': address }, body))
  return client
}

suite('A full waiting line', isLinux, () => {
  test('takes the call of another client in place of one of the client with the most calls', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      server: { trusted_proxies: [{ user: 'self' }] },
      rate_limit_settings: {
        when_limited: 'wait',
        max_wait_ms: 600_000,
        limits: { plain: { max_parallel_requests: 1 } },
      },
    })
    const gate = Promise.withResolvers<void>()
    upstream.respondAlways([wait(gate.promise), ...whole()])
    const waiting = async (count: number) => (await report(gateway, 'plain')).waiting === count

    const greedy = []
    for (let count = 0; count < 101; count += 1) {
      greedy.push(await sendFor(t, gateway, '203.0.113.1'))
      await until(() => waiting(count), `${count} calls to wait`)
    }
    const other = await sendFor(t, gateway, '203.0.113.2')
    const refused = await greedy.at(-1)!.response()
    gate.resolve()

    assert.equal(refused.status, 429)
    assert.notEqual(refused.header('retry-after'), undefined)
    assert.equal((await other.response()).status, 200)
    const texts = upstream.requests.slice(0, 3).map(({ body }) => body.toString())
    assert.ok(
      texts.some((text) => text.includes('203.0.113.2')),
      'the other client has its turn behind one call of the first',
    )
    assert.equal((await greedy[99]!.response()).status, 200)
  })
})
