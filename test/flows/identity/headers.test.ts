// Plain headers of front proxies: believed from one Unix user and on the Unix socket, and nothing elsewhere.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { parse } from 'yaml'

import { type Options, type Running, startGateway } from '../../support/app.ts'
import { whole } from '../../support/chat-content.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { echo, type Setup } from '../../support/gateway-config.ts'
import { unless } from '../../support/needs.ts'
import { type Address, connectRaw, exchange, rawRequest, type RawResponse } from '../../support/raw-client.ts'

type Headers = Readonly<Record<string, string | undefined>>
type Source = NonNullable<NonNullable<Setup['identity']>['sources']>[number]

const examples = join(import.meta.dirname, '../../../config/examples')
const isLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }
/** Of nobody who runs tests. */
const otherUser = '61184'
const call = (headers: Headers = {}) =>
  rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')

interface Started extends Running {
  readonly socketPath: string
  readonly send: (headers: Headers, address?: Address) => Promise<RawResponse>
}

async function start(
  t: TestContext,
  source: Source,
  more: Setup = {},
  { required = true, ...options }: Options & { readonly required?: boolean } = {},
): Promise<Started> {
  const socketPath = join(scratchDirectory(t), 'llm.sock')
  const setup: Setup = {
    server: { unix_socket: socketPath },
    access: { allowed_users: ['self'] },
    identity: { required, sources: [source] },
    ...more,
  }
  const running = await startGateway(t, setup, options)
  running.upstream.respondAlways(whole())
  const send = (headers: Headers, address: Address = running.gateway.url) =>
    exchange(t, address, call(headers))
  return Object.assign(running, { socketPath, send })
}

function resultOf(response: RawResponse): string {
  return response.status === 200 ? '200' : `${response.status} ${response.header('x-llm-gateway-error')}`
}

const remoteUser = { kind: 'header', header: 'Remote-User' } as const

suite('a plain header', isLinux, () => {
  test('names the client on connections of the proxy’s user', async (t) => {
    const { gateway, upstream, send } = await start(t, { ...remoteUser, from_user: 'self' })
    assert.equal(resultOf(await send({ 'remote-user': 'ann' })), '200')
    await gateway.logged({ event: 'call', client: 'head:ann' })
    assert.doesNotMatch(JSON.stringify(upstream.requests[0]!.headers), /remote-user|"ann"/i)
    assert.equal(resultOf(await send({})), '401 identity_required')
  })

  test('is nothing on connections of other users, and is believed on the Unix socket', async (t) => {
    for (const source of [{ ...remoteUser, from_user: otherUser }, remoteUser]) {
      const { gateway, upstream, send, socketPath } = await start(t, source, {
        access: { allowed_users: ['self', otherUser] },
      }).catch((error: Error) => assert.fail(error))
      assert.equal(resultOf(await send({ 'remote-user': 'ann' })), '401 identity_required')
      assert.equal(upstream.requests.length, 0)
      assert.equal(resultOf(await send({ 'remote-user': 'ann' }, { socketPath })), '200')
      await gateway.logged({ event: 'call', client: 'head:ann' })
    }
  })

  test('is ignored elsewhere where no identity is required: the client is the connection’s', async (t) => {
    const { gateway, send } = await start(t, { ...remoteUser, from_user: otherUser }, {}, { required: false })
    assert.equal(resultOf(await send({ 'remote-user': 'ann', remote_user: 'bob' })), '200')
    const line = await gateway.logged({ event: 'call', status: 200 })
    assert.match(String(line['client']), /^user:/)
  })

  test('is nothing where the gateway does not look up users', async (t) => {
    const { send } = await start(
      t,
      { ...remoteUser, from_user: 'self' },
      { access: { allowed_users: ['any'] } },
    )
    assert.equal(resultOf(await send({ 'remote-user': 'ann' })), '401 identity_required')
  })

  const forged: readonly (readonly [name: string, headers: Headers, expected: string])[] = [
    ['a twin with an underscore', { 'remote-user': 'ann', Remote_User: 'root' }, '400 invalid_request'],
    ['only the twin', { remote_user: 'root' }, '400 invalid_request'],
    ['an empty name', { 'remote-user': '' }, '401 invalid_identity'],
    ['two joined lines', { 'remote-user': 'root, ann' }, '401 invalid_identity'],
    [
      'a placeholder of Caddy',
      { 'remote-user': '{http.reverse_proxy.header.Remote-User}' },
      '401 invalid_identity',
    ],
    ['two domains', { 'remote-user': 'root@evil.example@example.org' }, '401 invalid_identity'],
    ['a name of 300 bytes', { 'remote-user': 'a'.repeat(300) }, '401 invalid_identity'],
    ['another domain', { 'remote-user': 'ann@example.com' }, '403 identity_not_allowed'],
    ['a domain behind this one', { 'remote-user': 'ann@example.org.evil' }, '403 identity_not_allowed'],
    ['a name that is not listed', { 'remote-user': 'ann' }, '403 identity_not_allowed'],
    ['the name of a service', { 'remote-user': 'service:ci' }, '403 identity_not_allowed'],
    ['a listed name', { 'remote-user': 'bob' }, '200'],
    ['a listed domain', { 'remote-user': 'Ann@Example.ORG' }, '200'],
  ]
  for (const [name, headers, expected] of forged) {
    test(`from the proxy: ${name}`, async (t) => {
      const source: Source = {
        ...remoteUser,
        from_user: 'self',
        allow: ['*@example.org', 'bob', 'service:ci'],
      }
      const { upstream, send } = await start(t, source)
      assert.equal(resultOf(await send(headers)), expected)
      assert.equal(upstream.requests.length, expected === '200' ? 1 : 0)
    })
  }

  test('counts in each of several threads, and elsewhere in none', async (t) => {
    for (const [user, expected] of [
      ['self', '200'],
      [otherUser, '401 identity_required'],
    ] as const) {
      const { send } = await start(
        t,
        { ...remoteUser, from_user: user },
        { server: { workers: 2 }, access: { allowed_users: ['self', otherUser] } },
      )
      const results = await Promise.all(Array.from({ length: 8 }, () => send({ 'remote-user': 'ann' })))
      assert.deepEqual(new Set(results.map(resultOf)), new Set([expected]))
    }
  })

  test('a connection with identities is a proxy’s: its user’s freedom from keys does not hold for it', async (t) => {
    const file = join(scratchDirectory(t), 'keys.json')
    const { gateway, upstream, send } = await start(
      t,
      { ...remoteUser, from_user: 'self' },
      { keys: { mode: 'required', keyless_users: ['self'], file } },
      { required: false },
    )
    assert.equal(resultOf(await send({})), '200')
    const request = (headers: Headers) => rawRequest('GET /v1/models', headers)
    const client = await connectRaw(t, gateway.url)
    for (const headers of [{ 'remote-user': 'ann' }, {}]) {
      client.send(request(headers))
      assert.equal(resultOf(await client.response()), '401 key_required')
    }
    assert.equal(upstream.requests.length, 1)
  })

  test('refusals of a client are logged once in a second: no limit counts them yet', async (t) => {
    for (const [name, code] of [
      ['eve', 'identity_not_allowed'],
      ['', 'invalid_identity'],
    ] as const) {
      const clock = new FakeClock()
      const source: Source = { ...remoteUser, from_user: 'self', allow: ['bob'] }
      const { gateway, send } = await start(t, source, {}, { clock })
      for (let count = 0; count < 20; count++) await send({ 'remote-user': name })
      clock.advance(1_000)
      await send({ 'remote-user': name })
      await gateway.logged({ event: code, unlogged: 19 })
      assert.equal(gateway.log().filter(({ event }) => event === code).length, 2)
    }
  })

  test('the gateway does not start when there is no such user', async (t) => {
    await assert.rejects(start(t, { ...remoteUser, from_user: 'nobody-here' }), {
      name: 'StartError',
      message: 'identity.sources: no such user: "nobody-here".',
    })
  })

  test('the header twice', async (t) => {
    const { gateway } = await start(t, { ...remoteUser, from_user: 'self' })
    const lines = 'remote-user: root\r\nremote-user: ann\r\n'
    const twice = call().toString().replace('\r\n\r\n', `\r\n${lines}\r\n`)
    assert.equal(resultOf(await exchange(t, gateway.url, twice)), '400 invalid_request')
  })

  test('what is not visible ASCII is percent-encoded, so that it cannot forge lines of the log', async (t) => {
    const { gateway, send } = await start(t, { ...remoteUser, from_user: 'self' })
    assert.equal(resultOf(await send({ 'remote-user': 'Ann B%é' })), '200')
    await gateway.logged({ event: 'call', client: 'head:Ann%20B%25%C3%83%C2%A9' })
  })
})

suite('Tailscale', isLinux, () => {
  const source: Source = { kind: 'tailscale', from_user: 'self', allow: ['*@example.org', 'ann@github'] }
  const login = { 'tailscale-user-login': 'ann@github' }

  test('on the Unix socket', async (t) => {
    const { gateway, send, socketPath } = await start(t, source)
    assert.equal(resultOf(await send(login, { socketPath })), '200')
    await gateway.logged({ event: 'call', client: 'ts:ann@github' })
    assert.equal(resultOf(await send({}, { socketPath })), '401 identity_required')
  })

  test('a request as Serve sends it, with the example for it', async (t) => {
    const example = parse(readFileSync(join(examples, 'identity-tailscale.yaml'), 'utf8')) as Required<Setup>
    const socketPath = join(scratchDirectory(t), 'llm.sock')
    const running = await startGateway(t, {
      identity: example.identity,
      server: { ...example.server, unix_socket: socketPath },
    })
    const { gateway, upstream } = running
    upstream.respondAlways(whole())
    const sent: Headers = {
      host: 'the-box.your-net.ts.net',
      'tailscale-headers-info': 'https://tailscale.com/s/serve-headers',
      'tailscale-user-login': 'ann@example.org',
      'tailscale-user-name': '=?utf-8?q?Ann_M=C3=BCller?=',
      'tailscale-user-profile-pic': 'https://example.org/ann.png',
      'x-forwarded-for': '100.101.102.103',
      'x-forwarded-host': 'the-box.your-net.ts.net',
      'x-forwarded-proto': 'https',
    }
    assert.equal(resultOf(await exchange(t, { socketPath }, call(sent))), '200')
    await gateway.logged({ event: 'call', client: 'ts:ann@example.org' })
    assert.doesNotMatch(JSON.stringify(upstream.requests[0]!.headers), /tailscale|ann|forwarded/i)
    const { 'tailscale-user-login': _, ...nobody } = sent
    for (const more of [
      {},
      { 'tailscale-funnel-request': '?1' },
      { tailscale_user_login: 'ann@example.org' },
    ]) {
      const response = await exchange(t, { socketPath }, call({ ...nobody, ...more }))
      assert.match(resultOf(response), /^(?:401 identity_required|400 invalid_request)$/)
    }
    assert.equal(resultOf(await exchange(t, gateway.url, call(sent))), '401 identity_required')
    assert.equal(upstream.requests.length, 1)
  })

  const logins: readonly (readonly [what: string, value: string, client: string])[] = [
    ['outside of ASCII', '=?utf-8?q?j=C3=B6rg@example.org?=', 'ts:j%C3%B6rg@example.org'],
    [
      'of two encoded words',
      '=?utf-8?q?=C3=A4=C3=B6=C3=BC=C3=A4=C3=B6=C3=BC=C3=A4=C3=B6=C3=BC=C3=A4?= =?utf-8?q?n_n@example.org?=',
      'ts:%C3%A4%C3%B6%C3%BC%C3%A4%C3%B6%C3%BC%C3%A4%C3%B6%C3%BC%C3%A4n%20n@example.org',
    ],
  ]
  for (const [what, value, client] of logins) {
    test(`a login ${what}`, async (t) => {
      const { gateway, send, socketPath } = await start(t, source)
      assert.equal(resultOf(await send({ 'tailscale-user-login': value }, { socketPath })), '200')
      await gateway.logged({ event: 'call', client })
    })
  }

  const strange: readonly (readonly [what: string, value: string, expected: string])[] = [
    ['an ASCII name in the form of an encoded word', '=?utf-8?q?ann@github?=', '403 identity_not_allowed'],
    ['the same with an encoded @', '=?utf-8?q?ann=40github?=', '403 identity_not_allowed'],
    ['an encoded word inside of a name', 'x=?utf-8?q?=C3=B6@example.org?=', '403 identity_not_allowed'],
    ['bytes that are not UTF-8', '=?utf-8?q?=FF@example.org?=', '403 identity_not_allowed'],
    ['another character set', '=?iso-8859-1?q?j=F6rg@example.org?=', '403 identity_not_allowed'],
    ['an encoded comma', '=?utf-8?q?=C3=B6=2C_root@example.org?=', '401 invalid_identity'],
    ['an encoded second domain', '=?utf-8?q?=C3=B6=40evil.example@example.org?=', '401 invalid_identity'],
  ]
  for (const [what, value, expected] of strange) {
    test(`a login that no Serve writes: ${what}`, async (t) => {
      const { upstream, send, socketPath } = await start(t, source)
      assert.equal(resultOf(await send({ 'tailscale-user-login': value }, { socketPath })), expected)
      assert.equal(upstream.requests.length, 0)
    })
  }

  test('on the TCP port only where an interface of this machine is in the tailnet', async (t) => {
    const { upstream, send } = await start(t, source)
    assert.equal(resultOf(await send(login)), '503 identity_unavailable')
    assert.equal(upstream.requests.length, 0)
  })
})

test('without sources, all such headers are ignored', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respondAlways(whole())
  const headers = {
    'cf-access-jwt-assertion': 'a.b.c',
    'tailscale-user-login': 'ann@example.org',
    'remote-user': 'ann',
    remote_user: 'bob',
  }
  assert.equal((await exchange(t, gateway.url, call(headers))).status, 200)
  const line = await gateway.logged({ event: 'call' })
  assert.match(String(line['client']), /^user:/)
  assert.doesNotMatch(JSON.stringify(upstream.requests[0]!.headers), /ann|bob|a\.b\.c/)
})

test('a change of the sources needs a restart, and says so', async (t) => {
  const { gateway } = await startGateway(t, echo)
  assert.deepEqual(
    await gateway.reload({ ...echo, identity: { sources: [{ kind: 'tailscale', from_user: 'self' }] } }),
    ['identity', 'audit'],
  )
})
