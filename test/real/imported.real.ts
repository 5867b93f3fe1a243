// The other gateways themselves: a call through one of them and a call through ours, after `import` of the same file, reach the same
// server with the same members.
import assert from 'node:assert/strict'
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
import { emptyFolder, npmClient, start, writeFiles } from './programs.ts'

const liteLlm = process.env['LLM_GATEWAY_TEST_LITELLM']
const router = npmClient('claude-code-router', '@musistudio/claude-code-router', 'ccr')

const master = 'sk-Zq3vN8xW1rT6yU0pLk4jHg'
const messages = [{ role: 'user', content: 'hello' }]
const startLimitMs = 120_000

/** The first call that reaches the server; other requests are probes. */
async function firstCall(upstream: ScriptedUpstream): Promise<ReceivedRequest> {
  for (;;) {
    const request = await upstream.nextRequest()
    if (request.method === 'POST' && request.body.includes('hello')) return request
  }
}

/** Sends a call until the program listens. */
async function callOnceReady(url: string, path: string, body: object, headers: Record<string, string>) {
  const endsAt = Date.now() + startLimitMs
  for (;;) {
    const response = await post({ url }, body, { path, headers }).catch(() => undefined)
    if (response !== undefined) return response
    assert.ok(Date.now() < endsAt, `${url} does not answer`)
    await sleep(250)
  }
}

async function throughOurs(
  t: TestContext,
  file: string,
  upstream: ScriptedUpstream,
  body: object,
  path: string,
) {
  const env = { GPU_KEY: 'sk-of-the-gpu-4711' }
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

const skip = unless(
  liteLlm !== undefined,
  "set LLM_GATEWAY_TEST_LITELLM to the program of: pip install 'litellm[proxy]==1.108.7'",
)

test('LiteLLM and an import of its file send the same call to the same server', { skip }, async (t) => {
  const upstream = await startUpstream(t)
  upstream.respondAlways(whole())
  const folder = emptyFolder(t)
  writeFiles(folder, {
    'config.yaml': `model_list:
  - model_name: coder
    litellm_params: { model: openai/qwen/qwen3, api_base: "${upstream.url}/v1", api_key: os.environ/GPU_KEY, temperature: 0.25, typo_param: 7 }
  - model_name: open/*
    litellm_params: { model: openai/*, api_base: "${upstream.url}/v1", api_key: os.environ/GPU_KEY }
router_settings: { model_group_alias: { fast: coder } }
general_settings: { master_key: ${master} }
`,
  })
  const file = join(folder, 'config.yaml')
  const port = await freePort()
  start(t, liteLlm!, ['--config', file, '--host', '127.0.0.1', '--port', String(port)], {
    folder,
    env: { HOME: folder, GPU_KEY: 'sk-of-the-gpu-4711', LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
  })
  for (const model of ['coder', 'fast', 'open/vendor/model']) {
    const body = { model, messages, max_tokens: 5 }
    const theirs = await callOnceReady(`http://127.0.0.1:${port}`, '/v1/chat/completions', body, {
      authorization: `Bearer ${master}`,
    })
    assert.equal(theirs.status, 200, await theirs.text())
    const one = await firstCall(upstream)
    const other = await throughOurs(t, file, upstream, body, '/v1/chat/completions')
    assert.equal(other.target, one.target)
    assert.equal(other.header('authorization'), one.header('authorization'))
    assert.deepEqual(membersOf(other), membersOf(one))
  }
})

test(
  'claude-code-router and an import of its file send the same model the same question',
  { skip: router.skip },
  async (t) => {
    const upstream = await startUpstream(t)
    upstream.respondAlways(whole())
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
      Router: { default: 'gpu,ok', background: 'gpu,small' },
    }
    writeFiles(folder, { '.claude-code-router/config.json': JSON.stringify(config) })
    start(t, router.program!, ['start'], { folder, env: { HOME: folder, GPU_KEY: 'sk-of-the-gpu-4711' } })
    const file = join(folder, '.claude-code-router/config.json')
    for (const model of ['claude-sonnet-4-5', 'claude-haiku-4-5', 'gpu,small']) {
      const body = { model, messages, max_tokens: 5 }
      const theirs = await callOnceReady(`http://127.0.0.1:${port}`, '/v1/messages', body, {})
      assert.equal(theirs.status, 200, await theirs.text())
      const one = await firstCall(upstream)
      const other = await throughOurs(t, file, upstream, body, '/v1/messages')
      assert.equal(other.target, one.target)
      assert.equal(other.header('authorization'), one.header('authorization'))
      const [ours, others] = [membersOf(other), membersOf(one)]
      assert.deepEqual([ours['model'], ours['messages']], [others['model'], others['messages']])
    }
  },
)
