// What doctor reports of the issuers of identities.
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineIssuers } from '../../../src/cli/doctor/identity.ts'
import type { IdentityConfig, TokenSource } from '../../../src/config/types.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { signingKey, startIssuer, type TestIssuer } from '../../support/issuer.ts'

const hourMs = 3_600_000

interface Wishes {
  readonly algorithms?: TokenSource['algorithms']
  /** Of the stored copy. */
  readonly keptHours?: number
  /** Of the issuer's clock, in seconds. */
  readonly ahead?: number
}

async function scene(t: TestContext, wishes: Wishes = {}) {
  const key = signingKey('k1')
  const issuer = await startIssuer(t, key)
  const directory = scratchDirectory(t)
  const nowMs = Date.now()
  if (wishes.keptHours !== undefined) {
    const fetched_at = new Date(nowMs - wishes.keptHours * hourMs).toISOString()
    const kept = { version: 1, sets: [{ url: issuer.url, fetched_at, keys: [key.jwk] }] }
    writeFileSync(join(directory, 'identity-keys.json'), JSON.stringify(kept), { mode: 0o600 })
  }
  const source = {
    kind: 'token',
    header: 'x-proxy-token',
    allow: undefined,
    issuer: 'https://id.example',
    audience: 'llm',
    algorithms: wishes.algorithms ?? ['ES256'],
    keysUrl: issuer.url,
    claim: 'email',
    isCloudflare: false,
  } as const
  const identity: IdentityConfig = { isRequired: true, sources: [source, source] }
  const wallNow = () => nowMs - (wishes.ahead ?? 0) * 1000
  const examine = async () => {
    const findings = await examineIssuers(identity, { stateDirectory: directory, wallNow })
    return findings.map(
      ({ subject, state, detail }) => `${subject} ${state}: ${detail.replaceAll(issuer.url, 'URL')}`,
    )
  }
  return { issuer, directory, examine }
}

const away = (issuer: TestIssuer) => issuer.respond((_, response) => void response.writeHead(503).end())
const subject = 'keys of https://id.example'

test('an issuer that sends keys is ok, with the age of the copy', async (t) => {
  const { issuer, examine } = await scene(t, { keptHours: 2 })
  assert.deepEqual(await examine(), [`${subject} ok: 1 key at URL; the stored copy is 2 hours old`])
  assert.equal(issuer.fetches, 1)
})

test('an issuer that is away is a warning while its copy is recent, and else a failure', async (t) => {
  for (const [keptHours, expected] of [
    [2, `${subject} warn: URL: status 503; the stored copy is 2 hours old: tokens are checked by the copy`],
    [
      30,
      `${subject} fail: URL: status 503; the stored copy is 1 day old, too old to be used: no token can be checked`,
    ],
    [undefined, `${subject} fail: URL: status 503; no copy is stored: no token can be checked`],
  ] as const) {
    const { issuer, examine } = await scene(t, keptHours === undefined ? {} : { keptHours })
    away(issuer)
    assert.deepEqual(await examine(), [expected])
  }
})

test('keys that no accepted algorithm can use are a failure, and so is what is no key set', async (t) => {
  const { issuer, examine } = await scene(t, { algorithms: ['RS256', 'EdDSA'] })
  assert.deepEqual(await examine(), [
    `${subject} fail: URL has 1 key, none of them for RS256, EdDSA; no copy is stored`,
  ])
  issuer.publish(signingKey('k2', 'EdDSA'))
  assert.match((await examine()).join(), /ok: 1 key/)
  issuer.respond((_, response) => void response.end('<html>'))
  assert.match((await examine()).join(), /fail: URL: the key set is not a JSON object/)
})

test('clocks that differ by more than tokens allow are a warning', async (t) => {
  for (const [ahead, expected] of [
    [20, /ok: 1 key at URL; no copy is stored$/],
    [90, /warn: .*; its clock is (89|90|91) s ahead of this machine's, and tokens allow 30 s$/],
    [-90, /warn: .*; its clock is (89|90|91|92) s behind this machine's/],
  ] as const) {
    const { examine } = await scene(t, { ahead })
    assert.match((await examine()).join(), expected)
  }
})

test('a copy that others could have written is a warning', async (t) => {
  const { directory, examine } = await scene(t, { keptHours: 2 })
  chmodSync(join(directory, 'identity-keys.json'), 0o666)
  assert.match((await examine()).join(), /warn: 1 key at URL; identity-keys\.json .*writable/)
})
