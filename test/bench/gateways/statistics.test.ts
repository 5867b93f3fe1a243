import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../../support/properties.ts'
import { percentile, randomFrom, shuffled, spreadOf } from '../../../bench/gateways/statistics.ts'

const sorted = (items: readonly number[]) => items.toSorted((one, other) => one - other)

suite('spreadOf', () => {
  test('takes the middle of an odd number of values, whatever their order', () => {
    assert.deepEqual(spreadOf([9, 10, 2]), { min: 2, median: 9, max: 10 })
  })

  test('takes the mean of the two in the middle of an even number', () => {
    assert.equal(spreadOf([1, 2, 4, 100]).median, 3)
  })

  test('refuses to make a number of nothing', () => {
    assert.throws(() => spreadOf([]), RangeError)
  })
})

suite('percentile', () => {
  test('is a value that this share of all does not exceed, and the least of those', () => {
    const values = fc.array(fc.integer(), { minLength: 1 }).map((list) => list.toSorted((a, b) => a - b))
    fc.assert(
      fc.property(values, fc.constantFrom(0.01, 0.5, 0.99, 1), (sorted, share) => {
        const value = percentile(sorted, share)
        const enough = (bound: number) =>
          sorted.filter((each) => each <= bound).length >= share * sorted.length
        assert.ok(enough(value))
        assert.ok(!sorted.some((each) => each < value && enough(each)))
      }),
    )
  })
})

suite('shuffled', () => {
  test('keeps every item once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const mixed = shuffled(items, randomFrom(seed))
        assert.deepEqual(sorted(mixed), sorted(items))
      }),
    )
  })

  test('gives the same order for the same seed, and puts each item in each place over many', () => {
    const items = ['a', 'b', 'c']
    assert.deepEqual(shuffled(items, randomFrom(7)), shuffled(items, randomFrom(7)))
    const random = randomFrom(1)
    const orders = new Set(Array.from({ length: 200 }, () => shuffled(items, random).join('')))
    assert.equal(orders.size, 6)
  })
})
