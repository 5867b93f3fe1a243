// Real Caddy with the example file for a login, of which only the addresses are replaced.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite, test, type TestContext } from 'node:test'

import { type Running, startGateway } from '../../support/app.ts'
import { whole } from '../../support/chat-content.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { soon } from '../../support/deadline.ts'
import { findProgram, missing, unless } from '../../support/needs.ts'
import { exchange, rawRequest, type RawResponse } from '../../support/raw-client.ts'

type Headers = Readonly<Record<string, string | undefined>>

const example = join(import.meta.dirname, '../../../config/examples/Caddyfile.identity')
const skip = missing('caddy') || unless(process.platform === 'linux', 'needs Linux')

interface Front extends Running {
  readonly send: (headers: Headers) => Promise<RawResponse>
}

async function startFront(t: TestContext): Promise<Front> {
  const running = await startGateway(t, {
    identity: { required: true, sources: [{ kind: 'header', header: 'Remote-User', from_user: 'self' }] },
  })
  running.upstream.respondAlways(whole())
  const login = await startLogin(t)
  const folder = scratchDirectory(t)
  const socketPath = join(folder, 'caddy.sock')
  const site = readFileSync(example, 'utf8')
    .replace('llm.example.org {', `http:// {\n\tbind unix/${socketPath}`)
    .replace('127.0.0.1:9091', login)
    .replace('127.0.0.1:4000', new URL(running.gateway.url).host)
  const file = join(folder, 'Caddyfile')
  writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n}\n${site}`)
  await startCaddy(t, file, folder)
  const send = (headers: Headers) =>
    exchange(t, { socketPath }, rawRequest('POST /v1/chat/completions', headers, '{"model":"plain"}'))
  return Object.assign(running, { send })
}

/** Knows two sessions: of Ann, and one without a name. */
async function startLogin(t: TestContext): Promise<string> {
  const server = createServer(({ headers: { cookie } }, response) => {
    if (cookie === 'session=ann') response.setHeader('remote-user', 'ann')
    else if (cookie !== 'session=nameless') response.statusCode = 401
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function startCaddy(t: TestContext, file: string, folder: string): Promise<void> {
  const env = { PATH: process.env['PATH'], HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  const caddy = spawn(findProgram('caddy')!, ['run', '--config', file, '--adapter', 'caddyfile'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(caddy, 'exit')
  t.after(async () => {
    caddy.kill()
    await ended
  })
  const log: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  createInterface({ input: caddy.stderr }).on('line', (line) => {
    log.push(line)
    if (line.includes('serving initial configuration')) resolve()
  })
  const start = Promise.race([promise, ended.then(() => assert.fail(log.join('\n')))])
  await soon(start, () => `Caddy to start; so far it has logged ${log.join('\n')}`)
}

suite('behind Caddy with a login', { skip }, () => {
  test('the client is the user whom the authentication service names', async (t) => {
    const { gateway, upstream, send } = await startFront(t)
    assert.equal((await send({ cookie: 'session=ann' })).status, 200)
    await gateway.logged({ event: 'call', client: 'head:ann' })
    assert.doesNotMatch(JSON.stringify(upstream.requests[0]!.headers), /remote-user|cookie|session/i)
  })

  test('without a session there is no call', async (t) => {
    const { upstream, send } = await startFront(t)
    assert.equal((await send({ 'remote-user': 'root' })).status, 401)
    assert.equal(upstream.requests.length, 0)
  })

  test("a client's own header is never the identity", async (t) => {
    const { gateway, upstream, send } = await startFront(t)
    for (const name of ['Remote-User', 'remote-user', 'REMOTE-USER', 'Remote_User', 'remote_user']) {
      const nameless = await send({ cookie: 'session=nameless', [name]: 'root' })
      // Caddy 2.6 sends a placeholder in place of the name.
      assert.match(
        nameless.header('x-llm-gateway-error') ?? '',
        /^(?:identity_required|invalid_identity)$/,
        name,
      )
      assert.equal((await send({ cookie: 'session=ann', [name]: 'root' })).status, 200)
    }
    const clients = gateway.log().filter(({ event }) => event === 'call')
    assert.deepEqual(new Set(clients.map(({ client }) => client)), new Set(['head:ann']))
    assert.equal(upstream.requests.length, 5)
  })

  test('a local program cannot do without Caddy what Caddy does not let it do', async (t) => {
    const { gateway, upstream } = await startFront(t)
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/models'))
    assert.equal(response.header('x-llm-gateway-error'), 'identity_required')
    assert.equal(upstream.requests.length, 0)
  })
})
