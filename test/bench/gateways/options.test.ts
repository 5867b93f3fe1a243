import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Options, readOptions, scaleOf } from '../../../bench/gateways/options.ts'

function read(...args: string[]): Options {
  const options = readOptions(args, 'results')
  assert.notEqual(options, 'help')
  return options as Options
}

suite('the options', () => {
  test('of a full run write into the results', () => {
    assert.deepEqual([read().out, read().rounds], ['results', 5])
  })

  test('of a run of some parts never touch the results, unless they say so', () => {
    for (const partial of [['--quick'], ['--only', 'ours'], ['--figures', 'cpu']]) {
      assert.equal(read(...partial).out, undefined)
    }
    assert.equal(read('--only', 'ours', '--out', 'elsewhere').out, 'elsewhere')
  })

  test('take names with commas', () => {
    assert.deepEqual(read('--only', 'Ours, nginx').only, ['ours', 'nginx'])
  })

  test('refuse what they do not know', () => {
    assert.throws(() => read('--fast'), TypeError)
    assert.throws(() => read('--rounds', 'many'), RangeError)
    assert.throws(() => read('--rounds', '0'), RangeError)
    assert.throws(() => read('--only', 'ours,nobody'), RangeError)
    assert.throws(() => read('--figures', 'beauty'), RangeError)
  })
})

suite('the scale', () => {
  test('has 10,000 open streams where the files suffice, each of which takes two', () => {
    assert.equal(scaleOf(read(), 1_000_000).heldStreams, 10_000)
    assert.ok(scaleOf(read(), 20_000).heldStreams * 2 < 20_000)
  })
})
