import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { explainCommand } from '../../src/cli/explain.ts'
import { recordedIo } from '../support/command-io.ts'
import { writeScratch } from '../support/config-file.ts'

const config = `providers:
  echo: { kind: echo }
  cloud:
    base_url: https://a.example/v1
    api_key: { env: CLOUD_KEY, optional: true }
    headers: { x-org: hunter2-org }
models:
  echo: { provider: echo }
  qwen-coder: { provider: cloud, model: "qwen2.5-coder:7b", aliases: [coder] }
  "cloud/*": { provider: cloud }
`

interface Options {
  json?: boolean
  env?: NodeJS.ProcessEnv
  text?: string
}

async function run(t: TestContext, model: string, { json = false, env = {}, text = config }: Options = {}) {
  const file = writeScratch(t, text)
  const io = recordedIo(env)
  const code = await explainCommand(io, model, { config: file, json })
  return { code, ...io.written }
}

test('an alias is explained with its target, key, timeouts and limits', async (t) => {
  const { code, stdout, stderr } = await run(t, 'coder', { env: { CLOUD_KEY: 'hunter2' } })
  assert.equal(code, 0)
  assert.equal(stderr, '')
  assert.equal(
    stdout,
    `coder is an alias of qwen-coder

1. cloud  https://a.example/v1
   model         qwen2.5-coder:7b
   tier, weight  1, 1
   key           env CLOUD_KEY (present), sent as bearer
   headers       x-org
   timeouts      connect 5 s, first byte 120 s, idle 120 s, total 1800 s
   price         unknown; to count its cost, set price:, or price: free

limits     none
fallbacks  none
heartbeat  after 15 s of silence in a stream
retries    2, each after at most 2 s, up to 3 s for a local restart; cool-down 30 s
`,
  )
})

test('a log transport is shown with its module', async (t) => {
  const text = `${config}logging: { transport: { target: pino/file } }\n`
  const { stdout } = await run(t, 'echo', { text })
  assert.match(stdout, /^log +pino\/file$/m)
})

test('the routes that concern a model are shown', async (t) => {
  const text = `${config}routes: { rest: { provider: cloud }, default_model: { images: coder, responses: qwen-coder } }\n`
  const { stdout } = await run(t, 'qwen-coder', { text })
  assert.match(stdout, /^default +for images, responses whose requests name no model$/m)
  assert.match(stdout, /^rest +other routes of the API pass to cloud$/m)
  const { stdout: other } = await run(t, 'echo', { text })
  assert.doesNotMatch(other, /^default/m)
  const { stdout: json } = await run(t, 'coder', { text, json: true })
  assert.deepEqual(JSON.parse(json).defaultFor, ['images', 'responses'])
})

test('a wildcard is explained with what goes upstream', async (t) => {
  const { stdout } = await run(t, 'cloud/qwen/3')
  assert.match(stdout, /^cloud\/qwen\/3 matches the wildcard cloud\/\*\n/)
  assert.match(stdout, /model +qwen\/3\n/)
  assert.match(stdout, /key +env CLOUD_KEY \(absent\)/)
})

test('the built-in provider has no URL and needs no key', async (t) => {
  const { stdout } = await run(t, 'echo')
  assert.match(stdout, /^echo is the name of a model\n\n1\. echo {2}built in\n {3}model +echo\n\nlimits/)
})

describe('no value of a key or header is shown', () => {
  for (const json of [false, true]) {
    test(json ? 'in JSON' : 'in text', async (t) => {
      const { stdout, stderr } = await run(t, 'coder', { json, env: { CLOUD_KEY: 'hunter2' } })
      assert.doesNotMatch(stdout + stderr, /hunter2/)
    })
  }
})

test('JSON has the same facts', async (t) => {
  const { stdout } = await run(t, 'coder', { json: true, env: { CLOUD_KEY: 'hunter2' } })
  const { file, ...facts } = JSON.parse(stdout) as Record<string, unknown>
  assert.equal(typeof file, 'string')
  assert.deepEqual(facts, {
    found: true,
    model: 'coder',
    rule: 'alias',
    entry: 'qwen-coder',
    targets: [
      {
        provider: 'cloud',
        kind: 'openai',
        model: 'qwen2.5-coder:7b',
        tier: 1,
        weight: 1,
        baseUrl: 'https://a.example/v1',
        proxy: null,
        boundary: 'any',
        plainHttp: null,
        credential: 'env CLOUD_KEY (present)',
        auth: 'bearer',
        headers: ['x-org'],
        timeouts: { connectMs: 5000, firstByteMs: 120_000, idleMs: 120_000, totalMs: 1_800_000 },
        price: null,
      },
    ],
    limits: null,
    fallbacks: [],
    boundary: 'any',
    heartbeatAfterMs: 15_000,
    routing: {
      retries: 2,
      maxRetryWaitMs: 2000,
      restartWaitMs: 3000,
      cooldownMs: 30_000,
      placement: 'expected_time',
      hasSharedPrefixes: false,
    },
    defaultFor: [],
    rest: null,
  })
})

test('keys and entries of clients are shown where there are any', async (t) => {
  const keys = 'keys: { mode: required, file: /etc/keys.json }'
  const budgets = 'budgets: { total: [{ usd: 50, per: month }] }'
  const text = `${config}${keys}\n${budgets}\nclients: { "user:ann": { rpm: 5 }, default: {} }\n`
  const { stdout } = await run(t, 'echo', { text })
  assert.match(stdout, /^keys       required, of \/etc\/keys\.json$/m)
  assert.match(stdout, /^clients    with an entry of their own: user:ann, default$/m)
  assert.match(stdout, /^budgets    of all clients together: 50usd\/month$/m)
})

test('where spans go is shown, and which providers receive the trace of a call', async (t) => {
  const local = config.replace(
    'models:',
    '  local: { base_url: "http://127.0.0.1:1/v1" }\nmodels:\n  own: { provider: local }',
  )
  const text = `${local}tracing: { endpoint: "https://spans.example/otel" }\n`
  const to = async (model: string, of = text) =>
    /^traces     (.*)$/m.exec((await run(t, model, { text: of })).stdout)?.[1]
  assert.equal(await to('own'), 'spans go to https://spans.example; local receives the trace of a call')
  assert.equal(
    await to('coder'),
    'spans go to https://spans.example; no provider receives the trace of a call',
  )
  const always = local.replace('1/v1"', '1/v1", trace_context: always')
  assert.equal(await to('own', always), 'no spans are recorded; local receives the trace of a call')
  assert.equal(await to('own', local), undefined)
})

test('an unknown model is reported with the nearest name', async (t) => {
  const { code, stdout, stderr } = await run(t, 'qwen-codre')
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /"qwen-codre".*"qwen-coder"\?\n$/)
})

test('an unknown model without a near name is reported with the list', async (t) => {
  assert.match((await run(t, 'xyz')).stderr, /: echo, qwen-coder, coder\n$/)
  assert.deepEqual(JSON.parse((await run(t, 'xyz', { json: true })).stdout).suggestion, null)
})

describe('of a provider that is asked for its models,', () => {
  const text = config.replace(
    'kind: echo }',
    'kind: echo }\n  box: { base_url: "http://127.0.0.1:9/v1", discover_models: true }',
  )

  test('a name in its namespace is explained, with the condition', async (t) => {
    const { code, stdout } = await run(t, 'box/a/b', { text })
    assert.equal(code, 0)
    assert.match(stdout, /^box\/a\/b can be called if its provider lists it \(discover_models\)\n\n1\. box /)
    assert.match(stdout, /model +a\/b\n/)
    assert.equal(JSON.parse((await run(t, 'box/a/b', { text, json: true })).stdout).rule, 'discovered')
  })

  test('an unknown short name may be one', async (t) => {
    const { code, stderr } = await run(t, 'xyz', { text })
    assert.equal(code, 1)
    assert.match(stderr, /: box\n$/)
  })
})

test('a configuration with problems is not explained', async (t) => {
  const { code, stdout, stderr } = await run(t, 'echo', { text: 'server: {}\n' })
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /needs the key "providers"/)
})

test('sources of identities are shown where there are any', async (t) => {
  const source = '{ kind: cloudflare_access, team: example, audience: 32eaf }'
  const text = `${config}identity: { required: true, sources: [${source}, { kind: tailscale, from_user: self }] }\n`
  const { stdout } = await run(t, 'echo', { text })
  const cloudflare = 'cf-access-jwt-assertion, signed by https://example.cloudflareaccess.com'
  assert.match(
    stdout,
    new RegExp(`^identity   required, by ${cloudflare}; tailscale-user-login, from self$`, 'm'),
  )
})

test('what a model changes in requests is shown', async (t) => {
  const request = '{ default: { temperature: 0.2 }, set: { /a/b: true }, drop: [seed] }'
  const text = `providers: { echo: { kind: echo } }\nmodels: { m: { provider: echo, request: ${request} } }\n`
  const { stdout } = await run(t, 'm', { text })
  assert.match(stdout, /^request +drop seed, default temperature: 0\.2, set \/a\/b: true$/m)
})

test('where the rules of a model lead is shown, and its targets there', async (t) => {
  const rules =
    'when: [{ images: true, tools: false, use: vision }, { prompt_tokens_over: 9, use: echo }], use: echo'
  const models = `{ any: { ${rules} }, echo: { provider: echo }, vision: { provider: echo } }`
  const { stdout } = await run(t, 'any', { text: `providers: { echo: { kind: echo } }\nmodels: ${models}\n` })
  assert.match(stdout, /^1\. echo  built in$/m)
  assert.match(
    stdout,
    /^rules +images: true, tools: false → vision\n +prompt_tokens_over: 9 → echo\n +else → echo$/m,
  )
})

test('the own routes of a server are listed, and whether it may be changed', async (t) => {
  const text = `providers:
  llama: { kind: llama_cpp, base_url: "http://127.0.0.1:8080/v1", allow_management: true }
  vllm: { kind: vllm, base_url: "http://127.0.0.1:8000/v1" }
models:
  coder: { targets: [{ provider: llama }, { provider: vllm }] }
routes: { default_model: { infill: coder } }
`
  const { stdout } = await run(t, 'coder', { text })
  assert.ok(
    stdout.includes(
      '\n   own routes    /apply-template, /completion, /detokenize, /infill, /tokenize\n   management    allowed to all clients',
    ),
    stdout,
  )
  assert.ok(stdout.includes('\n   own routes    /detokenize, /tokenize\n'), stdout)
  assert.equal(stdout.match(/management/g)?.length, 1)
  assert.ok(stdout.includes('\ndefault    for infill whose requests name no model\n'), stdout)
})

test('what the file says of slots, context and abilities is explained, of the model before the provider', async (t) => {
  const text = `providers:
  box: { base_url: "http://127.0.0.1:8080/v1", kind: llama_cpp, max_parallel_requests: auto, context_length: 4096, takes: [text] }
models:
  m: { provider: box, context_length: 32768 }
`
  const { stdout } = await run(t, 'm', { text })
  assert.match(stdout, /parallel +as many calls as the server has slots \(auto\)/)
  assert.match(stdout, /context +32768 tokens \(the file\)/)
  assert.match(stdout, /takes +text \(the file\)/)
})

test('a boundary is shown with the places of the targets', async (t) => {
  const text = `providers:
  here: { base_url: "http://127.0.0.1:8000/v1" }
  nas: { base_url: "https://nas.lan/v1" }
models: { m: { targets: [{ provider: here }, { provider: nas }], boundary: private } }
`
  const env = { HTTPS_PROXY: 'http://proxy.example:3128' }
  const { stdout } = await run(t, 'm', { text, env })
  assert.match(stdout, /^ +boundary +local, its calls stay on this machine$/m)
  assert.match(stdout, /^ +boundary +private, its calls can be kept on private networks$/m)
  assert.match(
    stdout,
    /^ +proxy +http:\/\/proxy\.example:3128 \(env HTTPS_PROXY\), not used within the boundary$/m,
  )
  assert.match(
    stdout,
    /^boundary   private: each connection leads to a loopback or private address, through no proxy$/m,
  )
  const { stdout: json } = await run(t, 'm', { text, env, json: true })
  const { boundary, targets } = JSON.parse(json) as {
    boundary: string
    targets: { boundary: string }[]
  }
  assert.deepEqual([boundary, ...targets.map((each) => each.boundary)], ['private', 'local', 'private'])
})
