import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { problemsOf } from '../support/config-file.ts'

test('a diamond of fallbacks is no circle', (t) => {
  const text = `providers: { e: { kind: echo } }
models:
  a: { provider: e, fallbacks: [b, c] }
  b: { provider: e, fallbacks: [d] }
  c: { provider: e, fallbacks: [d] }
  d: { provider: e }
`
  assert.deepEqual(problemsOf(t, text), [])
})

describe('where a provider is asked for its models,', () => {
  const discovering = (
    top: string,
    models = 'm: { provider: ollama }',
    provider = 'discover_models: true',
  ) => `providers:
  ollama: { base_url: "http://127.0.0.1:11434/v1", ${provider} }
models:
  ${models}
${top}
`
  const limit = (name: string) => `rate_limit_settings: { limits: { "${name}": { rpm: 1 } } }`

  test('limits and fallbacks may name one in full', (t) => {
    const text = discovering(limit('ollama/a/b:8b'), 'm: { provider: ollama, fallbacks: ["ollama/x"] }')
    assert.deepEqual(problemsOf(t, text), [])
  })

  for (const name of ['x', 'ollama/', 'ollama/*', 'other/x', '/x']) {
    test(`limits may not name ${JSON.stringify(name)}`, (t) => {
      assert.deepEqual(problemsOf(t, discovering(limit(name))), [
        `5:34 rate_limit_settings.limits["${name}"]: there is no model "${name}"`.replace('["x"]', '.x'),
      ])
    })
  }

  test('limits may not name one that a wildcard of the file takes', (t) => {
    const text = discovering(limit('ollama/x'), '"ollama/*": { provider: ollama }')
    assert.equal(problemsOf(t, text).length, 1)
  })

  test('a fallback to one makes no circle by way of a shorter wildcard', (t) => {
    const text = discovering('', '"*": { provider: ollama, fallbacks: ["ollama/x"] }')
    assert.deepEqual(problemsOf(t, text), [])
  })

  test('and else, a name in its room is no model', (t) => {
    assert.equal(problemsOf(t, discovering(limit('ollama/x'), undefined, '')).length, 1)
  })

  test('a fault of that provider is told alone', (t) => {
    const text = discovering(limit('ollama/x'), undefined, 'discover_models: 1')
    assert.deepEqual(problemsOf(t, text), [
      '2:69 providers.ollama.discover_models: must be true or false, not 1',
    ])
  })
})
