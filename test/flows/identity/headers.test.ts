// Plain headers of front proxies: believed from one Unix user and on the Unix socket, and nothing elsewhere.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { type Running, startGateway } from '../../support/app.ts'
import { whole } from '../../support/chat-content.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { echo, type Setup } from '../../support/gateway-config.ts'
import { unless } from '../../support/needs.ts'
import { type Address, connectRaw, exchange, rawRequest, type RawResponse } from '../../support/raw-client.ts'

type Headers = Readonly<Record<string, string | undefined>>
type Source = NonNullable<NonNullable<Setup['identity']>['sources']>[number]

const isLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }
/** Of nobody who runs tests. */
const otherUser = '61184'
const call = (headers: Headers = {}) =>
  rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')

interface Started extends Running {
  readonly socketPath: string
  readonly send: (headers: Headers, address?: Address) => Promise<RawResponse>
}

async function start(t: TestContext, source: Source, more: Setup = {}, required = true): Promise<Started> {
  const socketPath = join(scratchDirectory(t), 'llm.sock')
  const running = await startGateway(t, {
    server: { unix_socket: socketPath },
    access: { allowed_users: ['self'] },
    identity: { required, sources: [source] },
    ...more,
  })
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
    const { gateway, send } = await start(t, { ...remoteUser, from_user: otherUser }, {}, false)
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

  test('a connection with identities is a proxy’s: its user’s freedom from keys does not hold for it', async (t) => {
    const file = join(scratchDirectory(t), 'keys.json')
    const { gateway, upstream, send } = await start(
      t,
      { ...remoteUser, from_user: 'self' },
      { keys: { mode: 'required', keyless_users: ['self'], file } },
      false,
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
