import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { isServerReady } from '../../../src/app/services/readiness.ts'
import type { HttpProvider } from '../../../src/config/provider-types.ts'
import type { ServiceConfig } from '../../../src/config/service-types.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { AskedProvider } from '../asked-provider.ts'

const service: ServiceConfig = {
  unit: 'p.service',
  startTimeoutMs: 1_000,
  isKept: false,
  startsAtBoot: false,
  whenStarting: 'wait',
}

function ask(settings: Partial<ServiceConfig> = {}, kind: HttpProvider['kind'] = 'llama_cpp') {
  const clock = new FakeClock()
  const on = new AskedProvider('p')
  const config = { kind, service: { ...service, ...settings } }
  const outcomes: string[] = []
  const parts = { clock, onBug: assert.ifError }
  const ready = isServerReady(on.provider, config, parts, (outcome) => void outcomes.push(outcome))
  return { clock, on, ready, outcomes }
}

suite('the probe of a service', () => {
  for (const [kind, path] of [
    ['llama_cpp', '//health'],
    ['vllm', '//health'],
    ['ollama', '//api/version'],
    ['openai', '/models'],
    ['anthropic', '/models'],
  ] as const) {
    test(`of kind ${kind} asks ${path}`, () => {
      assert.deepEqual(
        ask({}, kind).on.asked.map((asked) => asked.path),
        [path],
      )
    })
  }

  test('asks the configured path below the root', () => {
    const { on } = ask({ readyPath: '/ready' })
    assert.equal(on.asked[0]?.path, '//ready')
  })

  for (const [status, isReady] of [
    [200, true],
    [204, true],
    [301, false],
    [400, false],
    [401, true],
    [403, true],
    [404, false],
    [500, false],
    [503, false],
  ] as const) {
    test(`status ${status}: ${isReady ? 'ready' : 'not ready'}`, async () => {
      const { on, ready, clock } = ask()
      await on.respond(status)
      assert.equal(await ready, isReady)
      assert.equal(clock.pendingTimers, 0)
    })
  }

  test('a server that cannot be reached is not ready', async () => {
    const { on, ready } = ask()
    await on.fail('unreachable')
    assert.equal(await ready, false)
  })

  test('a server that does not answer within two seconds is not ready, and the request ends', async () => {
    const { on, ready, clock } = ask()
    clock.advance(2_000)
    assert.equal(await ready, false)
    assert.ok(on.asked[0]!.isAborted)
  })
})
