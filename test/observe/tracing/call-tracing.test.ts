// What begins a trace, which calls become spans, and what these have of a call.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { holdsKey } from '../../../src/clients/keys/key-format.ts'
import { resolveTracing } from '../../../src/config/resolve-tracing.ts'
import type { Config } from '../../../src/config/types.ts'
import { createEvents, type Events } from '../../../src/observe/events.ts'
import type { CallTrace } from '../../../src/observe/events/trace.ts'
import { namingBy } from '../../../src/observe/pseudonymous-events.ts'
import { CallTracing } from '../../../src/observe/tracing/call-tracing.ts'
import { systemOf } from '../../../src/observe/tracing/conventions.ts'
import { Pseudonyms } from '../../../src/vault/pseudonyms.ts'
import { callFacts } from '../../support/call-facts.ts'
import { startOtlpReceiver } from '../../support/otlp-receiver.ts'

const request = { method: 'POST', path: '/chat/completions', rawHeaders: [], startedAtMs: 0 }

function tracingTo(endpoint: string | undefined, prepare?: Parameters<typeof createEvents>[1]) {
  const clock = { now: () => performance.now(), wallNow: () => Date.now() }
  const tracing = new CallTracing({ ...clock, version: '1', holdsKey, emit: (event) => events.emit(event) })
  const events: Events = createEvents([tracing], prepare)
  const config: Pick<Config, 'providers' | 'tracing'> = {
    providers: new Map(),
    tracing: { ...resolveTracing(undefined, new Map()), endpoint },
  }
  const end = (trace: CallTrace | undefined, more: Parameters<typeof callFacts>[0] = {}) => {
    trace?.end(performance.now(), undefined)
    events.emit({ kind: 'call_ended', call: callFacts(more), trace })
  }
  return { tracing, config, end }
}

async function start(t: TestContext, prepare?: Parameters<typeof createEvents>[1]) {
  const receiver = await startOtlpReceiver(t)
  const parts = tracingTo(`${receiver.url}/v1/traces`, prepare)
  parts.tracing.follow(parts.config)
  return { receiver, ...parts }
}

describe('tracing', () => {
  test('begins nothing where spans are not recorded and the client has no trace', () => {
    const { tracing, config } = tracingTo(undefined)
    assert.equal(tracing.begin(request), undefined)
    tracing.follow(config)
    assert.equal(tracing.begin(request), undefined)
  })

  test('has the spans of calls that end while the exporter is being loaded', async (t) => {
    const { tracing, end, receiver } = await start(t)
    end(tracing.begin(request))
    end(tracing.begin(request))
    await tracing.stop()
    assert.equal(receiver.spans().length, 2)
  })

  test('has them also where another configuration comes meanwhile', async (t) => {
    const { tracing, config, end, receiver } = await start(t)
    end(tracing.begin(request))
    tracing.follow({ ...config, tracing: { ...config.tracing, serviceName: 'other' } })
    end(tracing.begin(request))
    await tracing.stop()
    assert.deepEqual(
      receiver.spans().map(({ resource }) => resource['service.name']),
      ['other', 'other'],
      'the first call had no exporter yet',
    )
  })

  test('ends at once while the exporter is being loaded for nothing', async (t) => {
    const { tracing, config } = await start(t)
    tracing.follow({ ...config, tracing: { ...config.tracing, endpoint: undefined } })
    assert.equal(tracing.begin(request), undefined)
    await tracing.stop()
  })

  test('names clients as the other sinks do', async (t) => {
    const pseudonyms = new Pseudonyms(Buffer.alloc(32, 7))
    const { tracing, end, receiver } = await start(t, namingBy(pseudonyms))
    end(tracing.begin(request), { client: 'mail:ann@example.org' })
    await tracing.stop()
    const [span] = receiver.spans()
    assert.equal(span!.attributes['llm_gateway.client'], pseudonyms.of('mail:ann@example.org'))
    assert.ok(!receiver.exports[0]!.body.includes('ann@'))
  })

  test('cuts long names', async (t) => {
    const { tracing, end, receiver } = await start(t)
    end(tracing.begin(request), { model: 'x'.repeat(5_000) })
    await tracing.stop()
    assert.equal(String(receiver.spans()[0]!.attributes['llm_gateway.model']).length, 300)
  })
})

describe('who serves a model', () => {
  const known: readonly (readonly [host: string, latest: string, old: string])[] = [
    ['api.openai.com', 'openai', 'openai'],
    ['api.anthropic.com', 'anthropic', 'anthropic'],
    ['team.openai.azure.com', 'azure.ai.openai', 'az.ai.openai'],
    ['bedrock-runtime.eu-central-1.amazonaws.com', 'aws.bedrock', 'aws.bedrock'],
    ['europe-west4-aiplatform.googleapis.com', 'gcp.vertex_ai', 'gcp.vertex_ai'],
    ['api.x.ai', 'x_ai', 'xai'],
    ['127.0.0.1', 'mine', 'mine'],
    ['notapi.openai.com', 'mine', 'mine'],
    ['api.openai.com.example', 'mine', 'mine'],
  ]
  for (const [host, latest, old] of known) {
    test(`at ${host} is ${latest}`, () => {
      assert.deepEqual(
        [systemOf(host, 'mine', 'latest'), systemOf(host, 'mine', 'semconv-1.36')],
        [latest, old],
      )
    })
  }
})
