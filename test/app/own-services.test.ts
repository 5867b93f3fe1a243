import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ProviderPool } from '../../src/app/provider-pool.ts'
import { OwnServices } from '../../src/app/own-services.ts'
import { type Cell, column } from '../../src/ledger/call-row.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { spendingCall } from '../support/spending-call.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at } from '../support/gateway-config.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { AskedProvider, configOf, KeptEvents, setOf } from './asked-provider.ts'

test('a reload that comes after the end asks nobody', async (t) => {
  const clock = new FakeClock()
  const provider = new AskedProvider('p')
  const both = { discover_models: true, health_check: true }
  const config = configOf(t, { providers: { p: at({ url: 'http://127.0.0.1:1' }, both) } })
  const parts = {
    clock,
    events: new KeptEvents(),
    stateDirectory: undefined,
    store: undefined,
    ledger: undefined,
    counts: undefined,
    version: '0.0.0-test',
  }
  const services = await OwnServices.start(config, parts)
  services.follow(config, setOf(provider))
  assert.equal(provider.asked.length, 2)

  services.stopWatching()
  services.follow(config, setOf(provider))

  assert.equal(provider.asked.length, 2)
  assert.ok(provider.asked.every(({ isAborted }) => isAborted))
  assert.equal(clock.pendingTimers, 0)
})

test('a call whose thread has died is recorded by pseudonyms where clients have them', async (t) => {
  const config = configOf(t, { providers: { p: at({ url: 'http://127.0.0.1:1' }) } })
  const usage = { ...config.usage, pseudonymKey: { reveal: () => 'a key of the test', source: 'the test' } }
  const rows: Cell[] = []
  const ledger = {
    spending: { held() {}, charged() {}, rebased() {} },
    followSpending() {},
    recordRows: (more: readonly Cell[]) => void rows.push(...more),
  }
  const parts = {
    clock: new FakeClock(),
    events: new KeptEvents(),
    stateDirectory: undefined,
    store: undefined,
    counts: undefined,
    version: '0.0.0-test',
  }
  const services = await OwnServices.start(
    { ...config, usage },
    { ...parts, ledger: ledger as unknown as Ledger },
  )
  const call = { ...spendingCall, client: 'key:annabel', key: 'annabel', via: 'user:annabel' }
  services.recordUnfinished({ ...call, scope: 'key:k_1', nano: 1, promptTokens: 1, tokens: 2 })
  assert.match(String(rows[column.client]), /^key:p-[0-9a-f]{32}$/)
  assert.match(String(rows[column.via]), /^user:p-[0-9a-f]{32}$/)
  assert.equal(`key:${rows[column.key]}`, rows[column.client])
  assert.doesNotMatch(JSON.stringify(rows), /annabel/)
})

test('a bug in what a new list of models leads to is reported, and the next list is taken up', async (t) => {
  const upstream = await startUpstream(t)
  const list = (id: string) => json(200, { data: [{ id }] })
  upstream.respond(list('one'))
  upstream.respondAlways(list('two'))
  const provider = at(upstream, { discover_models: true })
  const events = new KeptEvents()
  const clock = new FakeClock()
  const config = configOf(t, { providers: { p: provider } })
  const parts = {
    clock,
    events,
    stateDirectory: undefined,
    store: undefined,
    ledger: undefined,
    counts: undefined,
    version: '0.0.0-test',
  }
  const services = await OwnServices.start(config, parts)
  const providers = new ProviderPool('test').open(config.providers)
  const seen: string[] = []
  services.onModels = (discovered) => {
    const ids = discovered.get('p')!.map(({ id }) => id)
    seen.push(...ids)
    if (ids.includes('one')) throw new Error('a bug')
  }

  t.after(async () => {
    services.stopWatching()
    for (const each of providers.values()) await each.close()
  })

  services.follow(config, providers)
  await until(() => events.all.some(({ kind }) => kind === 'internal_error'), 'the report of the bug')
  // No longer than the next request may take.
  clock.advance(33_001)
  await until(() => seen.includes('two'), 'the next list')

  const bug = events.all.find(({ kind }) => kind === 'internal_error')
  assert.ok(bug?.kind === 'internal_error' && bug.where === 'discovery')
})
