import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { type PollParts, Polls } from '../../src/app/polls.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { AskedProvider, setOf } from './asked-provider.ts'

const request = { path: '/models', maxBytes: 100, timeoutMs: 5_000 }

function start(chance = 0.5) {
  const clock = new FakeClock()
  const { now, setTimer } = clock
  const bugs: unknown[] = []
  const polls = new Polls({ now, setTimer, chance: () => chance }, (error) => bugs.push(error))
  const provider = new AskedProvider('p')
  const outcomes: string[] = []
  const parts: PollParts = {
    request,
    onResult: ({ kind }) => {
      outcomes.push(kind)
      return 1_000
    },
  }
  polls.follow(setOf(provider), () => parts)
  return { clock, polls, provider, outcomes, parts, bugs }
}

for (const [chance, delayMs] of [
  [0, 900],
  [0.5, 1_000],
] as const) {
  test(`a provider is asked at once, and again ${delayMs} ms after each response`, async () => {
    const { clock, provider } = start(chance)
    for (const round of [1, 2, 3]) {
      assert.equal(provider.asked.length, round)
      await provider.respond(200)
      clock.advance(delayMs - 1)
      assert.equal(provider.asked.length, round)
      clock.advance(1)
    }
  })
}

test('who asks while a question is under way gets the response to that one', async () => {
  const { polls, provider } = start()
  const answers = [polls.get('p')!.run(), polls.get('p')!.run()]
  assert.equal(provider.asked.length, 1)
  await provider.respond(200)
  await Promise.all(answers)
})

test('a broken connection is tried once more at once, an unreachable server is not', async () => {
  const { provider, outcomes } = start()
  await provider.fail('broken')
  assert.deepEqual([provider.asked.length, outcomes], [2, []])
  await provider.fail('broken')
  assert.deepEqual([provider.asked.length, outcomes], [2, ['failed']])
  const other = start()
  await other.provider.fail('unreachable')
  assert.equal(other.provider.asked.length, 1)
})

test('silence is given up, and what comes then has no effect', async () => {
  const { clock, provider, outcomes } = start()
  clock.advance(5_000)
  await settled()
  assert.deepEqual([provider.asked[0]!.isAborted, outcomes], [true, ['failed']])
})

test('a provider that stays is not asked anew; one with other settings is, and the former question ends', async () => {
  const { polls, provider, parts } = start()
  const waiting = polls.get('p')!.run()
  polls.follow(setOf(provider), () => parts)
  assert.equal(provider.asked.length, 1)

  const next = new AskedProvider('p')
  polls.follow(setOf(next), () => parts)
  assert.deepEqual([provider.asked[0]!.isAborted, next.asked.length], [true, 1])
  await waiting
})

test('at the end nobody waits, is asked, or holds a timer', async () => {
  for (const isRunning of [true, false]) {
    const { clock, polls, provider } = start()
    if (!isRunning) await provider.respond(200)
    const waiting = isRunning ? polls.get('p')!.run() : undefined
    polls.stop()
    await waiting
    if (isRunning) assert.ok(provider.asked[0]!.isAborted)
    assert.equal(clock.pendingTimers, 0)
  }
})

test('a bug in what handles a response is reported once, and the provider is asked again after half a minute', async () => {
  const { clock, polls, bugs } = start()
  const provider = new AskedProvider('q')
  const bug = new Error('a bug')
  polls.follow(setOf(provider), () => ({
    request,
    onResult() {
      throw bug
    },
  }))
  const asked = polls.get('q')!.run()

  await provider.respond(200)
  await asked

  assert.deepEqual(bugs, [bug])
  assert.equal(polls.get('q')!.isRunning, false)
  clock.advance(29_999)
  assert.equal(provider.asked.length, 1)
  clock.advance(1)
  assert.equal(provider.asked.length, 2)
  await provider.respond(200)
  assert.deepEqual(bugs, [bug, bug])
})

test('a bug in sending the request is reported too', async () => {
  const { clock, polls, bugs } = start()
  const bug = new Error('a bug')
  let asked = 0
  const provider = {
    ...new AskedProvider('q').provider,
    get() {
      asked += 1
      throw bug
    },
  }
  polls.follow(new Map([['q', provider]]), () => ({ request, onResult: () => 1_000 }))

  await polls.get('q')!.run()

  assert.deepEqual(bugs, [bug])
  clock.advance(30_000)
  assert.equal(asked, 2)
})

suite('the polls of a server that is started on demand', () => {
  function startClosed() {
    const clock = new FakeClock()
    const { now, setTimer } = clock
    const state = { isOpen: false, givenUp: 0, paused: 0 }
    const outcomes: string[] = []
    const polls = new Polls({ now, setTimer, chance: () => 0.5 }, assert.ifError, () => state.isOpen)
    const provider = new AskedProvider('p')
    const parts: PollParts = {
      request,
      onResult: ({ kind }) => {
        outcomes.push(kind)
        return 1_000
      },
      onGivenUp: () => void (state.givenUp += 1),
      onPaused: () => void (state.paused += 1),
    }
    polls.follow(setOf(provider), () => parts)
    const setOpen = (isOpen: boolean) => {
      state.isOpen = isOpen
      polls.reconsider('p')
    }
    return { clock, polls, provider, outcomes, state, setOpen }
  }

  test('wait for it, hold nobody up, and begin at once when it is ready', async () => {
    const { clock, polls, provider, outcomes, setOpen } = startClosed()
    await polls.get('p')!.run()
    assert.deepEqual([provider.asked.length, clock.pendingTimers], [0, 0])
    setOpen(true)
    assert.equal(provider.asked.length, 1)
    await provider.respond(200)
    clock.advance(1_000)
    assert.deepEqual([provider.asked.length, outcomes], [2, ['answered']])
  })

  test('end when it stops, whatever is under way', async () => {
    const { clock, polls, provider, outcomes, state, setOpen } = startClosed()
    setOpen(true)
    const asked = polls.get('p')!.run()
    setOpen(false)
    await asked
    assert.ok(provider.asked[0]!.isAborted)
    assert.deepEqual([outcomes, clock.pendingTimers, state.givenUp], [[], 0, 1])
    polls.reconsider('unknown')
  })

  for (const kind of ['broken', 'unreachable'] as const) {
    test(`take ${kind} for nothing when it has stopped by then`, async () => {
      const { clock, provider, outcomes, state, setOpen } = startClosed()
      setOpen(true)
      state.isOpen = false
      const paused = state.paused
      await provider.fail(kind)
      assert.deepEqual([provider.asked.length, outcomes, clock.pendingTimers], [1, [], 0])
      assert.equal(state.paused, paused + 1)
    })
  }

  test('a timer that is due while it does not run asks nothing', async () => {
    const { clock, provider, state, setOpen } = startClosed()
    setOpen(true)
    await provider.respond(200)
    state.isOpen = false
    clock.advance(10_000)
    assert.deepEqual([provider.asked.length, clock.pendingTimers], [1, 0])
  })

  test('begin anew when it was started again in the meantime', async () => {
    const { provider, outcomes, setOpen } = startClosed()
    setOpen(true)
    setOpen(true)
    assert.deepEqual([provider.asked.length, provider.asked[0]!.isAborted], [2, true])
    await provider.respond(200)
    assert.deepEqual(outcomes, ['answered'])
  })
})
