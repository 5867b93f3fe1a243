// An operator's commands and what they print.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { loadConfig } from '../../src/config/load.ts'
import { loadText, scratchDirectory, writeScratch } from '../support/config-file.ts'

/** `line:column path ~ message (hint)` of each problem. */
function problems(t: TestContext, text: string, env: NodeJS.ProcessEnv = {}): string[] {
  const loaded = loadText(t, text, { env })
  const found = loaded.ok ? loaded.warnings : loaded.problems
  return found.map(
    ({ line, column, path, message, hint }) => `${line}:${column} ${path} ~ ${message} (${hint})`,
  )
}

const cloud = (key: string) => `providers:
  openai: { base_url: "https://api.openai.com/v1", api_key: ${key} }
models:
  m: { provider: openai }
`

suite('problems of a configuration', () => {
  test('an unquoted variable within braces is one problem, with the words to write', (t) => {
    assert.deepEqual(problems(t, cloud('${OPENAI_API_KEY}'), { OPENAI_API_KEY: 'sk-1' }), [
      '2:61  ~ ${OPENAI_API_KEY} must be in quotes here (write { env: OPENAI_API_KEY })',
    ])
    assert.deepEqual(problems(t, cloud('{ env: ${OPENAI_API_KEY} }')), [
      '2:68  ~ ${OPENAI_API_KEY} must be in quotes here (write OPENAI_API_KEY)',
    ])
    const elsewhere = cloud('{ env: A }, headers: { x-a: ${A}, x-b: v${B} }').replace('m:', 'm: [')
    assert.deepEqual(problems(t, elsewhere), [
      '2:89  ~ ${A} must be in quotes here (write "${A}")',
      '2:101  ~ ${B} must be in quotes here (put the whole text in quotes)',
      '4:6  ~ the list that begins here is not closed (add a ])',
    ])
  })

  test('a variable as a key is answered with the reference to write', (t) => {
    const isSet = problems(t, cloud('"${OPENAI_API_KEY}"'), { OPENAI_API_KEY: 'sk-1' })
    assert.equal(isSet.length, 1)
    assert.match(isSet[0]!, /must not be written in this file \(write \{ env: OPENAI_API_KEY \}\)$/)
    assert.match(problems(t, cloud('"${KEY}"')).join(), /KEY is not set \(write \{ env: KEY \}\)$/)
  })

  test("a key file in the user's home directory is found", (t) => {
    const home = scratchDirectory(t)
    mkdirSync(join(home, 'keys'))
    writeFileSync(join(home, 'keys/openai'), 'sk-1\n', { mode: 0o600 })
    const loaded = loadConfig(writeScratch(t, cloud('{ file: ~/keys/openai }')), { env: { HOME: home } })
    assert.ok(loaded.ok)
    const provider = loaded.config.providers.get('openai')!
    assert.ok(provider.kind !== 'echo')
    assert.equal(provider.apiKey?.reveal(), 'sk-1')
    assert.equal(provider.apiKey.source, `file ${home}/keys/openai`)
  })

  test('a configuration of LiteLLM is one problem, with the words to write', (t) => {
    const text = `model_list:
  - model_name: gpt
    litellm_params: { model: openai/gpt-5, api_key: os.environ/KEY, rpm: 100 }
router_settings: { num_retries: 2 }
`
    const [problem, ...others] = problems(t, text)
    assert.deepEqual(others, [])
    assert.match(
      problem!,
      /^1:1 model_list ~ this is a configuration file of LiteLLM, not of llm-gateway \(write /,
    )
    assert.match(problem!, /rate_limit_settings: \{ limits: \{ MODEL: \{ rpm: 60/)
  })

  test('a limit beside a model is answered with the place where limits stand', (t) => {
    const text = 'providers: { p: { kind: echo } }\nmodels: { m: { provider: p, rpm: 100 } }\n'
    const [problem] = problems(t, text)
    assert.match(problem!, /^2:29 models\.m\.rpm ~ unknown key "rpm" \(limits stand in rate_limit_settings/)
  })

  test('a provider that does not exist is reported although "providers" is missing', (t) => {
    assert.deepEqual(problems(t, 'models:\n  a: { provider: nope }\n'), [
      '1:1  ~ needs the key "providers" ()',
      '2:18 models.a.provider ~ there is no provider "nope" ()',
    ])
    const withoutModels =
      'rate_limit_settings: { limits: { x: { rpm: 1 } } }\nproviders: { p: { kind: echo } }\n'
    assert.deepEqual(problems(t, withoutModels), [
      '1:1  ~ needs the key "models" ()',
      '1:34 rate_limit_settings.limits.x ~ there is no model "x" ()',
    ])
  })
})
