import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Sample } from '../../../bench/gateways/figure.ts'
import {
  ratiosOf,
  standing,
  type Target,
  targetFailed,
  targetsOf,
  verdict,
} from '../../../bench/gateways/targets.ts'

const target: Target = {
  title: 'a cost against theirs',
  figure: 'cost',
  over: { contender: 'theirs', figure: 'cost' },
  unit: '',
  target: 2,
  stretch: 1.5,
}

function samples(contender: string, values: readonly number[]): Sample[] {
  return values.map((value, round) => ({ figure: 'cost', contender, round, value, failed: 0 }))
}

suite('ratios', () => {
  test('are taken within rounds', () => {
    const all = [...samples('ours', [10, 20, 90]), ...samples('theirs', [10, 10, 30])]
    assert.deepEqual(standing(target, all, 'ours'), { min: 1, median: 2, max: 3, rounds: 3 })
  })

  test('leave out rounds in which the divisor is missing or not above 0', () => {
    const ratios = ratiosOf(
      new Map([
        [0, 4],
        [1, 4],
        [2, 4],
      ]),
      new Map([
        [0, 2],
        [1, -1],
      ]),
    )
    assert.deepEqual(ratios, { min: 2, median: 2, max: 2, rounds: 1 })
  })

  test('are missing where there is nothing to compare with', () => {
    assert.equal(standing(target, samples('ours', [1]), 'ours'), undefined)
  })
})

suite('a verdict', () => {
  const cases = [
    [1.5, 'stretch goal met'],
    [1.51, 'met'],
    [2, 'met'],
    [2.5, 'missed by 25 %'],
  ] as const
  for (const [median, expected] of cases) {
    test(`at ${median} is: ${expected}`, () => {
      assert.equal(verdict(target, { min: 0, median, max: 9, rounds: 5 }, 5), expected)
    })
  }

  const fast: Target = { ...target, isMoreBetter: true, target: 0.85, stretch: 0.95 }
  const fastCases = [
    [0.95, 'stretch goal met'],
    [0.94, 'met'],
    [0.85, 'met'],
    [0.68, 'missed by 20 %'],
  ] as const
  for (const [median, expected] of fastCases) {
    test(`at ${median} of what is to be at least 0.85 is: ${expected}`, () => {
      assert.equal(verdict(fast, { min: 0, median, max: 9, rounds: 5 }, 5), expected)
    })
  }

  test('is not given for what was not measured', () => {
    assert.equal(verdict(target, undefined, 5), 'not measured')
  })

  test('is not given where calls of either failed', () => {
    const failing = (contender: string) => samples(contender, [1]).map((each) => ({ ...each, failed: 1 }))
    const whole = [...samples('ours', [1]), ...samples('theirs', [1])]
    assert.ok(!targetFailed(target, whole, 'ours'))
    for (const all of [
      [...failing('ours'), ...samples('theirs', [1])],
      [...samples('ours', [1]), ...failing('theirs')],
    ]) {
      assert.ok(targetFailed(target, all, 'ours'))
      assert.equal(verdict(target, standing(target, all, 'ours'), 1, true), 'not judged: calls failed')
    }
  })

  test('is not given where rounds have no ratio: those are the ones in which the other did best', () => {
    const all = [...samples('ours', [4, 4, 4]), ...samples('theirs', [2, -1, 2])]
    const got = standing(target, all, 'ours')
    assert.equal(verdict(target, got, 3), 'not judged: only 2 of 3 rounds have a ratio')
  })
})

suite('the targets', () => {
  const targets = targetsOf('ours')

  test('have a stretch that is better than the target', () => {
    for (const { title, target, stretch, isMoreBetter = false } of targets) {
      assert.equal(stretch > target, isMoreBetter, title)
    }
  })

  test('hold the throughput at 256 connections against that at 32 in the same round', () => {
    const throughput = targets.find(({ figure }) => figure === 'throughput_256')!
    const at = (figure: string, value: number) => ({ ...samples('ours', [value])[0]!, figure })
    const all = [at('throughput_256', 800), at('throughput_32', 1000)]
    assert.equal(verdict(throughput, standing(throughput, all, 'ours'), 1), 'missed by 6 %')
  })
})
