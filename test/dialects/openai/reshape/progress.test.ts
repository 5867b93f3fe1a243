import assert from 'node:assert/strict'
import { test } from 'node:test'

import { progressIn } from '../../../../src/dialects/openai/reshape/progress.ts'

function begunAt(processed: number, total: number): number | undefined {
  const data = { choices: [], prompt_progress: { total, cache: 0, processed, time_ms: 1 } }
  return progressIn(Buffer.from(`data: ${JSON.stringify(data)}\n\n`))?.begunTokens
}

test('a batch that has begun is finished: up to where the next one begins, as a real llama.cpp cuts them', () => {
  assert.deepEqual(
    [begunAt(0, 643), begunAt(1, 643), begunAt(127, 643), begunAt(639, 643), begunAt(643, 643)],
    [127, 127, 643, 643, 643],
  )
  assert.deepEqual([begunAt(1, 1824), begunAt(1308, 1824)], [1308, 1824])
  assert.deepEqual([begunAt(0, 25), begunAt(21, 25)], [25, 25])
  assert.equal(begunAt(0, 3), 3)
})

test('a batch of a long prompt has at most as many tokens as one has by default', () => {
  assert.deepEqual([begunAt(1, 10_000), begunAt(2_049, 10_000)], [2_049, 4_097])
})

test('other events report nothing, and neither does one without a size', () => {
  for (const data of [
    '{"choices":[]}',
    '[DONE]',
    '{"prompt_progress":{"processed":3}}',
    '{"prompt_progress"',
  ]) {
    assert.equal(progressIn(Buffer.from(`data: ${data}\n\n`)), undefined)
  }
})
