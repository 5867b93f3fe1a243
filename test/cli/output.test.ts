import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { displayWidth, Output } from '../../src/cli/output.ts'
import { recordedIo } from '../support/command-io.ts'

describe('colours are written', () => {
  const cases: [what: string, isTTY: boolean, env: NodeJS.ProcessEnv, expected: string][] = [
    ['to a terminal', true, {}, '\u001b[31mx\u001b[39m'],
    ['not elsewhere', false, {}, 'x'],
    ['not with NO_COLOR', true, { NO_COLOR: '1' }, 'x'],
    ['with an empty NO_COLOR', true, { NO_COLOR: '' }, '\u001b[31mx\u001b[39m'],
    ['not to a dumb terminal', true, { TERM: 'dumb' }, 'x'],
  ]
  for (const [what, isTTY, env, expected] of cases) {
    test(what, () =>
      assert.equal(new Output(recordedIo(env, isTTY).stdout, env).styled('red', 'x'), expected),
    )
  }
})

test('JSON keeps its meaning, without characters that could control a terminal', () => {
  const value = { name: 'a\u009b2J\u007f\u202e\u200f\n\tb é' }
  const { stdout, written } = recordedIo()
  new Output(stdout, {}).json(value)
  assert.deepEqual(JSON.parse(written.stdout), value)
  assert.equal(written.stdout, '{\n  "name": "a\\u009b2J\\u007f\\u202e\\u200f\\n\\tb é"\n}\n')
})

test('wide characters take two columns, marks that combine none', () => {
  assert.deepEqual(['ab', '漢字', 'e\u0301', '🦙', 'é'].map(displayWidth), [2, 4, 1, 2, 1])
})
