// Canary of src/platform/node/serving-flags.ts: fails when V8 changes what it leans on.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cachedDataVersionTag } from 'node:v8'
import { stringify } from 'yaml'

import { resetServingFlags, servingFlags, setServingFlags } from '../../../src/platform/node/serving-flags.ts'
import { scratchDirectory } from '../../support/config-file.ts'

const main = join(import.meta.dirname, '../../../src/main.ts')

/** Reports each flag that is set, and whether Node's HTTP server was loaded by then. */
const probe = `
  import v8 from 'node:v8'
  import { syncBuiltinESMExports } from 'node:module'
  const { setFlagsFromString } = v8
  v8.setFlagsFromString = (flag) => {
    const isLoaded = process.moduleLoadList.includes('NativeModule _http_server')
    process._rawDebug(flag + (isLoaded ? ' after' : ' before') + ' the modules')
    setFlagsFromString(flag)
  }
  syncBuiltinESMExports()`

test('V8 has the flags, with these defaults', () => {
  const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
  for (const { usual } of servingFlags) assert.ok(stdout.includes(`default: ${usual}\n`), usual)
})

test('compiled code is for another V8 while the flags are set, and for this one again afterwards', () => {
  const tag = cachedDataVersionTag()
  setServingFlags()
  assert.notEqual(cachedDataVersionTag(), tag)
  resetServingFlags()
  assert.equal(cachedDataVersionTag(), tag)
})

const serving = servingFlags.map((flag) => flag.serving)
const usual = servingFlags.map((flag) => flag.usual)
for (const [name, workers, flags] of [
  ['one thread', 1, serving],
  // With a port of the kernel's choice the second worker starts after the first; then the start as a whole is over.
  ['two workers', 2, [usual, serving, usual, serving, serving].flat()],
] as const) {
  test(`a gateway of ${name} sets them when no thread is loading modules`, async (t) => {
    const folder = scratchDirectory(t)
    const config = join(folder, 'llm-gateway.yaml')
    const providers = { echo: { kind: 'echo' } }
    writeFileSync(
      config,
      stringify({ server: { workers }, providers, models: { echo: { provider: 'echo' } } }),
      {
        mode: 0o600,
      },
    )
    const args = [
      '--import',
      `data:text/javascript,${encodeURIComponent(probe)}`,
      main,
      'serve',
      '-c',
      config,
    ]
    const env = { HOME: folder, PATH: process.env['PATH'], LLM_GATEWAY_PORT: '0' }
    const gateway = spawn(process.execPath, args, { env })
    t.after(() => gateway.kill('SIGKILL'))
    let [log, said] = ['', '']
    gateway.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    gateway.stdout.setEncoding('utf8').on('data', (text: string) => {
      log += text
      if (log.includes('"event":"listening"')) gateway.kill('SIGTERM')
    })
    await once(gateway, 'close')
    assert.deepEqual(
      said.match(/--.* the modules/g),
      flags.map((flag) => `${flag} after the modules`),
    )
  })
}
