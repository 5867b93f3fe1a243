import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { ProviderPool } from '../../src/app/provider-pool.ts'
import type { RawProvider } from '../../src/config/raw.ts'
import { at } from '../support/gateway-config.ts'
import { configOf } from './asked-provider.ts'

const configsOf = (t: TestContext, more: RawProvider = {}) =>
  configOf(t, { providers: { p: at({ url: 'http://127.0.0.1:1' }, more), echo: { kind: 'echo' } } }).providers

test('a provider whose settings stay the same is kept over a load, and another one is not', (t) => {
  const providers = new ProviderPool('test')
  const first = providers.open(configsOf(t))
  const same = providers.open(configsOf(t))
  const dearer = providers.open(configsOf(t, { price: { input: 7 } }))
  const other = providers.open(configsOf(t, { max_parallel_requests: 1 }))
  for (const name of ['p', 'echo']) assert.equal(same.get(name), first.get(name))
  // Its connections have nothing to do with what its calls cost.
  assert.equal(dearer.get('p'), first.get('p'))
  assert.notEqual(other.get('p'), first.get('p'))
  assert.equal(other.get('echo'), first.get('echo'))
})

test('a provider ends when the last load that has it is released', async (t) => {
  const providers = new ProviderPool('test')
  const closed: string[] = []
  const [first, second] = [providers.open(configsOf(t)), providers.open(configsOf(t))]
  for (const provider of first.values()) {
    t.mock.method(provider, 'close', () => Promise.resolve(void closed.push(provider.name)))
  }
  await providers.release(first)
  assert.deepEqual(closed, [])
  await providers.release(second)
  assert.deepEqual(closed, ['p', 'echo'])
})
