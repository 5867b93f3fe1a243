// `GET /v1/models` in the shape of the asking client, with what providers say of the lengths of contexts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Anthropic, { NotFoundError } from '@anthropic-ai/sdk'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'
import { startDiscovering, startModelServer } from './model-servers.ts'

interface Row {
  readonly [member: string]: unknown
}

async function start(t: Parameters<typeof startModelServer>[0]) {
  const server = await startModelServer(t)
  const rows = [
    { id: 'long', object: 'model', created: 1_700_000_000, owned_by: 'vllm', max_model_len: 32_768 },
    {
      id: 'loaded',
      object: 'model',
      created: 0,
      owned_by: 'x',
      meta: { n_ctx: 8_192, n_ctx_train: 131_072 },
    },
    { id: 'unknown', object: 'model', created: 0, owned_by: 'x', context_length: 0 },
  ]
  server.lists(json(200, { object: 'list', data: rows }))
  const { gateway } = await startDiscovering(t, { local: server })
  const get = async (path: string, headers: Readonly<Record<string, string>> = {}) => {
    const response = await exchange(t, gateway.url, rawRequest(`GET ${path}`, headers))
    return JSON.parse(response.body().toString()) as Row & { data: readonly Row[]; models?: readonly Row[] }
  }
  return { gateway, get }
}

const version = { 'anthropic-version': '2023-06-01' }
const find = (rows: readonly Row[], name: string, value: string) => rows.find((row) => row[name] === value)!

test('a client of Anthropic gets its list, whole and in one page', async (t) => {
  const { get } = await start(t)
  const list = await get('/v1/models?limit=1000', version)
  const ids = list.data.map(({ id }) => id)
  assert.deepEqual([list['has_more'], list['first_id'], list['last_id']], [false, ids[0], ids.at(-1)])
  const long = find(list.data, 'id', 'long')
  assert.deepEqual(
    [long['type'], long['display_name'], long['created_at'], long['max_input_tokens']],
    ['model', 'long', '2023-11-14T22:13:20Z', 32_768],
  )
  assert.equal(find(list.data, 'id', 'loaded')['max_input_tokens'], 8_192)
  const unknown = find(list.data, 'id', 'unknown')
  assert.deepEqual([unknown['max_input_tokens'], unknown['created_at']], [null, '1970-01-01T00:00:00Z'])
  assert.deepEqual(await get('/v1/models?limit=1', version), list)
  assert.deepEqual(await get('/v1/models/long', version), long)
})

test("Anthropic's SDK reads it, finds a model by its name, and sees that another does not exist", async (t) => {
  const { gateway } = await start(t)
  const client = new Anthropic({ apiKey: 'none', baseURL: gateway.url, maxRetries: 0 })
  const ids: string[] = []
  for await (const { id, display_name: name, created_at: created } of client.models.list({ limit: 2 })) {
    ids.push(id)
    assert.ok(name !== '' && !Number.isNaN(Date.parse(created)))
  }
  assert.ok(ids.includes('long') && ids.includes('local/long') && ids.includes('echo'))
  assert.equal((await client.models.retrieve('local/long')).max_input_tokens, 32_768)
  await assert.rejects(client.models.retrieve('nowhere'), (error) => {
    assert.ok(error instanceof NotFoundError)
    assert.equal(error.type, 'not_found_error')
    return true
  })
})

test('Codex gets rows of its own, which have all that its versions require, beside the usual list', async (t) => {
  const { get } = await start(t)
  const list = await get('/v1/models?client_version=0.171.0')
  assert.equal(list['object'], 'list')
  assert.equal(list.models!.length, list.data.length)
  const required = {
    base_instructions: 'string',
    display_name: 'string',
    experimental_supported_tools: 'object',
    priority: 'number',
    shell_type: 'string',
    slug: 'string',
    support_verbosity: 'boolean',
    supported_in_api: 'boolean',
    supported_reasoning_levels: 'object',
    supports_parallel_tool_calls: 'boolean',
    supports_reasoning_summaries: 'boolean',
    truncation_policy: 'object',
    visibility: 'string',
  }
  for (const row of list.models!) {
    for (const [name, type] of Object.entries(required)) assert.equal(typeof row[name], type, name)
    assert.ok(row['base_instructions'] !== '')
  }
  assert.equal(find(list.models!, 'slug', 'long')['context_window'], 32_768)
  assert.ok(!('context_window' in find(list.models!, 'slug', 'unknown')))
})

test('every other client gets the list of OpenAI, with the facts as the provider names them', async (t) => {
  const { get } = await start(t)
  const list = await get('/v1/models?limit=1000', { authorization: 'Bearer none' })
  assert.deepEqual(Object.keys(list).toSorted(), ['data', 'object'])
  const long = find(list.data, 'id', 'long')
  assert.deepEqual(long, {
    id: 'long',
    object: 'model',
    created: 1_700_000_000,
    owned_by: 'local',
    max_model_len: 32_768,
  })
})

test('a name with several targets or rules has the largest context that its calls reach, without fallbacks', async (t) => {
  const lengths = { small: 2_048, large: 8_192, huge: 65_536 }
  const servers = await Promise.all(
    Object.entries(lengths).map(async ([name, length]) => {
      const server = await startModelServer(t)
      const row =
        name === 'small'
          ? { id: 'm', object: 'model', max_model_len: length, max_output_tokens: 512 }
          : { id: 'm', object: 'model', meta: { n_ctx: length } }
      server.lists(json(200, { object: 'list', data: [row] }))
      return [name, server] as const
    }),
  )
  const targets = [
    { provider: 'small', model: 'm' },
    { provider: 'large', model: 'm' },
  ]
  const models = {
    both: { targets },
    ruled: { ...targets[0], when: [{ prompt_tokens_over: 1_000, use: 'both' }] },
    led: { when: [{ images: true, use: 'small/m' }], use: 'huge/m' },
    falling: { ...targets[0], fallbacks: ['huge/m'] },
  }
  const clients = { default: { models: ['ruled', 'small/m'] } }
  const read = async (more: object) => {
    const { gateway } = await startDiscovering(t, Object.fromEntries(servers), { models, ...more })
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/models', version))
    const { data } = JSON.parse(response.body().toString()) as { data: readonly Row[] }
    return Object.fromEntries(data.map((row) => [row['id'], row['max_input_tokens']]))
  }
  assert.deepEqual(await read({}), {
    both: 8_192,
    ruled: 8_192,
    led: 65_536,
    falling: 2_048,
    m: 65_536,
    'small/m': 2_048,
    'large/m': 8_192,
    'huge/m': 65_536,
  })
  assert.deepEqual(await read({ clients }), { ruled: 2_048, 'small/m': 2_048 })
})
