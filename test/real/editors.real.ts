// The requests of llama.vim and llama.vscode, member by member as their sources write them, to a real llama.cpp: directly, by the
// model at the root, and under the provider's name.
// https://github.com/ggml-org/llama.vim/blob/master/autoload/llama.vim,
// https://github.com/ggml-org/llama.vscode/blob/master/src/llama-server.ts
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'

import { type Running, startGateway } from '../support/app.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'

const skip = missingLlamaCpp()

const extra = [{ text: 'int add(int a, int b);\n', time: [1764, -331], filename: 'add.h' }]
const around = {
  input_prefix: '#include "add.h"\n\nint main(void) {\n',
  input_suffix: '\n}\n',
  prompt: '    int sum = ',
}
const nothing = { input_prefix: '', input_suffix: '', prompt: '' }

const vimFields = [
  'content',
  'timings/prompt_n',
  'timings/prompt_ms',
  'timings/prompt_per_token_ms',
  'timings/prompt_per_second',
  'timings/predicted_n',
  'timings/predicted_ms',
  'timings/predicted_per_token_ms',
  'timings/predicted_per_second',
  'truncated',
  'tokens_cached',
]
const vimHeaders = { accept: '*/*', 'user-agent': 'curl/8.14.1' }
const codeHeaders = { accept: 'application/json, text/plain, */*', 'user-agent': 'axios/1.12.2' }

const vim = {
  id_slot: 0,
  ...around,
  input_extra: extra,
  n_predict: 128,
  stop: [],
  n_cmpl: 1,
  n_indent: 4,
  top_k: 40,
  top_p: 0.9,
  samplers: ['top_k', 'top_p', 'infill'],
  stream: false,
  cache_prompt: true,
  t_max_prompt_ms: 500,
  t_max_predict_ms: 250,
  response_fields: vimFields,
}
const vimWarming = {
  id_slot: 0,
  ...nothing,
  input_extra: extra,
  n_predict: 0,
  temperature: 0,
  samplers: [],
  stream: false,
  cache_prompt: true,
  t_max_prompt_ms: 1,
  t_max_predict_ms: 1,
  response_fields: [''],
}
const vscode = {
  id_slot: 0,
  ...around,
  input_extra: extra,
  n_predict: 128,
  n_cmpl: 1,
  top_k: 40,
  top_p: 0.99,
  stream: false,
  samplers: ['top_k', 'top_p', 'infill'],
  cache_prompt: true,
  n_indent: 4,
  t_max_prompt_ms: 500,
  t_max_predict_ms: 2500,
}
const vscodeWarming = {
  id_slot: 0,
  ...nothing,
  input_extra: extra,
  n_predict: 0,
  samplers: [],
  cache_prompt: true,
  t_max_prompt_ms: 500,
  t_max_predict_ms: 1,
}

/** What is asked of `/infill`. */
const asked: Readonly<Record<string, readonly [headers: Record<string, string>, body: object]>> = {
  'llama.vim, a completion': [vimHeaders, vim],
  'llama.vim, two completions': [vimHeaders, { ...vim, n_cmpl: 2 }],
  'llama.vim, warming the cache up': [vimHeaders, vimWarming],
  'llama.vscode, a completion': [codeHeaders, vscode],
  'llama.vscode, warming the cache up': [codeHeaders, vscodeWarming],
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly value: unknown
}

async function ask(url: string, headers: object, body?: object): Promise<Answer> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const value = response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : text
  return { status: response.status, headers: response.headers, value }
}

/** The names of all members, in their order, and the kinds of their values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])]
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.entries(value).map(([name, each]) => [name, shapeOf(each)])
}

interface Filled {
  readonly 'timings/predicted_n'?: number
  readonly timings?: { readonly predicted_n: number }
}

function predictedOf({ timings, 'timings/predicted_n': count = timings?.predicted_n }: Filled): number {
  assert.ok(count !== undefined)
  return count
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

suite('editors at a real llama.cpp', { skip }, () => {
  const releases: (() => unknown)[] = []
  const whole = { after: (release: () => unknown) => void releases.unshift(release) }
  let llamaCpp: string
  let gateway: Running['gateway']
  let ids = 0

  before(async () => {
    ;({ llamaCpp } = await startLlamaCpp(whole, undefined, { TEST_INFILL: 'yes' }))
    const base_url = `${llamaCpp}/v1`
    ;({ gateway } = await startGateway(whole, {
      providers: {
        llama: { base_url, kind: 'llama_cpp' },
        own: { base_url, kind: 'llama_cpp', allow_management: true },
      },
      models: { gemma: { provider: 'llama', model: 'gemma-270m' } },
      routes: { default_model: { infill: 'gemma', native: 'gemma' } },
    }))
  })
  after(async () => {
    for (const release of releases) await release()
  })

  async function asking(path: string, headers: object, body?: object) {
    const id = `call-${(ids += 1)}`
    const answer = await ask(gateway.url + path, { ...headers, 'x-request-id': id }, body)
    return { ...answer, id }
  }

  for (const [what, [headers, body]] of Object.entries(asked)) {
    for (const named of [{}, { model: 'gemma' }]) {
      test(`${what}: ${'model' in named ? 'with' : 'without'} a model`, async () => {
        const direct = await ask(`${llamaCpp}/infill`, headers, body)
        assert.equal(direct.status, 200, JSON.stringify(direct.value))
        const through = await asking('/infill', headers, { ...body, ...named })
        assert.equal(through.status, 200, JSON.stringify(through.value))
        assert.equal(through.headers.get('x-llm-gateway-way'), 'pass')
        assert.deepEqual(shapeOf(through.value), shapeOf(direct.value))
        const line = await gateway.logged({ request_id: through.id })
        assert.deepEqual([line['status'], line['model'], line['dropped']], [200, 'gemma', ['id_slot']])
        if (what.includes('warming')) return
        const counts = ([through.value].flat() as Filled[]).map(predictedOf)
        assert.equal(line['completion_tokens'], sumOf(counts))
      })
    }

    test(`${what}: under the name of a provider that allows it`, async () => {
      const direct = await ask(`${llamaCpp}/infill`, headers, body)
      const through = await asking('/providers/own/infill', headers, body)
      assert.equal(through.status, 200, JSON.stringify(through.value))
      assert.deepEqual(shapeOf(through.value), shapeOf(direct.value))
      const refused = await asking('/providers/llama/infill', headers, body)
      assert.equal(refused.status, 403)
      assert.match(JSON.stringify(refused.value), /"id_slot\\" .*providers\.llama\.allow_management/)
    })
  }

  test('the same text for the same seed', async () => {
    const steady = { ...vim, seed: 7, n_predict: 24, t_max_predict_ms: 60_000, cache_prompt: false }
    const [direct, through] = [
      await ask(`${llamaCpp}/infill`, vimHeaders, steady),
      await asking('/infill', vimHeaders, steady),
    ].map(({ value }) => value as Record<string, unknown>)
    assert.equal(through!['content'], direct!['content'])
    assert.ok(String(direct!['content']).length > 0)
  })

  test('llama.vim, an instruction: it warms the cache up, then reads a stream', async () => {
    const messages = [
      { role: 'system', content: 'You are a text-editing assistant.' },
      { role: 'user', content: 'INSTRUCTION: add a comment' },
    ]
    const chat = { id_slot: 1, messages, stop: [], cache_prompt: true, model: 'gemma' }
    const warming = { ...chat, samplers: [], n_predict: 0, stream: false, response_fields: [''] }
    const direct = await ask(`${llamaCpp}/v1/chat/completions`, vimHeaders, warming)
    const warmed = await asking('/v1/chat/completions', vimHeaders, warming)
    assert.deepEqual([warmed.status, shapeOf(warmed.value)], [direct.status, shapeOf(direct.value)])
    const sampling = { min_p: 0.1, temperature: 0.1, samplers: ['min_p', 'temperature'] }
    const body = { ...chat, ...sampling, stream: true, max_tokens: 24 }
    const streamed = await asking('/v1/chat/completions', { ...vimHeaders, authorization: 'Bearer ' }, body)
    assert.equal(streamed.status, 200)
    const events = String(streamed.value)
      .split('\n')
      .flatMap((line) => (line.startsWith('data: {') ? [JSON.parse(line.slice(6))] : []))
    // It looks for `delta` in the first choice of each event.
    assert.ok(events.length > 1 && events.every(({ choices }) => 'delta' in choices[0]))
    const unnamed = await asking('/v1/chat/completions', vimHeaders, { ...body, model: '' })
    assert.equal(unnamed.status, 400)
  })

  test('the state that they ask for', async () => {
    const { value } = await asking('/v1/models', vimHeaders)
    const { data } = value as { data: { id: string; status?: { value: string } }[] }
    const found = data.find(({ id }) => id === 'gemma')
    assert.ok(found !== undefined && (found.status === undefined || found.status.value === 'loaded'))
    const props = await asking('/props?model=gemma&autoload=false', codeHeaders)
    assert.equal(props.status, 404)
    const template = { messages: [{ role: 'user', content: 'Hi' }], model: 'gemma' }
    const { value: applied } = await asking('/apply-template', codeHeaders, template)
    const { prompt } = applied as { prompt: string }
    const text = { content: prompt, add_special: false, parse_special: true }
    const counted = await asking('/tokenize', codeHeaders, text)
    const direct = await ask(`${llamaCpp}/tokenize`, codeHeaders, text)
    assert.deepEqual(counted.value, direct.value)
  })
})
