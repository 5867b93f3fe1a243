// The control socket of a gateway in a process of its own, and the commands that ask it.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { limitsCommand } from '../../src/cli/limits.ts'
import { chat } from '../support/calls.ts'
import { askSocket } from '../support/control-socket.ts'
import { recordedIo } from '../support/command-io.ts'
import { defaultEnv } from '../support/gateway-config.ts'
import { type GatewayProcess, runGateway, startGatewayProcess } from '../support/gateway-process.ts'

function socketOf({ folder }: GatewayProcess): string {
  return join(folder, '.local/state/llm-gateway/control.sock')
}

for (const workers of [1, 2]) {
  suite(`with ${workers} worker threads`, () => {
    test('the state is reported to who may open the socket', async (t) => {
      const { gateway } = await startGatewayProcess(t, { server: { workers } })
      const path = socketOf(gateway)
      const { status, body } = await askSocket(path, 'GET /-/state')
      assert.equal(status, 200)
      const { pid, config, addresses } = body
      assert.deepEqual([pid, config, addresses], [gateway.pid, gateway.file, [gateway.url]])
      assert.equal(statSync(path).mode & 0o777, 0o600)
      assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
      assert.equal(await gateway.stop(), 0)
      assert.equal(existsSync(path), false)
    })

    test('`limits` prints the counts of the gateway with this file', async (t) => {
      const { gateway } = await startGatewayProcess(t, {
        server: { workers },
        rate_limit_settings: { limits: { plain: { rpm: 3 } } },
      })
      await chat(gateway, 'plain')
      const io = recordedIo({ HOME: gateway.folder, ...defaultEnv })
      const code = await limitsCommand(io, { config: gateway.file, json: false })
      assert.deepEqual([code, io.written.stderr], [0, ''])
      assert.match(io.written.stdout, /^plain +1\/3 /m)
    })
  })
}

test('what a page or a proxy adds to a request is refused', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  for (const name of [
    'Origin',
    'Sec-Fetch-Site',
    'Forwarded',
    'Via',
    'X-Forwarded-For',
    'X-Forwarded-Host',
  ]) {
    const { status, body } = await askSocket(socketOf(gateway), 'GET /-/state', { [name]: 'x' })
    assert.equal(status, 403, name)
    assert.match(JSON.stringify(body), new RegExp(name.toLowerCase()))
  }
})

test('an unknown command names those that there are', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  const path = socketOf(gateway)
  for (const target of [
    'GET /-/nothing',
    'POST /-/state',
    'GET /-/state?x',
    'GET /v1/models',
    'GET /-/../-/state',
  ]) {
    const { status, body } = await askSocket(path, target)
    assert.equal(status, 404, target)
    assert.match(JSON.stringify(body), /GET \/-\/state/)
  }
})

test('the paths of the control socket are unknown to the ports', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  assert.equal((await fetch(`${gateway.url}/-/state`)).status, 404)
})

test('a second gateway of the user serves without the socket, and says so', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  const runtime = { XDG_STATE_HOME: join(gateway.folder, '.local/state') }
  const second = await runGateway(t, undefined, runtime)
  await second.says(/control_unavailable.*another program listens on/)
  assert.equal((await fetch(`${second.url}/healthz`)).status, 200)
  assert.equal((await askSocket(socketOf(gateway), 'GET /-/state')).body['pid'], gateway.pid)
})

test('a directory that others can enter is not used', async (t) => {
  const { gateway: first } = await startGatewayProcess(t)
  const open = join(first.folder, 'open')
  mkdirSync(open, { mode: 0o755 })
  const gateway = await runGateway(t, undefined, { RUNTIME_DIRECTORY: open })
  await gateway.says(/control_unavailable.*other users can enter/)
  assert.equal(existsSync(join(open, 'control.sock')), false)
})
