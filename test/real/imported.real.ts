// The other gateways themselves: a call through one of them and a call through ours, after `import` of the same file, reach the same
// path of the same server with the same key and the same members. What differs is listed with each.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { loaded, importFile } from '../cli/import/import-scene.ts'
import { startGateway } from '../support/app.ts'
import { whole } from '../support/chat-content.ts'
import { post } from '../support/calls.ts'
import { freePort } from '../support/free-port.ts'
import { unless } from '../support/needs.ts'
import { type ReceivedRequest, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { emptyFolder, npmClient, start, writeFiles } from './programs.ts'

const env = { GPU_KEY: 'sk-of-the-gpu-4711' }
const startLimitMs = 120_000

const weather = {
  name: 'weather',
  description: 'of a city',
  schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

/** A conversation with most of what a chat call can have. */
const chat = {
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'hello, how is the weather in Ulm?' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Ulm"}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
  ],
  max_tokens: 5,
  temperature: 0.5,
  stop: ['END'],
  seed: 7,
  tools: [
    {
      type: 'function',
      function: { name: weather.name, description: weather.description, parameters: weather.schema },
    },
  ],
  tool_choice: 'auto',
}

/** The same for Anthropic's API. */
const messages = {
  system: 'Be brief.',
  messages: [
    { role: 'user', content: 'hello, how is the weather in Ulm?' },
    {
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Ulm' } }],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', content: 'rain' }] },
  ],
  max_tokens: 5,
  temperature: 0.5,
  tools: [{ name: weather.name, description: weather.description, input_schema: weather.schema }],
}

/** A server that lists its models, and answers calls. */
async function startServer(t: TestContext, models: readonly string[]): Promise<ScriptedUpstream> {
  const upstream = await startUpstream(t)
  const list = { object: 'list', data: models.map((id) => ({ id, object: 'model', owned_by: 'me' })) }
  upstream.respondAlways(({ method }) => (method === 'POST' ? whole() : json(200, list)))
  return upstream
}

/** The first call that reaches the server; other requests are probes. */
async function firstCall(upstream: ScriptedUpstream): Promise<ReceivedRequest> {
  for (;;) {
    const request = await upstream.nextRequest()
    if (request.method === 'POST' && request.body.includes('hello')) return request
  }
}

interface Theirs {
  readonly url: string
  readonly path: string
  readonly headers?: Record<string, string>
}

/** Sends a call until the program listens and knows its models. */
async function throughTheirs({ url, path, headers = {} }: Theirs, body: object, upstream: ScriptedUpstream) {
  const endsAt = Date.now() + startLimitMs
  for (;;) {
    const response = await post({ url }, body, { path, headers }).catch(() => undefined)
    if (response?.status === 200) return firstCall(upstream)
    const what = response === undefined ? 'no answer' : `${response.status} ${await response.text()}`
    assert.ok(Date.now() < endsAt, `${url}: ${what}`)
    await sleep(250)
  }
}

async function throughOurs(
  t: TestContext,
  file: string,
  body: object,
  path: string,
  upstream: ScriptedUpstream,
): Promise<ReceivedRequest> {
  const { out, status, stderr } = importFile(t, file, { env })
  assert.equal(status, 0, stderr)
  // Keys of clients and ports differ; the other program has its port still.
  const { keys: _, server: _server, ...raw } = loaded(out, env)
  const { gateway } = await startGateway(t, raw, { env })
  const response = await post(gateway, body, { path })
  assert.equal(response.status, 200, await response.text())
  return firstCall(upstream)
}

function membersOf({ body }: ReceivedRequest): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>
}

/** @param rebuilt undoes what the other gateway is known to write in its own way. */
function assertSame(
  ours: ReceivedRequest,
  theirs: ReceivedRequest,
  rebuilt: (members: Record<string, unknown>) => Record<string, unknown> = (members) => members,
): void {
  assert.equal(ours.target, theirs.target)
  assert.equal(ours.header('authorization'), theirs.header('authorization'))
  assert.deepEqual(membersOf(ours), rebuilt(membersOf(theirs)))
}

/** A message that only calls tools has null as its content; others leave the member out, or write an empty text. */
function withNullContent(members: Record<string, unknown>): Record<string, unknown> {
  const list = members['messages'] as Record<string, unknown>[]
  return {
    ...members,
    messages: list.map((each) =>
      'tool_calls' in each ? { ...each, content: each['content'] || null } : each,
    ),
  }
}

const liteLlm = process.env['LLM_GATEWAY_TEST_LITELLM']
const master = 'sk-Zq3vN8xW1rT6yU0pLk4jHg'

test(
  'LiteLLM and an import of its file send the same call to the same server',
  {
    skip: unless(
      liteLlm !== undefined,
      "set LLM_GATEWAY_TEST_LITELLM to the program of: pip install 'litellm[proxy]==1.108.7'",
    ),
  },
  async (t) => {
    const upstream = await startServer(t, ['qwen/qwen3'])
    const folder = emptyFolder(t)
    const server = `api_base: "${upstream.url}/v1", api_key: os.environ/GPU_KEY`
    writeFiles(folder, {
      'config.yaml': `model_list:
  - model_name: coder
    litellm_params: { model: openai/qwen/qwen3, ${server}, top_p: 0.25, typo_param: 7, num_retries: 1, request_timeout: 60 }
  - model_name: open/*
    litellm_params: { model: openai/*, ${server} }
router_settings: { model_group_alias: { fast: coder } }
general_settings: { master_key: ${master} }
`,
    })
    const file = join(folder, 'config.yaml')
    const port = await freePort()
    start(t, liteLlm!, ['--config', file, '--host', '127.0.0.1', '--port', String(port)], {
      folder,
      env: { ...env, HOME: folder, LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
    })
    const path = '/v1/chat/completions'
    const gateway = { url: `http://127.0.0.1:${port}`, path, headers: { authorization: `Bearer ${master}` } }
    for (const model of ['coder', 'fast', 'open/vendor/model']) {
      const body = { model, ...chat }
      const theirs = await throughTheirs(gateway, body, upstream)
      assertSame(await throughOurs(t, file, body, path, upstream), theirs, withNullContent)
    }
  },
)

const router = npmClient('claude-code-router', '@musistudio/claude-code-router', 'ccr')

test(
  'claude-code-router and an import of its file send the same call to the same server',
  { skip: router.skip },
  async (t) => {
    const upstream = await startServer(t, ['ok', 'small'])
    const folder = emptyFolder(t)
    const port = await freePort()
    const config = {
      PORT: port,
      LOG: false,
      Providers: [
        {
          name: 'gpu',
          api_base_url: `${upstream.url}/v1/chat/completions`,
          api_key: '$GPU_KEY',
          models: ['ok', 'small'],
        },
      ],
      Router: { default: 'gpu,ok', background: 'gpu,small', think: 'gpu,unlisted' },
    }
    writeFiles(folder, { '.claude-code-router/config.json': JSON.stringify(config) })
    start(t, router.program!, ['start'], { folder, env: { ...env, HOME: folder } })
    const file = join(folder, '.claude-code-router/config.json')
    const path = '/v1/messages'
    for (const [model, more] of [
      ['claude-sonnet-4-5', {}],
      ['claude-haiku-4-5', {}],
      ['gpu,small', {}],
      [
        'claude-sonnet-4-5',
        { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2048, temperature: 1 },
      ],
    ] as const) {
      const body = { model, ...messages, ...more }
      const theirs = await throughTheirs({ url: `http://127.0.0.1:${port}`, path }, body, upstream)
      const ours = await throughOurs(t, file, body, path, upstream)
      assertSame(ours, theirs, (members) => {
        const { stream, reasoning, ...rest } = withNullContent(members)
        assert.equal(stream, false)
        // OpenRouter's form of reasoning_effort.
        const { effort } = (reasoning ?? {}) as { effort?: string }
        return { ...rest, ...(effort !== undefined && { reasoning_effort: effort }) }
      })
    }
  },
)

const llmRouter = join(
  process.env['LLM_GATEWAY_TEST_CLIENTS'] ?? '',
  'llm-router/node_modules/@khanglvm/llm-router/src/node/local-server.js',
)

/** Without its terminal interface, which needs a package that the registry does not have. */
const startRouter = `
const [module, port, configPath] = process.argv.slice(1)
const { startLocalRouteServer } = await import(module)
await startLocalRouteServer({ port: Number(port), configPath, watchConfig: false })
`

test(
  'llm-router and an import of its file send the same call to the same server',
  {
    skip: unless(
      process.env['LLM_GATEWAY_TEST_CLIENTS'] !== undefined && existsSync(llmRouter),
      'set LLM_GATEWAY_TEST_CLIENTS to a folder DIR, and: npm install --prefix DIR/llm-router @khanglvm/llm-router@2.6.2, with an override of @levu/snap',
    ),
  },
  async (t) => {
    const upstream = await startServer(t, ['ok', 'tools'])
    const folder = emptyFolder(t)
    const port = await freePort()
    const gpu = {
      id: 'gpu',
      baseUrl: `${upstream.url}/v1`,
      format: 'openai',
      models: [{ id: 'ok', aliases: ['coder'] }, 'tools'],
    }
    const config = (key: object) => ({
      version: 2,
      defaultModel: 'chat',
      providers: [{ ...gpu, ...key }],
      modelAliases: { chat: { strategy: 'ordered', targets: ['gpu/ok', 'gpu/tools'] } },
    })
    // It writes its own file anew, and knows no variables.
    const theirFile = join(folder, 'theirs.json')
    const file = join(folder, 'ours.json')
    writeFiles(folder, {
      'theirs.json': JSON.stringify(config({ apiKey: env.GPU_KEY })),
      'ours.json': JSON.stringify(config({ apiKeyEnv: 'GPU_KEY' })),
    })
    start(
      t,
      process.execPath,
      ['--input-type=module', '--eval', startRouter, llmRouter, String(port), theirFile],
      { folder, env: { HOME: folder } },
    )
    const gateway = { url: `http://127.0.0.1:${port}`, path: '/openai/v1/chat/completions' }
    for (const model of ['gpu/ok', 'coder', 'tools', 'chat', 'default']) {
      const body = { model, ...chat }
      const theirs = await throughTheirs(gateway, body, upstream)
      assertSame(await throughOurs(t, file, body, '/v1/chat/completions', upstream), theirs)
    }
  },
)

const llamaSwap = process.env['LLM_GATEWAY_TEST_LLAMA_SWAP']

test(
  'llama-swap and an import of its file send the same call to the same server',
  {
    skip: unless(
      llamaSwap !== undefined,
      'set LLM_GATEWAY_TEST_LLAMA_SWAP to the program of: go build, in a clone of github.com/mostlygeek/llama-swap',
    ),
  },
  async (t) => {
    const upstream = await startServer(t, ['ok'])
    const folder = emptyFolder(t)
    writeFiles(folder, {
      // The server stands already; the command only has to run.
      'config.yaml': `models:
  qwen:
    cmd: sleep 600
    proxy: ${upstream.url}
    checkEndpoint: none
    useModelName: ok
    aliases: [coder]
    filters: { stripParams: "seed, top_k", setParams: { temperature: 0.25 } }
peers:
  far: { proxy: "${upstream.url}", apiKey: "\${env.GPU_KEY}", models: [vendor/model] }
`,
    })
    const file = join(folder, 'config.yaml')
    const port = await freePort()
    start(t, llamaSwap!, ['--config', file, '--listen', `127.0.0.1:${port}`], {
      folder,
      env: { ...env, HOME: folder },
    })
    const path = '/v1/chat/completions'
    for (const model of ['qwen', 'coder', 'far/vendor/model', 'vendor/model']) {
      const body = { model, ...chat }
      const theirs = await throughTheirs({ url: `http://127.0.0.1:${port}`, path }, body, upstream)
      assertSame(await throughOurs(t, file, body, path, upstream), theirs)
    }
  },
)

const ollaProgram = process.env['LLM_GATEWAY_TEST_OLLA']

test(
  'Olla and an import of its file send the same call to the same server',
  {
    skip: unless(
      ollaProgram !== undefined,
      'set LLM_GATEWAY_TEST_OLLA to the program of: go build, in a clone of github.com/thushan/olla',
    ),
  },
  async (t) => {
    const upstream = await startServer(t, ['ok'])
    const folder = emptyFolder(t)
    const port = await freePort()
    writeFiles(folder, {
      'config.yaml': `server: { host: 127.0.0.1, port: ${port} }
discovery:
  type: static
  static:
    endpoints:
      - { url: "${upstream.url}", name: gpu, type: openai-compatible, model_url: /v1/models, health_check_url: /v1/models, auth: { type: bearer, token: "\${GPU_KEY}" } }
model_aliases: { coder: [ok] }
`,
    })
    const file = join(folder, 'config.yaml')
    start(t, ollaProgram!, ['-c', file], { folder, env: { ...env, HOME: folder } })
    const gateway = { url: `http://127.0.0.1:${port}`, path: '/olla/openai/v1/chat/completions' }
    for (const model of ['ok', 'coder']) {
      const body = { model, ...chat }
      const theirs = await throughTheirs(gateway, body, upstream)
      assertSame(await throughOurs(t, file, body, '/v1/chat/completions', upstream), theirs)
    }
  },
)
