// The rules of Cloudflare Access, whose issuer no test can be, and what is remembered of tokens.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../../support/properties.ts'

import type { KeySets } from '../../../src/clients/identity/key-set.ts'
import { TokenCheck } from '../../../src/clients/identity/token-check.ts'
import { resolveIdentity } from '../../../src/config/resolve-identity.ts'
import type { TokenSource } from '../../../src/config/types.ts'
import { GatewayError } from '../../../src/errors.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { signingKey, signToken } from '../../support/issuer.ts'

const audience = '32eafc7626e737c8b1b8c5e1f6f7ad9c'
const [cloudflare] = resolveIdentity({
  sources: [{ kind: 'cloudflare_access', team: 'example', audience }],
}).sources as readonly [TokenSource]
const [current, previous] = [signingKey('current', 'RS256'), signingKey('previous', 'RS256')]

function start() {
  const clock = new FakeClock()
  const asked: string[] = []
  const set = { keys: [current.jwk, previous.jwk], fetchedAtMs: 0 }
  const keySets = {
    find(url: string) {
      asked.push(url)
      return { set, isReachable: true }
    },
  } as unknown as KeySets
  const check = new TokenCheck(cloudflare, { keySets, now: clock.now, wallNow: clock.wallNow })
  const seconds = Math.floor(clock.wallNow() / 1000)
  const claims = (more: object) => ({
    iss: 'https://example.cloudflareaccess.com',
    aud: [audience],
    type: 'app',
    iat: seconds,
    nbf: seconds,
    exp: seconds + 86_400,
    ...more,
  })
  const resultOf = async (token: string) => {
    const verdict = await check.check(token)
    return verdict instanceof GatewayError ? verdict.code : verdict.id
  }
  return { clock, asked, claims, resultOf, check }
}

suite('Cloudflare Access', () => {
  const person = { email: 'Ann@example.org', sub: 'f1' }
  const service = { common_name: 'e367826f93b8.access', sub: '' }
  const rows: readonly (readonly [what: string, claims: object, expected: string])[] = [
    ['a person', person, 'mail:ann@example.org'],
    ['a service', service, 'service:e367826f93b8.access'],
    ['the login to the whole account', { ...person, type: 'org' }, 'invalid_identity'],
    ['a token without a type', { ...person, type: undefined }, 'invalid_identity'],
    ['another application of the account', { ...person, aud: ['other'] }, 'invalid_identity'],
    ['another team', { ...person, iss: 'https://other.cloudflareaccess.com' }, 'invalid_identity'],
    ['nobody', { sub: 'f1' }, 'invalid_identity'],
  ]
  for (const [what, more, expected] of rows) {
    test(what, async () => {
      const { asked, claims, resultOf } = start()
      assert.equal(await resultOf(signToken(current, claims(more))), expected)
      assert.deepEqual(asked, ['https://example.cloudflareaccess.com/cdn-cgi/access/certs'])
    })
  }

  test('the previous key is as good as the current one', async () => {
    const { claims, resultOf } = start()
    assert.equal(await resultOf(signToken(previous, claims(person))), 'mail:ann@example.org')
  })

  test('an algorithm of another kind is not accepted', async () => {
    const { claims, resultOf } = start()
    assert.equal(await resultOf(signToken(signingKey('current'), claims(person))), 'invalid_identity')
  })

  test('an accepted token is remembered for a minute, a refused one is not', async () => {
    const { clock, asked, claims, resultOf, check } = start()
    const token = signToken(current, claims(person))
    await resultOf(token)
    clock.advance(59_000)
    assert.ok(!(check.check(token) instanceof Promise))
    clock.advance(1_000)
    await resultOf(token)
    assert.equal(asked.length, 2)
    const wrong = signToken(current, claims({}))
    await resultOf(wrong)
    assert.ok(check.check(wrong) instanceof Promise)
  })
})

test('a token in which anything but its signature was changed is refused, whatever it was', async () => {
  const { claims, resultOf } = start()
  const token = signToken(current, claims({ email: 'ann@example.org' }))
  const character = fc.constantFrom(...'ABCabc019-_. ,\t=+/{}"'.split(''))
  const at = fc.nat(token.lastIndexOf('.'))
  await fc.assert(
    fc.asyncProperty(at, character, fc.boolean(), async (index, other, isInserted) => {
      const changed = token.slice(0, index) + other + token.slice(isInserted ? index : index + 1)
      if (changed !== token) assert.equal(await resultOf(changed), 'invalid_identity')
    }),
    { numRuns: 300 },
  )
})
