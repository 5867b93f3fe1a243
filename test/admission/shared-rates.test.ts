// What one thread learns of a model's tokens, the others know.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Calibration } from '../../src/admission/estimate.ts'
import { SharedRates } from '../../src/admission/shared-rates.ts'
import { createSharedStore, SharedStore } from '../../src/admission/shared-store.ts'
import { SharedMemory } from '../../src/shared-memory.ts'

const size = {
  textBytes: 1000,
  mediaCount: 0,
  messageCount: 1,
  tokenIdCount: 0,
  promptCount: 1,
  maxOutputTokens: undefined,
  choices: 1,
}

function calibrations(): Calibration[] {
  const place = createSharedStore(2)
  return [0, 1].map((thread) => {
    const store = new SharedStore(new SharedMemory(place.buffer, thread), place)
    return new Calibration(new SharedRates(store.memory, store.directory))
  })
}

test('both threads estimate as one thread would that has seen all', () => {
  const threads = calibrations()
  const alone = new Calibration()
  for (let count = 0; count < 20; count++) {
    const seen = { promptTokens: 200 + count, completionTokens: 10 * count }
    threads[count % 2]!.learn('m', 'p', size, seen)
    alone.learn('m', 'p', size, seen)
  }
  for (const each of threads) {
    assert.deepEqual(each.describe(), alone.describe())
    assert.deepEqual(each.estimate('m', 'p', size, 1000), alone.estimate('m', 'p', size, 1000))
  }
})

test('of what nobody has seen nothing is told, and the estimate is the usual first one', () => {
  const [one] = calibrations()
  assert.deepEqual(one!.estimate('m', 'p', size, 1000), new Calibration().estimate('m', 'p', size, 1000))
  assert.deepEqual(one!.describe(), [])
})

test('what was saved is known to all', () => {
  const [one, other] = calibrations()
  const alone = new Calibration()
  alone.learn('m', 'p', size, { promptTokens: 300, completionTokens: 10 })
  one!.restore(alone.describe())
  assert.deepEqual(other!.describe('m'), alone.describe())
})
