import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'

const main = join(import.meta.dirname, '../../bench/main.ts')

function bench(...args: string[]) {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
}

suite('npm run bench', () => {
  test('--help names every bench, and runs none', () => {
    const { status, stdout, stderr } = bench('--help')
    assert.deepEqual([status, stderr], [0, ''])
    const listed = [...stdout.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name)
    const { stderr: refusal } = bench('nobody')
    assert.deepEqual(listed, /there are: (.*)\n/.exec(refusal)?.[1]?.split(', '))
    assert.ok(listed.length >= 10)
  })

  test('--help of a bench without options says what it measures', () => {
    const { status, stdout } = bench('limits', '--help')
    assert.equal(status, 0)
    assert.match(stdout, /^ {2}limits +whether limits hold/m)
    assert.doesNotMatch(stdout, /^ {2}gateways/m)
  })

  for (const name of ['gateways', 'growth', 'soak']) {
    test(`--help of ${name} lists its options`, () => {
      const { status, stdout } = bench(name, '--help')
      assert.equal(status, 0)
      assert.match(stdout, new RegExp(`^npm run bench -- ${name} \\[options\\]\n`))
      assert.match(stdout, /^ {2}--quick /m)
    })
  }

  for (const args of [['limits', 'nobody'], ['constructor'], ['limits', '--fast'], ['--quick']]) {
    test(`${args.join(' ')} is refused before anything runs`, () => {
      const { status, stdout } = bench(...args)
      assert.deepEqual([status, stdout], [2, ''])
    })
  }
})
