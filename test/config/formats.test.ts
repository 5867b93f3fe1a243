// What the file says of the formats that a provider understands, and of what translations adapt to.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { HttpProvider } from '../../src/config/provider-types.ts'
import { loadText, problemsOf } from '../support/config-file.ts'

function file(provider: string, model = '{ provider: p }'): string {
  return `providers:
  p: ${provider}
models:
  m: ${model}
`
}

function providerOf(t: Parameters<typeof loadText>[0], text: string): HttpProvider {
  const loaded = loadText(t, text)
  assert.ok(loaded.ok, JSON.stringify(loaded))
  const provider = loaded.config.providers.get('p')
  assert.ok(provider !== undefined && provider.kind !== 'echo')
  return provider
}

describe('a provider of kind anthropic', () => {
  for (const [written, origin, basePath] of [
    ['', 'https://api.anthropic.com', '/v1'],
    [', base_url: "https://api.anthropic.com"', 'https://api.anthropic.com', '/v1'],
    [', base_url: "https://api.anthropic.com/v1/"', 'https://api.anthropic.com', '/v1'],
    [', base_url: "https://api.z.example/api/anthropic"', 'https://api.z.example', '/api/anthropic/v1'],
    [', base_url: "http://127.0.0.1:8080"', 'http://127.0.0.1:8080', '/v1'],
  ] as const) {
    test(`has its API below /v1${written}`, (t) => {
      const text = file(`{ kind: anthropic${written} }`)
      const provider = providerOf(t, text)
      assert.deepEqual([provider.origin, provider.basePath], [origin, basePath])
      assert.deepEqual(problemsOf(t, text), [])
    })
  }

  test('gets its key as x-api-key, or as a bearer token', (t) => {
    assert.deepEqual(providerOf(t, file('{ kind: anthropic }')).auth, { header: 'x-api-key' })
    assert.equal(providerOf(t, file('{ kind: anthropic, auth: bearer }')).auth, 'bearer')
  })

  test('cannot have the header of its key twice', (t) => {
    const text = file('{ kind: anthropic, api_key: { env: K }, headers: { x-api-key: { env: K } } }')
    assert.deepEqual(problemsOf(t, text, { env: { K: 'sk-ant-0123456789' } }), [
      '2:57 providers.p.headers.x-api-key: the header "x-api-key" already carries api_key',
    ])
  })

  test('is reached through the proxy of the environment', (t) => {
    const loaded = loadText(t, file('{ kind: anthropic }'), {
      env: { HTTPS_PROXY: 'http://proxy.example:3128' },
    })
    assert.ok(loaded.ok)
    const provider = loaded.config.providers.get('p') as HttpProvider
    assert.equal(provider.proxy?.origin, 'http://proxy.example:3128')
  })

  test("is suggested where Anthropic's address is written without it", (t) => {
    const words =
      "is Anthropic's, whose own format carries more than the one that it offers for OpenAI's clients"
    assert.deepEqual(problemsOf(t, file('{ base_url: "https://api.anthropic.com/v1" }')), [
      `2:18 providers.p.base_url: ${words}`,
    ])
  })
})

describe('speaks', () => {
  test('lists formats by the names of their routes', (t) => {
    const { speaks } = providerOf(t, file('{ base_url: "http://127.0.0.1:1/v1", speaks: [responses, chat] }'))
    assert.deepEqual(speaks, ['response', 'chat'])
  })

  test('is probed unless it is set', (t) => {
    assert.equal(providerOf(t, file('{ base_url: "http://127.0.0.1:1/v1", speaks: auto }')).speaks, undefined)
    assert.equal(providerOf(t, file('{ base_url: "http://127.0.0.1:1/v1" }')).speaks, undefined)
  })

  for (const [written, problem] of [
    ['[]', '2:51 providers.p.speaks: must not be empty'],
    ['all', '2:51 providers.p.speaks: must be auto, or a list of chat, responses and messages, not "all"'],
    ['[response]', '2:52 providers.p.speaks[0]: must be one of chat, responses, messages, not "response"'],
  ] as const) {
    test(`cannot be ${written}`, (t) => {
      assert.deepEqual(problemsOf(t, file(`{ base_url: "http://127.0.0.1:1/v1", speaks: ${written} }`)), [
        problem,
      ])
    })
  }
})

describe('translation', () => {
  test('sets what differs, for a provider and for a model', (t) => {
    const loaded = loadText(
      t,
      file(
        '{ base_url: "http://127.0.0.1:1/v1", translation: { max_tokens_field: max_completion_tokens, max_temperature: 1.5 } }',
        '{ provider: p, translation: { efforts: [high, low], max_stop_sequences: null, think_tags: true } }',
      ),
    )
    assert.ok(loaded.ok)
    const provider = loaded.config.providers.get('p') as HttpProvider
    assert.deepEqual(provider.traits, { maxTokensField: 'max_completion_tokens', maxTemperature: 1.5 })
    assert.deepEqual(loaded.config.models.get('m')?.traits, {
      efforts: ['low', 'high'],
      maxStopSequences: undefined,
      hasThinkTags: true,
    })
  })

  test('is where its keys belong', (t) => {
    const loaded = loadText(t, file('{ base_url: "http://127.0.0.1:1/v1", default_max_tokens: 1 }'))
    const [problem] = loaded.ok ? [] : loaded.problems
    assert.equal(problem?.message, 'unknown key "default_max_tokens"')
    assert.equal(problem.hint, 'it stands in translation: { default_max_tokens: … }')
  })

  test('has values within bounds', (t) => {
    const base = '{ base_url: "http://127.0.0.1:1/v1", translation: '
    assert.deepEqual(problemsOf(t, file(`${base}{ max_temperature: 11, default_max_tokens: 0 } }`)), [
      '2:75 providers.p.translation.max_temperature: must be from 0 to 10, not 11',
      '2:99 providers.p.translation.default_max_tokens: must be from 1 to 1000000, not 0',
    ])
    assert.deepEqual(problemsOf(t, file(`${base}{ max_temperature: warm } }`)), [
      '2:75 providers.p.translation.max_temperature: must be a number, not "warm"',
    ])
  })

  test('that has no effect is a warning', (t) => {
    assert.deepEqual(
      problemsOf(t, file('{ kind: anthropic, translation: { think_tags: true, default_max_tokens: 9 } }')),
      [
        '2:40 providers.p.translation.think_tags: has no effect: "think_tags" is for chat, which this provider does not speak',
      ],
    )
  })
})
