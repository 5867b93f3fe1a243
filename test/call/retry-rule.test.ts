// What an outcome means, case by case.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { ContextOverflow } from '../../src/dialects/context-overflow.ts'
import type { AttemptOutcome } from '../../src/call/attempt-outcome.ts'
import { decideRetry } from '../../src/call/retry-rule.ts'
import { type ErrorCode, GatewayError } from '../../src/errors.ts'
import type { FailureKind } from '../../src/domain.ts'
import { errorReaders } from '../../src/upstream/providers/kinds.ts'

interface Word {
  readonly code?: string
  readonly body?: string
  readonly headers?: Record<string, string>
  readonly overflow?: ContextOverflow
}

function refused(status: number, { code, body = '{}', headers = {}, overflow }: Word = {}): AttemptOutcome {
  const bytes = Buffer.from(body)
  const meaning = errorReaders.openai({ status, code, body: bytes })
  const head = { status, headers }
  const words = { providerCode: code, providerMessage: undefined }
  return { kind: 'refused', head, body: bytes, ...words, meaning, overflow, translation: undefined }
}

function failed(code: ErrorCode, isStaleConnection = false): AttemptOutcome & { kind: 'failed' } {
  return { kind: 'failed', error: new GatewayError(code, 'no'), isStaleConnection, hasBegun: false }
}

const loading = '{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}'
const noRetry = { 'x-should-retry': 'false' }

/** May: `move` to another target, `repeat` at the same one. */
type Case = readonly [string, AttemptOutcome, FailureKind | undefined, may: '' | 'move' | 'move repeat']

const cases: readonly Case[] = [
  ['gone', { kind: 'gone', wasSent: true }, undefined, ''],
  ['400', refused(400), undefined, ''],
  ['400 of a full context', refused(400, { overflow: { had: 8 } }), undefined, 'move'],
  ['402', refused(402), 'billing', 'move'],
  ['404 of an API for something else', refused(404, { body: '{"error":"no such file"}' }), undefined, ''],
  ['404 of a missing route', { ...failed('provider_bad_response'), isRouteMissing: true }, undefined, 'move'],
  ['404 of a model, by its code', refused(404, { code: 'model_not_found' }), 'missing_model', 'move'],
  ['404 of a model, by its type', refused(404, { code: 'NotFoundError' }), 'missing_model', 'move'],
  ['404 of a model, by its text', refused(404, { body: 'model "x" not found' }), 'missing_model', 'move'],
  ['408', refused(408), 'timeout', 'move repeat'],
  ['409', refused(409), undefined, ''],
  ['413', refused(413), undefined, ''],
  ['422', refused(422), undefined, ''],
  ['429', refused(429), 'rate_limit', 'move repeat'],
  ['429 for want of money', refused(429, { code: 'insufficient_quota' }), 'billing', 'move'],
  ...[
    'billing_not_active',
    'billing_hard_limit_reached',
    'credit_balance_exhausted',
    'exceeded_current_quota_error',
    'insufficient_balance',
    'insufficient_credits',
    'InsufficientBalance',
    'quota_exceeded',
  ].map((code): Case => [`429 of ${code}`, refused(429, { code }), 'billing', 'move']),
  ...['rate_limit_exceeded', 'load_balancer_busy', 'RateLimitReached'].map((code): Case => [
    `429 of ${code}`,
    refused(429, { code }),
    'rate_limit',
    'move repeat',
  ]),
  ['429 for a request that alone is too large', refused(429, { headers: noRetry }), undefined, ''],
  ['500', refused(500), 'broken', 'move'],
  [
    '500 for an image that the model cannot read',
    refused(500, { body: '{"error":{"code":500,"message":"image input is not supported - hint: mmproj"}}' }),
    undefined,
    'move',
  ],
  ['501', refused(501), undefined, 'move'],
  ['502', refused(502), 'overloaded', 'move repeat'],
  ['503', refused(503), 'overloaded', 'move repeat'],
  ['503 not to be repeated', refused(503, { headers: noRetry }), 'overloaded', 'move'],
  ['503 while a model is loaded', refused(503, { body: loading }), 'loading', 'move repeat'],
  ['504', refused(504), 'overloaded', 'move repeat'],
  ['529', refused(529), 'overloaded', 'move repeat'],
  ['no connection', failed('provider_unreachable'), 'unreachable', 'move repeat'],
  ["a request that the target's format can't carry", failed('invalid_request'), undefined, 'move'],
  ['a refused key', failed('provider_auth_failed'), 'auth', 'move'],
  ['a timeout', failed('provider_timeout'), 'timeout', 'move'],
  ['no HTTP', failed('provider_bad_response'), 'broken', 'move'],
  [
    'an idle connection that had been closed',
    failed('provider_bad_response', true),
    undefined,
    'move repeat',
  ],
]

for (const [what, outcome, failureKind, may] of cases) {
  test(`${what}: ${failureKind ?? 'no failure'}, may ${may || 'do nothing'}`, () => {
    const { canFailOver, canRetry, ...decision } = decideRetry(outcome, false, 0)
    assert.equal(decision.failureKind, failureKind)
    assert.equal([canFailOver && 'move', canRetry && 'repeat'].filter(Boolean).join(' '), may)
  })
}

test('a fresh connection that is closed at once is a failure of the target', () => {
  const { failureKind, canRetry } = decideRetry(failed('provider_bad_response', true), true, 0)
  assert.deepEqual([failureKind, canRetry], ['broken', false])
})

const now = Date.parse('2026-01-01T00:00:00Z')
const waits: readonly [string, Record<string, string>, number | undefined][] = [
  ['none', {}, undefined],
  ['seconds', { 'retry-after': '7' }, 7000],
  ['a date', { 'retry-after': 'Thu, 01 Jan 2026 00:00:03 GMT' }, 3000],
  ['a date that has passed', { 'retry-after': 'Wed, 31 Dec 2025 00:00:03 GMT' }, 0],
  ['milliseconds, which are more precise', { 'retry-after': '7', 'retry-after-ms': '6100' }, 6100],
  ['so late that it is no time', { 'retry-after': '99999999999999' }, Number.MAX_SAFE_INTEGER],
  ['nonsense', { 'retry-after': 'soon' }, undefined],
  ['less than nothing', { 'retry-after': '-1' }, undefined],
]

for (const [what, headers, expectedMs] of waits) {
  test(`a wait that is ${what} is ${expectedMs} ms`, () => {
    assert.equal(decideRetry(refused(429, { headers }), false, now).retryAfterMs, expectedMs)
  })
}
