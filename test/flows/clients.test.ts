// Who a call's client is, in the log and on the way to it.
import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { scratchDirectory } from '../support/config-file.ts'
import { systemUsers } from '../../src/platform/unix-users.ts'
import { unless } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { startGateway } from '../support/app.ts'
import { echo } from '../support/gateway-config.ts'

const call = (headers: Record<string, string> = {}) =>
  rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')
/** In a container the account may have a number only. */
const self = `user:${systemUsers().nameOf(process.getuid!()) ?? process.getuid!()}`

suite('the client of a call is', () => {
  const isLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }

  test('the Unix user at the other end', isLinux, async (t) => {
    const { gateway } = await startGateway(t, echo)
    assert.equal((await exchange(t, gateway.url, call())).status, 200)
    assert.equal((await gateway.logged({ event: 'call' }))['client'], self)
  })

  test('the address where users are not told apart', async (t) => {
    const { gateway } = await startGateway(t, { ...echo, access: { allowed_users: ['any'] } })
    await exchange(t, gateway.url, call())
    assert.equal((await gateway.logged({ event: 'call' }))['client'], 'ip:127.0.0.1')
  })

  test('the owner on the Unix socket', async (t) => {
    const socketPath = join(scratchDirectory(t), 'own', 'llm.sock')
    const { gateway } = await startGateway(t, { ...echo, server: { unix_socket: socketPath } })
    assert.ok(gateway.app.addresses.includes(`unix:${socketPath}`))
    assert.equal(statSync(socketPath).mode & 0o777, 0o600)
    assert.equal((await exchange(t, { socketPath }, call())).status, 200)
    assert.equal((await gateway.logged({ event: 'call' }))['client'], self)
    assert.equal((await exchange(t, { socketPath }, call({ host: 'evil.example' }))).status, 403)
  })
})

test('the Unix socket goes away with the gateway', async (t) => {
  const socketPath = join(scratchDirectory(t), 'llm.sock')
  const released: (() => unknown)[] = []
  await startGateway(
    { after: (release) => released.push(release) },
    { ...echo, server: { unix_socket: socketPath } },
  )
  assert.ok(existsSync(socketPath))
  for (const release of released) await release()
  assert.ok(!existsSync(socketPath))
})
