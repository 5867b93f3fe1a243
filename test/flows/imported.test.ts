// Calls through a gateway whose configuration was imported: what reaches the servers of the other gateway's file.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { startGateway } from '../support/app.ts'
import { whole } from '../support/chat-content.ts'
import { chat } from '../support/calls.ts'
import { type Cleanup, type ReceivedRequest, startUpstream } from '../support/scripted-upstream.ts'
import { importText, loaded } from '../cli/import/import-scene.ts'

const env = { GPU_KEY: 'sk-of-the-gpu-4711' }

/** Imports what `text` makes of a server's URL, calls a model and returns what the server received. */
async function received(
  t: TestContext & Cleanup,
  text: (url: string) => string,
  model: string,
  more: object = {},
): Promise<ReceivedRequest> {
  const upstream = await startUpstream(t)
  const { out, stderr, status } = importText(t, text(upstream.url), { env })
  assert.equal(status, 0, stderr)
  // Its clients have keys of their own, which is another test's concern; its port may be in use.
  const { keys: _, server: _server, ...raw } = loaded(out, env)
  const { gateway } = await startGateway(t, raw, { env })
  upstream.respondAlways(whole())
  const response = await chat(gateway, model, more)
  assert.equal(response.status, 200, response.body)
  // A list of models may have been requested before.
  for (;;) {
    const request = await upstream.nextRequest()
    if (request.method === 'POST') return request
  }
}

const body = ({ body: bytes }: ReceivedRequest) => JSON.parse(bytes.toString()) as Record<string, unknown>

describe('an imported configuration', () => {
  const liteLlm = (url: string) => `model_list:
  - model_name: coder
    litellm_params: { model: openai/qwen/qwen3, api_base: "${url}/v1", api_key: os.environ/GPU_KEY, temperature: 0.25, typo_param: 7 }
  - model_name: open/*
    litellm_params: { model: openai/*, api_base: "${url}/v1" }
router_settings: { model_group_alias: { fast: coder } }
`

  test('of LiteLLM sends the model, the key and the members of its entry', async (t) => {
    const request = await received(t, liteLlm, 'fast')
    assert.equal(request.target, '/v1/chat/completions')
    assert.equal(request.header('authorization'), `Bearer ${env.GPU_KEY}`)
    const { model, temperature, typo_param: typo } = body(request)
    assert.deepEqual([model, temperature, typo], ['qwen/qwen3', 0.25, 7])
  })

  test("of LiteLLM leaves a member to the client that sends it, and a wildcard's name to the server", async (t) => {
    assert.equal(body(await received(t, liteLlm, 'coder', { temperature: 1 }))['temperature'], 1)
    assert.equal(body(await received(t, liteLlm, 'open/vendor/model'))['model'], 'vendor/model')
  })

  test('of llama-swap sets and strips what its filters do', async (t) => {
    const swap = (url: string) => `models:
  coder:
    cmd: /bin/cat
    proxy: ${url}
    useModelName: qwen
    aliases: [code]
    filters: { stripParams: "top_k, min_p", setParams: { temperature: 0.5 } }
`
    const sent = body(await received(t, swap, 'code', { top_k: 4, min_p: 0.1, temperature: 1, seed: 3 }))
    assert.deepEqual(
      [sent['model'], sent['temperature'], sent['seed'], 'top_k' in sent, 'min_p' in sent],
      ['qwen', 0.5, 3, false, false],
    )
  })

  test('of claude-code-router answers the names of Claude Code', async (t) => {
    const router = (url: string) =>
      `{ Providers: [{ name: 'gpu', api_base_url: '${url}/v1/chat/completions', api_key: '$GPU_KEY', models: ['ok'] }], Router: { default: 'gpu,ok' } }`
    for (const model of ['claude-sonnet-4-5', 'gpu,ok']) {
      const request = await received(t, router, model)
      assert.deepEqual(
        [body(request)['model'], request.header('authorization')],
        ['ok', `Bearer ${env.GPU_KEY}`],
      )
    }
  })

  test('of llm-router answers its aliases', async (t) => {
    const router = (url: string) =>
      JSON.stringify({
        providers: [
          { id: 'one', baseUrl: url, apiKeyEnv: 'GPU_KEY', models: [{ id: 'm', aliases: ['coder'] }] },
        ],
        modelAliases: { chat: { targets: ['one/m'] } },
      })
    for (const model of ['chat', 'one/m', 'm', 'coder']) {
      assert.equal(body(await received(t, router, model))['model'], 'm')
    }
  })

  test('of Olla sends the key of the endpoint, in its header', async (t) => {
    const olla = (url: string) =>
      `discovery: { static: { endpoints: [{ url: "${url}", name: gpu, auth: { type: api_key, key: "\${GPU_KEY}", header: X-Key } }] } }\nmodel_aliases: { coder: [ok] }\n`
    const request = await received(t, olla, 'coder')
    assert.deepEqual([body(request)['model'], request.header('x-key')], ['ok', env.GPU_KEY])
  })
})
