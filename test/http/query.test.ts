// What of a query is forwarded.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { forwardedQuery } from '../../src/http/query.ts'

for (const [target, query] of [
  ['/v1/chat/completions', ''],
  ['/x?', ''],
  ['/x?a', '?a'],
  ['/x?a=1&a=2&b=%2F?c', '?a=1&a=2&b=%2F?c'],
  ['/x?&&a=1&', '?a=1'],
  ['/x?=1', ''],
  ['/x?key=1&monkey=2', '?monkey=2'],
  ['/x?API-Key=1', ''],
  ['/x?%61pi%5Fkey=1&a=1', '?a=1'],
  ['/x?+key=1', ''],
  ['/x?x-api-key=1&Ocp-Apim-Subscription-Key=1&openai_api_key=1&client_secret=1&a=1', '?a=1'],
  ['/x?key[]=1&key%5B%5D=1&%3Fkey=1&key%00=1&?key=1&amp;key=1', ''],
  ['/x?subscriptionKey=1&clientSecret=1', ''],
  ['/x?api-version=1&max_tokens=2&%E6%97%A5=3', '?api-version=1&max_tokens=2&%E6%97%A5=3'],
  ['/x?%zz=1&a=%zz', '?a=%zz'],
  ['/x?a=1Key!2&b=K%65y!&Key!=1&c=%zzKey!&d=%zz', '?d=%zz'],
] as const) {
  test(`of ${target}, ${query === '' ? 'nothing' : query} is forwarded`, () => {
    assert.equal(
      forwardedQuery(target, (text) => text.includes('Key!')),
      query,
    )
  })
}
