// What a request of the gateway's own brings back, and that it ends.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { exchange } from '../../src/outbound/exchange.ts'
import { soon } from '../support/deadline.ts'
import { startOtlpReceiver } from '../support/otlp-receiver.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'

const limits = { maxBytes: 10, timeoutMs: 10_000, isCut: true }
const request = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'hello' } as const

describe('a POST', () => {
  test('sends its bytes, and returns the status, the wait and the beginning of the body', async (t) => {
    const server = await startOtlpReceiver(t)
    server.answer = (_, response) =>
      void response.writeHead(429, { 'retry-after': '7' }).end('0123456789more')
    const outcome = await exchange(new URL(`${server.url}/path?a=b`), request, limits)
    assert.ok('status' in outcome)
    assert.deepEqual(
      [outcome.status, outcome.headers['retry-after'], String(outcome.body)],
      [429, '7', '0123456789'],
    )
    const [got] = server.exports
    assert.deepEqual([got!.target, String(got!.body)], ['/path?a=b', 'hello'])
    assert.equal(got!.headers['content-type'], 'text/plain')
  })

  test('that reaches nobody says so', async (t) => {
    const outcome = await exchange(new URL(await refusingUrl(t)), request, limits)
    assert.deepEqual(outcome, { fault: 'ECONNREFUSED', isUnsent: true })
  })

  test('ends with its time', async (t) => {
    const server = await startOtlpReceiver(t)
    server.answer = () => {}
    const outcome = await exchange(new URL(server.url), request, { ...limits, timeoutMs: 50 })
    assert.deepEqual(outcome, { fault: 'no whole response within 0.05 s', isUnsent: false })
  })

  test('ends with its signal, also one that was given before', async (t) => {
    const server = await startOtlpReceiver(t)
    const controller = new AbortController()
    server.answer = () => controller.abort()
    const posting = exchange(new URL(server.url), request, { ...limits, signal: controller.signal })
    assert.deepEqual(await soon(posting, () => 'the end'), { fault: 'ended early', isUnsent: false })
    const again = await exchange(new URL(server.url), request, { ...limits, signal: controller.signal })
    assert.deepEqual(again, { fault: 'ended early', isUnsent: true })
    assert.equal(server.exports.length, 1)
  })

  test('that cannot be written does not repeat what it was', async (t) => {
    const server = await startOtlpReceiver(t)
    const headers = { authorization: 'secret\n' }
    const outcome = await exchange(new URL(server.url), { ...request, headers }, limits)
    assert.deepEqual(outcome, { fault: 'UND_ERR_INVALID_ARG', isUnsent: true })
  })
})
