// What calls may rely on where servers are started on demand, whether the owner is in their own thread or answers by messages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Coordinator, Hold } from '../../src/call/coordinator.ts'
import type { LocalCoordinator } from '../../src/call/local-coordinator.ts'
import type { ServiceCaller } from '../../src/upstream/services/services.ts'
import { settled } from '../support/fake-clock.ts'
import { FakeServices } from '../support/fake-services.ts'
import { a, b, request, startOwner } from './coordinator.ts'

interface Scene {
  readonly coordinator: Coordinator
  readonly services: FakeServices
  readonly hold: Hold
}

const failure = { unit: 'a.service', result: 'exit-code 1', retryAfterMs: 1000 }

function callerOf(): ServiceCaller {
  return { client: { id: 'user:me' }, disconnect: { isGone: false, onGone: undefined } }
}

/** @param make a way to that owner. */
export function testServices(name: string, make: (owner: LocalCoordinator) => Coordinator): void {
  /** `a` has a service that does not run, and is the only target of the call. */
  const contract = (behaviour: string, run: (scene: Scene) => Promise<void>): void => {
    test(`${name}: ${behaviour}`, async () => {
      const { owner } = startOwner()
      const services = new FakeServices('a')
      owner.services = services
      const coordinator = make(owner)
      const result = await coordinator.admit(request({ targets: [a] }))
      assert.ok(result.kind === 'admitted')
      await run({ coordinator, services, hold: result.hold })
    })
  }

  contract('a call is in until it is settled', async ({ services, hold }) => {
    services.open('a')
    const entered = await hold.enterService({ isGone: false, onGone: undefined })
    assert.ok(entered === undefined || entered.kind === 'entered')
    await hold.enterService({ isGone: false, onGone: undefined })
    assert.deepEqual(services.inside, ['a'], 'once')
    hold.settle({ kind: 'used', tokens: 1 })
    await settled()
    assert.deepEqual(services.inside, [])
  })

  contract('a call waits until the server runs', async ({ services, hold }) => {
    const entering = hold.enterService({ isGone: false, onGone: undefined })
    await settled()
    assert.equal(services.waiting.length, 1)
    services.open('a')
    assert.deepEqual(await entering, { kind: 'entered', waitedMs: 7 })
    hold.settle({ kind: 'used', tokens: 1 })
    await settled()
    assert.deepEqual(services.inside, [])
  })

  contract('learns why the server did not start', async ({ services, hold }) => {
    const entering = hold.enterService({ isGone: false, onGone: undefined })
    await settled()
    services.fail('a', failure)
    assert.deepEqual(await entering, { kind: 'not_started', failure, waitedMs: 7 })
    hold.settle({ kind: 'unsent' })
  })

  contract('a client that leaves gives up its place', async ({ services, hold }) => {
    const disconnect = { isGone: false, onGone: undefined as (() => void) | undefined }
    const entering = hold.enterService(disconnect)
    await settled()
    disconnect.isGone = true
    disconnect.onGone?.()
    assert.equal((await entering)?.kind, 'gone')
    await settled()
    assert.equal(services.waiting.length, 0)
    hold.settle({ kind: 'unsent' })
    services.open('a')
    await settled()
    assert.deepEqual(services.inside, [])
  })

  test(`${name}: calls that began before there was a service are reported when they end`, async () => {
    const { owner } = startOwner()
    const coordinator = make(owner)
    const result = await coordinator.admit(request({ targets: [a] }))
    assert.ok(result.kind === 'admitted')
    const services = new FakeServices('a')
    owner.services = services
    result.hold.settle({ kind: 'used', tokens: 1 })
    await settled()
    assert.deepEqual(services.leftEarlier, [['a', 0]])
  })

  contract('a call that has entered is none of those', async ({ services, hold }) => {
    services.open('a')
    await hold.enterService({ isGone: false, onGone: undefined })
    services.generation = 2
    hold.settle({ kind: 'used', tokens: 1 })
    await settled()
    assert.deepEqual(services.leftEarlier, [
      ['a', 1],
      ['a', 1],
    ])
  })

  contract('a further attempt enters anew where the server has ended', async ({ services, hold }) => {
    services.open('a')
    await hold.enterService({ isGone: false, onGone: undefined })
    services.shut('a')
    const again = hold.enterService({ isGone: false, onGone: undefined })
    await settled()
    assert.deepEqual([services.waiting.length, services.inside], [1, []])
    services.open('a')
    await again
    assert.deepEqual(services.inside, ['a'])
    hold.settle({ kind: 'unsent' })
  })

  contract('a request that is no model call', async ({ coordinator, services, hold }) => {
    const waiting = coordinator.visitService('a', callerOf())
    assert.equal(await coordinator.visitIfOpen('a'), undefined)
    await settled()
    services.open('a')
    const entry = await waiting
    assert.ok('kind' in entry && entry.kind === 'entered')
    const second = await coordinator.visitIfOpen('a')
    assert.deepEqual(services.inside, ['a', 'a'])
    entry.visit.leave()
    second!.leave()
    second!.leave()
    await settled()
    assert.deepEqual(services.inside, [])
    hold.settle({ kind: 'unsent' })
  })

  contract('such a request whose client leaves', async ({ coordinator, services, hold }) => {
    const caller = callerOf()
    const waiting = coordinator.visitService('a', caller)
    await settled()
    caller.disconnect.isGone = true
    caller.disconnect.onGone?.()
    const entry = await waiting
    assert.equal('kind' in entry && entry.kind, 'gone')
    await settled()
    services.open('a')
    await settled()
    assert.deepEqual([services.waiting.length, services.inside], [0, []])
    hold.settle({ kind: 'unsent' })
  })

  test(`${name}: what runs is preferred, as far as the service of the better one allows`, async () => {
    const { owner } = startOwner()
    const services = new FakeServices('a')
    owner.services = services
    const coordinator = make(owner)
    const first = async () => {
      const result = await coordinator.admit(request({ targets: [a, b] }))
      assert.ok(result.kind === 'admitted')
      const { targets, placement } = result.hold
      result.hold.settle({ kind: 'unsent' })
      return [targets.map(({ provider }) => provider).join(), placement.reason]
    }
    assert.deepEqual((await first())[0], 'a,b', 'the better tier is worth the wait')
    assert.deepEqual(services.woken, [])
    services.mode = 'failover'
    assert.deepEqual(await first(), ['b,a', 'running'])
    assert.deepEqual(services.woken, ['a'], 'for the next ones')
    services.open('a')
    assert.deepEqual((await first())[0], 'a,b')
  })
}
