// The keys of an issuer: rotation, outages, a copy over restarts, and what an issuer might send instead of keys.
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { RequestListener, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite, test, type TestContext } from 'node:test'

import { type Running, startGateway } from '../../support/app.ts'
import { whole } from '../../support/chat-content.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type SigningKey, signingKey, signToken, startIssuer, type TestIssuer } from '../../support/issuer.ts'
import { exchange, rawRequest, type RawResponse } from '../../support/raw-client.ts'

const header = 'x-proxy-token'
const hourMs = 3_600_000

interface Started extends Running {
  readonly clock: FakeClock
  readonly send: (key: SigningKey) => Promise<string>
}

async function start(
  t: TestContext,
  { issuer, clock = new FakeClock(), stateDirectory, workers = 1 }: Wishes,
): Promise<Started> {
  const source = {
    kind: 'jwt' as const,
    header,
    issuer: 'https://id.example',
    audience: 'llm',
    jwks_url: issuer.url,
    algorithms: ['ES256' as const, 'RS256' as const],
  }
  const options = { clock, ...(stateDirectory !== undefined && { stateDirectory }) }
  const running = await startGateway(t, { identity: { sources: [source] }, server: { workers } }, options)
  running.upstream.respondAlways(whole())
  return Object.assign(running, {
    clock,
    async send(key: SigningKey) {
      const exp = Math.floor(clock.wallNow() / 1000) + 300
      const claims = { iss: 'https://id.example', aud: 'llm', email: 'ann@example.org', exp }
      const token = signToken(key, claims)
      const request = rawRequest('POST /v1/chat/completions', { [header]: token }, '{"model":"plain"}')
      return resultOf(await exchange(t, running.gateway.url, request))
    },
  })
}

interface Wishes {
  readonly issuer: TestIssuer
  readonly clock?: FakeClock
  readonly stateDirectory?: string
  readonly workers?: number
}

function resultOf(response: RawResponse): string {
  return response.status === 200 ? '200' : `${response.status} ${response.header('x-llm-gateway-error')}`
}

const away: RequestListener = (_, response) => void response.writeHead(502).end()

suite('rotation', () => {
  test('a new key is fetched when a token names it, and the old one stays valid while it is published', async (t) => {
    const [old, next] = [signingKey('old'), signingKey('next')]
    const issuer = await startIssuer(t, old)
    const { clock, send } = await start(t, { issuer })
    assert.equal(await send(old), '200')
    issuer.publish(old, next)
    clock.advance(30_000)
    assert.equal(await send(next), '200')
    assert.equal(await send(old), '200')
    assert.equal(issuer.fetches, 2)
    issuer.publish(next)
    clock.advance(hourMs * 1.2)
    await t.waitFor(async () => assert.equal(await send(old), '401 invalid_identity'))
  })

  test('unknown keys have the issuer asked once in 30 s, whatever the answers', async (t) => {
    const key = signingKey('k')
    const issuer = await startIssuer(t, key)
    const { clock, send } = await start(t, { issuer })
    assert.equal(await send(key), '200')
    for (let count = 0; count < 20; count++) {
      assert.equal(await send(signingKey(`unknown${count}`)), '401 invalid_identity')
    }
    assert.equal(issuer.fetches, 1)
    issuer.respond(away)
    clock.advance(30_000)
    for (let count = 0; count < 20; count++) {
      assert.equal(await send(signingKey(`unknown${count}`)), '503 identity_unavailable')
    }
    assert.equal(issuer.fetches, 2)
  })
})

suite('an issuer that is away', () => {
  test('changes nothing for a day; then it is our trouble, not the client’s', async (t) => {
    const key = signingKey('k')
    const issuer = await startIssuer(t, key)
    const { gateway, clock, send } = await start(t, { issuer })
    assert.equal(await send(key), '200')
    issuer.respond(away)
    clock.advance(1.2 * hourMs)
    await gateway.logged({ event: 'identity_keys_failed', url: issuer.url, reason: 'status 502' })
    assert.equal(await send(key), '200')
    clock.advance(22 * hourMs)
    assert.equal(await send(key), '200')
    clock.advance(2 * hourMs)
    assert.equal(await send(key), '503 identity_unavailable')
    issuer.publish(key)
    clock.advance(30_000)
    assert.equal(await send(key), '200')
  })

  test('from the start on: 503 for identities, and others are served', async (t) => {
    const key = signingKey('k')
    const issuer = await startIssuer(t, key)
    issuer.respond(away)
    const { gateway, send } = await start(t, { issuer })
    assert.equal(await send(key), '503 identity_unavailable')
    const plain = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain"}')
    assert.equal(resultOf(await exchange(t, gateway.url, plain)), '200')
  })
})

suite('an issuer that does not answer', () => {
  test('holds up only tokens that name keys that are not known', async (t) => {
    const key = signingKey('k')
    const issuer = await startIssuer(t, key)
    const { clock, send, gateway } = await start(t, { issuer })
    assert.equal(await send(key), '200')
    const answers: ServerResponse[] = []
    issuer.respond((_, response) => void answers.push(response))
    clock.advance(1.2 * hourMs)
    const unknown = Array.from({ length: 50 }, (_, index) => send(signingKey(`unknown${index}`)))
    for (let count = 0; count < 3; count++) assert.equal(await send(key), '200')
    assert.deepEqual(eventsOf(gateway, 'identity_keys_failed'), [])
    assert.equal(issuer.fetches, 2)
    for (const response of answers) response.writeHead(502).end()
    assert.deepEqual(new Set(await Promise.all(unknown)), new Set(['503 identity_unavailable']))
    assert.equal(issuer.fetches, 2)
  })

  test('one whose keys change with each answer is asked once in 30 s, and only its last keys count', async (t) => {
    const issuer = await startIssuer(t)
    let latest = signingKey('k0')
    issuer.respond((_, response) => {
      latest = signingKey(`k${issuer.fetches}`)
      response.end(keysOf(latest.jwk))
    })
    const { clock, send } = await start(t, { issuer })
    for (let round = 1; round <= 10; round++) {
      const before = latest
      assert.equal(await send(signingKey('unknown')), '401 invalid_identity')
      assert.equal(issuer.fetches, round)
      assert.equal(await send(latest), '200')
      if (before !== latest) assert.equal(await send(before), '401 invalid_identity')
      assert.equal(issuer.fetches, round)
      clock.advance(30_000)
    }
  })
})

function eventsOf(gateway: Running['gateway'], event: string): Record<string, unknown>[] {
  return gateway.log().filter((line) => line['event'] === event)
}

suite('the copy in the state directory', () => {
  test('serves a gateway that starts while the issuer is away', async (t) => {
    const key = signingKey('k')
    const issuer = await startIssuer(t, key)
    const stateDirectory = scratchDirectory(t)
    const clock = new FakeClock()
    const first = await start(t, { issuer, stateDirectory, clock })
    assert.equal(await first.send(key), '200')
    await first.gateway.stop()
    const path = join(stateDirectory, 'identity-keys.json')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.ok(!readFileSync(path, 'utf8').includes('"d"'))
    issuer.respond(away)
    const second = await start(t, { issuer, stateDirectory, clock })
    assert.equal(await second.send(key), '200')
    await second.gateway.stop()
    clock.advance(25 * hourMs)
    const third = await start(t, { issuer, stateDirectory, clock })
    assert.equal(await third.send(key), '503 identity_unavailable')
  })

  test('is not read where others can write it, and damage is no reason not to start', async (t) => {
    const key = signingKey('k')
    const issuer = await startIssuer(t, key)
    issuer.respond(away)
    for (const [text, mode] of [
      ['{"version":1,"sets":[{"url":1}]}', 0o600],
      ['{', 0o600],
      ['', 0o600],
      [copyOf(issuer.url, key), 0o666],
    ] as const) {
      const stateDirectory = scratchDirectory(t)
      const path = join(stateDirectory, 'identity-keys.json')
      writeFileSync(path, text, { mode })
      // Not subject to the umask.
      chmodSync(path, mode)
      const { gateway, send } = await start(t, { issuer, stateDirectory })
      assert.equal(await send(key), '503 identity_unavailable')
      if (mode === 0o666) await gateway.logged({ event: 'identity_keys_refused' })
    }
  })
})

function copyOf(url: string, key: SigningKey): string {
  const fetched_at = new Date(new FakeClock().wallNow()).toISOString()
  return JSON.stringify({ version: 1, sets: [{ url, fetched_at, keys: [key.jwk] }] })
}

const body =
  (text: string): RequestListener =>
  (_, response) =>
    void response.end(text)
const keysOf = (...keys: readonly object[]) => JSON.stringify({ keys })
const published = signingKey('k')
const privateJwk = { ...published.jwk, ...published.privateKey.export({ format: 'jwk' }) }

suite('what is no set of keys is refused, and the last one stays', () => {
  const answers: readonly (readonly [name: string, listener: RequestListener, reason: RegExp])[] = [
    [
      'a redirect',
      (_, response) => void response.writeHead(302, { location: '/other' }).end(keysOf(published.jwk)),
      /status 302/,
    ],
    ['a page', body('<html>login</html>'), /not a JSON object/],
    ['nothing', body(''), /not a JSON object/],
    ['an empty list', body(keysOf()), /no key for signatures/],
    ['keys for encryption only', body(keysOf({ ...published.jwk, use: 'enc' })), /no key for signatures/],
    ['a private key', body(keysOf(privateJwk)), /private or symmetric/],
    ['a shared secret', body(keysOf(published.jwk, { kty: 'oct', k: 'c2VjcmV0' })), /private or symmetric/],
    ['65 keys', body(keysOf(...Array.from({ length: 65 }, () => published.jwk))), /more than 64/],
    ['300 KiB', body(keysOf({ ...published.jwk, pad: 'x'.repeat(300 * 1024) })), /more than 262144 bytes/],
    [
      'an endless response',
      (_, response) => {
        const more = () => void response.write('x'.repeat(65_536), (error) => error ?? more())
        more()
      },
      /more than 262144 bytes/,
    ],
    [
      '5 MB of zeros, compressed',
      (_, response) =>
        void response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(5_000_000))),
      /not a JSON object/,
    ],
    ['a key that is only text', body(JSON.stringify({ keys: ['k', null, 7, []] })), /no key for signatures/],
    [
      'a key with an id that is a number',
      body(keysOf({ ...published.jwk, kid: 7 })),
      /no key for signatures/,
    ],
    [
      'a key with a list for its numbers',
      body(keysOf({ ...published.jwk, x: [1] })),
      /no key for signatures/,
    ],
    ['a set nested 50,000 levels deep', body('[{"keys":'.repeat(25_000)), /not a JSON object/],
    ['an answer that never comes', () => {}, /within 5 s/],
    [
      'an answer that trickles',
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 200)
        response.once('close', () => clearInterval(timer))
      },
      /within 5 s/,
    ],
    ['a cut response', (_, response) => void response.writeHead(200, { 'content-length': 9 }).destroy(), /./],
  ]
  for (const [name, listener, reason] of answers) {
    test(name, async (t) => {
      const issuer = await startIssuer(t, published)
      const { gateway, clock, send } = await start(t, { issuer })
      assert.equal(await send(published), '200')
      issuer.respond(listener)
      clock.advance(1.2 * hourMs)
      const line = await gateway.logged({ event: 'identity_keys_failed' })
      assert.match(String(line['reason']), reason)
      assert.equal(await send(published), '200')
      assert.equal(issuer.fetches, 2)
    })
  }
})

test('members of a key that checking does not need are left out, however deep', async (t) => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const text = JSON.stringify({ keys: [published.jwk] }).replace('{"kty"', `{"x5c":${deep},"kty"`)
  for (const workers of [1, 2]) {
    const issuer = await startIssuer(t)
    issuer.respond(body(text))
    // Threads have no clock but the machine's.
    const clock = new FakeClock(Date.now() - 1_750_000_000_000)
    const { send } = await start(t, { issuer, clock, workers })
    for (let count = 0; count < 4; count++) assert.equal(await send(published), '200', `${workers} threads`)
  }
})
