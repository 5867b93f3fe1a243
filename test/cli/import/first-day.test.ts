// What a person who came from LiteLLM met on the first day.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { test } from 'node:test'

import { clients } from '../../../src/cli/connect/clients.ts'
import { sources } from '../../../src/cli/import/sources.ts'
import { clientNames, sourceNames } from '../../../src/cli/known-names.ts'
import { runCommand } from '../../support/run-command.ts'
import { importText, loaded } from './import-scene.ts'

const azure = { AZURE_API_BASE: 'https://team.openai.azure.com/', AZURE_API_KEY: 'az-key' }

test('an Azure address in a variable leads to the v1 API, as a written one does', (t) => {
  const file = (base: string) => `model_list:
  - model_name: gpt
    litellm_params: { model: azure/deployment, api_base: "${base}", api_key: os.environ/AZURE_API_KEY }
`
  const base = (address: string) => {
    const { out, stderr, status } = importText(t, file(address), { env: azure })
    assert.equal(status, 0, stderr)
    const [provider] = Object.values(loaded(out, azure).providers ?? {})
    return String(provider!.base_url).replace('${AZURE_API_BASE}', azure.AZURE_API_BASE)
  }
  const written = base(azure.AZURE_API_BASE)
  assert.equal(written, 'https://team.openai.azure.com/openai/v1')
  assert.equal(base('os.environ/AZURE_API_BASE').replace('.com//', '.com/'), written)
})

test('an Azure entry without a key has the one that LiteLLM reads', (t) => {
  const text = `model_list:
  - model_name: gpt
    litellm_params: { model: azure/deployment, api_base: "https://team.openai.azure.com" }
`
  const { out } = importText(t, text, { env: azure })
  const [provider] = Object.values(loaded(out, azure).providers ?? {})
  assert.match(JSON.stringify(provider!.api_key ?? null), /AZURE_API_KEY/)
})

const fallbacks = `model_list:
  - { model_name: small, litellm_params: { model: hosted_vllm/s, api_base: "http://127.0.0.1:9101/v1" } }
  - { model_name: large, litellm_params: { model: hosted_vllm/l, api_base: "http://127.0.0.1:9102/v1" } }
  - { model_name: other, litellm_params: { model: hosted_vllm/o, api_base: "http://127.0.0.1:9103/v1" } }
litellm_settings:
  context_window_fallbacks: [{ small: [large] }]
  default_fallbacks: [other]
`

test('the schema that the first line names is there', (t) => {
  const { out, text } = importText(t, fallbacks)
  const [, schema = ''] = /\$schema=(\S+)/.exec(text) ?? []
  assert.ok(existsSync(resolve(dirname(out), schema)), schema)
})

test('a target that was left out is the reason that is given for its alias', (t) => {
  const { stdout, stderr } = importText(
    t,
    `${fallbacks}router_settings: { model_group_alias: { gpt-4o: cloud } }
`.replace(
      'litellm_settings:',
      '  - { model_name: cloud, litellm_params: { model: bedrock/x } }\nlitellm_settings:',
    ),
  )
  assert.doesNotMatch(stdout + stderr, /no model …/)
})

test('aliases are names that a shell completes', async (t) => {
  const { out } = importText(t, `${fallbacks}router_settings: { model_group_alias: { tiny: small } }\n`)
  const models = await runCommand(['complete', 'models', '--config', out], { env: { HOME: dirname(out) } })
  assert.ok(models.stdout.split('\n').includes('tiny'), models.stdout)
})

test('the completions know clients, formats of import, the action of tunnel and commands to be helped with', async () => {
  assert.deepEqual(
    clients.map(({ name }) => name),
    clientNames,
  )
  assert.deepEqual(
    sources.map(({ name }) => name),
    sourceNames,
  )
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout, status } = await runCommand(['completion', shell], { env: {} })
    assert.equal(status, 0)
    for (const name of [...clientNames, ...sourceNames]) assert.ok(stdout.includes(name), `${shell} ${name}`)
  }
  const { stdout } = await runCommand(['completion', 'bash'], { env: {} })
  assert.match(stdout, /^ {4}tunnel\) .* operands=\(- '\(status\)'\)/m)
  assert.match(stdout, /^ {4}help\) .* operands=\('\(serve,/m)
})

test('a base of Azure in a variable gets what its value lacks, and is named by the variable', (t) => {
  const file = `model_list:
  - { model_name: gpt, litellm_params: { model: azure/d, api_base: os.environ/AZURE_API_BASE } }
`
  for (const [value, written] of [
    ['https://t.openai.azure.com', 'https://t.openai.azure.com/openai/v1'],
    ['https://t.openai.azure.com/openai/v1/', 'https://t.openai.azure.com/openai/v1'],
    ['https://apim.example.com/llm', 'https://apim.example.com/llm/openai/v1'],
    [
      'https://t.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21',
      'https://t.openai.azure.com/openai/v1',
    ],
  ] as const) {
    const env = { ...azure, AZURE_API_BASE: value }
    const { out, stdout, stderr } = importText(t, file, { env })
    assert.equal(stderr, '', stdout)
    const { azure: provider } = loaded(out, env).providers ?? {}
    assert.equal(
      String(provider?.base_url)
        .replace(/\/+openai/, '/openai')
        .replace(/\/$/, ''),
      written,
    )
    assert.deepEqual(provider?.auth, { header: 'api-key' })
  }
})

test('a variable without which an address is unknown is something to do', (t) => {
  const { text, stdout } = importText(
    t,
    `${fallbacks.split('litellm_settings')[0]!}
  - { model_name: gpt, litellm_params: { model: azure/d, api_base: os.environ/AZURE_API_BASE } }
  - { model_name: gpt-2, litellm_params: { model: azure/e } }
`,
  )
  assert.match(text, /small/)
  assert.match(stdout, /To do:[^]*set them, and import again: AZURE_API_BASE\n/)
})

test('a prompt that is too long reaches the long model before Ollama, which would cut it', (t) => {
  const server = (name: string, kind: string, port: number) =>
    `  - { model_name: ${name}, litellm_params: { model: ${kind}/${name}, api_base: "http://127.0.0.1:${port}" } }\n`
  const { out, stdout } = importText(
    t,
    `model_list:\n${server('small', 'hosted_vllm', 9101)}${server('long', 'hosted_vllm', 9102)}${server('other', 'hosted_vllm', 9103)}${server('olla', 'ollama', 9104)}
litellm_settings:
  fallbacks: [{ small: [other, olla] }, { olla: [other] }]
  context_window_fallbacks: [{ small: [long] }, { olla: [long] }]
`,
  )
  const { models } = loaded(out)
  assert.deepEqual(models?.['small']?.fallbacks, ['other', 'long', 'olla'])
  assert.deepEqual(models?.['olla']?.fallbacks, ['other', 'long'])
  assert.match(stdout, /\.olla \(.*Ollama refuses none, so add a rule \(when: prompt_tokens_over\)\)/)
})

test('fallbacks to a model that was left out say so', (t) => {
  const { out, stdout } = importText(
    t,
    `model_list:
  - { model_name: small, litellm_params: { model: hosted_vllm/s, api_base: "http://127.0.0.1:9101/v1" } }
  - { model_name: cloud, litellm_params: { model: bedrock/x } }
router_settings:
  model_group_alias: { gpt-4o: cloud }
  fallbacks: [{ small: [cloud] }, { cloud: [small] }]
`,
  )
  assert.equal(loaded(out).models?.['small']?.fallbacks, undefined)
  for (const note of [
    'router_settings.model_group_alias.gpt-4o (the model that it leads to was left out)',
    'router_settings.fallbacks[0].small[0] (the model was left out)',
    'router_settings.fallbacks[1].cloud (the model that they belong to was left out)',
  ]) {
    assert.ok(stdout.includes(`  ${note}\n`), note + stdout)
  }
})

test('a master key leads to whom the gateway admits', (t) => {
  const { text, stdout } = importText(
    t,
    `${fallbacks}general_settings: { master_key: sk-1234567890abcdef }\n`,
  )
  for (const place of [text, stdout]) assert.match(place, /allowed_users: \[self, ann\] \}, or all of them/)
  assert.doesNotMatch(text + stdout, /sk-1234567890/)
})
