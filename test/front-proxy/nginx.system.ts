// nginx in front, as many run it: whatever it makes of a request, the provider gets one call or none, and the next
// client of the proxy gets the answer to its own question.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'

import { missing } from '../support/needs.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'
import { startNginx } from './nginx.ts'
import { vectors } from './vectors.ts'
import { type Running, startGateway } from '../support/app.ts'

suite('behind nginx', { skip: missing('nginx') }, () => {
  const releases: (() => unknown)[] = []
  const whole = { after: (release: () => unknown) => void releases.unshift(release) }
  let wired: Running
  let proxy: { socketPath: string }
  before(async () => {
    wired = await startGateway(whole)
    // Every answer says which question it is for.
    wired.upstream.respondAlways(({ body }) => json(200, { asked: body.toString() }))
    proxy = await startNginx(whole, wired.gateway.url)
  })
  after(async () => {
    for (const release of releases) await release()
  })

  let callsInAll = 0
  vectors.forEach(({ name, bytes }, index) => {
    test(`one call or none reaches the provider with ${name}`, async (t) => {
      const { upstream } = wired
      const earlier = upstream.requests.length
      const client = await connectRaw(t, proxy)

      client.send(Buffer.from(bytes, 'latin1'))
      await client.ended

      const question = JSON.stringify({
        model: 'plain',
        messages: [{ role: 'user', content: `next ${index}` }],
      })
      const next = await exchange(t, proxy, rawRequest('POST /v1/chat/completions', {}, question))
      assert.equal(next.status, 200)
      assert.deepEqual(JSON.parse(next.body().toString()), { asked: question })
      const calls = upstream.requests.slice(earlier, -1)
      assert.ok(calls.length <= 1, `${calls.length} calls`)
      callsInAll += calls.length
      for (const { method, target, body } of calls) {
        assert.deepEqual([method, target], ['POST', '/v1/chat/completions'])
        assert.doesNotMatch(body.toString(), /hidden/)
      }
    })
  })

  test('some of these calls do reach the provider, so that nginx did not refuse them all', () => {
    assert.ok(callsInAll >= 8, `${callsInAll} calls`)
  })
})
