import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LoadLooks } from '../../src/app/load-looks.ts'
import { ServerFacts } from '../../src/routing/server-facts.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { AskedProvider, KeptEvents, setOf } from './asked-provider.ts'

const targets = [{ provider: 'qwen', model: 'm', tier: 1, weight: 1 }]

function start() {
  const clock = new FakeClock()
  const provider = new AskedProvider('qwen')
  Object.assign(provider.provider, { maxParallelRequests: 'auto' })
  const facts = new ServerFacts()
  facts.setReported('qwen', { slots: 4 })
  const state = { isOpen: false }
  const looks = new LoadLooks({
    clock: { now: clock.now, setTimer: clock.setTimer, chance: () => 0.5 },
    events: new KeptEvents(),
    facts,
    load: { of: () => 0 },
    software: { softwareOf: () => 'vllm' },
    isOpen: () => state.isOpen,
  })
  looks.follow(setOf(provider))
  const setOpen = (isOpen: boolean) => {
    state.isOpen = isOpen
    looks.reconsider('qwen')
  }
  const answer = async () => {
    const { handler } = provider.asked.at(-1)!
    handler.onHead({ status: 200, headers: {} })
    handler.onData(Buffer.from('vllm:num_requests_running 3\nvllm:num_requests_waiting 0\n'))
    handler.onEnd()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { clock, provider, facts, looks, setOpen, answer }
}

test('a server that is started on demand is looked at only while it runs', async () => {
  const { clock, provider, facts, looks, setOpen, answer } = start()
  looks.want(targets)
  const release = looks.hold(targets)
  clock.advance(60_000)
  assert.equal(provider.asked.length, 0)

  // A call waits for it.
  setOpen(true)
  assert.equal(provider.asked.length, 1)
  await answer()
  assert.equal(facts.busyElsewhere('qwen'), 3)
  clock.advance(1_000)
  assert.equal(provider.asked.length, 2)

  setOpen(false)
  assert.ok(provider.asked[1]!.isAborted)
  assert.deepEqual([facts.busyElsewhere('qwen'), clock.pendingTimers], [0, 0])
  looks.want(targets)
  assert.equal(provider.asked.length, 2)
  release()
})

test('one that nobody waits for is not looked at because it runs', () => {
  const { provider, looks, setOpen } = start()
  setOpen(true)
  looks.reconsider('unknown')
  assert.equal(provider.asked.length, 0)
  looks.want(targets)
  assert.equal(provider.asked.length, 1)
})
