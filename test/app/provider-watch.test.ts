import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ProviderWatch } from '../../src/app/provider-watch.ts'
import { TargetHealth } from '../../src/routing/target-health.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at } from '../support/gateway-config.ts'
import { AskedProvider, configOf, KeptEvents, setOf } from './asked-provider.ts'

test('a reload that comes after the end asks nobody', (t) => {
  const clock = new FakeClock()
  const { now, setTimer } = clock
  const watch = new ProviderWatch({
    clock: { now, setTimer, chance: () => 0.5 },
    events: new KeptEvents(),
    health: new TargetHealth(),
    onModels() {},
  })
  const provider = new AskedProvider('p')
  const both = { discover_models: true, health_check: true }
  const config = configOf(t, { providers: { p: at({ url: 'http://127.0.0.1:1' }, both) } })
  watch.follow(config, setOf(provider))
  assert.equal(provider.asked.length, 2)

  watch.stop()
  watch.follow(config, setOf(provider))

  assert.equal(provider.asked.length, 2)
  assert.ok(provider.asked.every(({ isAborted }) => isAborted))
  assert.equal(clock.pendingTimers, 0)
})
