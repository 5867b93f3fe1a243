// That the judgement of memory sees a small leak, and is not misled by calls under way.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { faultsOfMemory, type MemorySample } from './memory.ts'

const callsPerSecond = 130

/** A run of three minutes. */
function samples(bytesPerCall: number, part: 'heapUsed' | 'external'): MemorySample[] {
  return Array.from({ length: 36 }, (_, index) => {
    const seconds = (index + 1) * 5
    const calls = seconds * callsPerSecond
    // Windows fill for a minute; every other sample has calls with large bodies under way.
    const usual = 30_000_000 + Math.min(seconds, 60) * 50_000 + (index % 2) * 3_000_000 + seconds * 5_000
    const held = { heapUsed: usual, external: 12_000_000 + (index % 2) * 3_000_000 }
    return { ...held, [part]: held[part] + calls * bytesPerCall, atMs: seconds * 1_000, calls }
  })
}

suite('memory that is held', () => {
  test('may come and go', () => assert.deepEqual(faultsOfMemory(samples(0, 'heapUsed')), []))
  for (const part of ['heapUsed', 'external'] as const) {
    test(`may not grow by 300 bytes a call in ${part}`, () => {
      assert.match(faultsOfMemory(samples(300, part)).join(), new RegExp(`^${part} `))
    })
  }
  test('is not judged in a run that is too short', () => {
    assert.deepEqual(faultsOfMemory(samples(100_000, 'heapUsed').slice(0, 15)), [])
  })
})
