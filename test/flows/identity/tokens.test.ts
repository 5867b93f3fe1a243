// Signed tokens of front proxies: which are accepted, and the attacks on them as a table.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { type Running, startGateway } from '../../support/app.ts'
import { whole } from '../../support/chat-content.ts'
import { bearer, KeyFileOnDisk, testKey } from '../../support/client-keys.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import type { Setup } from '../../support/gateway-config.ts'
import {
  macToken,
  type SigningKey,
  signingKey,
  signToken,
  startIssuer,
  type TestIssuer,
} from '../../support/issuer.ts'
import { exchange, rawRequest, type RawResponse } from '../../support/raw-client.ts'

type Headers = Readonly<Record<string, string | undefined>>
type Source = NonNullable<NonNullable<Setup['identity']>['sources']>[number]

const header = 'x-proxy-token'
const call = (headers: Headers = {}) =>
  rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')

interface Started extends Running {
  readonly clock: FakeClock
  readonly issuer: TestIssuer
  readonly key: SigningKey
  /** Of a token that is accepted. */
  readonly claims: (more?: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>
  readonly send: (headers: Headers) => Promise<RawResponse>
  readonly sendToken: (token: string) => Promise<RawResponse>
}

interface Wishes {
  readonly required?: boolean
  readonly key?: SigningKey
  readonly more?: Setup
  readonly source?: Partial<Source>
  readonly stateDirectory?: string
  readonly isAway?: boolean
}

async function start(t: TestContext, wishes: Wishes = {}): Promise<Started> {
  const key = wishes.key ?? signingKey('k1')
  const issuer = await startIssuer(t, key)
  if (wishes.isAway === true) issuer.respond((_, response) => void response.writeHead(503).end())
  const clock = new FakeClock()
  const source = {
    kind: 'jwt',
    header,
    issuer: 'https://id.example',
    audience: 'llm',
    jwks_url: issuer.url,
    algorithms: ['ES256', 'RS256'],
    ...wishes.source,
  } as Source
  const identity = { required: wishes.required ?? true, sources: [source] }
  const running = await startGateway(
    t,
    { identity, ...wishes.more },
    {
      clock,
      ...(wishes.stateDirectory !== undefined && { stateDirectory: wishes.stateDirectory }),
    },
  )
  running.upstream.respondAlways(whole())
  const send = (headers: Headers) => exchange(t, running.gateway.url, call(headers))
  return Object.assign(running, {
    clock,
    issuer,
    key,
    claims: (more = {}) => {
      const seconds = Math.floor(clock.wallNow() / 1000)
      return {
        iss: 'https://id.example',
        aud: 'llm',
        email: 'Ann@Example.org',
        iat: seconds,
        exp: seconds + 600,
        ...more,
      }
    },
    send,
    sendToken: (token: string) => send({ [header]: token }),
  })
}

function refusal(response: RawResponse): string {
  return `${response.status} ${response.header('x-llm-gateway-error')}`
}

test('the client of an accepted token is the one that it names', async (t) => {
  const { gateway, upstream, key, claims, sendToken } = await start(t)
  const response = await sendToken(signToken(key, claims()))
  assert.equal(response.status, 200)
  const line = await gateway.logged({ event: 'call', client: 'mail:ann@example.org' })
  assert.match(String(line['via']), /^user:/)
  const [sent] = upstream.requests
  assert.equal(sent!.header(header), undefined)
  assert.doesNotMatch(JSON.stringify(sent!.headers), /x-proxy-token/i)
})

test('without an identity a request is refused before its body, in the client’s dialect', async (t) => {
  const { gateway, upstream, send } = await start(t)
  const response = await send({ expect: '100-continue' })
  assert.equal(refusal(response), '401 identity_required')
  assert.equal(response.header('www-authenticate'), 'Bearer')
  const messages = await exchange(t, gateway.url, rawRequest('POST /v1/messages', {}, '{}'))
  assert.equal(messages.status, 401)
  assert.equal((JSON.parse(messages.body().toString()) as { type: string }).type, 'error')
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models'))).status, 401)
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /nowhere'))).status, 401)
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /healthz'))).status, 200)
  assert.equal(upstream.requests.length, 0)
})

test('where none is required, a request without an identity is served, and a wrong one refused', async (t) => {
  const { send, sendToken } = await start(t, { required: false })
  assert.equal((await send({})).status, 200)
  assert.equal(refusal(await sendToken('a.b.c')), '401 invalid_identity')
})

test('wrong identities count as requests of the client that connected, and right ones pass beyond its limit', async (t) => {
  const more = { rate_limit_settings: { per_client: { rpm: 3 } } }
  const { gateway, upstream, clock, key, claims, send, sendToken } = await start(t, { required: false, more })
  for (let count = 0; count < 2; count++)
    assert.equal(refusal(await sendToken('a.b.c')), '401 invalid_identity')
  assert.equal((await send({})).status, 200)
  const limited = await sendToken(signToken(other, claims()))
  assert.equal(refusal(limited), '429 rate_limit_exceeded')
  assert.equal(limited.header('retry-after'), '60')
  assert.equal((await send({})).status, 429)
  assert.equal((await sendToken(signToken(key, claims()))).status, 200)
  const line = await gateway.logged({ event: 'rate_limit_exceeded' })
  assert.match(String(line['client']), /^user:/)
  assert.equal(upstream.requests.length, 2)
  clock.advance(60_000)
  assert.equal(refusal(await sendToken('a.b.c')), '401 invalid_identity')
})

type Forge = (started: Started) => string

const other = signingKey('k1')
const attacks: readonly (readonly [name: string, forge: Forge, expected?: string])[] = [
  ['an empty header', () => ''],
  ['no token', () => 'ann@example.org'],
  ['two parts', ({ key, claims }) => signToken(key, claims()).split('.').slice(0, 2).join('.')],
  ['no signature', ({ key, claims }) => signToken(key, claims()).replace(/[^.]*$/, '')],
  ['a token of 9 KiB', ({ key, claims }) => signToken(key, claims({ pad: 'x'.repeat(9_000) }))],
  ['alg none', ({ key, claims }) => signToken(key, claims(), { alg: 'none' })],
  ['alg None', ({ key, claims }) => signToken(key, claims(), { alg: 'None' })],
  ['an algorithm that is not accepted', ({ key, claims }) => signToken(key, claims(), { alg: 'ES384' })],
  [
    'an accepted algorithm of another kind of key',
    ({ key, claims }) => signToken(key, claims(), { alg: 'RS256' }),
  ],
  [
    'HS256 with the public key as its secret',
    ({ key, claims }) => macToken(JSON.stringify(key.jwk), claims(), { kid: 'k1' }),
  ],
  ['HS256 with an empty secret', ({ claims }) => macToken('', claims(), { kid: 'k1' })],
  ['the key of somebody else under the same id', ({ claims }) => signToken(other, claims())],
  ['the key of somebody else without an id', ({ claims }) => signToken(other, claims(), { kid: undefined })],
  ['an id that is no text', ({ key, claims }) => signToken(key, claims(), { kid: 7 })],
  ['an unknown id', ({ key, claims }) => signToken(key, claims(), { kid: 'k9' })],
  ['a key of its own (jwk)', ({ claims }) => signToken(other, claims(), { jwk: other.jwk })],
  [
    'keys of its own (jku)',
    ({ issuer, claims }) => signToken(other, claims(), { jku: issuer.url, kid: 'k1' }),
  ],
  ['a critical extension', ({ key, claims }) => signToken(key, claims(), { crit: ['exp'], exp: 1 })],
  ['an unencoded payload', ({ key, claims }) => signToken(key, claims(), { crit: ['b64'], b64: false })],
  ['a space before the token', ({ key, claims }) => ` ${signToken(key, claims())} x`],
  ['two tokens', ({ key, claims }) => `${signToken(key, claims())}, ${signToken(key, claims())}`],
  ['a scheme before the token', ({ key, claims }) => `Bearer ${signToken(key, claims())}`],
  ['padding', ({ key, claims }) => `${signToken(key, claims())}==`],
  ['five parts, as of an encrypted token', ({ key, claims }) => `${signToken(key, claims())}.a.b`],
  ['a signature of zeros', ({ key, claims }) => signToken(key, claims()).replace(/[^.]*$/, 'A'.repeat(86))],
  ['a signature in DER', ({ key, claims }) => signToken(key, claims(), {}, 'der')],
  ['alg in lower case', ({ key, claims }) => signToken(key, claims(), { alg: 'es256' })],
  ['alg that is a list', ({ key, claims }) => signToken(key, claims(), { alg: ['ES256'] })],
  ['no alg', ({ key, claims }) => signToken(key, claims(), { alg: undefined })],
  ['an id of a path', ({ key, claims }) => signToken(key, claims(), { kid: '../../../../dev/null' })],
  ['an id that every object has', ({ key, claims }) => signToken(key, claims(), { kid: '__proto__' })],
  ['an empty id', ({ key, claims }) => signToken(key, claims(), { kid: '' })],
  [
    'certificates of its own (x5c, x5u)',
    ({ issuer, claims }) => signToken(other, claims(), { x5c: ['MIIB'], x5u: issuer.url, x5t: 'a' }),
  ],
  ['claims that are a list', ({ key, claims }) => signToken(key, [claims()])],
  ['claims that are null', ({ key }) => signToken(key, null)],
  ['claims that are a text', ({ key, claims }) => signToken(key, JSON.stringify(claims()))],
  ['an issuer in a list', ({ key, claims }) => signToken(key, claims({ iss: ['https://id.example'] }))],
  ['an audience that is an object', ({ key, claims }) => signToken(key, claims({ aud: { llm: 'llm' } }))],
  ['audiences in a list of lists', ({ key, claims }) => signToken(key, claims({ aud: [['llm']] }))],
  ['a start that is text', ({ key, claims }) => signToken(key, claims({ nbf: '0' }))],
  ['a time of issue that is text', ({ key, claims }) => signToken(key, claims({ iat: '0' }))],
  ['no issuer', ({ key, claims }) => signToken(key, claims({ iss: undefined }))],
  [
    'an issuer that only begins so',
    ({ key, claims }) => signToken(key, claims({ iss: 'https://id.example.org' })),
  ],
  ['an issuer with a slash', ({ key, claims }) => signToken(key, claims({ iss: 'https://id.example/' }))],
  ['no audience', ({ key, claims }) => signToken(key, claims({ aud: undefined }))],
  ['another audience', ({ key, claims }) => signToken(key, claims({ aud: 'other' }))],
  ['other audiences', ({ key, claims }) => signToken(key, claims({ aud: ['other', 'llm2'] }))],
  ['an empty audience', ({ key, claims }) => signToken(key, claims({ aud: [] }))],
  ['no expiry', ({ key, claims }) => signToken(key, claims({ exp: undefined }))],
  ['an expiry that is text', ({ key, claims }) => signToken(key, claims({ exp: '9999999999' }))],
  ['expired 31 s ago', ({ key, claims }) => signToken(key, claims({ exp: Number(claims()['iat']) - 31 }))],
  ['valid in 40 s', ({ key, claims }) => signToken(key, claims({ nbf: Number(claims()['iat']) + 40 }))],
  ['issued in 40 s', ({ key, claims }) => signToken(key, claims({ iat: Number(claims()['iat']) + 40 }))],
  ['no address', ({ key, claims }) => signToken(key, claims({ email: undefined }))],
  ['an address that is no text', ({ key, claims }) => signToken(key, claims({ email: ['ann@example.org'] }))],
  ['an empty address', ({ key, claims }) => signToken(key, claims({ email: '' }))],
  ['an address without a domain', ({ key, claims }) => signToken(key, claims({ email: 'ann@' }))],
  ['two domains', ({ key, claims }) => signToken(key, claims({ email: 'a@evil.example@example.org' }))],
  ['an address that is not verified', ({ key, claims }) => signToken(key, claims({ email_verified: false }))],
  ...['false', 'False', '', 0, null, 'no'].map((claim): (typeof attacks)[number] => [
    `an address that is not verified (${JSON.stringify(claim)})`,
    ({ key, claims: of }) => signToken(key, of({ email_verified: claim })),
  ]),
  [
    'a very long address',
    ({ key, claims }) => signToken(key, claims({ email: `${'a'.repeat(300)}@example.org` })),
  ],
  ['an @ of another script', ({ key, claims }) => signToken(key, claims({ email: 'ann\uFF20example.org' }))],
  ['only a domain', ({ key, claims }) => signToken(key, claims({ email: '@example.org' }))],
  ...[
    'ann@ex\u0430mple.org',
    'ann@example.org ',
    'ann@example.org.',
    'ann@example.org\0',
    'ann@example.org\r\nx: y',
    'ann@example.org/',
    'ann@example.org%00',
    'ann@sub.example.org',
  ].map((email): (typeof attacks)[number] => [
    `an address like ${JSON.stringify(email)}`,
    ({ key, claims: of }) => signToken(key, of({ email })),
    '403 identity_not_allowed',
  ]),
  [
    'an address elsewhere',
    ({ key, claims }) => signToken(key, claims({ email: 'ann@example.com' })),
    '403 identity_not_allowed',
  ],
  [
    'a domain that only ends so',
    ({ key, claims }) => signToken(key, claims({ email: 'ann@evilexample.org' })),
    '403 identity_not_allowed',
  ],
]

suite('a forged or foreign token is refused, and nothing reaches a provider', () => {
  for (const [name, forge, expected = '401 invalid_identity'] of attacks) {
    test(name, async (t) => {
      const started = await start(t, { source: { allow: ['*@example.org'] } })
      const token = forge(started)
      const response = await started.sendToken(token)
      assert.equal(refusal(response), expected)
      assert.equal(started.upstream.requests.length, 0)
      const log = JSON.stringify(started.gateway.log())
      if (token !== '') assert.ok(!log.includes(token), 'the log has the token')
      assert.equal((await started.sendToken(signToken(started.key, started.claims()))).status, 200)
    })
  }

  test('the header twice, or under a name with an underscore', async (t) => {
    const { gateway, key, claims, upstream, send } = await start(t)
    const token = signToken(key, claims())
    assert.equal(refusal(await send({ [header]: token, x_proxy_token: token })), '400 invalid_request')
    const head = `${header}: ${token}\r\n`
    const twice = call().toString().replace('\r\n\r\n', `\r\n${head}${head}\r\n`)
    assert.equal(refusal(await exchange(t, gateway.url, twice)), '400 invalid_request')
    assert.equal(upstream.requests.length, 0)
  })
})

suite('what is accepted', () => {
  const accepted: readonly (readonly [name: string, forge: Forge])[] = [
    ['a list of audiences with this one', ({ key, claims }) => signToken(key, claims({ aud: ['x', 'llm'] }))],
    ['expired 29 s ago', ({ key, claims }) => signToken(key, claims({ exp: Number(claims()['iat']) - 29 }))],
    ['an address that is verified', ({ key, claims }) => signToken(key, claims({ email_verified: true }))],
    ['the same as a text', ({ key, claims }) => signToken(key, claims({ email_verified: 'true' }))],
    ['no key id', ({ key, claims }) => signToken(key, claims(), { kid: undefined })],
  ]
  for (const [name, forge] of accepted) {
    test(name, async (t) => {
      const started = await start(t)
      assert.equal((await started.sendToken(forge(started))).status, 200)
    })
  }

  test('either of two keys with the same id, or without one', async (t) => {
    for (const kid of ['k1', undefined]) {
      const keys = [signingKey(kid), signingKey(kid), signingKey(kid)]
      const { issuer, claims, sendToken, clock, key } = await start(t)
      await sendToken(signToken(key, claims()))
      issuer.publish(...keys)
      clock.advance(30_000)
      await sendToken(signToken(key, claims(), { kid: 'new' }))
      for (const each of keys) assert.equal((await sendToken(signToken(each, claims()))).status, 200)
    }
  })

  test('each kind of signature that the source lists', async (t) => {
    for (const alg of ['RS256', 'ES256', 'EdDSA'] as const) {
      const { key, claims, sendToken } = await start(t, {
        key: signingKey('k1', alg),
        source: { algorithms: [alg] },
      })
      assert.equal((await sendToken(signToken(key, claims()))).status, 200, alg)
    }
  })

  test('a claim of another name, and the bearer token', async (t) => {
    const source = { header: 'authorization', client_claim: 'sub' } as Partial<Source>
    const { gateway, key, claims, send } = await start(t, { source })
    const authorization = `Bearer ${signToken(key, claims({ sub: 'Ann B%' }))}`
    assert.equal((await send({ authorization })).status, 200)
    await gateway.logged({ event: 'call', client: 'jwt:Ann%20B%25' })
    assert.equal(refusal(await send({ authorization: 'Bearer sk-other' })), '401 identity_required')
  })

  test('a token expires while it is remembered', async (t) => {
    const { key, claims, clock, sendToken } = await start(t)
    const token = signToken(key, claims({ exp: Number(claims()['iat']) + 20 }))
    assert.equal((await sendToken(token)).status, 200)
    clock.advance(51_000)
    assert.equal(refusal(await sendToken(token)), '401 invalid_identity')
  })
})

suite('with keys', () => {
  test('both must hold; the client is the key, which came through the identity', async (t) => {
    const file = new KeyFileOnDisk(t)
    const ci = testKey()
    file.write({ ci: { keys: [ci] } })
    const { gateway, key, claims, send } = await start(t, {
      more: { keys: file.setup },
      stateDirectory: scratchDirectory(t),
    })
    const token = signToken(key, claims())
    assert.equal(refusal(await send({ [header]: token })), '401 key_required')
    assert.equal(refusal(await send(bearer(ci))), '401 identity_required')
    assert.equal((await send({ ...bearer(ci), [header]: token })).status, 200)
    await gateway.logged({ event: 'call', client: 'key:ci', via: 'mail:ann@example.org' })
  })
})

test('an entry of clients applies to an identity', async (t) => {
  const clients = { 'mail:*@example.org': { models: ['renamed'] } }
  const { key, claims, sendToken } = await start(t, { more: { clients } })
  assert.equal(refusal(await sendToken(signToken(key, claims()))), '403 model_not_allowed')
})

test('several threads check tokens with the keys of the main thread', async (t) => {
  const key = signingKey('k1')
  const issuer = await startIssuer(t, key)
  const source: Source = {
    kind: 'jwt',
    header,
    issuer: 'https://id.example',
    audience: 'llm',
    jwks_url: issuer.url,
    algorithms: ['ES256'],
  }
  const { gateway, upstream } = await startGateway(t, {
    server: { workers: 2 },
    identity: { required: true, sources: [source] },
  })
  upstream.respondAlways(whole())
  const exp = Math.floor(Date.now() / 1000) + 600
  const token = signToken(key, { iss: 'https://id.example', aud: 'llm', email: 'ann@example.org', exp })
  for (let count = 0; count < 6; count++) {
    assert.equal((await exchange(t, gateway.url, call({ [header]: token }))).status, 200)
    assert.equal(refusal(await exchange(t, gateway.url, call())), '401 identity_required')
  }
  assert.equal(issuer.fetches, 1)
})
