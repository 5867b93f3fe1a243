// What a tunnel does where systemctl fails, without a manager.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { tunnelCommandLine } from '../../src/cli/tunnel.ts'
import { servicePaths } from '../../src/systemd/scope.ts'
import { tunnelUnit } from '../../src/systemd/tunnel-unit.ts'
import { scratchDirectory } from '../support/config-file.ts'

test('a tunnel that systemd does not end keeps its unit', async (t) => {
  const env = { HOME: scratchDirectory(t) }
  const { unitDirectory } = servicePaths('user', env)
  const path = join(unitDirectory, tunnelUnit('you@box'))
  mkdirSync(unitDirectory, { recursive: true })
  writeFileSync(path, '[Service]\n')
  let failing = 'disable'
  let printed = ''
  const stream = { write: (text: string) => (printed += text) }
  const remove = () =>
    tunnelCommandLine(
      { stdout: stream, stderr: stream, env },
      'you@box',
      { action: 'remove', port: undefined, remotePort: undefined },
      (_, args) =>
        args.includes(failing)
          ? { status: 1, stdout: '', stderr: 'Failed to connect to bus\n' }
          : { status: 0, stdout: '', stderr: '' },
    )
  assert.equal(await remove(), 1)
  assert.match(printed, /disable --now \S+ failed: Failed to connect to bus\n.*was not removed\.\n$/)
  assert.doesNotMatch(printed, /^removed/m)
  assert.ok(existsSync(path))

  failing = 'reset-failed'
  assert.equal(await remove(), 0)
  assert.match(printed, /^removed /m)
  assert.ok(!existsSync(path))
})
