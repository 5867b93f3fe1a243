// `llm-gateway status`, against gateways in processes of their own.
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'

import { createProgram } from '../../src/cli/program.ts'
import { chat } from '../support/calls.ts'
import { defaultEnv } from '../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { json } from '../support/upstream-script.ts'

async function run(gateway: Pick<GatewayProcess, 'folder'>, ...args: readonly string[]) {
  const written = { stdout: '', stderr: '' }
  const streamOf = (name: keyof typeof written) =>
    new Writable({
      write(piece, _, done) {
        written[name] += String(piece)
        done()
      },
    })
  const env = { HOME: gateway.folder, ...defaultEnv }
  const io = { stdout: streamOf('stdout'), stderr: streamOf('stderr'), env }
  return { status: await createProgram(io).run(args), ...written }
}

for (const workers of [1, 2]) {
  test(`with ${workers} threads, shows why the last call failed`, async (t) => {
    const { gateway, upstream } = await startGatewayProcess(t, { server: { workers } })
    upstream.respondAlways(json(401, { error: { message: 'bad key' } }))
    await chat(gateway, 'plain')
    const { status, stdout, stderr } = await run(gateway, 'status')
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^llm-gateway \S+ serves, started .* ago\nconfiguration \/\S+\n/)
    assert.match(stdout, /\nProviders\n {2}provider +state +under way .*\n {2}scripted /)
    assert.match(
      stdout,
      /\nFailures of the last 24 hours\n {2}1 × provider_auth_failed at scripted, last .* ago\n/,
    )
    assert.match(stdout, /\n {4}Replace the key of provider scripted .*\n/)
    assert.match(stdout, /\nLast calls\n.*\n {2}.* plain +user:\S+ +scripted +key refused 502 /)
    const report = JSON.parse((await run(gateway, 'status', '--json')).stdout) as Record<string, unknown>
    assert.equal(report['config_file'], `${gateway.folder}/llm-gateway.yaml`)
    assert.equal((report['recent'] as unknown[]).length, 1)
    assert.equal((report['workers'] as { wanted: number }).wanted, workers)
  })
}

test('says so where no gateway runs', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  await gateway.stop()
  const { status, stdout, stderr } = await run(gateway, 'status')
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^error: no gateway of this user runs/)
})
