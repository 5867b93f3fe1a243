import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withStopped } from '../../src/call/stopped-targets.ts'
import type { Target } from '../../src/domain.ts'
import { FakeServices } from '../support/fake-services.ts'

const target = (provider: string, tier: number): Target => ({ provider, model: 'm', tier, weight: 1 })
const [first, second, third] = [target('a', 1), target('b', 1), target('c', 2)] as const

function lastOf(services: FakeServices, unfit?: ReadonlySet<Target>): string {
  const last = withStopped([first, second, third], unfit, services)
  return [...(last ?? [])].map(({ provider }) => provider).join()
}

test('of one tier, those that run come first; a better tier is waited for', () => {
  const services = new FakeServices('a', 'b', 'c')
  assert.equal(lastOf(services), '', 'none runs')
  services.open('c')
  assert.equal(lastOf(services), '')
  services.open('b')
  assert.equal(lastOf(services), 'a')
})

test('with failover, whatever runs comes first, and better ones are started', () => {
  const services = new FakeServices('a', 'b', 'c')
  services.mode = 'failover'
  assert.equal(lastOf(services), '')
  services.open('c')
  assert.equal(lastOf(services), 'a,b')
  assert.deepEqual(services.woken, ['a', 'b'])
})

test('what the call does not fit does not count as running', () => {
  const services = new FakeServices('a')
  assert.equal(lastOf(services, new Set([second, third])), 'b,c')
  assert.equal(lastOf(services, new Set([second])), 'b')
  assert.equal(lastOf(services), 'a')
})
