// Providers that are broken, or that were taken over: whatever they send, the client gets a clean error, nothing
// grows without end, and the next call is served.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'

import { exchange, rawRequest } from '../support/raw-client.ts'
import { type Cleanup, type ScriptedUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { hostilities, key, usage } from './hostilities.ts'
import { type TestGateway, startGateway } from '../support/app.ts'

const tpm = 1_000_000

suite('A provider that sends', () => {
  const releases: (() => unknown)[] = []
  const cleanup: Cleanup = { after: (release) => void releases.unshift(release) }
  let gateway: TestGateway
  let upstream: ScriptedUpstream

  before(async () => {
    const setup = {
      providers: { hostile: { api_key: { env: 'KEY' } } },
      rate_limit_settings: { limits: { plain: { rpm: 4000, tpm } } },
    }
    ;({ gateway, upstream } = await startGateway(cleanup, setup, { env: { KEY: key } }))
  })
  after(async () => {
    for (const release of releases) await release()
  })

  const call = (isStream: boolean) =>
    exchange(
      cleanup,
      gateway.url,
      rawRequest('POST /v1/chat/completions', {}, JSON.stringify({ model: 'plain', stream: isStream })),
    )

  for (const { name, script, status, code, check, stream: isStream = false } of hostilities) {
    test(`${name} → ${status} ${code ?? ''}`, async () => {
      upstream.respond(script())
      const response = await call(isStream)
      const text = response.body().toString()
      assert.equal(response.status, status, text)
      if (code !== undefined) {
        assert.match(text, new RegExp(`"code":"${code}"`))
        if (!isStream) assert.equal(response.header('x-llm-gateway-error'), code)
      }
      check?.(response)
      assert.ok(!(JSON.stringify(response.headers) + text).includes(key), 'the client does not see the key')
      assert.ok(!JSON.stringify(gateway.log()).includes(key), 'the log does not hold the key')

      const { requests } = upstream
      const seen = requests.length
      upstream.respond(json(200, { usage }))
      const next = await call(false)
      assert.equal(next.status, 200, 'the next call is served')
      assert.deepEqual(JSON.parse(next.body().toString()), { usage }, 'with its own answer')
      assert.equal(requests.length, seen + 1)
      const left = Number(next.header('x-ratelimit-remaining-tokens'))
      assert.ok(left > tpm / 2 && left < tpm, `tokens are counted as tokens: ${left} of ${tpm} are left`)
    })
  }
})
