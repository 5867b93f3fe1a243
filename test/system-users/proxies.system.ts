// Local programs that the door lets in, one of them the front proxy: X-Forwarded-For counts from its user alone.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { TestContext } from 'node:test'

import { scratchDirectory } from '../support/config-file.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import type { GatewayProcess } from '../support/gateway-process.ts'
import { unless } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import type { Address } from '../support/raw-client.ts'
import { callAs, otherUser, strangerUid } from './other-users.ts'
import { echo } from '../support/gateway-config.ts'

const skip = unless(process.getuid?.() === 0, 'needs root, to become other users')

function callFor(forwardedFor: string): Buffer {
  const headers = { connection: 'close', 'x-forwarded-for': forwardedFor }
  return rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')
}

/** Serves root, `games` and a number without an account; `games` is the proxy's user. */
async function start(
  t: TestContext,
  access: readonly string[],
): Promise<{ gateway: GatewayProcess; socket: Address }> {
  const folder = scratchDirectory(t)
  const socketPath = join(folder, 'gateway.sock')
  const { gateway } = await startGatewayProcess(t, {
    ...echo,
    server: { unix_socket: socketPath, trusted_proxies: [{ user: otherUser }, '127.0.0.1/32', '10.0.0.0/8'] },
    access: { allowed_users: [...access] },
    rate_limit_settings: { per_client: { rpm: 2 } },
  })
  return { gateway, socket: { socketPath } }
}

const proxyUid = () => Number(execFileSync('id', ['-u', otherUser], { encoding: 'utf8' }))

async function statusAs(uid: number, url: string, forwardedFor: string): Promise<string> {
  return (await callAs(uid, url, callFor(forwardedFor))).slice('HTTP/1.1 '.length, 12)
}

/** The clients of all that was answered, in order. */
async function clientsIn(gateway: GatewayProcess): Promise<string[]> {
  await gateway.stop()
  return Array.from(gateway.stdout().matchAll(/"client":"([^"]*)"/g), ([, client]) => client!)
}

suite('local programs beside a front proxy', { skip }, () => {
  for (const [access, stranger] of [
    [['self', otherUser, String(strangerUid)], `user:${strangerUid}`],
    [['any'], 'ip:127.0.0.1'],
  ] as const) {
    test(`keep their name and their limit with ${access.join()}`, async (t) => {
      const { gateway } = await start(t, access)
      const statuses: string[] = []
      for (const address of ['203.0.113.1', '203.0.113.2', '203.0.113.3, 10.0.0.1']) {
        statuses.push(await statusAs(strangerUid, gateway.url, address))
      }
      assert.deepEqual(statuses, ['200', '200', '429'])
      assert.deepEqual(await clientsIn(gateway), [stranger, stranger, stranger])
    })

    test(`the proxy's clients are told apart with ${access.join()}`, async (t) => {
      const { gateway } = await start(t, access)
      const statuses: string[] = []
      for (const address of [
        '203.0.113.1',
        '198.51.100.9, 203.0.113.1, 10.0.0.1',
        '203.0.113.2',
        '203.0.113.1',
      ]) {
        statuses.push(await statusAs(proxyUid(), gateway.url, address))
      }
      assert.deepEqual(statuses, ['200', '200', '200', '429'])
      const [first, second] = ['ip:203.0.113.1', 'ip:203.0.113.2']
      assert.deepEqual(await clientsIn(gateway), [first, first, second, first])
    })
  }

  test('a proxy that the door does not know is refused', async (t) => {
    const { gateway } = await start(t, ['self'])
    assert.match(gateway.stderr(), /warning: .*"games".*403/)
    assert.equal(await statusAs(proxyUid(), gateway.url, '203.0.113.1'), '403')
    assert.deepEqual(await clientsIn(gateway), [`user:${otherUser}`])
  })

  test('what comes by the Unix socket is a proxy', async (t) => {
    const { gateway, socket } = await start(t, ['self'])
    assert.equal((await exchange(t, socket, callFor('203.0.113.1'))).status, 200)
    assert.equal((await exchange(t, gateway.url, callFor('203.0.113.1'))).status, 200)
    assert.deepEqual(await clientsIn(gateway), ['ip:203.0.113.1', 'user:root'])
  })
})
