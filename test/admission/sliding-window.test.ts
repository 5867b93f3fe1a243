import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'
import { capacityFor, SlidingWindow, windowMs } from '../../src/admission/sliding-window.ts'
import type { Entry } from '../../src/admission/sliding-window.ts'

const oneRequest = { requests: 1, tokens: 0 }

test('an entry leaves at exactly 60 seconds and not a millisecond before', () => {
  const window = new SlidingWindow(1024)
  window.add(1, 10, 500)
  assert.equal(window.used('requests', 60_499), 1)
  assert.equal(window.used('requests', 60_500), 0)
  assert.equal(window.used('tokens', 60_500), 0)
})

test('the moment when a cost fits is the one at which enough has left', () => {
  const window = new SlidingWindow(1024)
  window.add(1, 40, 1000)
  window.add(1, 40, 2000)
  window.add(1, 20, 3000)
  assert.equal(window.fitsAt('tokens', 40, 100, 5000), 61_000)
  assert.equal(window.fitsAt('tokens', 41, 100, 5000), 62_000)
  assert.equal(window.fitsAt('tokens', 100, 100, 5000), 63_000)
  assert.equal(window.fitsAt('requests', 1, 3, 5000), 61_000)
  assert.equal(window.fitsAt('requests', 1, 4, 5000), 5000)
})

test('a cost beyond the limit itself never fits', () => {
  assert.equal(new SlidingWindow(1024).fitsAt('tokens', 101, 100, 0), Infinity)
})

test('over-use is debt: the sum exceeds the limit until it slides out', () => {
  const window = new SlidingWindow(1024)
  const entry = window.add(1, 100, 0)
  window.settle(entry, { requests: 1, tokens: 300 }, 1000)
  assert.equal(window.used('tokens', 1000), 300)
  assert.equal(window.fitsAt('tokens', 1, 100, 1000), 60_000)
  assert.equal(window.used('tokens', 60_000), 0)
})

test('over-use that is known only after the entry has left counts from then on', () => {
  const window = new SlidingWindow(1024)
  const entry = window.add(1, 100, 0)
  window.settle(entry, { requests: 1, tokens: 300 }, 90_000)
  assert.equal(window.used('tokens', 149_999), 200)
  assert.equal(window.used('requests', 149_999), 0)
  assert.equal(window.used('tokens', 150_000), 0)
})

test('a refund that is known only after the entry has left changes nothing', () => {
  const window = new SlidingWindow(1024)
  const entry = window.add(1, 100, 0)
  window.add(1, 50, 70_000)
  assert.equal(window.settle(entry, { requests: 0, tokens: 0 }, 80_000), false)
  assert.equal(window.used('tokens', 80_000), 50)
})

test('what a call grows by counts from its admission on, and is settled with it', () => {
  const window = new SlidingWindow(1024)
  const entry = window.add(1, 100, 0)
  window.grow(entry, 250, 30_000)
  assert.equal(window.used('tokens', 30_000), 250)
  window.grow(entry, 200, 31_000)
  assert.equal(window.used('tokens', 31_000), 250)
  assert.equal(window.settle(entry, { requests: 1, tokens: 220 }, 40_000), true)
  assert.equal(window.used('tokens', 59_999), 220)
  assert.equal(window.used('tokens', 60_000), 0)
})

test('what a call grows by after its entry has left counts from then on', () => {
  const window = new SlidingWindow(1024)
  const entry = window.add(1, 100, 0)
  window.grow(entry, 150, 70_000)
  window.grow(entry, 250, 80_000)
  assert.deepEqual([window.used('requests', 80_000), window.used('tokens', 80_000)], [0, 150])
  window.grow(entry, 300, 140_000)
  assert.equal(window.used('tokens', 140_000), 50)
  assert.equal(window.settle(entry, { requests: 1, tokens: 270 }, 150_000), true)
  assert.deepEqual([window.used('requests', 150_000), window.used('tokens', 150_000)], [0, 20])
})

test('a settled call grows no more', () => {
  const window = new SlidingWindow(1024)
  const entry = window.add(1, 100, 0)
  window.settle(entry, { requests: 1, tokens: 10 }, 1)
  window.grow(entry, 500, 2)
  assert.equal(window.used('tokens', 2), 10)
})

test('settling again changes nothing, before and after the entry has left', () => {
  const window = new SlidingWindow(1024)
  const entry = window.add(1, 100, 0)
  assert.equal(window.settle(entry, oneRequest, 10), true)
  assert.equal(window.settle(entry, { requests: 0, tokens: 0 }, 20), false)
  assert.equal(window.used('requests', 20), 1)
  window.settle(entry, { requests: 1, tokens: 1000 }, 70_000)
  assert.equal(window.used('tokens', 70_000), 0)
})

test('a handle does not reach into a slot that another entry has taken since', () => {
  const window = new SlidingWindow(64)
  const first = window.add(1, 10, 0)
  for (let count = 1; count <= 200; count++) window.add(1, 10, count * 30_000)
  window.settle(first, { requests: 0, tokens: 0 }, 200 * 30_000)
  assert.equal(window.used('requests', 200 * 30_000), 2)
})

test('a clock that steps back neither frees nor breaks anything', () => {
  const window = new SlidingWindow(1024)
  window.add(1, 10, 5000)
  window.add(1, 10, 4000)
  assert.equal(window.used('requests', 4000), 2)
  assert.equal(window.used('requests', 64_999), 2)
  assert.equal(window.used('requests', 65_000), 0)
})

test('an amount that is not a count is a defect and spoils nothing', () => {
  const window = new SlidingWindow(1024)
  const entry = window.add(1, 10, 0)
  for (const tokens of [NaN, -1, 1.5, Infinity]) {
    assert.throws(() => window.add(1, tokens, 1), RangeError)
    assert.throws(() => window.settle(entry, { requests: 1, tokens }, 1), RangeError)
    assert.throws(() => window.grow(entry, tokens, 1), RangeError)
  }
  assert.equal(window.used('tokens', 2), 10)
})

test('calls that are refunded one after the other take no room', () => {
  const window = new SlidingWindow(64)
  for (let time = 0; time < 1000; time++) {
    window.settle(window.add(1, 5, time), { requests: 0, tokens: 0 }, time)
  }
  window.add(1, 5, 1000)
  assert.deepEqual(window.dump(1000, 100), [[0, 1, 5]])
})

test('a ring that was made larger keeps its entries and its handles', () => {
  const window = new SlidingWindow(64)
  for (let time = 0; time < 100; time++) window.add(1, 1, time * 3000)
  const entry = window.add(1, 100, 300_000)
  const larger = window.resized(4096)
  larger.settle(entry, { requests: 1, tokens: 7 }, 300_001)
  assert.equal(larger.used('requests', 300_001), window.used('requests', 300_001))
  assert.equal(larger.used('tokens', 300_001), window.used('tokens', 300_001) - 93)
  assert.equal(larger.fitsAt('requests', 1, 5, 300_001), window.fitsAt('requests', 1, 5, 300_001))
})

test('what is saved is what counts, merged into no more pieces than asked for', () => {
  const window = new SlidingWindow(1024)
  for (let time = 0; time < 500; time++) window.add(1, 2, time)
  const saved = window.dump(1000, 100)
  assert.equal(saved.length, 100)
  assert.deepEqual(saved[0], [996, 5, 10])
  assert.equal(
    saved.reduce((sum, [, requests]) => sum + requests, 0),
    500,
  )
})

test('the ring is large enough for its limit and bounded without one', () => {
  assert.ok(capacityFor({ rpm: 100 }) >= 200)
  assert.ok(capacityFor({ rpm: 100_000 }) >= 200_000)
  assert.equal(capacityFor({ rpm: 1e9 }), 262_144)
  assert.equal(capacityFor({ tpm: 1000 }), 65_536)
  assert.equal(capacityFor(undefined), 1024)
})

// Against a log that is summed up anew for each question.

interface Logged {
  timeMs: number
  requests: number
  tokens: number
}

type Dimension = 'requests' | 'tokens'

function naiveUsed(log: readonly Logged[], dimension: Dimension, nowMs: number): number {
  return log
    .filter(({ timeMs }) => timeMs > nowMs - windowMs)
    .reduce((sum, entry) => sum + entry[dimension], 0)
}

function naiveFitsAt(log: readonly Logged[], amount: number, limit: number, nowMs: number): number {
  const moments = [nowMs, ...log.map(({ timeMs }) => timeMs + windowMs)].filter((at) => at >= nowMs)
  return Math.min(...moments.filter((at) => naiveUsed(log, 'tokens', at) + amount <= limit))
}

function naiveEmptyAt(log: readonly Logged[], dimension: Dimension, nowMs: number): number {
  return Math.max(nowMs, ...log.map((entry) => (entry[dimension] > 0 ? entry.timeMs + windowMs : 0)))
}

const step = fc.record({
  afterMs: fc.oneof(fc.nat(50), fc.nat(5000), fc.nat(40_000)),
  action: fc.constantFrom('reserve', 'reserve', 'grow', 'settle', 'cancel'),
  tokens: fc.nat(100),
  pick: fc.nat(),
})

test('sums and waits are those of a naive log, whatever happens', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 250, maxLength: 250 }), (steps) => {
      const window = new SlidingWindow(1024)
      const log: Logged[] = []
      const handles: Handle[] = []
      let nowMs = 0
      for (const { afterMs, action, tokens, pick } of steps) {
        nowMs += afterMs
        const chosen = handles[pick % Math.max(1, handles.length)]
        if (action === 'reserve' || chosen === undefined) {
          const logged = { timeMs: nowMs, requests: 1, tokens }
          log.push(logged)
          handles.push({ entry: window.add(1, tokens, nowMs), parts: [logged], isOpen: true })
        } else if (action === 'grow') {
          window.grow(chosen.entry, 2 * tokens, nowMs)
          if (chosen.isOpen) growNaively(log, chosen, { tokens: 2 * tokens, nowMs })
        } else {
          const charge = action === 'cancel' ? { requests: 0, tokens: 0 } : { requests: 1, tokens }
          window.settle(chosen.entry, charge, nowMs)
          if (chosen.isOpen) settleNaively(log, chosen, { charge, nowMs })
          chosen.isOpen = false
        }
        assert.equal(window.used('requests', nowMs), naiveUsed(log, 'requests', nowMs))
        assert.equal(window.used('tokens', nowMs), naiveUsed(log, 'tokens', nowMs))
        assert.equal(window.fitsAt('tokens', tokens, 150, nowMs), naiveFitsAt(log, tokens, 150, nowMs))
        assert.equal(window.emptyAt('tokens', nowMs), naiveEmptyAt(log, 'tokens', nowMs))
        assert.equal(window.emptyAt('requests', nowMs), naiveEmptyAt(log, 'requests', nowMs))
      }
      assert.equal(window.used('requests', nowMs + windowMs), 0)
      assert.equal(window.used('tokens', nowMs + windowMs), 0)
    }),
    { numRuns: 60 },
  )
})

/** A call's parts of the log: one, and one more for each time it grew when the last had left. */
interface Handle {
  readonly entry: Entry
  readonly parts: Logged[]
  isOpen: boolean
}

function growNaively(log: Logged[], { parts }: Handle, by: { tokens: number; nowMs: number }): void {
  const more = by.tokens - parts.reduce((sum, { tokens }) => sum + tokens, 0)
  if (more <= 0) return
  const last = parts.at(-1)!
  if (last.timeMs > by.nowMs - windowMs) last.tokens += more
  else {
    const part = { timeMs: by.nowMs, requests: 0, tokens: more }
    parts.push(part)
    log.push(part)
  }
}

function settleNaively(
  log: Logged[],
  { parts }: Handle,
  { charge, nowMs }: { charge: { requests: number; tokens: number }; nowMs: number },
): void {
  const last = parts.at(-1)!
  const tokensGone = parts.slice(0, -1).reduce((sum, { tokens }) => sum + tokens, 0)
  const tokens = Math.max(0, charge.tokens - tokensGone)
  if (last.timeMs > nowMs - windowMs) {
    last.tokens = tokens
    if (parts.length === 1) last.requests = charge.requests
  } else if (tokens > last.tokens) log.push({ timeMs: nowMs, requests: 0, tokens: tokens - last.tokens })
}

test('waits are exact across blocks of a large ring, also after it went round', () => {
  fc.assert(
    fc.property(fc.nat(20_000), fc.integer({ min: 1, max: 10_000 }), (offset, amount) => {
      const window = new SlidingWindow(16_384)
      for (let count = 0; count < offset; count++) window.add(1, 0, count / 1000)
      const startMs = 100_000
      const entries = Array.from({ length: 8000 }, (_, index) => window.add(1, 5, startMs + index))
      for (const entry of entries) {
        if (entry.seq % 3 === 0) window.settle(entry, { requests: 0, tokens: 0 }, startMs + 8000)
      }
      const kept = entries.filter((entry) => entry.seq % 3 !== 0)
      const leaving = Math.min(kept.length, amount)
      const limit = kept.length + 1 - leaving
      const last = startMs + entries.indexOf(kept[leaving - 1]!)
      assert.equal(window.fitsAt('requests', 1, limit, startMs + 8000), last + windowMs)
      assert.equal(window.fitsAt('tokens', 5, limit * 5, startMs + 8000), last + windowMs)
      assert.equal(window.used('requests', last + windowMs), kept.length - leaving)
    }),
    { numRuns: 30 },
  )
})

test('a whole block leaves with its last entry and not before', () => {
  for (const atMs of [60_062, 60_063, 60_064]) {
    const window = new SlidingWindow(1024)
    for (let timeMs = 0; timeMs < 128; timeMs++) window.add(1, 1, timeMs)
    assert.equal(window.used('requests', atMs), 60_127 - atMs)
  }
})

test('a full ring merges neighbours: never counted too low, and too long by a quantum at most', () => {
  const arrivals = fc.array(fc.record({ afterMs: fc.nat(900), tokens: fc.nat(9) }), { minLength: 400 })
  fc.assert(
    fc.property(arrivals, (steps) => {
      const capacity = 64
      const quantumMs = windowMs / (capacity / 2 - 1)
      const window = new SlidingWindow(capacity)
      const log: Logged[] = []
      let nowMs = 0
      for (const { afterMs, tokens } of steps) {
        nowMs += afterMs
        window.add(1, tokens, nowMs)
        log.push({ timeMs: nowMs, requests: 1, tokens })
        const used = window.used('requests', nowMs)
        assert.ok(used >= naiveUsed(log, 'requests', nowMs))
        assert.ok(used <= naiveUsed(log, 'requests', nowMs - quantumMs))
      }
      assert.equal(window.used('tokens', nowMs + windowMs), 0)
    }),
    { numRuns: 30 },
  )
})
