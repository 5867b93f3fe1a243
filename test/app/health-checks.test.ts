import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { HealthChecks } from '../../src/app/health-checks.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at } from '../support/gateway-config.ts'
import { AskedProvider, configOf, KeptEvents, setOf } from './asked-provider.ts'

function start(t: TestContext, isOpen: () => boolean = () => true) {
  const clock = new FakeClock()
  const events = new KeptEvents()
  const provider = new AskedProvider('p')
  const found: (string | undefined)[] = []
  const checks = new HealthChecks({
    clock: { now: clock.now, setTimer: clock.setTimer, chance: () => 0.5 },
    events,
    health: { recordCheck: (_, failureKind) => void found.push(failureKind) },
    isOpen,
  })
  const follow = (isChecked: boolean) => {
    const settings = isChecked ? { health_check: { path: '/health', interval_ms: 1000 } } : {}
    const address = { url: 'http://127.0.0.1:1' }
    checks.follow(configOf(t, { providers: { p: at(address, settings) } }), setOf(provider))
  }
  follow(true)
  return { clock, events, provider, found, follow, checks }
}

for (const [status, failureKind] of [
  [200, undefined],
  [204, undefined],
  [302, 'broken'],
  [401, 'auth'],
  [402, 'billing'],
  [403, 'auth'],
  [404, 'broken'],
  [500, 'broken'],
  [502, 'overloaded'],
  [503, 'overloaded'],
  [504, 'overloaded'],
  [529, 'overloaded'],
] as const) {
  test(`status ${status}: ${failureKind ?? 'healthy'}`, async (t) => {
    const { provider, found } = start(t)
    assert.equal(provider.asked[0]?.path, '/health')
    await provider.respond(status)
    assert.deepEqual(found, [failureKind])
  })
}

test('a provider that is still loading its model is', async (t) => {
  const { provider, found } = start(t)
  Object.assign(provider.provider, { meaningOf: () => 'loading' })
  await provider.respond(503)
  assert.deepEqual(found, ['loading'])
})

test('429 changes nothing that is known', async (t) => {
  const { provider, found, events } = start(t)
  await provider.respond(429)
  assert.deepEqual([found, events.all], [[], []])
})

test('what is found is reported when it changes', async (t) => {
  const { clock, provider, found, events } = start(t)
  for (const status of [500, 503, 200, 200, 500]) {
    await provider.respond(status)
    clock.advance(1_000)
  }
  assert.equal(found.length, 5)
  const reports = ['status 500', undefined, 'status 500']
  assert.deepEqual(
    events.all.filter(({ kind }) => kind === 'health_checked'),
    reports.map((reason) => ({ kind: 'health_checked', provider: 'p', reason })),
  )
})

test('of a server that does not run nothing is held, and its next process is checked at once', async (t) => {
  let isOpen = true
  const { checks, provider, found, events, clock } = start(t, () => isOpen)
  await provider.respond(500)
  isOpen = false
  checks.reconsider('p')
  clock.advance(10_000)
  assert.deepEqual([found, provider.asked.length], [['broken', undefined], 1])
  isOpen = true
  checks.reconsider('p')
  await provider.respond(500)
  assert.deepEqual(found, ['broken', undefined, 'broken'])
  assert.equal(events.all.filter(({ kind }) => kind === 'health_checked').length, 2)
})
