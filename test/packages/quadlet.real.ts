// What Podman makes of the example of a container, where its generator is there (Podman from 4.4).
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packagePath } from '../../src/platform/package.ts'
import { unless } from '../support/needs.ts'
import { scratchDirectory } from '../support/config-file.ts'

const quadlet = '/usr/libexec/podman/quadlet'
test(
  'the quadlet gives the gateway time to end its calls',
  { skip: unless(existsSync(quadlet), 'needs Podman') },
  (t) => {
    const units = scratchDirectory(t)
    cpSync(packagePath('config/examples/llm-gateway.container'), join(units, 'llm-gateway.container'))
    const made = execFileSync(quadlet, ['--user', '--dryrun'], {
      env: { ...process.env, QUADLET_UNIT_DIRS: units },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [, start = ''] = /^ExecStart=(.*)$/m.exec(made) ?? []
    const words = start.split(' ')
    for (const word of [
      '--stop-timeout=40',
      '--read-only',
      '--network',
      'CREDENTIALS_DIRECTORY=/run/secrets',
    ]) {
      assert.ok(words.includes(word), `${word} in ${start}`)
    }
    assert.match(made, /^TimeoutStopSec=45$/m)
  },
)
