import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rateHeaders, rateLimitError } from '../../src/admission/rate-headers.ts'
import { modelScope, providerScope } from '../../src/admission/scopes.ts'
import type { Limited, LimitStatus } from '../../src/admission/stores/store.ts'

const limitStatus: LimitStatus = {
  requests: { limit: 3, remaining: 0, resetMs: 60_000 },
  tokens: { limit: 10_000, remaining: 1446, resetMs: 1500 },
}

function limited(of: Partial<Limited> = {}): Limited {
  const numbers = { limit: 3, used: 3, requested: 1, retryAfterMs: 20_000 }
  return {
    kind: 'limited',
    dimension: 'requests',
    scope: modelScope('m', undefined),
    ...numbers,
    limitStatus,
    ...of,
  }
}

test("what is left of limits is told in OpenAI's headers", () => {
  assert.deepEqual(rateHeaders(limitStatus), {
    'x-ratelimit-limit-requests': '3',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '1m0s',
    'x-ratelimit-limit-tokens': '10000',
    'x-ratelimit-remaining-tokens': '1446',
    'x-ratelimit-reset-tokens': '1.5s',
  })
})

test('a limit that is not set has no headers', () => {
  assert.deepEqual(rateHeaders({ requests: undefined, tokens: undefined }), {})
})

test('too many requests are refused in the words of OpenAI', () => {
  const error = rateLimitError('gpt-4o-mini', limited())
  assert.deepEqual(error.toJSON(), {
    error: {
      message:
        'Rate limit reached for gpt-4o-mini on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.',
      type: 'requests',
      param: null,
      code: 'rate_limit_exceeded',
    },
  })
  assert.equal(error.status, 429)
  assert.equal(error.headers['retry-after'], '20')
  assert.equal(error.headers['retry-after-ms'], '20000')
  assert.equal(error.headers['x-ratelimit-remaining-requests'], '0')
  assert.equal(error.headers['x-should-retry'], undefined)
})

test('too many tokens are refused in the words of OpenAI', () => {
  const numbers = { limit: 10_000, used: 8554, requested: 3082, retryAfterMs: 9816 }
  const error = rateLimitError('gpt-4', limited({ dimension: 'tokens', ...numbers }))
  assert.equal(error.type, 'tokens')
  assert.equal(
    error.message,
    'Rate limit reached for gpt-4 on tokens per min (TPM): Limit 10000, Used 8554, Requested 3082. Please try again in 9.816s.',
  )
  assert.equal(error.headers['retry-after'], '10')
})

test('a refusal for want of a slot names whose slots are taken', () => {
  const parallel = { dimension: 'parallel', limit: 2, used: 2, retryAfterMs: 1000 } as const
  assert.equal(
    rateLimitError('m', limited(parallel)).message,
    'Rate limit reached for m on parallel requests: Limit 2, Used 2, Requested 1. Please try again in 1s.',
  )
  assert.match(
    rateLimitError('m', limited({ ...parallel, scope: providerScope('ollama', 2) })).message,
    /on parallel requests to provider ollama: Limit 2/,
  )
  assert.equal(rateLimitError('m', limited(parallel)).type, 'requests')
})

test('a call larger than the whole limit is told not to come back', () => {
  const error = rateLimitError('gpt-4o', { kind: 'too_large', limit: 30_000, requested: 30_601, limitStatus })
  assert.equal(
    error.message,
    'Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 30601. The input or output tokens must be reduced in order to run successfully.',
  )
  assert.equal(error.status, 429)
  assert.equal(error.type, 'tokens')
  assert.equal(error.headers['x-should-retry'], 'false')
  assert.equal(error.headers['retry-after'], undefined)
  assert.equal(error.headers['retry-after-ms'], undefined)
})

test('retry-after is whole seconds from 1 to 60 and agrees with retry-after-ms', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (retryAfterMs) => {
      const { headers } = rateLimitError('m', limited({ retryAfterMs }))
      const [seconds, millis] = [Number(headers['retry-after']), Number(headers['retry-after-ms'])]
      assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60)
      assert.ok(Number.isInteger(millis) && millis >= Math.min(retryAfterMs, 60_000))
      assert.equal(seconds, Math.ceil(millis / 1000))
    }),
  )
})
