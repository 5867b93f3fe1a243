import assert from 'node:assert/strict'
import { test } from 'node:test'

import { rateHeaderNames, rateHeaders } from '../../../src/dialects/openai/rate-headers.ts'

test("limits are reported in OpenAI's headers", () => {
  const requests = { limit: 3, remaining: 0, resetMs: 60_000 }
  const tokens = { limit: 10_000, remaining: 1446, resetMs: 1500 }
  const headers = rateHeaders({ requests, tokens })
  assert.deepEqual(Object.keys(headers).toSorted(), [...rateHeaderNames])
  assert.deepEqual(headers, {
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
