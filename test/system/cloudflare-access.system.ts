// The gateway's example for Cloudflare Access as it stands: keys from the team's own address over TLS, which here leads to a
// test's issuer, and tokens as Access signs them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { parse } from 'yaml'

import { scratchDirectory } from '../support/config-file.ts'
import { echo, type Setup } from '../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { macToken, signingKey, signToken, startTlsIssuer } from '../support/issuer.ts'
import { findProgram, missing, unless } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'

const examples = join(import.meta.dirname, '../../config/examples')
interface Example {
  readonly identity: Setup['identity'] & { readonly sources: readonly Source[] }
}
interface Source {
  readonly team: string
  readonly audience: string
}

const { identity } = parse(readFileSync(join(examples, 'identity-cloudflare.yaml'), 'utf8')) as Example
const source = identity.sources[0]!
const host = `${source.team}.cloudflareaccess.com`

/** All of 127.0.0.0/8 is this machine's, so that port 443 of an address of the run's own is free. */
const address = `127.${100 + (process.pid % 100)}.${(process.pid >> 8) % 256}.3`

const current = signingKey('current', 'RS256')
const previous = signingKey('previous', 'RS256')

function claims(more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const seconds = Math.floor(Date.now() / 1000)
  const times = { iat: seconds, nbf: seconds, exp: seconds + 86_400 }
  return { aud: [source.audience], iss: `https://${host}`, type: 'app', ...times, ...more }
}

const person = {
  email: 'Ann@example.org',
  sub: '7335d417-61da-459d-899c-0a01c76a2f94',
  identity_nonce: '6ei69kawdKzMIAPF',
  country: 'DE',
}
const service = { common_name: '0123456789abcdef0123456789abcdef.access', sub: '' }

interface Started {
  readonly gateway: GatewayProcess
  readonly send: (headers: Readonly<Record<string, string>>) => Promise<string>
  readonly sendToken: (token: string) => Promise<string>
}

async function start(t: TestContext): Promise<Started> {
  const folder = scratchDirectory(t)
  const [certFile, keyFile, hosts] = ['crt', 'key', 'hosts'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`]
  const files = ['-keyout', keyFile, '-out', certFile]
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync(findProgram('openssl')!, ['req', '-x509', '-days', '2', ...newKey, ...subject, ...files], {
    stdio: 'ignore',
  })
  const [cert, key] = [certFile, keyFile].map((file) => readFileSync(file, 'utf8')) as [string, string]
  writeFileSync(hosts, `127.0.0.1 localhost\n${address} ${host}\n`, { mode: 0o644 })
  const issuer = await startTlsIssuer(t, { host: address, cert, key })
  // What else Access's endpoint has besides keys.
  issuer.respond(({ url, headers }, response) => {
    const isRight = url === '/cdn-cgi/access/certs' && headers.host === host
    response.writeHead(isRight ? 200 : 404, { 'content-type': 'application/json' })
    const keys = [current, previous].map(({ jwk }) => ({ ...jwk, alg: 'RS256' }))
    response.end(JSON.stringify({ keys, public_cert: { kid: 'current', cert: '' }, public_certs: [] }))
  })
  const { gateway } = await startGatewayProcess(
    t,
    { ...echo, identity },
    { NODE_EXTRA_CA_CERTS: certFile },
    { hosts },
  )
  await gateway.says(/"event":"identity_keys_loaded"/)
  const send = async (headers: Readonly<Record<string, string>>) => {
    const request = rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')
    const response = await exchange(t, gateway.url, request)
    return response.status === 200 ? '200' : `${response.status} ${response.header('x-llm-gateway-error')}`
  }
  return { gateway, send, sendToken: (token) => send({ 'cf-access-jwt-assertion': token }) }
}

const skip =
  unless(process.getuid?.() === 0, 'needs root, for port 443 and a host name') ||
  missing('unshare', 'openssl')

suite('Cloudflare Access', { skip }, () => {
  test('a person and a service are the clients that their tokens name', async (t) => {
    const { gateway, sendToken } = await start(t)
    assert.equal(await sendToken(signToken(current, claims(person))), '200')
    assert.equal(await sendToken(signToken(previous, claims(service))), '200')
    await gateway.says(/"client":"mail:ann@example\.org"/)
    await gateway.says(/"client":"service:0123456789abcdef0123456789abcdef\.access"/)
  })

  const refused: readonly (readonly [what: string, token: () => string, expected: string])[] = [
    [
      'the session of the whole account',
      () => signToken(current, claims({ ...person, type: 'org' })),
      '401 invalid_identity',
    ],
    ['no type', () => signToken(current, claims({ ...person, type: undefined })), '401 invalid_identity'],
    [
      'another application',
      () => signToken(current, claims({ ...person, aud: ['f'.repeat(64)] })),
      '401 invalid_identity',
    ],
    [
      'another team',
      () => signToken(current, claims({ ...person, iss: 'https://evil.cloudflareaccess.com' })),
      '401 invalid_identity',
    ],
    ['nobody', () => signToken(current, claims({ sub: '' })), '401 invalid_identity'],
    [
      'a service that is not listed',
      () => signToken(current, claims({ ...service, common_name: 'other.access' })),
      '403 identity_not_allowed',
    ],
    [
      'a service with an address for its name',
      () => signToken(current, claims({ common_name: 'ann@example.org', sub: '' })),
      '403 identity_not_allowed',
    ],
    [
      'a person of another domain',
      () => signToken(current, claims({ ...person, email: 'ann@example.com' })),
      '403 identity_not_allowed',
    ],
    [
      'a key of somebody else',
      () => signToken(signingKey('current', 'RS256'), claims(person)),
      '401 invalid_identity',
    ],
    ['another kind of key', () => signToken(signingKey('current'), claims(person)), '401 invalid_identity'],
    [
      'HS256 with the public key',
      () => macToken(JSON.stringify(current.jwk), claims(person), { kid: 'current' }),
      '401 invalid_identity',
    ],
    [
      'an expired login',
      () => signToken(current, claims({ ...person, exp: Math.floor(Date.now() / 1000) - 60 })),
      '401 invalid_identity',
    ],
  ]
  test('every other token is refused', async (t) => {
    const { gateway, sendToken } = await start(t)
    for (const [what, token, expected] of refused) assert.equal(await sendToken(token()), expected, what)
    assert.doesNotMatch(gateway.stdout(), /"event":"call"/)
  })

  test('what Access and its clients send besides the token counts for nothing', async (t) => {
    const { gateway, send } = await start(t)
    const token = signToken(current, claims(person))
    for (const headers of [
      { 'cf-access-authenticated-user-email': 'ann@example.org' },
      { 'cf-access-client-id': service.common_name, 'cf-access-client-secret': 'x' },
      { cookie: `CF_Authorization=${token}` },
      { 'cf-access-token': token },
      { authorization: `Bearer ${token}` },
    ]) {
      assert.equal(await send(headers), '401 identity_required', Object.keys(headers).join())
    }
    assert.equal(
      await send({ 'cf-access-jwt-assertion': token, cf_access_jwt_assertion: token }),
      '400 invalid_request',
    )
    const both = {
      'cf-access-authenticated-user-email': 'root@example.org',
      'cf-access-jwt-assertion': token,
    }
    assert.equal(await send(both), '200')
    await gateway.says(/"client":"mail:ann@example\.org"/)
    assert.doesNotMatch(gateway.stdout(), /root@example\.org/)
  })
})
