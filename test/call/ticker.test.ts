import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createTicker } from '../../src/call/ticker.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { Random } from '../support/random.ts'

test('every call that stays is looked at in each period, although others end meanwhile', () => {
  const clock = new FakeClock()
  const ticker = createTicker(clock)
  const looks: number[] = [0, 0, 0, 0, 0, 0]
  const calls = looks.map((_, name) => ({
    index: -1,
    onTick() {
      looks[name]! += 1
      if (name % 2 === 1) ticker.delete(calls[name]!)
      if (name === 5) ticker.delete(calls[0]!)
    },
    onBug() {},
  }))
  for (const call of calls) ticker.add(call)

  clock.advance(100)
  assert.ok(looks.slice(1).every((count) => count > 0))
  const before = [...looks]
  clock.advance(200)

  assert.deepEqual(
    looks.map((count, name) => count - before[name]!),
    [0, 0, 2, 0, 2, 0],
  )
  ticker.delete(calls[2]!)
  ticker.delete(calls[4]!)
  clock.advance(100)
  assert.equal(clock.pendingTimers, 0)
})

test('a call whose look throws hears of it once, and the others are looked at', () => {
  const clock = new FakeClock()
  const ticker = createTicker(clock)
  const seen: string[] = []
  const listener = (name: string, onTick: () => void) => ({
    index: -1,
    onTick,
    onBug: (error: unknown) => seen.push(`${name}: ${String(error)}`),
  })
  const look = (name: string) => listener(name, () => seen.push(name))
  const bad = listener('bad', () => {
    throw new Error('a bug')
  })
  const calls = [look('first'), bad, look('last')]
  for (const call of calls) ticker.add(call)

  clock.advance(100)
  assert.deepEqual(new Set(seen), new Set(['first', 'bad: Error: a bug', 'last']))
  const { length } = seen
  clock.advance(100)
  assert.deepEqual(seen.slice(length).toSorted(), ['first', 'last'])
})

test('thousands of calls take turns, and none waits for more than two rounds, whatever ends meanwhile', () => {
  const clock = new FakeClock()
  const ticker = createTicker(clock)
  const random = new Random(7, 0)
  let looksInTick = 0
  let tick = 0
  const open = new Set<ReturnType<typeof callOf>>()
  const callOf = () => ({
    index: -1,
    lookedAtTick: tick,
    onTick() {
      looksInTick += 1
      this.lookedAtTick = tick
    },
    onBug() {},
  })
  const add = () => {
    const call = callOf()
    open.add(call)
    ticker.add(call)
  }
  for (let count = 0; count < 5_000; count++) add()

  for (tick = 1; tick <= 200; tick++) {
    looksInTick = 0
    clock.advance(100)
    assert.ok(looksInTick <= 1_000, `${looksInTick} looks in one tick`)
    for (const call of open) {
      assert.ok(tick - call.lookedAtTick <= 12, `not looked at for ${tick - call.lookedAtTick} ticks`)
      if (random.has(0.1)) {
        ticker.delete(call)
        open.delete(call)
      }
    }
    while (open.size < 5_000) add()
  }
})
