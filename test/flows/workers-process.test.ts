// A gateway of several threads as a service manager sees it: one process, one log, the usual signals.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'

import { startGatewayProcess } from '../support/gateway-process.ts'
import { atOnce, callModel, countOf } from './own-connections.ts'
import { whole } from '../support/chat-content.ts'
import { at, configText, providerKey } from '../support/gateway-config.ts'

test('serves, reloads and ends like a gateway of one thread, with every line whole', async (t) => {
  const { gateway, upstream } = await startGatewayProcess(t, { server: { workers: 3 } })
  upstream.respondAlways(whole())
  assert.equal(countOf(await atOnce(200, () => callModel(gateway)), 200), 200)

  writeFileSync(
    gateway.file,
    configText({
      server: { workers: 3 },
      providers: { scripted: at(upstream) },
      models: { added: { provider: 'scripted' } },
    }),
  )
  process.kill(gateway.pid, 'SIGHUP')
  await gateway.says(/"event":"reloaded"/)
  assert.equal(countOf(await atOnce(20, () => callModel(gateway, 'added')), 200), 20)
  assert.equal(await gateway.stop(), 0)

  const lines = gateway.stdout().trimEnd().split('\n')
  const events = lines.map((line) => (JSON.parse(line) as { event: string }).event)
  assert.equal(events.filter((event) => event === 'call').length, 220)
  assert.deepEqual(
    events.filter((event) => event !== 'call'),
    ['limits_loaded', 'listening', 'provider_reachable', 'reloaded', 'stopping', 'stopped'],
  )
  assert.doesNotMatch(gateway.stdout() + gateway.stderr(), new RegExp(providerKey))
})
