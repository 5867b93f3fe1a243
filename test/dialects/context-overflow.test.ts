// What servers write when a prompt does not fit, and what is read from it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ContextOverflow, readContextOverflow } from '../../src/dialects/context-overflow.ts'
import { readErrorFields } from '../../src/dialects/openai/errors.ts'

const read = (body: string, status = 400) =>
  readContextOverflow(status, readErrorFields(Buffer.from(body)), Buffer.from(body))

const words = (message: string, more: object = {}) => JSON.stringify({ error: { message, ...more } })

const cases: readonly (readonly [string, string, ContextOverflow | undefined])[] = [
  [
    'llama.cpp',
    words('request (900 tokens) exceeds the available context size (512 tokens), try increasing it', {
      code: 400,
      type: 'exceed_context_size_error',
      n_prompt_tokens: 900,
      n_ctx: 512,
    }),
    { needed: 900, had: 512 },
  ],
  [
    'OpenAI',
    words(
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length of the messages.",
      { code: 'context_length_exceeded', type: 'invalid_request_error' },
    ),
    { needed: 9001, had: 8192 },
  ],
  [
    'OpenAI, without numbers',
    words('Your input exceeds the context window of this model. Please adjust your input and try again.', {
      code: 'context_length_exceeded',
    }),
    {},
  ],
  [
    'vLLM',
    words(
      "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the messages, 1000 in the completion).",
      { type: 'BadRequestError', code: 400 },
    ),
    { needed: 5000, had: 4096 },
  ],
  [
    'Anthropic',
    words('prompt is too long: 210000 tokens > 200000 maximum'),
    { needed: 210_000, had: 200_000 },
  ],
  [
    'Anthropic, for the answer',
    words(
      'input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length',
    ),
    { needed: 209_573, had: 200_000 },
  ],
  [
    'Gemini',
    words('The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).'),
    { needed: 1_200_000, had: 1_048_576 },
  ],
  ['another error', words('Invalid type for messages[0].'), undefined],
  ['a wrong count', words('the prompt is too long', { n_prompt_tokens: -1, n_ctx: '8' }), {}],
]

for (const [server, body, expected] of cases) {
  test(`an overflow as reported by ${server}`, () => assert.deepEqual(read(body), expected))
}

test('only a refusal of the request is one', () => {
  const [, body] = cases[0]!
  assert.deepEqual(read(body, 413), { needed: 900, had: 512 })
  for (const status of [404, 429, 500, 503]) assert.equal(read(body, status), undefined)
})
