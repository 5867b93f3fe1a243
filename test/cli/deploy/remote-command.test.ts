import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isPlainPath, remoteCommand } from '../../../src/cli/deploy/remote-command.ts'

test('sudo is asked for nothing, and stands before everything else', () => {
  const { line } = remoteCommand({ text: 'id', args: ["it's"], isPrivileged: true })
  assert.match(line, /^'sudo' '-n' '--' 'sh' '-c' /)
  assert.ok(line.endsWith(String.raw`'sh' 'it'\''s'`))
})

test('a word with a line break is never sent', () => {
  assert.throws(() => remoteCommand({ text: 'id', args: ['a\nb'], isPrivileged: false }))
})

test('paths of the box that could mean something else are not plain', () => {
  assert.deepEqual(
    ['/home/you/.config', '/home/a b', 'relative', '/a/../b', '/a;b', '/a$b', '/a\nb', '/a%b', ''].map(
      isPlainPath,
    ),
    [true, true, false, false, false, false, false, false, false],
  )
})
