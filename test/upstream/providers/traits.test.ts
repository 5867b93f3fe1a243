// What is known of a server by its kind, its address and the model's name.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { HttpProvider } from '../../../src/config/provider-types.ts'
import { speaks, traitsOf } from '../../../src/upstream/providers/kinds.ts'

type Facts = Pick<HttpProvider, 'kind' | 'origin' | 'traits' | 'speaks'>

const openAi: Facts = { kind: 'openai', origin: 'https://api.openai.com' }
const anthropic: Facts = { kind: 'anthropic', origin: 'https://api.anthropic.com' }
const server: Facts = { kind: 'openai', origin: 'http://127.0.0.1:1234' }

describe("Anthropic's models", () => {
  for (const [model, thinking, maxTokens, strongest] of [
    ['claude-3-haiku-20240307', 'budget', 4096, undefined],
    ['claude-3-5-haiku-20241022', 'budget', 8192, undefined],
    ['claude-3-7-sonnet-20250219', 'budget', 8192, 'high'],
    ['claude-sonnet-4-20250514', 'budget', 32_000, 'high'],
    ['claude-opus-4-1-20250805', 'budget', 32_000, 'high'],
    ['claude-haiku-4-5', 'budget', 32_000, 'high'],
    ['anthropic/claude-sonnet-4.5', 'budget', 32_000, 'high'],
    ['claude-opus-4-6', 'adaptive', 32_000, 'max'],
    ['claude-opus-4-10', 'adaptive', 32_000, 'max'],
    ['claude-fable-5', 'adaptive', 32_000, 'max'],
    ['some-alias', 'adaptive', 32_000, 'max'],
  ] as const) {
    test(`${model} thinks by ${thinking}`, () => {
      const traits = traitsOf(anthropic)(model)
      assert.deepEqual(
        [traits.thinking, traits.hasPrefill, traits.defaultMaxTokens, traits.efforts.at(-1)],
        [thinking, thinking === 'budget', maxTokens, strongest],
      )
    })
  }
})

describe("OpenAI's models", () => {
  for (const [model, efforts] of [
    ['gpt-4o-mini', []],
    ['o4-mini', ['low', 'medium', 'high']],
    ['gpt-5-mini-2025-08-07', ['minimal', 'low', 'medium', 'high']],
    ['gpt-5.1', ['none', 'low', 'medium', 'high']],
    ['gpt-5.10', ['none', 'low', 'medium', 'high', 'xhigh']],
    ['gpt-6', ['none', 'low', 'medium', 'high', 'xhigh']],
  ] as const) {
    test(`${model} can be asked for ${efforts.join(', ') || 'no effort'}`, () => {
      assert.deepEqual(traitsOf(openAi)(model).efforts, efforts)
    })
  }

  test('are the same at Azure', () => {
    const azure: Facts = { kind: 'openai', origin: 'https://me.openai.azure.com' }
    assert.equal(traitsOf(azure)('gpt-5').maxTokensField, 'max_completion_tokens')
    assert.equal(traitsOf(server)('gpt-5').maxTokensField, 'max_tokens')
  })
})

test('the file has the last word', () => {
  const traits = traitsOf({ ...anthropic, traits: { maxTemperature: 0.5 } })('claude-opus-4-6')
  assert.deepEqual([traits.maxTemperature, traits.keepsBillingBlock], [0.5, true])
})

describe('a server speaks', () => {
  const formats = ['chat', 'response', 'messages', 'completion', 'embedding']
  for (const [name, facts, expected] of [
    ['OpenAI', openAi, [true, true, false, true, true]],
    ['Anthropic', anthropic, [false, false, true, false, false]],
    ['any other', server, [true, undefined, undefined, true, true]],
    ['Ollama', { kind: 'ollama', origin: 'http://h' }, [true, undefined, undefined, true, true]],
    ['one whose entry says so', { ...server, speaks: ['messages'] }, [false, false, true, true, true]],
    [
      "one of Anthropic's kind with chat",
      { ...anthropic, speaks: ['chat', 'messages'] },
      [true, false, true, false, false],
    ],
  ] as const) {
    test(name, () => {
      assert.deepEqual(
        formats.map((format) => speaks(facts, format)),
        expected,
      )
    })
  }
})
