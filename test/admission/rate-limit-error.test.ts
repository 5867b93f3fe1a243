import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'
import { rateLimitError } from '../../src/admission/rate-limit-error.ts'
import { modelScope, providerScope } from '../../src/admission/scopes.ts'
import type { Limited } from '../../src/admission/stores/store.ts'
import type { LimitStatus } from '../../src/domain.ts'

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

test('too many requests are refused in the words of OpenAI', () => {
  const error = rateLimitError('gpt-4o-mini', limited())
  assert.equal(
    error.message,
    'Rate limit reached for gpt-4o-mini on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. rate_limit_settings.limits.m.rpm is 1 too low for this call.',
  )
  assert.equal(error.code, 'rate_limit_exceeded')
  assert.equal(error.status, 429)
  assert.deepEqual(error.limit, {
    dimension: 'requests',
    counts: 'requests',
    status: limitStatus,
    retryAfterMs: 20_000,
  })
})

test('too many tokens are refused in the words of OpenAI', () => {
  const numbers = { limit: 10_000, used: 8554, requested: 3082, retryAfterMs: 9816 }
  const error = rateLimitError('gpt-4', limited({ dimension: 'tokens', ...numbers }))
  assert.equal(error.limit?.counts, 'tokens')
  assert.equal(
    error.message,
    'Rate limit reached for gpt-4 on tokens per min (TPM): Limit 10000, Used 8554, Requested 3082. Please try again in 9.816s. rate_limit_settings.limits.m.tpm is 1636 too low for this call.',
  )
  assert.equal(error.limit?.retryAfterMs, 9816)
})

test('a refusal for want of a slot names whose slots are taken', () => {
  const parallel = { dimension: 'parallel', limit: 2, used: 2, retryAfterMs: 1000 } as const
  assert.equal(
    rateLimitError('m', limited(parallel)).message,
    'Rate limit reached for m on parallel requests: Limit 2, Used 2, Requested 1. Please try again in 1s. rate_limit_settings.limits.m.max_parallel_requests is 1 too low for this call.',
  )
  assert.match(
    rateLimitError('m', limited({ ...parallel, scope: providerScope('ollama', 2) })).message,
    /on parallel requests to provider ollama: Limit 2.* providers\.ollama\.max_parallel_requests is 1 too low/,
  )
  assert.equal(rateLimitError('m', limited(parallel)).limit?.counts, 'requests')
})

test('a call larger than the whole limit is told not to come back', () => {
  const scope = modelScope('gpt-4o', undefined)
  const numbers = { limit: 30_000, requested: 30_601, limitStatus }
  const error = rateLimitError('gpt-4o', { kind: 'too_large', scope, ...numbers })
  assert.equal(
    error.message,
    'Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 30601. The input or output tokens must be reduced in order to run successfully. rate_limit_settings.limits.gpt-4o.tpm is 601 too low for this call.',
  )
  assert.equal(error.status, 429)
  assert.deepEqual(error.limit, {
    dimension: 'tokens',
    counts: 'tokens',
    status: limitStatus,
    retryAfterMs: undefined,
  })
})

test('a client is asked to wait for whole milliseconds, up to a minute, and never too short', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (retryAfterMs) => {
      const millis = rateLimitError('m', limited({ retryAfterMs })).limit!.retryAfterMs!
      assert.ok(Number.isInteger(millis) && millis >= 1 && millis <= 60_000)
      assert.ok(millis >= Math.min(retryAfterMs, 60_000))
    }),
  )
})
