import assert from 'node:assert/strict'
import { chownSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { scratchDirectory } from '../../support/config-file.ts'
import { unless } from '../../support/needs.ts'
import { runCommand } from '../../support/run-command.ts'

test(
  "what root adds while no gateway runs belongs to the gateway's user",
  { skip: unless(process.getuid?.() === 0, 'needs root') },
  async (t) => {
    const [home, state] = [scratchDirectory(t), scratchDirectory(t)]
    const config = join(home, 'llm-gateway.yaml')
    const yaml = 'providers: { echo: { kind: echo } }\nserver: { port: 1 }\nkeys: { mode: required }\n'
    writeFileSync(config, yaml, { mode: 0o600 })
    chownSync(state, 65534, 65534)
    const env = { HOME: home, STATE_DIRECTORY: state, XDG_RUNTIME_DIR: '', PATH: '' }
    const { status, stderr } = await runCommand(['key', 'create', 'ann', '--config', config], { env })
    assert.equal(status, 0, stderr)
    assert.equal(process.geteuid!(), 0)
    const files = readdirSync(state).filter((name) => name.startsWith('audit'))
    assert.equal(files.length, 3, files.join())
    for (const name of files) assert.equal(statSync(join(state, name)).uid, 65534, name)
  },
)
