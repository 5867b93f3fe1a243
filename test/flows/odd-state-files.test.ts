// Files of the state directory that have become something else: the gateway starts, serves and reports them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { chat } from '../support/calls.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { echo } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'

const names = ['limits.json', 'formats.json', 'model-lists.json', 'objects.jsonl', 'audit.head']
const setup = { ...echo, models: { echo: { provider: 'echo' } }, audit: { enabled: true } } as const

for (const [what, make] of [
  ['pipes', (path: string) => execFileSync('mkfifo', [path])],
  ['links to a device without an end', (path: string) => symlinkSync('/dev/zero', path)],
] as const) {
  test(`${what} keep no gateway from its start, nor its audit log from being written`, async (t) => {
    const directory = scratchDirectory(t)
    for (const name of names) make(join(directory, name))
    const { gateway } = await startGatewayProcess(t, setup, { STATE_DIRECTORY: directory })
    assert.equal((await chat(gateway, 'echo')).status, 200)
    await gateway.says(/limits\.json is not a regular file/)
    await gateway.stop()
    assert.match(gateway.stdout(), /"event":"audit_head"/)
  })
}
