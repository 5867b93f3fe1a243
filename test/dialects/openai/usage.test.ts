// Usage in the forms of every provider.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../../support/properties.ts'

import { findUsage } from '../../../src/dialects/openai/usage.ts'
import { completeUsage, newerUsage, type PartialUsage } from '../../../src/dialects/usage.ts'

function counts(promptTokens?: number, completionTokens?: number, totalTokens?: number): PartialUsage {
  return { promptTokens, completionTokens, totalTokens }
}

const forms: readonly [string, unknown, PartialUsage][] = [
  [
    'OpenAI chat, with what has a price of its own',
    {
      usage: {
        prompt_tokens: 100,
        completion_tokens: 9,
        total_tokens: 109,
        prompt_tokens_details: { cached_tokens: 80, cache_write_tokens: 10, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 5 },
      },
    },
    { ...counts(100, 9, 109), cachedTokens: 80, cacheWriteTokens: 10, reasoningTokens: 5 },
  ],
  [
    'Responses, with what has a price of its own',
    {
      usage: {
        input_tokens: 100,
        input_tokens_details: { cached_tokens: 80 },
        output_tokens: 9,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 109,
      },
    },
    { ...counts(100, 9, 109), cachedTokens: 80, reasoningTokens: 0 },
  ],
  [
    'DeepSeek',
    { usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13, prompt_cache_hit_tokens: 6 } },
    { ...counts(9, 4, 13), cachedTokens: 6 },
  ],
  [
    'parts that are no counts',
    {
      usage: {
        prompt_tokens: 9,
        completion_tokens: 4,
        total_tokens: 13,
        prompt_tokens_details: { cached_tokens: -1 },
        completion_tokens_details: null,
      },
    },
    counts(9, 4, 13),
  ],
  ['OpenAI chat', { usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 } }, counts(9, 4, 13)],
  ['OpenAI embeddings', { usage: { prompt_tokens: 9, total_tokens: 9 } }, counts(9, undefined, 9)],
  [
    'Responses, in an event',
    {
      type: 'response.completed',
      response: { usage: { input_tokens: 5, output_tokens: 6, total_tokens: 11 } },
    },
    counts(5, 6, 11),
  ],
  [
    'Anthropic, the cache counted apart',
    {
      type: 'message_start',
      message: {
        usage: {
          input_tokens: 10,
          cache_creation_input_tokens: 20,
          cache_read_input_tokens: 30,
          output_tokens: 1,
        },
      },
    },
    { ...counts(60, 1), cachedTokens: 30, cacheWriteTokens: 20 },
  ],
  [
    'LiteLLM, the cache counted within and told apart',
    {
      usage: {
        prompt_tokens: 60,
        completion_tokens: 5,
        total_tokens: 65,
        cache_creation_input_tokens: 20,
        cache_read_input_tokens: 30,
      },
    },
    { ...counts(60, 5, 65), cachedTokens: 30, cacheWriteTokens: 20 },
  ],
  [
    'Groq',
    { x_groq: { usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } } },
    counts(3, 4, 7),
  ],
  [
    'llama.cpp timings',
    { timings: { prompt_n: 8, cache_n: 12, predicted_n: 3 } },
    { ...counts(20, 3), cachedTokens: 12 },
  ],
  ['Cohere', { meta: { tokens: { input_tokens: 7, output_tokens: 2 } } }, counts(7, 2)],
  ['Whisper by the second', { usage: { type: 'duration', seconds: 12 } }, counts(0, 0, 0)],
  [
    'transcription by tokens',
    { usage: { type: 'tokens', input_tokens: 14, output_tokens: 45, total_tokens: 59 } },
    counts(14, 45, 59),
  ],
]

describe('usage is read', () => {
  for (const [name, answer, expected] of forms) {
    test(`in the form of ${name}`, () => assert.deepEqual(findUsage(answer), expected))
  }
})

test('zeros are no count: Ollama sends them before it has counted', () => {
  const zeros = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
  assert.equal(findUsage({ choices: [{}], usage: zeros }), undefined)
})

test('a prompt of 0 tokens is one that was not counted, and its total neither', () => {
  const usage = { prompt_tokens: 0, completion_tokens: 5, total_tokens: 5 }
  assert.deepEqual(findUsage({ usage }), counts(undefined, 5))
})

const estimated = { promptTokens: 100, completionTokens: 50, totalTokens: 150 }

test('whatever a provider sends, the counts are whole numbers within reason', () => {
  const value = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.string(),
    fc.constantFrom(null, 1e12, -5, '7', Number.MAX_SAFE_INTEGER, {}, []),
    fc.nat(100),
  )
  const names = [
    'prompt_tokens',
    'completion_tokens',
    'total_tokens',
    'input_tokens',
    'output_tokens',
    'cache_read_input_tokens',
    'cache_creation_input_tokens',
  ]
  const fields = fc.dictionary(fc.constantFrom(...names), value)
  const answer = fc.oneof(
    fc.anything(),
    fc.record({ usage: fields }),
    fc.record({ response: fc.record({ usage: fields }) }),
    fc.record({ timings: fc.dictionary(fc.constantFrom('prompt_n', 'cache_n', 'predicted_n'), value) }),
  )
  fc.assert(
    fc.property(answer, answer, (first, second) => {
      const [older, newer] = [findUsage(first), findUsage(second)]
      if (newer === undefined) return
      const whole = completeUsage(newerUsage(older, newer), estimated)
      for (const count of Object.values(whole)) {
        assert.ok(Number.isSafeInteger(count) && count >= 0 && count <= 1e9, String(count))
      }
      assert.ok(whole.totalTokens >= whole.promptTokens + whole.completionTokens)
    }),
    { numRuns: 2000 },
  )
})
