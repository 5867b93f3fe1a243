import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import type { Finding } from '../../../src/cli/doctor/finding.ts'
import { gradeFindings, type ProviderReport } from '../../../src/cli/doctor/severity.ts'
import type { Config } from '../../../src/config/types.ts'
import { loadText } from '../../support/config-file.ts'

const packagedText = readFileSync(join(import.meta.dirname, '../../../config/llm-gateway.yaml'), 'utf8')

function configOf(t: TestContext, text: string): Config {
  const loaded = loadText(t, text)
  assert.ok(loaded.ok)
  return loaded.config
}

type State = 'works' | 'absent' | { readonly faultOf: string } | 'faulty'

/** Providers that are not named work. */
function reportsOf({ providers }: Config, states: Readonly<Record<string, State>>): ProviderReport[] {
  return [...providers.values()].map((config) => {
    const state = states[config.name] ?? 'works'
    const figures = { provider: config.name, ...(typeof state === 'object' && { model: state.faultOf }) }
    const finding: Finding = {
      subject: `${config.name}: reachable`,
      state: state === 'works' ? 'ok' : 'fail',
      detail: 'seen',
      fix: 'mend it',
      figures,
    }
    return { config, findings: [finding], isUnreachable: state === 'absent' }
  })
}

/** `state subject`, without what is well. */
function judged(config: Config, states: Readonly<Record<string, State>>, examples?: Config): string[] {
  const findings = gradeFindings(config, reportsOf(config, states), examples)
  return findings.filter(({ state }) => state !== 'ok').map(({ state, subject }) => `${state} ${subject}`)
}

const absent = { vllm: 'absent', 'llama-cpp': 'absent', lmstudio: 'absent' } as const

describe('with the packaged configuration', () => {
  test('a user with one of its servers has no failure', (t) => {
    const packaged = configOf(t, packagedText)
    assert.deepEqual(judged(packaged, absent, packaged), [
      'warn vllm: reachable',
      'warn llama-cpp: reachable',
      'skipped lmstudio: reachable',
    ])
  })

  test('a user with none of its servers is warned', (t) => {
    const packaged = configOf(t, packagedText)
    const found = judged(packaged, { ...absent, ollama: 'absent' }, packaged)
    assert.deepEqual(found.at(-1), 'warn model servers')
    assert.ok(found.every((line) => !line.startsWith('fail')))
  })

  test('models that are not pulled, and other programs at the usual ports, are not failures', (t) => {
    const packaged = configOf(t, packagedText)
    const states = { ollama: { faultOf: 'llama3.1:8b' }, 'llama-cpp': 'faulty' } as const
    assert.deepEqual(judged(packaged, states, packaged), [
      'warn ollama: reachable',
      'warn llama-cpp: reachable',
    ])
  })

  test('a model that the user has added is their own, and so is an entry that they have changed', (t) => {
    const packaged = configOf(t, packagedText)
    for (const [from, to] of [
      ['models:\n', 'models:\n  mine: { provider: vllm }\n'],
      ['model: meta-llama/Llama-2-13b-chat-hf }]\n    fallbacks: ["llama3.1:8b"]', 'model: other }]'],
    ] as const) {
      const changed = packagedText.replace(from, to)
      assert.notEqual(changed, packagedText)
      assert.ok(judged(configOf(t, changed), absent, packaged).includes('fail vllm: reachable'))
    }
  })

  test('a provider that the user has moved makes its models their own', (t) => {
    const packaged = configOf(t, packagedText)
    const moved = configOf(t, packagedText.replace('127.0.0.1:8080', '127.0.0.1:8081'))
    assert.ok(judged(moved, absent, packaged).includes('fail llama-cpp: reachable'))
  })
})

describe('a local server that cannot be reached', () => {
  const yaml = (models: string) => `
providers:
  one: { base_url: "http://127.0.0.1:1/v1" }
  two: { base_url: "http://127.0.0.1:2/v1" }
  cloud: { base_url: "https://api.example.com/v1" }
models: ${models}
`
  const cases: readonly [what: string, models: string, states: Record<string, State>, found: string[]][] = [
    [
      'is a failure for a model that has it alone',
      '{ m: { provider: one } }',
      { one: 'absent' },
      ['fail one'],
    ],
    [
      'is a warning where another target works',
      '{ m: { targets: [{ provider: one }, { provider: two }] } }',
      { one: 'absent' },
      ['warn one'],
    ],
    [
      'is a warning where a fallback works',
      '{ m: { provider: one, fallbacks: [n] }, n: { provider: two } }',
      { one: 'absent' },
      ['warn one'],
    ],
    [
      'is a warning where the fallback of a fallback works',
      '{ m: { provider: one, fallbacks: [n] }, n: { provider: one, fallbacks: [o] }, o: { provider: two } }',
      { one: 'absent' },
      ['warn one'],
    ],
    [
      'is a warning where a fallback works that goes by an alias',
      '{ m: { provider: one, fallbacks: [x] }, n: { provider: two, aliases: [x] } }',
      { one: 'absent' },
      ['warn one'],
    ],
    [
      'is a failure where no other target works either',
      '{ m: { targets: [{ provider: one }, { provider: two }] } }',
      { one: 'absent', two: 'faulty' },
      ['fail one', 'fail two'],
    ],
    ['is skipped where no model uses it', '{ m: { provider: two } }', { one: 'absent' }, ['skipped one']],
    ['is graded differently from a cloud', '{ m: { provider: two } }', { cloud: 'absent' }, ['fail cloud']],
  ]
  for (const [what, models, states, found] of cases) {
    test(what, (t) => {
      const expected = found.map((line) => `${line}: reachable`)
      assert.deepEqual(judged(configOf(t, yaml(models)), states), expected)
    })
  }

  test('is reported with the models that have no other target', (t) => {
    const config = configOf(t, yaml('{ m: { provider: one }, n: { provider: two } }'))
    const [finding] = gradeFindings(config, reportsOf(config, { one: 'absent' }), undefined)
    assert.match(finding?.detail ?? '', /^seen; .*\bm\b/)
  })
})
