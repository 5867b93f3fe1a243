// llama.cpp's own routes at the root: model calls like any other, whose requests name a model or have one by default.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { RawModel } from '../../../src/config/raw.ts'
import { startGateway } from '../../support/app.ts'
import { report } from '../../support/calls.ts'
import { providerKey, type Setup } from '../../support/gateway-config.ts'
import { exchange, rawRequest } from '../../support/raw-client.ts'
import type { ScriptedUpstream } from '../../support/scripted-upstream.ts'
import { after, content, hang, json, stream } from '../../support/upstream-script.ts'

const models = { coder: { provider: 'box', model: 'qwen' }, small: { provider: 'box' } } as const
const setup = { providers: { box: { kind: 'llama_cpp' } }, models } as const satisfies Setup

/** Without the questions about a server of a model that has several. */
const callsOf = ({ requests }: ScriptedUpstream) =>
  requests.filter(({ method }) => method === 'POST').map(({ target }) => target)

const timings = { prompt_n: 3, cache_n: 4, predicted_n: 5 }

const rows: readonly (readonly [path: string, rest: string, response: string])[] = [
  [
    '/infill',
    ',"input_prefix":"a","input_suffix":"b","prompt":"c"',
    `{"content":"x","timings":${JSON.stringify(timings)}}`,
  ],
  ['/completion', ',"prompt":"a"', `{"content":"x","timings":${JSON.stringify(timings)}}`],
  ['/tokenize', ',"content":"a b"', '{"tokens":[1,2]}'],
  ['/detokenize', ',"tokens":[1,2]', '{"content":"a b"}'],
  ['/apply-template', ',"messages":[{"role":"user","content":"a"}]', '{"prompt":"<s>a"}'],
]

suite('a route at the root', () => {
  for (const [path, rest, answer] of rows) {
    test(`is routed by its model, byte for byte: ${path}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, setup)
      for (const [asked, sent] of [
        ['small', 'small'],
        ['coder', 'qwen'],
      ]) {
        for (const prefix of ['', '/v1']) {
          upstream.respond(content(200, 'application/json; charset=utf-8', answer))
          const request = rawRequest(
            `POST ${prefix}${path}`,
            { authorization: 'Bearer sk-own' },
            `{ "model": "${asked}"${rest} }`,
          )
          const response = await exchange(t, gateway.url, request)
          assert.equal(response.status, 200)
          assert.equal(response.body().toString(), answer)
          assert.equal(response.header('x-llm-gateway-provider'), 'box')
          const received = await upstream.nextRequest()
          assert.equal(received.target, path)
          assert.equal(received.body.toString(), `{ "model": "${sent}"${rest} }`)
          assert.equal(received.header('authorization'), `Bearer ${providerKey}`)
        }
      }
      const line = await gateway.logged({ model: 'coder' })
      assert.equal(line['dialect'], 'other')
      assert.equal(line['target_model'], 'qwen')
    })
  }

  test('reranking is what others call rerank', async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    upstream.respond(json(200, { results: [] }))
    const body = '{"model":"small","query":"a","documents":["b"]}'
    assert.equal((await exchange(t, gateway.url, rawRequest('POST /v1/reranking', {}, body))).status, 200)
    const { target, body: sent } = await upstream.nextRequest()
    assert.equal(target, '/v1/rerank')
    assert.equal(sent.toString(), body)
  })

  test('/completions stays a route of OpenAI', async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    upstream.respond(json(200, { choices: [] }))
    const body = '{"model":"small","prompt":"a"}'
    assert.equal((await exchange(t, gateway.url, rawRequest('POST /completions', {}, body))).status, 200)
    assert.equal((await upstream.nextRequest()).target, '/v1/completions')
  })

  test('counts against the limits of its model', async (t) => {
    const rate_limit_settings = { per_client: {}, limits: { small: { rpm: 1, tpm: 1_000 } } }
    const { gateway, upstream } = await startGateway(t, { ...setup, rate_limit_settings })
    upstream.respondAlways(json(200, { content: 'x', timings }))
    const request = rawRequest('POST /infill', {}, '{"model":"small","input_prefix":"a","n_predict":8}')
    assert.equal((await exchange(t, gateway.url, request)).status, 200)
    const { used } = await report(gateway)
    assert.deepEqual([used.requests, used.tokens], [1, 12])
    const refused = await exchange(t, gateway.url, request)
    assert.equal(refused.status, 429)
    assert.equal(JSON.parse(refused.body().toString()).error.code, 'rate_limit_exceeded')
    assert.equal(upstream.requests.length, 1)
  })

  test('reserves as many answers as llama.cpp makes, and counts all of them', async (t) => {
    const rate_limit_settings = { per_client: {}, limits: { small: { tpm: 100_000 } } }
    const { gateway, upstream } = await startGateway(t, { ...setup, rate_limit_settings })
    const gate = Promise.withResolvers<void>()
    const each = { content: 'x', timings: { prompt_n: 3, predicted_n: 5 } }
    upstream.respond(after(gate.promise, json(200, [each, each])))
    const body = '{"model":"small","prompt":"a","n_predict":200,"n_cmpl":2}'
    const answered = exchange(t, gateway.url, rawRequest('POST /infill', {}, body))
    await upstream.nextRequest()
    assert.ok((await report(gateway)).used.tokens >= 400)
    gate.resolve()
    assert.equal((await answered).status, 200)
    assert.equal((await report(gateway)).used.tokens, 16)
  })

  test('reserves its prompt by all that surrounds it', async (t) => {
    const rate_limit_settings = { per_client: {}, limits: { small: { tpm: 1_000 } } }
    const { gateway, upstream } = await startGateway(t, { ...setup, rate_limit_settings })
    upstream.respondAlways(json(200, { content: 'x', timings }))
    const text = 'word '.repeat(2_000)
    for (const more of [
      { input_prefix: text },
      { input_suffix: text },
      { input_extra: [{ filename: 'a.c', text }] },
      { prompt: text },
    ]) {
      const body = JSON.stringify({ model: 'small', n_predict: 1, ...more })
      const response = await exchange(t, gateway.url, rawRequest('POST /infill', {}, body))
      assert.equal(response.status, 429, JSON.stringify(Object.keys(more)))
    }
    const tokenized = JSON.stringify({ model: 'small', content: text })
    assert.equal((await exchange(t, gateway.url, rawRequest('POST /tokenize', {}, tokenized))).status, 200)
  })

  test('streams events byte for byte until its last one, and counts them', async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    const events = `data: {"index":0,"content":"a","tokens":[5],"stop":false,"id_slot":-1}\n\ndata: {"index":0,"content":"","stop":true,"prompt":"\\"usage\\":","timings":${JSON.stringify(timings)}}\n\n`
    upstream.respond(stream(events, { splitAt: 'every byte' }))
    const request = rawRequest('POST /completion', {}, '{"model":"small","prompt":"a","stream":true}')
    const response = await exchange(t, gateway.url, request)
    assert.equal(response.body().toString(), events)
    const { prompt_tokens, completion_tokens, cached_tokens, estimated, status } = await gateway.logged({
      model: 'small',
    })
    assert.deepEqual(
      { prompt_tokens, completion_tokens, cached_tokens, estimated, status },
      {
        prompt_tokens: 7,
        completion_tokens: 5,
        cached_tokens: 4,
        estimated: false,
        status: 200,
      },
    )
  })

  test('a stream that is cut ends with an error, and one that fails ends with its own', async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    const request = rawRequest('POST /completion', {}, '{"model":"small","prompt":"a","stream":true}')
    const begun = 'data: {"content":"a","stop":false}\n\n'
    upstream.respond(stream(begun))
    const cut = (await exchange(t, gateway.url, request)).body().toString()
    assert.ok(cut.startsWith(begun))
    assert.match(cut.slice(begun.length), /^data: \{"error":\{"message":/)
    const failed = `${begun}data: {"error":{"code":500,"message":"x","type":"server_error"}}\n\n`
    upstream.respond(stream(failed))
    assert.equal((await exchange(t, gateway.url, request)).body().toString(), failed)
  })

  test('ends at the server when the client leaves', async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    upstream.respond([hang])
    const leaving = new AbortController()
    const asked = fetch(`${gateway.url}/infill`, {
      method: 'POST',
      body: '{"model":"small","prompt":"a"}',
      headers: { 'content-type': 'application/json' },
      signal: leaving.signal,
    })
    const { outcome } = await upstream.nextRequest()
    leaving.abort()
    await assert.rejects(asked)
    assert.equal((await outcome).kind, 'aborted')
    await gateway.logged({ model: 'small', status: 499 })
  })

  test('goes on to another server of the model, and to none that has no such route', async (t) => {
    const { gateway, upstreams } = await startGateway(t, {
      providers: { plain: { kind: 'ollama' }, box: { kind: 'llama_cpp' } },
      models: {
        small: { targets: [{ provider: 'plain' }, { provider: 'box' }] },
        other: { provider: 'plain' },
      },
    })
    upstreams.box.respondAlways(json(200, { content: 'x' }))
    const ask = (model: string) =>
      exchange(t, gateway.url, rawRequest('POST /infill', {}, `{"model":"${model}","prompt":"a"}`))
    for (let index = 0; index < 4; index += 1) assert.equal((await ask('small')).status, 200)
    const refused = await ask('other')
    assert.equal(refused.status, 404)
    const { message, code } = JSON.parse(refused.body().toString()).error
    assert.equal(code, 'unknown_url')
    assert.equal(message, 'Provider "plain" has no /infill. It is a route of llama.cpp.')
    assert.deepEqual(callsOf(upstreams.plain), [])
  })

  test("keeps the server's own refusal", async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    const error =
      '{"error":{"code":501,"message":"Infill is not supported by this model","type":"not_supported_error"}}'
    upstream.respond(content(501, 'application/json', error))
    const response = await exchange(t, gateway.url, rawRequest('POST /infill', {}, '{"model":"small"}'))
    assert.equal(response.status, 501)
    assert.equal(response.body().toString(), error)
  })
})

suite('a request that names no model', () => {
  test('is refused with the key that names one', async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    for (const [path, key] of [
      ['/infill', 'infill'],
      ['/completion', 'native'],
      ['/tokenize', 'native'],
    ]) {
      const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, {}, '{"prompt":"a"}'))
      assert.equal(response.status, 400)
      const { message, param } = JSON.parse(response.body().toString()).error
      assert.equal(param, 'model')
      assert.match(message, new RegExp(`Name one, or set routes\\.default_model\\.${key} `))
    }
    assert.equal(upstream.requests.length, 0)
  })

  test('goes to the default, with the name of its target', async (t) => {
    for (const [default_model, infill, completion] of [
      [{ infill: 'coder' }, 'qwen', undefined],
      [{ native: 'coder' }, 'qwen', 'qwen'],
      [{ native: 'small', infill: 'coder' }, 'qwen', 'small'],
    ] as const) {
      const { gateway, upstream } = await startGateway(t, { ...setup, routes: { default_model } })
      upstream.respondAlways(json(200, { content: '' }))
      for (const [path, model] of [
        ['/infill', infill],
        ['/completion', completion],
      ] as const) {
        const response = await exchange(t, gateway.url, rawRequest(`POST ${path}`, {}, '{"prompt":"a"}'))
        assert.equal(response.status, model === undefined ? 400 : 200, path)
        if (model === undefined) continue
        assert.equal((await upstream.nextRequest()).body.toString(), `{"model":"${model}","prompt":"a"}`)
      }
    }
  })

  test('as llama.vim writes it, works with one URL', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      ...setup,
      routes: { default_model: { infill: 'coder' } },
    })
    const body = JSON.stringify({
      id_slot: 0,
      input_prefix: 'int main() {\n',
      input_suffix: '\n}\n',
      input_extra: [{ text: 'x', time: [1, 2], filename: 'a.c' }],
      prompt: '  ret',
      n_predict: 128,
      stop: [],
      n_cmpl: 1,
      n_indent: 2,
      samplers: ['top_k', 'top_p', 'infill'],
      stream: false,
      cache_prompt: true,
      response_fields: ['content', 'timings/prompt_n', 'timings/predicted_n'],
    })
    upstream.respond(json(200, { content: 'urn 0;', 'timings/prompt_n': 6, 'timings/predicted_n': 3 }))
    const response = await exchange(t, gateway.url, rawRequest('POST /infill', { accept: '*/*' }, body))
    assert.equal(JSON.parse(response.body().toString()).content, 'urn 0;')
    // The request with which it warms the server's cache up, whose answer is empty.
    upstream.respond(json(200, {}))
    const warming = { ...JSON.parse(body), n_predict: 0, response_fields: [''] }
    assert.equal(
      (await exchange(t, gateway.url, rawRequest('POST /infill', {}, JSON.stringify(warming)))).status,
      200,
    )
    const { prompt_tokens, completion_tokens } = await gateway.logged({ dialect: 'other' })
    assert.deepEqual([prompt_tokens, completion_tokens], [6, 3])
  })
})

suite('a slot of the client’s choice', () => {
  const ask = (slot: string, id = 'one') =>
    rawRequest('POST /infill', { 'x-request-id': id }, `{"model":"small","prompt":"a","id_slot":${slot}}`)

  test('is the server’s, as editors do not mean to manage it, and the log names what was left out', async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    upstream.respondAlways(json(200, { content: '' }))
    for (const [id, slot, sent, dropped] of [
      ['number', '0', '-1', ['id_slot']],
      ['text', '"0"', '-1', ['id_slot']],
      ['list', '[ {} ]', '-1', ['id_slot']],
      ['any', '-1', '-1', undefined],
      ['none', 'null', 'null', undefined],
    ] as const) {
      assert.equal((await exchange(t, gateway.url, ask(slot, id))).status, 200, slot)
      const { body } = await upstream.nextRequest()
      assert.equal(body.toString(), `{"model":"small","prompt":"a","id_slot":${sent}}`)
      assert.deepEqual((await gateway.logged({ request_id: id }))['dropped'], dropped, slot)
    }
  })

  test('is so in the formats of OpenAI too, on every way that passes it', async (t) => {
    const { gateway, upstream } = await startGateway(t, setup)
    upstream.respondAlways(json(200, { choices: [], output: [], data: [] }))
    const rest = '"messages":[],"input":"a","prompt":"a"}'
    for (const path of ['/chat/completions', '/completions', '/responses', '/embeddings']) {
      for (const [member, slot] of [
        ['"id_slot":1', -1],
        ['"id\\u005fslot":1', -1],
        ['"ID_SLOT":1', undefined],
        ['"id_slot":-1', -1],
        ['"id_slot":null', null],
      ] as const) {
        const request = rawRequest(`POST /v1${path}`, {}, `{"model":"small",${member},${rest}`)
        const { status } = await exchange(t, gateway.url, request)
        assert.equal(status, slot === undefined ? 400 : 200, `${path} ${member}`)
        if (slot === undefined) continue
        const sent = upstream.requests.at(-1)!.body.toString()
        assert.equal(JSON.parse(sent).id_slot, slot, `${path} ${member}`)
      }
    }
  })

  test('is the client’s at a server that allows management', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      ...setup,
      providers: { box: { kind: 'llama_cpp', allow_management: true } },
    })
    upstream.respond(json(200, { content: '' }))
    assert.equal((await exchange(t, gateway.url, ask('0'))).status, 200)
    assert.equal(JSON.parse((await upstream.nextRequest()).body.toString()).id_slot, 0)
    assert.equal((await gateway.logged({ event: 'call' }))['dropped'], undefined)
  })

  test('is what a rule of the model makes of it', async (t) => {
    const rules: readonly (readonly [request: NonNullable<RawModel['request']>, slot: number | undefined])[] =
      [
        [{ set: { id_slot: 2 } }, 2],
        [{ set: { id_slot: 0 } }, 0],
        [{ drop: ['id_slot'] }, undefined],
        [{ default: { id_slot: 2 } }, -1],
      ]
    for (const [request, slot] of rules) {
      const small = { provider: 'box', request }
      const { gateway, upstream } = await startGateway(t, { ...setup, models: { small } })
      upstream.respond(json(200, { content: '' }))
      assert.equal((await exchange(t, gateway.url, ask('0'))).status, 200)
      assert.equal(JSON.parse((await upstream.nextRequest()).body.toString()).id_slot, slot)
    }
  })
})
