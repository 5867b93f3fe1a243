import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { parseDestination } from '../../../src/cli/deploy/destination.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { runCommand } from '../../support/run-command.ts'

for (const text of [
  'box',
  'you@box',
  'you@box.example.org',
  'y.o-u_1@10.0.0.1',
  'fe80::1',
  'you@2001:db8::1',
]) {
  test(`${text} is a destination`, () => {
    assert.deepEqual(parseDestination(text), { kind: 'parsed', destination: text })
  })
}

const refused: readonly (readonly [text: string, reason: RegExp])[] = [
  ['-oProxyCommand=touch x', /begins with "-"/],
  ['you@-oProxyCommand=x', /begins with "-"/],
  ['-you@box', /begins with "-"/],
  ['ssh://you@box:22', /is a URL/],
  ['you@box;reboot', /The host/],
  ['you@box box2', /The host/],
  ['you@$(reboot)', /The host/],
  ['you@box\n', /The host/],
  ['you@box%i', /The host/],
  ['you me@box', /The user/],
  ['@box', /The user/],
  ['you@', /The host/],
  ['', /The host/],
]
for (const [text, reason] of refused) {
  test(`${JSON.stringify(text)} is refused`, () => {
    const parsed = parseDestination(text)
    assert.match(parsed.kind === 'refused' ? parsed.message : '', reason)
  })
}

test('neither command starts ssh for a destination that would be an option', async (t) => {
  const mark = join(scratchDirectory(t), 'mark')
  for (const command of ['deploy', 'tunnel']) {
    const { status, stderr } = await runCommand([command, '--', `-oProxyCommand=touch ${mark}`])
    assert.deepEqual([status, /begins with "-"/.test(stderr)], [2, true])
  }
  assert.equal(existsSync(mark), false)
})
