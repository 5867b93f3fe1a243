// A provider that can't be connected to because nothing answers at all: the fifth phase in which a call can hang.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { silentUrl, startUpstream } from '../support/scripted-upstream.ts'
import { both, call, good, roundTrips, startFaulty } from './fault.ts'
import { used } from '../support/calls.ts'

for (const form of both) {
  test(`a client that leaves while its provider is connected to costs nothing (${form})`, async (t) => {
    const scene = await startFaulty(t, { a: await silentUrl(t) }, { models: { small: { provider: 'a' } } })
    const client = await call(t, scene, form)
    await roundTrips(t, scene)
    assert.equal((await used(scene.gateway)).parallel, 1)

    client.leave()

    const line = await scene.gateway.logged({ event: 'call' })
    assert.equal(line['status'], 499)
    assert.deepEqual(await used(scene.gateway), { requests: 0, tokens: 0, parallel: 0 })
  })

  test(`a provider that does not connect in time is passed over (${form})`, async (t) => {
    const second = await startUpstream(t)
    second.respondAlways(good[form])
    const models = { small: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] } }
    const urls = { a: await silentUrl(t), b: second.url }
    const scene = await startFaulty(t, urls, { models, provider: { timeouts: { connect_ms: 50 } } })

    const response = await (await call(t, scene, form)).response()

    assert.equal(response.status, 200)
    assert.equal(response.header('x-llm-gateway-provider'), 'b')
  })
}

test('a provider that does not connect in time, alone, is reported as unreachable', async (t) => {
  const models = { small: { provider: 'a' } }
  const more = { models, provider: { timeouts: { connect_ms: 50 } }, retries: 0 }
  const scene = await startFaulty(t, { a: await silentUrl(t) }, more)

  const response = await (await call(t, scene, 'whole')).response()

  assert.equal(response.status, 502)
  assert.equal(response.header('x-llm-gateway-error'), 'provider_unreachable')
  assert.deepEqual(await used(scene.gateway), { requests: 0, tokens: 0, parallel: 0 })
})
