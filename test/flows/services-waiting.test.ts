// What clients see of a server that is started for them: requests that start it and those that do not, and what ends their wait.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type { RawConfig, RawProvider } from '../../src/config/raw.ts'
import { startGateway, type TestGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { until } from '../support/deadline.ts'
import { at } from '../support/gateway-config.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { type ScriptedStarter, startStarter } from '../support/scripted-starter.ts'
import { type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { chunk, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import { readReport } from './status/status-client.ts'

const completion = { id: 'x', object: 'chat.completion', choices: [] }
const streamed = '{"model":"own","stream":true,"messages":[]}'

interface Scene {
  readonly workers?: number
  /** Of the provider `qwen`. */
  readonly settings?: RawProvider
  readonly service?: Partial<NonNullable<RawProvider['service']>>
  /** By default, two services that take turns. */
  readonly group?: NonNullable<NonNullable<RawConfig['services']>['groups']>[string]
  readonly server?: RawConfig['server']
}

/** A gateway with two servers that do not run, `qwen` and `gemma`. `own` is a model of `qwen`, `either` of both. */
async function start(t: TestContext, { workers = 1, settings, service, group, server }: Scene = {}) {
  const starter = await startStarter(t, 'qwen', 'gemma')
  const [qwen, gemma] = [await startUpstream(t), await startUpstream(t)]
  for (const upstream of [qwen, gemma]) upstream.respondAlways(json(200, completion))
  const providers = {
    qwen: at(qwen, { kind: 'llama_cpp', ...settings, service: { unit: 'qwen.service', ...service } }),
    gemma: at(gemma, { service: { unit: 'gemma.service' } }),
  }
  const models = {
    own: { provider: 'qwen' },
    other: { provider: 'gemma' },
    either: { targets: [{ provider: 'qwen' }, { provider: 'gemma', tier: 2 }] },
  }
  const { gateway } = await startGateway(
    t,
    {
      providers,
      models,
      server: { workers, ...server },
      routes: { rest: { provider: 'qwen' } },
      ...(group && { services: { groups: { gpu: group } } }),
    } as never,
    { starterPath: starter.path },
  )
  await gateway.logged({ event: 'starter_found' })
  return { gateway, starter, qwen, gemma }
}

/** Its unit runs, and its server does not answer yet. */
function neverReady(server: ScriptedUpstream): void {
  server.respondAlways(json(503, {}))
}

function callsOf({ requests }: ScriptedUpstream): string[] {
  return requests.filter(({ method }) => method === 'POST').map(({ target }) => target)
}

async function waitingFor(t: TestContext, gateway: TestGateway, count: number): Promise<void> {
  await until(async () => {
    const { services } = await readReport(t, gateway)
    return services.reduce((sum, { waiting }) => sum + waiting, 0) === count
  }, `${count} calls that wait`)
}

function assertNothingStarted(starter: ScriptedStarter, server: ScriptedUpstream): void {
  assert.deepEqual([starter.countOf('start', 'qwen'), server.requests.length], [0, 0])
}

for (const workers of [1, 2]) {
  suite(`with ${workers} threads, a request that is no model call`, () => {
    for (const [line, kind] of [
      ['GET /providers/qwen/health', 'llama_cpp'],
      ['GET /providers/qwen/slots', 'llama_cpp'],
      [`HEAD /providers/qwen/api/blobs/sha256:${'0'.repeat(64)}`, 'ollama'],
      ['GET /v1/files/file-1', 'llama_cpp'],
    ] as const) {
      test(`${line} starts nothing, and says what does`, async (t) => {
        const { gateway, starter, qwen } = await start(t, {
          workers,
          settings: { kind, allow_management: true },
        })
        const client = await connectRaw(t, gateway.url, { bodyless: line.startsWith('HEAD') })
        client.send(rawRequest(line))
        const response = await client.response()
        assert.deepEqual(
          [response.status, response.header('x-llm-gateway-error')],
          [503, 'service_not_started'],
        )
        if (!line.startsWith('HEAD')) {
          assert.match(JSON.parse(response.body().toString()).error.message, /services start qwen/)
        }
        assertNothingStarted(starter, qwen)
      })
    }

    test('a GET passes once the server runs', async (t) => {
      const { gateway, qwen } = await start(t, { workers })
      assert.equal((await chat(gateway, 'own')).status, 200)
      qwen.respondAlways(json(200, { status: 'ok' }))
      const response = await exchange(t, gateway.url, rawRequest('GET /providers/qwen/health'))
      assert.deepEqual([response.status, response.body().toString()], [200, '{"status":"ok"}'])
    })

    for (const line of ['POST /providers/qwen/infill', 'POST /v1/batches'] as const) {
      test(`${line} starts the server, waits for it, and is in it until its response has ended`, async (t) => {
        const group = { members: ['qwen', 'gemma'], running: 1, min_run_ms: 0, max_run_ms: 60_000 }
        const { gateway, starter, qwen, gemma } = await start(t, { workers, group })
        neverReady(qwen)
        const client = await connectRaw(t, gateway.url)
        client.send(rawRequest(line, {}, '{"input_prefix":"a"}'))
        await starter.asked('start', 'qwen')
        await waitingFor(t, gateway, 1)
        assert.deepEqual(callsOf(qwen), [])

        const gate = Promise.withResolvers<void>()
        qwen.respondAlways(({ method }) =>
          method === 'GET'
            ? json(200, {})
            : [streamHead(), chunk('data: {"content":"one"}\n\n'), wait(gate.promise), lastChunk],
        )
        await client.seen('one')
        const other = chat(gateway, 'other')
        await waitingFor(t, gateway, 1)
        const { calls } = await readReport(t, gateway)
        assert.deepEqual(
          calls.map((call) => [call.provider, call.turn, call.waits_for]),
          [
            ['qwen', null, undefined],
            ['gemma', { group: 'gpu', running: ['qwen'] }, 'waiting for its turn in gpu (qwen runs)'],
          ],
        )
        assert.equal(starter.countOf('stop', 'qwen'), 0)

        gate.resolve()
        const response = await client.response()
        assert.deepEqual([response.status, response.complete], [200, true])
        assert.equal((await other).status, 200)
        assert.deepEqual([starter.countOf('stop', 'qwen'), callsOf(gemma).length], [1, 1])
        const { start_ms: startMs } = await gateway.logged({ event: 'call', dialect: 'other', status: 200 })
        assert.ok(typeof startMs === 'number' && startMs >= 0)
      })
    }

    test('a count of tokens is an estimate while the server does not run', async (t) => {
      const { gateway, starter, qwen } = await start(t, {
        workers,
        settings: { speaks: ['chat', 'messages'] },
      })
      const body = JSON.stringify({ model: 'own', messages: [{ role: 'user', content: 'x'.repeat(4_000) }] })
      const request = rawRequest(
        'POST /v1/messages/count_tokens',
        { 'anthropic-version': '2023-06-01' },
        body,
      )
      const response = await exchange(t, gateway.url, request)
      assert.deepEqual([response.status, response.header('x-llm-gateway-provider')], [200, undefined])
      const tokens = JSON.parse(response.body().toString()).input_tokens
      assert.ok(tokens > 900 && tokens < 1_500, String(tokens))
      assertNothingStarted(starter, qwen)
    })
  })

  suite(`with ${workers} threads, a call that waits for a start`, () => {
    test('is refused at the end of the grace time where the gateway stops: 503', async (t) => {
      const { gateway, starter, qwen } = await start(t, { workers, server: { shutdown_grace_ms: 1 } })
      neverReady(qwen)
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest('POST /v1/chat/completions', {}, '{"model":"own","messages":[]}'))
      await starter.asked('start', 'qwen')
      await waitingFor(t, gateway, 1)
      await gateway.stop()
      const response = await client.response()
      assert.deepEqual([response.status, response.complete], [503, true])
      assert.equal(JSON.parse(response.body().toString()).error.code, 'shutting_down')
      assert.deepEqual([callsOf(qwen), starter.countOf('stop', 'qwen')], [[], 0])
    })

    test('ends with an error event where the gateway stops after a heartbeat', async (t) => {
      const server = { heartbeat_after_ms: 100, shutdown_grace_ms: 1 }
      const { gateway, starter, qwen } = await start(t, { workers, server })
      neverReady(qwen)
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest('POST /v1/chat/completions', {}, streamed))
      await starter.asked('start', 'qwen')
      await client.seen(':')
      await gateway.stop()
      const response = await client.response()
      assert.deepEqual([response.status, response.complete], [200, true])
      assert.match(
        response.body().toString(),
        /^(: ping\n)+data: \{"error":\{[^\n]*"code":"shutting_down"\}\}\n\n$/,
      )
      assert.deepEqual(callsOf(qwen), [])
    })

    test('is forgotten when its client leaves, and the server gets nothing of it', async (t) => {
      const { gateway, starter, qwen } = await start(t, { workers })
      neverReady(qwen)
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest('POST /v1/chat/completions', {}, streamed))
      await starter.asked('start', 'qwen')
      await waitingFor(t, gateway, 1)
      client.leave()
      const { start_ms: startMs } = await gateway.logged({ event: 'call', status: 499 })
      assert.equal(typeof startMs, 'number')
      await waitingFor(t, gateway, 0)
      // It goes on starting, and the next call finds it ready.
      qwen.respondAlways(json(200, completion))
      assert.equal((await chat(gateway, 'own')).status, 200)
      assert.deepEqual([starter.countOf('start', 'qwen'), callsOf(qwen).length], [1, 1])
    })

    test('does not wait with `when_starting: failover`: what runs answers, and the start goes on', async (t) => {
      const { gateway, starter, qwen, gemma } = await start(t, {
        workers,
        service: { when_starting: 'failover' },
      })
      starter.activate('gemma')
      await gateway.logged({ event: 'service_ready', provider: 'gemma' })
      neverReady(qwen)
      const { status, headers } = await chat(gateway, 'either')
      assert.deepEqual([status, headers.get('x-llm-gateway-provider')], [200, 'gemma'])
      await starter.asked('start', 'qwen')
      assert.deepEqual([callsOf(qwen).length, callsOf(gemma).length], [0, 1])

      qwen.respondAlways(json(200, completion))
      await gateway.logged({ event: 'service_ready', provider: 'qwen' })
      const next = await chat(gateway, 'either')
      assert.deepEqual([next.status, next.headers.get('x-llm-gateway-provider')], [200, 'qwen'])
    })
  })
}
