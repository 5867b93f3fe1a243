// What a request of OpenAI's says of its size.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { RequestSize } from '../../../src/domain.ts'
import { readJsonRequest } from '../../../src/dialects/openai/json-request.ts'

function sizeOf(members: object, hasOutputTokens = true): RequestSize {
  const body = Buffer.from(JSON.stringify({ model: 'm', ...members }))
  const request = readJsonRequest(
    { hasStreamOptions: true, hasOutputTokens },
    { contentType: undefined, body },
  )
  assert.ok(!(request instanceof Error))
  return request.size
}

test('the cap on output is the largest of the members that set one', () => {
  const capOf = (members: object) => sizeOf(members).maxOutputTokens
  assert.equal(capOf({ max_tokens: 1, max_completion_tokens: 10_000 }), 10_000)
  assert.equal(capOf({ max_output_tokens: 7, n_predict: -1 }), 7)
  assert.equal(capOf({ max_tokens: null, num_predict: 0 }), 0)
  assert.equal(capOf({ max_tokens: '12', max_completion_tokens: 1.5, n_predict: {} }), undefined)
  assert.equal(capOf({}), undefined)
})

test('a response that does not consist of tokens has a cap of 0, and its inputs are not messages', () => {
  const { maxOutputTokens, messageCount } = sizeOf({ input: ['a', 'b'], max_tokens: 5 }, false)
  assert.deepEqual([maxOutputTokens, messageCount], [0, 0])
})

test('choices are the larger of n and best_of, at least 1', () => {
  assert.equal(sizeOf({ n: 2, best_of: 5 }).choices, 5)
  assert.equal(sizeOf({ n: 0 }).choices, 1)
  assert.equal(sizeOf({ n: 'many' }).choices, 1)
})
