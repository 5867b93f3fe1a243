import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

import { readNumbers } from './number-options.ts'

const options = { seed: { usual: 5, least: 0 }, seconds: { usual: 60, least: 1 } }

test('what is given counts, and the usual number else', () => {
  assert.deepEqual(readNumbers(['--seconds', '7'], options), { seed: 5, seconds: 7 })
  assert.deepEqual(readNumbers(['--seed=0'], options), { seed: 0, seconds: 60 })
})

for (const text of ['abc', '', '0', '-1', '1.5', '1e3', 'Infinity', '99999999999999999999']) {
  test(`${JSON.stringify(text)} is no number of seconds`, () => {
    assert.throws(() => readNumbers([`--seconds=${text}`], options), RangeError)
  })
}

test('an unknown option, a stray word and an option without a value are refused', () => {
  for (const args of [['--secs', '1'], ['5'], ['--seconds']]) {
    assert.throws(() => readNumbers(args, options), TypeError)
  }
})

for (const program of ['test/chaos/main.ts', 'test/fuzz/main.ts', 'bench/main.ts']) {
  test(`${program} ends with 2 and without a stack for a bad option`, () => {
    const args = program.startsWith('bench') ? ['gateways', '--seed', 'abc'] : ['--seed', 'abc']
    const root = join(import.meta.dirname, '../..')
    const { status, stderr } = spawnSync(process.execPath, [join(root, program), ...args], {
      encoding: 'utf8',
    })
    assert.equal(status, 2)
    assert.match(stderr, /--seed takes a (whole )?number from [01] on/)
    assert.doesNotMatch(stderr, /\n +at /)
  })
}

test('a bench without options refuses any', () => {
  const main = join(import.meta.dirname, '../../bench/main.ts')
  const { status, stderr } = spawnSync(process.execPath, [main, 'admission', '--seed', '1'], {
    encoding: 'utf8',
  })
  assert.deepEqual([status, stderr], [2, 'admission takes no options, and got --seed 1\n'])
})
