import assert from 'node:assert/strict'
import { test } from 'node:test'

import { OwnServices } from '../../src/app/shared-services.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at } from '../support/gateway-config.ts'
import { AskedProvider, configOf, KeptEvents, setOf } from './asked-provider.ts'

test('a reload that comes after the end asks nobody', async (t) => {
  const clock = new FakeClock()
  const provider = new AskedProvider('p')
  const both = { discover_models: true, health_check: true }
  const config = configOf(t, { providers: { p: at({ url: 'http://127.0.0.1:1' }, both) } })
  const parts = { clock, events: new KeptEvents(), stateDirectory: undefined, store: undefined }
  const services = await OwnServices.start(config, parts)
  services.follow(config, setOf(provider))
  assert.equal(provider.asked.length, 2)

  services.stopWatching()
  services.follow(config, setOf(provider))

  assert.equal(provider.asked.length, 2)
  assert.ok(provider.asked.every(({ isAborted }) => isAborted))
  assert.equal(clock.pendingTimers, 0)
})
