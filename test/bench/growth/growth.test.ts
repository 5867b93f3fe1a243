import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readOptions } from '../../../bench/growth/options.ts'
import { type Grown, isFlat, writeGrowth } from '../../../bench/growth/report.ts'
import { scaleOf } from '../../../bench/growth/run.ts'

function grownTo(costs: readonly number[], more: Partial<Grown> = {}): Grown {
  return {
    name: 'models',
    title: 'models configured',
    shouldBeFlat: true,
    notes: [],
    sizes: [10, 10_000].map((size) => ({ size, isAside: false, residentBytes: size * 1e5 })),
    samples: costs.flatMap((perCall, round) => [
      { axis: 'models', size: 10, round, perCall: 100, restPerMs: undefined },
      { axis: 'models', size: 10_000, round, perCall, restPerMs: undefined },
    ]),
    faults: [],
    ...more,
  }
}

const lines = (grown: Grown) =>
  writeGrowth({
    command: 'npm run bench -- growth',
    date: '2026-01-02',
    version: '1.0',
    machine: ['one core'],
    rounds: 3,
    grown: [grown],
    loads: [1, 2],
  }).split('\n')

suite('growth', () => {
  test('is flat by the median of the ratios within rounds', () => {
    const grown = grownTo([90, 104, 300])
    assert.ok(isFlat([grown]))
    assert.ok(
      lines(grown).includes(
        '| models configured | 10,000 | 104 (90 to 300) | 1.04 | 0.90 to 3.00 | flat | 954 |',
      ),
    )
  })

  test('is seen, and told from what cannot be told', () => {
    assert.ok(lines(grownTo([120, 130, 140])).some((line) => line.includes('| grows |')))
    assert.ok(lines(grownTo([90, 130, 140])).some((line) => line.includes('| unclear |')))
    assert.ok(!isFlat([grownTo([120, 130, 140])]))
    // Processes that were not equally warm.
    assert.ok(lines(grownTo([40, 45, 50])).some((line) => line.includes('| unclear |')))
  })

  test('is not judged where each further one is work, nor for a size that stands aside', () => {
    assert.ok(isFlat([grownTo([200, 200, 200], { shouldBeFlat: false })]))
    const sizes = grownTo([]).sizes.map((size) => ({ ...size, isAside: size.size > 10 }))
    assert.ok(isFlat([grownTo([200, 200, 200], { sizes })]))
  })

  test('shows what is subtracted of a process without calls', () => {
    const grown = grownTo([100, 100, 100])
    const rests = [3, 52, 70]
    const samples = grown.samples.map((each) => ({
      ...each,
      restPerMs: each.size === 10 ? undefined : rests[each.round],
    }))
    const resting = lines({ ...grown, samples }).filter((line) => line.includes('without calls'))
    assert.ok(
      resting.includes('- models configured: 10,000 take 5.2 % of a core without calls (0.3 to 7.0).'),
    )
    assert.ok(!lines(grown).some((line) => line.includes('of a core')))
  })

  test('is not shown by calls that failed', () => {
    assert.ok(!isFlat([grownTo([100, 100, 100], { faults: ['10: 3 × status 500'] })]))
  })

  test('opens as many streams as the files suffice for, each of which takes two', () => {
    const options = { isQuick: false, rounds: 1 }
    assert.equal(scaleOf(options, 1_000_000).streams, 20_000)
    assert.ok(scaleOf(options, 20_000).streams * 2 < 20_000)
  })

  test('has options that refuse what they do not know', () => {
    assert.throws(() => readOptions(['--only', 'beauty'], 'results'), RangeError)
    assert.throws(() => readOptions(['--fast'], 'results'), TypeError)
    const partial = readOptions(['--only', 'Keys, models'], 'results')
    assert.notEqual(partial, 'help')
    assert.deepEqual(partial !== 'help' && [partial.only, partial.out], [['keys', 'models'], undefined])
  })
})
