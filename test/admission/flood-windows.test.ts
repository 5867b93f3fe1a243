// How requests of a client are counted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'
import { MemoryFloodWindows } from '../../src/admission/flood-windows.ts'

test('any 60 seconds hold as many requests of a client as the limit says, and no more', () => {
  const requests = fc.array(fc.record({ client: fc.constantFrom('a', 'b', 'c'), afterMs: fc.nat(9_000) }), {
    maxLength: 300,
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), requests, (rpm, sent) => {
      let nowMs = 0
      const windows = new MemoryFloodWindows(rpm, () => nowMs)
      const passed = new Map<string, number[]>()
      for (const { client, afterMs } of sent) {
        nowMs += afterMs
        const counted = (passed.get(client) ?? []).filter((time) => time + 60_000 > nowMs)
        const waitMs = windows.take(client)
        if (counted.length < rpm) assert.equal(waitMs, 0)
        else {
          // One that was refused before it may have the first place that becomes free.
          const [first, last] = [counted.at(-rpm)!, counted.at(-1)!].map((at) => at + 60_000 - nowMs)
          assert.ok(first! <= waitMs && waitMs <= last!, `${waitMs}, not ${first} to ${last}`)
        }
        if (waitMs === 0) counted.push(nowMs)
        passed.set(client, counted)
      }
    }),
  )
})

test('a window keeps what counts, however many requests it may have', () => {
  let nowMs = 0
  const windows = new MemoryFloodWindows(10_000_000, () => nowMs)
  windows.take('a')
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
  for (let count = 0; count < 4_000_000; count++) {
    nowMs += 60
    windows.take('a')
  }
  const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before
  assert.equal(windows.used('a'), 1000)
  // All of them would take 32 MB.
  assert.ok(grown < 16_000_000, `${grown} bytes`)
})

test('a window that has grown counts as before, across the border of its ring', () => {
  let nowMs = 0
  const windows = new MemoryFloodWindows(100, () => nowMs)
  const sent: number[] = []
  // Rests let the ring begin anywhere before it grows.
  for (const [count, everyMs] of [
    [6, 1000],
    [30, 3000],
    [90, 500],
    [200, 700],
  ] as const) {
    for (let index = 0; index < count; index++) {
      nowMs += everyMs
      if (windows.take('a') === 0) sent.push(nowMs)
      assert.equal(windows.used('a'), sent.filter((at) => at + 60_000 > nowMs).length)
    }
  }
  assert.ok(sent.length < 326)
})
