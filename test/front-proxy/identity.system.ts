// Real nginx and Caddy as users of their own, with the example files for a login, in front of a gateway with their examples:
// whatever a client sends, it is the user of its session or nobody, and a program that goes around the proxy is nobody.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { parse } from 'yaml'

import { systemUsers } from '../../src/platform/unix-users.ts'
import { type Running, startGateway } from '../support/app.ts'
import { whole } from '../support/chat-content.ts'
import { scratchDirectory } from '../support/config-file.ts'
import type { Setup } from '../support/gateway-config.ts'
import { missing, unless } from '../support/needs.ts'
import { exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import { callAs, strangerUid } from '../system-users/other-users.ts'
import { network } from './addresses.ts'
import { runCaddy, startCaddy } from './caddy.ts'
import { runNginx, startNginx } from './nginx.ts'

const examples = join(import.meta.dirname, '../../config/examples')
const listenOn = `${network}.1:8080`
const outerListenOn = `${network}.2:8080`
const body = '{"model":"plain","messages":[]}'

/** What the example needs of the gateway, with one more user at its door. */
function settingsOf(file: string): Setup & Required<Pick<Setup, 'access' | 'identity' | 'server'>> {
  const { access, identity, server } = parse(readFileSync(join(examples, file), 'utf8')) as Required<Setup>
  const allowed_users = [...(access.allowed_users ?? []), String(strangerUid)]
  return { access: { ...access, allowed_users }, identity, server }
}

/** The addresses that an example is run with. */
interface Place {
  readonly gateway: string
  readonly login: string
}

/** @param more directives for all of nginx. */
function nginxWith(more: string): Front['start'] {
  return async (t, uid, { gateway, login }) => {
    const site = readFileSync(join(examples, 'nginx-identity.conf'), 'utf8')
      .replace('listen 443 ssl http2', `listen ${listenOn}`)
      .replaceAll(/^ *ssl_.*$/gm, '')
      .replace('127.0.0.1:9091', login)
      .replace('127.0.0.1:4000', gateway)
    await runNginx(t, uid, (folder) => {
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      )
      return `daemon off; master_process off; pid ${folder}/pid; error_log stderr notice; events {}
http { access_log off; ${paths.join(' ')} ${more}
${site}}`
    })
  }
}

async function startCaddyExample(t: TestContext, uid: number, { gateway, login }: Place): Promise<void> {
  const site = readFileSync(join(examples, 'Caddyfile.identity'), 'utf8')
    .replace('llm.example.org {', `http://:8080 {\n\tbind ${network}.1`)
    .replace('127.0.0.1:9091', login)
    .replace('127.0.0.1:4000', gateway)
  await runCaddy(t, uid, site)
}

interface Front {
  readonly name: string
  readonly program: string
  readonly user: string
  readonly settings: string
  readonly start: (t: TestContext, uid: number, place: Place) => Promise<void>
}

const fronts: readonly Front[] = [
  {
    name: 'nginx',
    program: 'nginx',
    user: 'www-data',
    settings: 'identity-nginx.yaml',
    start: nginxWith(''),
  },
  {
    name: 'nginx that forwards underscores',
    program: 'nginx',
    user: 'www-data',
    settings: 'identity-nginx.yaml',
    start: nginxWith('underscores_in_headers on;'),
  },
  {
    name: 'Caddy',
    program: 'caddy',
    user: 'caddy',
    settings: 'identity-caddy.yaml',
    start: startCaddyExample,
  },
]

interface Login {
  /** `HOST:PORT`. */
  readonly host: string
  readonly requests: readonly IncomingHttpHeaders[]
}

/** An authentication service that knows two sessions: of Ann, and one without a name. */
async function startLogin(t: TestContext): Promise<Login> {
  const requests: IncomingHttpHeaders[] = []
  const server = createServer(({ headers }, response) => {
    requests.push(headers)
    if (headers.cookie === 'session=ann') response.setHeader('remote-user', 'ann')
    else if (headers.cookie !== 'session=nameless') response.statusCode = 401
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

interface Started extends Running {
  readonly login: Login
  readonly uid: number
}

async function start(t: TestContext, front: Front, more: Setup['server'] = {}): Promise<Started> {
  const settings = settingsOf(front.settings)
  const running = await startGateway(t, { ...settings, server: { ...settings.server, ...more } })
  running.upstream.respondAlways(whole())
  const login = await startLogin(t)
  const uid = systemUsers().uidOf(front.user)!
  await front.start(t, uid, { gateway: new URL(running.gateway.url).host, login: login.host })
  return Object.assign(running, { login, uid })
}

/** Heads as a client may write them, without an end. */
function head(lines: readonly string[]): string {
  return [
    'POST /v1/chat/completions HTTP/1.1',
    'Host: llm.example.org',
    'Content-Type: application/json',
    ...lines,
  ].join('\r\n')
}

function post(...lines: readonly string[]): string {
  return `${head([...lines, `Content-Length: ${body.length}`])}\r\n\r\n${body}`
}

const send = (t: TestContext, request: string | Buffer, address = listenOn) =>
  exchange(t, `http://${address}`, request)

const codeOf = (response: RawResponse) => response.header('x-llm-gateway-error')
const clientsIn = ({ gateway }: Running) =>
  new Set(gateway.log().flatMap(({ event, client }) => (event === 'call' ? [client] : [])))

/** What a client might add to be somebody else, or nobody in particular. */
const additions: readonly (readonly string[])[] = [
  ...['Remote-User', 'remote-user', 'REMOTE-USER', 'Remote_User', 'REMOTE_USER', 'remote_user'].map(
    (name) => [`${name}: root`],
  ),
  ['Remote-User: root', 'Remote-User: root'],
  ['Remote-User: root', 'Remote_User: root'],
  ['Remote-User:'],
  ['Remote-User : root'],
  ['X-Other: 1', ' Remote-User: root'],
  ['Connection: Remote-User'],
  ['Connection: close, remote-user', 'Remote-User: root'],
  ['Connection: X-Forwarded-For, Remote_User'],
  ['Upgrade: h2c', 'Connection: Upgrade, HTTP2-Settings, Remote-User', 'HTTP2-Settings: AAMAAABkAAQAAP__'],
  ['X-Forwarded-User: root', 'X-Auth-Request-Email: root@example.org', 'X-Remote-User: root'],
  ['Tailscale-User-Login: root@example.org', 'Cf-Access-Authenticated-User-Email: root@example.org'],
  ['X-Original-URL: /healthz', 'X-Forwarded-Uri: /healthz', 'X-Rewrite-URL: /healthz'],
  ['X-Forwarded-For: 127.0.0.1', 'Forwarded: for=127.0.0.1;host=localhost', 'X-Real-IP: 127.0.0.1'],
]

const isRoot = unless(process.getuid?.() === 0, 'needs root, to start a proxy as another user')
const skipFor = (...needed: readonly Front[]) =>
  isRoot ||
  missing(...needed.map(({ program }) => program)) ||
  unless(
    needed.every(({ user }) => systemUsers().uidOf(user) !== undefined),
    'no user of the proxy',
  )

for (const front of fronts) {
  suite(`behind ${front.name} with a login`, { skip: skipFor(front) }, () => {
    test('the client is the user of the session, and the session ends at the proxy', async (t) => {
      const running = await start(t, front)
      const response = await send(t, post('Cookie: session=ann', 'Authorization: Bearer at-the-login'))
      assert.equal(response.status, 200)
      await running.gateway.logged({ event: 'call', client: 'head:ann', via: 'ip:127.0.0.1' })
      const { headers } = running.upstream.requests[0]!
      assert.doesNotMatch(JSON.stringify(headers), /remote-user|cookie|session|ann|at-the-login/i)
    })

    test('nothing that a client adds makes it somebody else', async (t) => {
      const running = await start(t, front)
      for (const added of additions) {
        const calls = running.upstream.requests.length
        for (const session of [[], ['Cookie: session=other'], ['Cookie: session=nameless']]) {
          const { status } = await send(t, post(...session, ...added))
          assert.ok(status === 400 || status === 401, `${added.join()} ${session.join()}: ${status}`)
        }
        assert.equal(running.upstream.requests.length, calls, added.join())
        const { status } = await send(t, post('Cookie: session=ann', ...added))
        assert.ok(status === 200 || status === 400 || status === 401, `${added.join()}: ${status}`)
      }
      assert.deepEqual(clientsIn(running), new Set(['head:ann']))
      for (const headers of running.login.requests) {
        assert.doesNotMatch(` ${Object.keys(headers).join(' ')} `, / remote[-_]user /)
      }
    })

    test('a page of another site cannot use the session of its reader', async (t) => {
      const { upstream } = await start(t, front)
      for (const added of [
        ['Origin: https://evil.example'],
        ['Origin: null'],
        ['Origin: https://llm.example.org.evil.example', 'Sec-Fetch-Site: same-site'],
        ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors'],
        ['Origin: https://evil.example', 'Origin: https://llm.example.org'],
      ]) {
        const response = await send(t, post('Cookie: session=ann', ...added))
        assert.equal(codeOf(response), 'origin_not_allowed', added.join())
      }
      const form = post('Cookie: session=ann').replace('application/json', 'text/plain')
      assert.equal((await send(t, form)).status, 415)
      assert.equal(upstream.requests.length, 0)
    })

    test('a trailer is no header', async (t) => {
      const running = await start(t, front)
      const chunked = (cookie: string) =>
        `${head([cookie, 'Transfer-Encoding: chunked', 'TE: trailers', 'Trailer: Remote-User'])}\r\n\r\n` +
        `${body.length.toString(16)}\r\n${body}\r\n0\r\nRemote-User: root\r\n\r\n`
      const nameless = await send(t, chunked('Cookie: session=nameless'))
      assert.match(codeOf(nameless) ?? '', /^(?:identity_required|invalid_identity)$/)
      assert.equal((await send(t, chunked('Cookie: session=ann'))).status, 200)
      assert.deepEqual(clientsIn(running), new Set(['head:ann']))
    })

    test('going around the proxy, the header counts from its user alone, and on the Unix socket from ours', async (t) => {
      const socketPath = join(scratchDirectory(t), 'llm.sock')
      const { gateway, upstream, uid } = await start(t, front, { unix_socket: socketPath })
      const forged = rawRequest(
        'POST /v1/chat/completions',
        { 'remote-user': 'root', connection: 'close' },
        body,
      )
      assert.equal(codeOf(await exchange(t, gateway.url, forged)), 'identity_required')
      assert.match(
        await callAs(strangerUid, gateway.url, forged),
        /\r\nx-llm-gateway-error: identity_required\r\n/i,
      )
      assert.equal(await callAs(strangerUid, { socketPath }, forged), 'EACCES')
      assert.equal(upstream.requests.length, 0)
      assert.match(await callAs(uid, gateway.url, forged), /^HTTP\/1\.1 200 /)
      assert.equal((await exchange(t, { socketPath }, forged)).status, 200)
    })
  })
}

const [nginx, , caddy] = fronts as readonly [Front, Front, Front]

suite('where no identity is required', { skip: skipFor(caddy) }, () => {
  test('a client can have Caddy remove the header, and is an address: why the examples require one', async (t) => {
    const settings = settingsOf(caddy.settings)
    const running = await startGateway(t, {
      ...settings,
      identity: { ...settings.identity, required: false },
    })
    running.upstream.respondAlways(whole())
    const { host: login } = await startLogin(t)
    const gateway = new URL(running.gateway.url).host
    await caddy.start(t, systemUsers().uidOf(caddy.user)!, { gateway, login })
    const response = await send(t, post('Cookie: session=ann', 'Connection: close, Remote-User'))
    assert.equal(response.status, 200)
    assert.deepEqual(clientsIn(running), new Set(['ip:127.0.0.1']))
  })
})

suite('two proxies in front', { skip: skipFor(nginx, caddy) }, () => {
  /** Starts the other program, which forwards everything, and runs the attacks through both. */
  async function attack(t: TestContext, inner: Front, startOuter: () => Promise<unknown>): Promise<void> {
    const running = await start(t, inner)
    await startOuter()
    assert.equal((await send(t, post('Cookie: session=ann'), outerListenOn)).status, 200)
    for (const added of additions) {
      const { status } = await send(t, post('Cookie: session=nameless', ...added), outerListenOn)
      assert.ok(status === 400 || status === 401, `${added.join()}: ${status}`)
      await send(t, post('Cookie: session=ann', ...added), outerListenOn)
    }
    assert.deepEqual(clientsIn(running), new Set(['head:ann']))
  }

  test('Caddy before nginx, which asks for the login', (t) =>
    attack(t, nginx, () =>
      startCaddy(t, `http://${listenOn}`, { uid: systemUsers().uidOf(caddy.user)!, listenOn: outerListenOn }),
    ))

  test('nginx before Caddy, which asks for the login', (t) =>
    attack(t, caddy, () =>
      startNginx(t, `http://${listenOn}`, {
        uid: systemUsers().uidOf(nginx.user)!,
        listenOn: outerListenOn,
        appends: true,
      }),
    ))
})
