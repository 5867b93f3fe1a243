// Whatever a user's conversations are made of, reservations come close to what calls use.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Calibration } from '../../src/admission/estimate.ts'
import { fc } from '../support/properties.ts'
import { Random } from '../support/random.ts'
import { type SimulatedCall, simulatedCalls } from './simulated-calls.ts'

/** What these calls reserve one after the other, for each token that they use. */
function reservedShare(calibration: Calibration, calls: readonly SimulatedCall[]): number {
  let [reserved, used] = [0, 0]
  for (const { size, promptTokens, completionTokens } of calls) {
    reserved += calibration.estimate('m', 'p', size, undefined).tokens
    used += promptTokens + completionTokens
    calibration.learn('m', 'p', size, { promptTokens, completionTokens })
  }
  return reserved / used
}

const seeds = fc.nat(1_000_000)

test('after 20 calls, reservations are on average at least what calls use and at most 1.3 of it', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const calls = simulatedCalls(new Random(seed, 0), 220)
      const calibration = new Calibration()
      reservedShare(calibration, calls.slice(0, 20))
      const share = reservedShare(calibration, calls.slice(20))
      assert.ok(share >= 1 && share <= 1.3, `${share}`)
    }),
  )
})

test('also in a model whose calls have become others', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const calibration = new Calibration()
      const shares = [0, 1, 2].map((user) => {
        const calls = simulatedCalls(new Random(seed, user), 220)
        reservedShare(calibration, calls.slice(0, 20))
        return reservedShare(calibration, calls.slice(20))
      })
      for (const share of shares) assert.ok(share >= 1 && share <= 1.3, shares.join())
    }),
  )
})

test('what was learnt counts after a restart from the first call on', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const calls = simulatedCalls(new Random(seed, 0), 220)
      const before = new Calibration()
      reservedShare(before, calls)
      const after = new Calibration()
      after.restore(before.describe())
      assert.deepEqual(after.describe(), before.describe())
      const { size } = calls[0]!
      assert.deepEqual(after.estimate('m', 'p', size, 40_000), before.estimate('m', 'p', size, 40_000))
    }),
    { numRuns: 20 },
  )
})
