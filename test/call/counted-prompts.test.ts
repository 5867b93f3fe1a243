// Which calls are to be counted by their servers.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Hold } from '../../src/call/coordinator.ts'
import type { Config } from '../../src/config/types.ts'
import type { ServerFacts } from '../../src/routing/server-facts.ts'
import { a, request, startOwner } from '../contracts/coordinator.ts'

type Owner = ReturnType<typeof startOwner>['owner']

/** An owner whose provider `a` is a llama.cpp. */
function start(isLocal = true): ReturnType<typeof startOwner> {
  const started = startOwner()
  const providers = new Map([['a', { kind: 'llama_cpp' }]]) as unknown as Config['providers']
  const rateLimits = { enabled: false, perClientRpm: undefined, perClientMaxWaitMs: 0, limits: new Map() }
  const unlimited = { ...rateLimits, default: { whenLimited: 'reject', maxWaitMs: 0 } as const }
  const config = { providers, routing: { cooldownMs: 0 }, rateLimits: unlimited }
  started.owner.follow(config, [{ name: 'a', isLocal, maxParallelRequests: undefined }])
  return started
}

function call(owner: Owner): Hold {
  const result = owner.admit(request({ targets: [a] }))
  assert.ok(!(result instanceof Promise) && result.kind === 'admitted')
  return result.hold
}

test('a call to a local server that counts, and none to a remote one', () => {
  assert.equal(call(start().owner).countsAs, 'llama_cpp')
  assert.equal(call(start(false).owner).countsAs, undefined)
})

const absent: readonly (readonly [what: string, reported: Parameters<ServerFacts['setReported']>[1]])[] = [
  ['sleeps', { isSleeping: true }],
  ['loads the model', { models: new Map([['m', { state: 'loading' }]]) }],
  ['has not loaded the model', { models: new Map([['m', { state: 'unloaded' }]]) }],
]

for (const [what, reported] of absent) {
  test(`no call while the server ${what}, and the next one after that`, () => {
    const { owner } = start()
    owner.serverFacts.setReported('a', reported)
    assert.equal(call(owner).countsAs, undefined)
    owner.serverFacts.setReported('a', { models: new Map([['m', { state: 'loaded' }]]) })
    assert.equal(call(owner).countsAs, 'llama_cpp')
  })
}

test('a count teaches the rate of the prompt and nothing of the answer', () => {
  const { owner } = start()
  const { size } = request()
  owner.reportCount({ model: 'm', provider: 'a', size }, 57)
  const [fact] = owner.calibration.describe('m')
  assert.ok(fact!.tokensPerByte < 0.26)
  assert.equal(fact!.outputTokens, 0)
})
