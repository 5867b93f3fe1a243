// The accounts of one machine share its loopback. A real second user is refused there, on the gateway's Unix socket and
// through a real SSH login, with no effect on anything; the owner and users who are named are served.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { TestContext } from 'node:test'

import { scratchDirectory } from '../support/config-file.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import type { GatewayProcess } from '../support/gateway-process.ts'
import { missing, unless } from '../support/needs.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import type { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { callAs, openTunnel, otherUser, strangerUid } from './other-users.ts'

const skip =
  unless(process.getuid?.() === 0, 'needs root, to become other users') ||
  missing('ssh', 'ssh-keygen', 'sshd')
const ask = rawRequest('POST /v1/chat/completions', { connection: 'close' }, '{"model":"plain"}')

interface Started {
  readonly gateway: GatewayProcess
  readonly upstream: ScriptedUpstream
  readonly socket: { readonly socketPath: string }
}

async function start(t: TestContext, allowed_users?: string[]): Promise<Started> {
  const folder = scratchDirectory(t)
  const socketPath = join(folder, 'gateway.sock')
  const { gateway, upstream } = await startGatewayProcess(t, {
    server: { unix_socket: socketPath },
    ...(allowed_users && { access: { allowed_users } }),
    rate_limit_settings: { per_client: {}, limits: { plain: { rpm: 10 } } },
  })
  upstream.respondAlways(json(200, { object: 'chat.completion', choices: [] }))
  return { gateway, upstream, socket: { socketPath } }
}

/** What reached the provider, besides the question whether it is there. */
function calls({ upstream }: Started): number {
  return upstream.requests.filter(({ method }) => method === 'POST').length
}

/** Whoever was refused reached nobody, spent nothing, and did no harm. */
async function assertUntouched(t: TestContext, started: Started): Promise<void> {
  const { gateway } = started
  assert.equal(calls(started), 0)
  assert.equal(gateway.ending(), undefined)
  const answer = await exchange(t, gateway.url, ask)
  assert.equal(answer.status, 200)
  assert.equal(answer.header('x-ratelimit-remaining-requests'), '9')
  assert.equal(calls(started), 1)
}

function target({ gateway }: Started): string {
  return new URL(gateway.url).host
}

suite('the users of one machine', { skip }, () => {
  test('the owner is served on TCP and on the socket, and is the client in the log', async (t) => {
    const started = await start(t)

    for (const address of [started.gateway.url, started.socket]) {
      assert.equal((await exchange(t, address, ask)).status, 200)
    }

    await started.gateway.stop()
    const clients = started.gateway.stdout().match(/"client":"[^"]*"/g)
    assert.deepEqual(clients, ['"client":"user:root"', '"client":"user:root"'])
  })

  test('another user is refused on TCP, with the reason', async (t) => {
    const started = await start(t)

    const answer = await callAs(strangerUid, started.gateway.url, ask)

    assert.match(answer, /^HTTP\/1\.1 403 /)
    assert.match(answer, new RegExp(`"${strangerUid}\\\\" is not allowed.*access\\.allowed_users`))
    await assertUntouched(t, started)
  })

  test('another user can not open the socket', async (t) => {
    const started = await start(t)

    assert.equal(await callAs(strangerUid, started.socket, ask), 'EACCES')

    await assertUntouched(t, started)
  })

  // The kernel shows a socket whose owner has closed it as one of root's, who is the owner here.
  test('another user who leaves at once is not taken for the owner', async (t) => {
    const started = await start(t)

    await Promise.all(Array.from({ length: 5 }, () => callAs(strangerUid, started.gateway.url, ask, true)))

    await assertUntouched(t, started)
  })

  test('another user is refused through an SSH tunnel to the port', async (t) => {
    const started = await start(t)
    const tunnel = await openTunnel(t, otherUser, target(started))

    const answer = await exchange(t, tunnel, ask)

    assert.equal(answer.status, 403)
    assert.match(answer.body().toString(), /\\"games\\" is not allowed/)
    await assertUntouched(t, started)
  })

  test('another user is refused through an SSH tunnel to the socket', async (t) => {
    const started = await start(t)
    const tunnel = await openTunnel(t, otherUser, started.socket.socketPath)

    const client = await connectRaw(t, tunnel)
    client.send(ask)

    await client.ended
    assert.equal(client.received().length, 0)
    await assertUntouched(t, started)
  })

  test('the owner is served through SSH tunnels to the port and to the socket', async (t) => {
    const started = await start(t)

    for (const far of [target(started), started.socket.socketPath]) {
      const tunnel = await openTunnel(t, 'root', far)
      assert.equal((await exchange(t, tunnel, ask)).status, 200)
    }
  })

  test('a user who is named is served, through a tunnel too, and everybody else is not', async (t) => {
    const started = await start(t, [otherUser])
    const uid = Number(execFileSync('id', ['-u', otherUser], { encoding: 'utf8' }))

    assert.match(await callAs(uid, started.gateway.url, ask), /^HTTP\/1\.1 200 /)
    const tunnel = await openTunnel(t, otherUser, target(started))
    assert.equal((await exchange(t, tunnel, ask)).status, 200)
    assert.equal((await exchange(t, started.gateway.url, ask)).status, 403)
    assert.match(await callAs(strangerUid, started.gateway.url, ask), /^HTTP\/1\.1 403 /)

    await started.gateway.stop()
    assert.equal(started.gateway.stdout().match(/"client":"user:games","dialect"/g)?.length, 2)
  })
})
