// A client that sends requests without end and reads no answer costs no memory.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { suite, test } from 'node:test'

import type { RawConfig } from '../../src/config/raw.ts'
import { soon } from '../support/deadline.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { exchange } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { chat, get } from './attack.ts'

const connections = 20
const pipelined = 2_000

suite('A client that reads no answer', () => {
  const names = Array.from({ length: 4_000 }, (_, index) => `m${index}-${'x'.repeat(60)}`)
  const listed = Object.fromEntries(names.map((name) => [name, { provider: 'scripted' }]))

  test('costs no memory by long lists', async (t) => {
    const { gateway } = await startSmall(t, listed)
    const list = await exchange(t, gateway.url, get('/v1/models'))
    assert.ok(list.body().length > 400_000)
    await flood(t, gateway, get('/v1/models'))
  })

  test('costs no memory by calls', async (t) => {
    const { gateway, upstream } = await startSmall(t)
    await flood(t, gateway, chat())
    assert.ok(upstream.requests.length <= connections * 33, `${upstream.requests.length} calls`)
  })
})

/** A gateway whose heap holds a tenth of the responses that the requests ask for. */
async function startSmall(t: Cleanup, models?: RawConfig['models']) {
  const { gateway, upstream } = await startGatewayProcess(
    t,
    { ...(models && { models }), rate_limit_settings: { per_client: { rpm: 1_000_000 } } },
    { NODE_OPTIONS: '--max-old-space-size=128' },
  )
  upstream.respondAlways(json(200, { text: 'x'.repeat(400_000) }))
  gateway.drainInto(() => {})
  return { gateway, upstream }
}

/** Sends what the gateway takes, until it takes no more of anybody. */
async function flood(t: Cleanup, gateway: GatewayProcess, request: Buffer): Promise<void> {
  const all = Buffer.concat(Array.from({ length: pipelined }, () => request))
  for (let count = 0; count < connections; count += 1) {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').pause()
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    socket.write(all)
  }
  // It still answers, and has done for the others what it could.
  for (let count = 0; count < 400; count += 1) {
    const answer = await soon(
      exchange(t, gateway.url, get('/healthz')),
      () => `an answer; ${gateway.stderr()}`,
    )
    assert.equal(answer.status, 200)
  }
  assert.equal(gateway.ending(), undefined)
}
