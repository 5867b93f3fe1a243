import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { readServeArguments } from '../../src/cli/serve-arguments.ts'
import { programFile } from '../support/built-checkout.ts'
import { scratchDirectory } from '../support/config-file.ts'

suite('a start', () => {
  test('is read without commander in the forms that services and people use', () => {
    assert.deepEqual(readServeArguments(['serve']), {})
    for (const args of [['--config', 'a b'], ['-c', 'a b'], ['--config=a b']]) {
      assert.deepEqual(readServeArguments(['serve', ...args]), { config: 'a b' }, args.join(' '))
    }
    assert.deepEqual(readServeArguments(['serve', '--config=a=b']), { config: 'a=b' })
  })

  for (const line of [
    '',
    'status',
    'serve --help',
    'serve file',
    'serve --config',
    'serve --config=',
    'serve --config -x',
    'serve --config -- file',
    'serve --config a b',
    'serve --config a --config b',
    'serve --config=a --help',
    'serve -ca',
    'serve --confi a',
    '--help serve',
  ]) {
    test(`is left to commander: ${line || 'nothing'}`, () => {
      assert.equal(readServeArguments(line === '' ? [] : line.split(' ')), undefined)
    })
  }

  const start = (t: Parameters<typeof scratchDirectory>[0], ...args: string[]) => {
    const home = scratchDirectory(t)
    const options = { env: { HOME: home }, encoding: 'utf8', cwd: home } as const
    const { status, stderr } = spawnSync(process.execPath, [programFile, 'serve', ...args], options)
    return { status, stderr: stderr.replaceAll(home, '') }
  }

  test('fails in the same way in both', (t) => {
    const file = join('nowhere', 'gateway.yaml')
    const plain = start(t, '--config', file)
    assert.equal(plain.status, 1)
    assert.match(plain.stderr, /nowhere/)
    assert.deepEqual(start(t, '--config', 'other.yaml', '--config', file), plain)
    assert.deepEqual(start(t, `-c${file}`), plain)
  })

  test('that is mistyped ends with the usage', (t) => {
    for (const args of [['--confi', 'a'], ['--config'], ['file'], ['--config', 'a', 'b']]) {
      const { status, stderr } = start(t, ...args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, /^error: .*\n/)
    }
  })
})
