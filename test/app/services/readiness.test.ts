import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test, type TestContext } from 'node:test'

import { probeReadiness } from '../../../src/app/services/readiness.ts'
import type { HttpProvider } from '../../../src/config/provider-types.ts'
import type { ServiceConfig } from '../../../src/config/service-types.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const service: ServiceConfig = {
  unit: 'p.service',
  startTimeoutMs: 1_000,
  isKept: false,
  startsAtBoot: false,
  whenStarting: 'wait',
}

const timeouts = { firstByteMs: 1, idleMs: 1, connectMs: 1_000, totalMs: 1 }

function providerAt(origin: string, settings: Partial<ServiceConfig> = {}): HttpProvider {
  return {
    kind: 'llama_cpp',
    name: 'p',
    origin,
    basePath: '/v1',
    isLocal: true,
    apiKey: { reveal: () => 'sk-of-the-server', source: 'test' },
    auth: 'bearer',
    headers: [['x-team', 'blue']],
    includeUsage: 'auto',
    timeouts,
    maxParallelRequests: undefined,
    service: { ...service, ...settings },
  }
}

const own = process.getuid!()

/** A server that answers with this status; undefined: never. */
async function serve(t: TestContext, status: number | undefined) {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    if (status !== undefined) response.writeHead(status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const parts = { userAgent: 'llm-gateway/test', clock: systemClock, onBug: assert.ifError }

suite('the probe of a service', () => {
  for (const [kind, path] of [
    ['llama_cpp', '/health'],
    ['vllm', '/health'],
    ['ollama', '/api/version'],
    ['openai', '/v1/models'],
    ['anthropic', '/v1/models'],
  ] as const) {
    test(`of kind ${kind} asks ${path}`, async (t) => {
      const { asked, origin } = await serve(t, 200)
      await probeReadiness({ ...providerAt(origin), kind }, own, parts)
      assert.deepEqual(
        asked.map(({ url }) => url),
        [path],
      )
    })
  }

  test('asks the configured path below the root, without the key and the configured headers', async (t) => {
    const { asked, origin } = await serve(t, 200)
    await probeReadiness(providerAt(origin, { readyPath: '/ready' }), own, parts)
    assert.equal(asked[0]?.url, '/ready')
    assert.equal(asked[0]?.headers.authorization, undefined)
    assert.equal(asked[0]?.headers['x-team'], undefined)
  })

  for (const [status, result] of [
    [200, 'ready'],
    [204, 'ready'],
    [301, 'not-yet'],
    [400, 'not-yet'],
    [401, 'ready'],
    [403, 'ready'],
    [404, 'not-yet'],
    [500, 'not-yet'],
    [503, 'not-yet'],
  ] as const) {
    test(`status ${status}: ${result}`, async (t) => {
      const { origin } = await serve(t, status)
      assert.equal(await probeReadiness(providerAt(origin), own, parts), result)
    })
  }

  test("the port belongs to another user's program", async (t) => {
    const { origin } = await serve(t, 200)
    const provider = providerAt(origin)
    const ownerOf = () => 'foreign' as const
    assert.equal(await probeReadiness(provider, own, { ...parts, ownerOf }), 'port-taken')
  })

  test("while the unit's user is not known, it is not ready", async (t) => {
    const { origin } = await serve(t, 200)
    assert.equal(await probeReadiness(providerAt(origin), undefined, parts), 'not-yet')
  })

  test('a server that cannot be reached is not ready', async () => {
    assert.equal(await probeReadiness(providerAt('http://127.0.0.1:1'), own, parts), 'not-yet')
  })

  test('a server that does not answer within two seconds is not ready, and the connection ends', async (t) => {
    const { asked, origin } = await serve(t, undefined)
    const clock = new FakeClock()
    const ready = probeReadiness(providerAt(origin), own, { ...parts, clock })
    clock.advance(2_000)
    assert.equal(await ready, 'not-yet')
    assert.ok(asked.length <= 1)
  })
})
