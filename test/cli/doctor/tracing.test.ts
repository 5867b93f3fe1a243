// What doctor reports of the receiver of spans.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { examineTracing } from '../../../src/cli/doctor/tracing.ts'
import { resolveTracing } from '../../../src/config/resolve-tracing.ts'
import type { RawConfig } from '../../../src/config/raw.ts'
import { startOtlpReceiver } from '../../support/otlp-receiver.ts'
import { refusingUrl } from '../../support/scripted-upstream.ts'

const examine = async (raw: RawConfig['tracing']) => {
  const findings = await examineTracing(resolveTracing(raw, new Map()))
  return findings.map(({ subject, state, detail, fix }) => [subject, state, detail, fix])
}

test('nothing where no spans are recorded', async () => {
  assert.deepEqual(await examine({}), [])
})

test('a receiver that accepts an export without spans is ok', async (t) => {
  const receiver = await startOtlpReceiver(t)
  const headers = { 'x-team': 'home' }
  const subject = `receiver ${receiver.url}`
  const endpoint = `${receiver.url}/otel`
  assert.deepEqual(await examine({ endpoint, headers }), [
    [subject, 'ok', 'accepts http/protobuf at /otel/v1/traces', undefined],
  ])
  assert.deepEqual(await examine({ endpoint, protocol: 'http/json' }), [
    [subject, 'ok', 'accepts http/json at /otel/v1/traces', undefined],
  ])
  const [first, second] = receiver.exports
  assert.deepEqual(
    [first!.target, first!.headers['x-team'], first!.body.length],
    ['/otel/v1/traces', 'home', 0],
  )
  assert.equal(first!.headers['content-type'], 'application/x-protobuf')
  assert.equal(String(second!.body), '{}')
})

const answers: readonly (readonly [status: number, fix: string])[] = [
  [401, 'correct the key in tracing.headers'],
  [404, 'correct the path of tracing.endpoint'],
  [415, 'set tracing.protocol to http/json'],
  [500, "see the receiver's log"],
]
for (const [status, fix] of answers) {
  test(`a receiver that answers ${status} is a warning`, async (t) => {
    const receiver = await startOtlpReceiver(t)
    receiver.answer = (_, response) => void response.writeHead(status).end()
    assert.deepEqual(await examine({ endpoint: receiver.url }), [
      [`receiver ${receiver.url}`, 'warn', `/v1/traces answers ${status}`, fix],
    ])
  })
}

test('a receiver that is away is a warning', async (t) => {
  const endpoint = await refusingUrl(t)
  const fix = 'start the receiver, or correct tracing.endpoint; calls go on without it'
  assert.deepEqual(await examine({ endpoint }), [
    [`receiver ${endpoint}`, 'warn', '/v1/traces: ECONNREFUSED', fix],
  ])
})
