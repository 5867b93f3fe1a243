// `llm-gateway metrics`, against gateways in processes of their own.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { suite, test } from 'node:test'
import { createProgram } from '../../src/cli/program.ts'
import { chat } from '../support/calls.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { defaultEnv, echo } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { readMetrics } from '../support/metrics-text.ts'

async function run(folder: string, ...args: readonly string[]) {
  const written = { stdout: '', stderr: '' }
  const streamOf = (name: keyof typeof written) =>
    new Writable({
      write(piece, _, done) {
        written[name] += String(piece)
        done()
      },
    })
  const env = { HOME: folder, ...defaultEnv }
  const io = { stdout: streamOf('stdout'), stderr: streamOf('stderr'), env }
  return { status: await createProgram(io).run(['metrics', ...args]), ...written }
}

suite('llm-gateway metrics', () => {
  for (const workers of [1, 2]) {
    test(`prints what a gateway of ${workers} threads has counted, and writes it to a file`, async (t) => {
      const { gateway } = await startGatewayProcess(t, { ...echo, server: { workers } })
      await chat(gateway, 'plain')
      const { status, stdout } = await run(gateway.folder)
      assert.equal(status, 0)
      assert.equal(readMetrics(stdout).sum('llm_gateway_calls_total'), 1)

      const folder = scratchDirectory(t)
      const file = join(folder, 'llm-gateway.prom')
      for (const _ of [1, 2]) assert.equal((await run(gateway.folder, '--textfile', file)).status, 0)
      assert.equal(readMetrics(readFileSync(file, 'utf8')).sum('llm_gateway_calls_total'), 1)
      assert.deepEqual(readdirSync(folder), ['llm-gateway.prom'])
      assert.equal(statSync(file).mode & 0o777, 0o644)
    })
  }

  test('leaves nothing behind where it cannot write', async (t) => {
    const { gateway } = await startGatewayProcess(t, echo)
    const folder = scratchDirectory(t)
    mkdirSync(join(folder, 'taken.prom'))
    const { status, stderr } = await run(gateway.folder, '--textfile', join(folder, 'taken.prom'))
    assert.equal(status, 1)
    assert.match(stderr, /taken\.prom cannot be written/)
    assert.deepEqual(readdirSync(folder), ['taken.prom'])
  })

  test('says that no gateway runs', async (t) => {
    const { status, stderr } = await run(scratchDirectory(t))
    assert.equal(status, 1)
    assert.match(stderr, /no gateway of this user runs/)
  })
})
