import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { randomFrom } from '../../../bench/gateways/statistics.ts'
import { trendOf, verdictOf } from '../../../bench/soak/trend.ts'

const points = (values: readonly number[]) => values.map((value, index) => ({ atMs: index * 1000, value }))
const noise = (count: number, width: number) => {
  const random = randomFrom(3)
  return Array.from({ length: count }, () => (random() - 0.5) * width)
}

suite('the trend', () => {
  test('of a line is its rise over the run, as a share of the median', () => {
    const trend = trendOf(points(Array.from({ length: 11 }, (_, index) => 95 + index)))!
    assert.deepEqual([trend.median, trend.change, trend.low, trend.high], [100, 0.1, 0.1, 0.1])
  })

  test('is not moved by a few outliers', () => {
    const values = Array.from({ length: 30 }, () => 100)
    for (const at of [3, 28, 29]) values[at] = 10_000
    assert.equal(trendOf(points(values))!.change, 0)
  })

  test('has a range around it that holds the true one', () => {
    const values = noise(40, 10).map((each, index) => 100 + index / 2 + each)
    const { low, change, high } = trendOf(points(values))!
    assert.ok(low < change && change < high, `${low} ${change} ${high}`)
    const median = 110
    assert.ok(low < 19.5 / median && 19.5 / median < high)
  })

  test('needs eight points', () => {
    assert.equal(trendOf(points([1, 2, 3, 4, 5, 6, 7])), undefined)
    assert.notEqual(trendOf(points([1, 2, 3, 4, 5, 6, 7, 8])), undefined)
  })
})

suite('the verdict', () => {
  const of = (values: readonly number[], tolerance = 0.1) => verdictOf(trendOf(points(values)), tolerance)

  test('is flat within what is allowed, and for what falls', () => {
    assert.equal(of(noise(40, 10).map((each) => 100 + each)), 'flat')
    assert.equal(of(noise(40, 10).map((each, index) => 200 - index + each)), 'flat')
  })

  test('sees a leak through noise', () => {
    assert.equal(of(noise(60, 20).map((each, index) => 100 + index + each)), 'rises')
  })

  test('is unclear where nothing can be told', () => {
    assert.equal(verdictOf(undefined, 0.1), 'unclear')
    assert.equal(of(noise(40, 150).map((each, index) => 200 + index / 4 + each)), 'unclear')
    assert.equal(of([100, 300, 90, 310, 80, 320, 330, 120], 0.01), 'unclear')
  })
})
