// Messages to other servers: what counts as taken, and that no fault has the URL.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { postJson, send } from '../../src/outbound/post.ts'
import { type Answer, startReceiver } from '../support/receiver.ts'
import { startTlsProvider } from '../support/proxies.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'

const limits = { maxBytes: 100, timeoutMs: 200, isCut: true }
const request = { method: 'POST', headers: {}, body: '{}' } as const

test('JSON is posted with the token, and the beginning of the answer returned', async (t) => {
  const receiver = await startReceiver(t)
  const outcome = await postJson(`${receiver.url}/a?b=c`, { body: { x: 'é' }, token: 'token-1' }, 0)
  assert.deepEqual(outcome, { kind: 'taken', status: 200, text: 'ok' })
  const [{ method, path, headers, body }] = receiver.received as [(typeof receiver.received)[0]]
  assert.deepEqual([method, path, body], ['POST', '/a?b=c', { x: 'é' }])
  assert.equal(headers.authorization, 'Bearer token-1')
  assert.equal(headers['content-length'], String(Buffer.byteLength('{"x":"é"}')))
})

suite('a message is', () => {
  const cases: readonly (readonly [what: string, answer: Answer, outcome: object])[] = [
    ['taken with 204', { status: 204, text: '' }, { kind: 'taken', status: 204, text: '' }],
    [
      'taken with a long answer, of which the beginning counts',
      { text: 'x'.repeat(10_000) },
      { kind: 'taken', status: 200, text: 'x'.repeat(100) },
    ],
    [
      'not sent on by a redirect',
      { status: 307, headers: { location: '/other' }, text: '' },
      { kind: 'refused', status: 307, text: '', retryAfterMs: undefined },
    ],
    [
      'refused with the time to wait',
      { status: 429, headers: { 'retry-after': '7' }, text: 'slow down' },
      { kind: 'refused', status: 429, text: 'slow down', retryAfterMs: 7_000 },
    ],
    [
      'given up when nobody answers',
      { hangs: true },
      { kind: 'failed', fault: 'no whole response within 0.2 s' },
    ],
  ]
  for (const [what, answer, outcome] of cases) {
    test(what, async (t) => {
      const receiver = await startReceiver(t)
      receiver.answer = answer
      assert.deepEqual(await send(`${receiver.url}/secret`, request, 0, limits), outcome)
      assert.equal(receiver.received.length, 1)
    })
  }

  test('not sent to a server that nobody vouches for, is not there, or is none', async (t) => {
    const port = await startTlsProvider(t, '{}')
    const urls = [`https://127.0.0.1:${port}/secret`, await refusingUrl(t), 'ftp://secret.example/', 'secret']
    for (const url of urls) {
      const outcome = await send(url, request, 0, { ...limits, timeoutMs: 10_000 })
      assert.equal(outcome.kind, 'failed')
      assert.doesNotMatch(JSON.stringify(outcome), /secret|127\.0\.0\.1/)
    }
  })
})
