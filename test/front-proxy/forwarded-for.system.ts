// Real proxies as users of their own, with the gateway's lines from the example files: the log has the address that came
// to the proxy, and programs that go around the proxy keep their own name.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { parse } from 'yaml'

import { systemUsers } from '../../src/platform/unix-users.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { missing, unless } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { network } from './addresses.ts'
import { startCaddy } from './caddy.ts'
import { startNginx } from './nginx.ts'
import { echo, type Setup } from '../support/gateway-config.ts'

const listenOn = `${network}.1:8080`
const secondListenOn = `${network}.2:8080`
const clientAddress = `${network}.9`

const proxies = [
  { name: 'nginx', user: 'www-data', example: 'nginx.conf', start: startNginx },
  { name: 'Caddy', user: 'caddy', example: 'Caddyfile', start: startCaddy },
] as const

const isRoot = unless(process.getuid?.() === 0, 'needs root, to start a proxy as another user')

/** What the example says that the gateway's configuration needs. */
function settingsIn(example: string): Setup {
  const text = readFileSync(join(import.meta.dirname, '../../config/examples', example), 'utf8')
  const lines = Array.from(text.matchAll(/^# {3}((?:server|access): .*)$/gm), ([, line]) => line)
  assert.equal(lines.length, 2)
  return parse(lines.join('\n')) as Setup
}

/** A call from `clientAddress` that claims to come from elsewhere. @returns the status. */
function call(address: string): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  const sent = request(`http://${address}/v1/chat/completions`, {
    method: 'POST',
    localAddress: clientAddress,
    agent: false,
    headers: { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.9' },
  })
  sent.once('error', reject).once('response', (response) => {
    response.resume().once('end', () => resolve(response.statusCode))
  })
  sent.end('{"model":"plain","messages":[]}')
  return promise
}

async function clientsIn(gateway: GatewayProcess): Promise<string[]> {
  await gateway.stop()
  return Array.from(gateway.stdout().matchAll(/"client":"([^"]*)"/g), ([, client]) => client!)
}

for (const { name, user, example, start } of proxies) {
  const uid = systemUsers().uidOf(user)
  const skip = isRoot || missing(name.toLowerCase()) || unless(uid !== undefined, `no user ${user}`)
  suite(`behind ${name} of the user ${user}`, { skip }, () => {
    test('the client is the address that came to the proxy, whatever it claims', async (t) => {
      const { gateway } = await startGatewayProcess(t, { ...echo, ...settingsIn(example) })
      await start(t, gateway.url, { uid: uid!, listenOn })
      assert.equal(await call(listenOn), 200)
      assert.deepEqual(await clientsIn(gateway), [`ip:${clientAddress}`])
    })

    test('a program that goes around the proxy keeps its own name', async (t) => {
      const { gateway } = await startGatewayProcess(t, { ...echo, ...settingsIn(example) })
      await start(t, gateway.url, { uid: uid!, listenOn })
      const forged = rawRequest(
        'POST /v1/chat/completions',
        { 'x-forwarded-for': '203.0.113.9' },
        '{"model":"plain","messages":[]}',
      )
      assert.equal((await exchange(t, gateway.url, forged)).status, 200)
      assert.deepEqual(await clientsIn(gateway), ['user:root'])
    })
  })
}

const [nginx, caddy] = proxies.map(({ user }) => systemUsers().uidOf(user))
const skip =
  isRoot ||
  missing('nginx', 'caddy') ||
  unless(nginx !== undefined && caddy !== undefined, 'no users www-data and caddy')

suite('behind nginx behind Caddy', { skip }, () => {
  for (const [cidrs, client] of [
    [['127.0.0.1/32'], `ip:${clientAddress}`],
    [[], 'ip:127.0.0.1'],
  ] as const) {
    test(`the client is ${client === 'ip:127.0.0.1' ? 'Caddy without' : "Caddy's client with"} its CIDR`, async (t) => {
      const { gateway } = await startGatewayProcess(t, {
        ...echo,
        server: { trusted_proxies: [{ user: 'www-data' }, ...cidrs] },
        access: { allowed_users: ['self', 'www-data'] },
      })
      await startNginx(t, gateway.url, { uid: nginx!, listenOn, appends: true })
      await startCaddy(t, `http://${listenOn}`, { uid: caddy!, listenOn: secondListenOn })
      assert.equal(await call(secondListenOn), 200)
      assert.deepEqual(await clientsIn(gateway), [client])
    })
  }
})
