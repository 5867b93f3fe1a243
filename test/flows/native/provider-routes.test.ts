// `/providers/NAME/…`: the own routes of a model server pass to it as they are.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { findNativePath, type NativeRoute, nativeRoutesOf } from '../../../src/dialects/native/routes.ts'
import { startGateway } from '../../support/app.ts'
import { providerKey, type Setup } from '../../support/gateway-config.ts'
import { exchange, rawRequest } from '../../support/raw-client.ts'
import { chunk, content, hang, head, json, lastChunk, stream } from '../../support/upstream-script.ts'

const kinds = ['llama_cpp', 'ollama', 'vllm', 'openai'] as const

const digest = `sha256:${'0af'.repeat(21)}b`

/** A path of the table as a client writes it. */
const written = (path: string) => path.replace('{slot}', '0').replace('{digest}', digest)

const bodyOf = ({ method }: NativeRoute) =>
  method === 'POST' || method === 'DELETE' ? '{"model": "x"}' : undefined

const of = (kind: (typeof kinds)[number], more: object = {}) =>
  ({ providers: { box: { kind, ...more } } }) as const satisfies Setup

for (const kind of kinds) {
  suite(`a server of kind ${kind}`, () => {
    test('has its routes passed, each with its method, body and query', async (t) => {
      const { gateway, upstream } = await startGateway(t, of(kind, { allow_management: true }))
      for (const route of nativeRoutesOf(kind)) {
        const line = `${route.method} ${written(route.path)}` as const
        upstream.respond(json(200, { ok: 1 }))
        const body = bodyOf(route)
        const request = rawRequest(
          `${route.method} /providers/box${written(route.path)}?a=1&api_key=sk-own`,
          { authorization: 'Bearer sk-own' },
          body,
        )
        const response = await exchange(t, gateway.url, request)
        assert.equal(response.status, 200, line)
        if (route.method !== 'HEAD') assert.equal(response.body().toString(), '{"ok":1}', line)
        assert.equal(response.header('content-security-policy'), "sandbox; default-src 'none'")
        assert.equal(response.header('cache-control'), 'no-store')
        assert.equal(response.header('x-content-type-options'), 'nosniff')
        assert.equal(response.header('cross-origin-resource-policy'), 'same-origin')
        const sent = await upstream.nextRequest()
        assert.equal(`${sent.method} ${sent.target}`, `${line}?a=1`)
        assert.equal(sent.body.toString(), body ?? '')
        assert.equal(sent.header('authorization'), `Bearer ${providerKey}`)
      }
    })

    test('is changed by nobody unless that is allowed', async (t) => {
      const { gateway, upstream } = await startGateway(t, of(kind))
      const routes = nativeRoutesOf(kind).filter(({ needs }) => needs === 'management')
      assert.ok(routes.length > 0)
      for (const route of routes) {
        const line = `${route.method} /providers/box${written(route.path)}` as const
        const response = await exchange(t, gateway.url, rawRequest(line, {}, bodyOf(route)))
        assert.equal(response.status, 403, line)
        assert.equal(response.header('x-llm-gateway-error'), 'management_not_allowed', line)
      }
      assert.equal(upstream.requests.length, 0)
    })

    test('is seen by the user that runs the gateway, and by others only if that is allowed', async (t) => {
      const others = { server: { trusted_proxies: [{ user: 'self' }] } }
      const seen = nativeRoutesOf(kind).filter(({ needs }) => needs === 'own_user')
      assert.ok(seen.length > 0)
      for (const [who, more, headers, expected] of [
        ['own', {}, {}, 200],
        ['other', {}, { 'x-forwarded-for': '203.0.113.1' }, 403],
        ['other, allowed', { allow_management: true }, { 'x-forwarded-for': '203.0.113.1' }, 200],
      ] as const) {
        const { gateway, upstream } = await startGateway(t, { ...others, ...of(kind, more) })
        upstream.respondAlways(json(200, {}))
        for (const { method, path } of seen) {
          const response = await exchange(
            t,
            gateway.url,
            rawRequest(`${method} /providers/box${path}`, headers),
          )
          assert.equal(response.status, expected, `${who}: ${method} ${path}`)
          if (expected === 403) assert.equal(response.header('x-llm-gateway-error'), 'management_not_allowed')
        }
        assert.equal(upstream.requests.length, expected === 200 ? seen.length : 0, who)
      }
    })
  })
}

suite('what passes', () => {
  test('is recorded as a call of the dialect other, with the route and what it used', async (t) => {
    const { gateway, upstream } = await startGateway(t, of('llama_cpp'))
    const timings = { prompt_n: 3, cache_n: 4, predicted_n: 5 }
    upstream.respond(json(200, { content: 'x', timings }))
    await exchange(t, gateway.url, rawRequest('POST /providers/box/infill', {}, '{"input_prefix":"a"}'))
    const line = await gateway.logged({ route: 'POST /infill' })
    const { dialect, provider, status, prompt_tokens, completion_tokens, cached_tokens } = line
    assert.deepEqual(
      { dialect, provider, status, prompt_tokens, completion_tokens, cached_tokens },
      {
        dialect: 'other',
        provider: 'box',
        status: 200,
        prompt_tokens: 7,
        completion_tokens: 5,
        cached_tokens: 4,
      },
    )
  })

  const counted: readonly (readonly [
    what: string,
    body: string,
    type: string,
    prompt: number,
    output: number,
  ])[] = [
    [
      'answers to several prompts',
      '[{"timings":{"prompt_n":2,"predicted_n":3}},{"timings":{"prompt_n":4,"predicted_n":5}}]',
      'application/json',
      6,
      8,
    ],
    [
      'single fields of the timings',
      '{"content":"","timings/prompt_n":2,"timings/predicted_n":9}',
      'application/json',
      2,
      9,
    ],
    [
      "Ollama's counts",
      '{"model":"m","done":true,"prompt_eval_count":11,"eval_count":7}',
      'application/json',
      11,
      7,
    ],
    [
      "Ollama's lines",
      '{"message":{"content":"\\"eval_count\\":99"},"done":false}\n{"done":true,"prompt_eval_count":11,"eval_count":7}\n',
      'application/x-ndjson',
      11,
      7,
    ],
  ]
  for (const [what, body, type, prompt, output] of counted) {
    test(`is counted: ${what}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, of('ollama'))
      upstream.respond(content(200, type, body))
      const response = await exchange(
        t,
        gateway.url,
        rawRequest('POST /providers/box/api/chat', {}, '{"model":"m"}'),
      )
      assert.equal(response.body().toString(), body)
      const line = await gateway.logged({ route: 'POST /api/chat' })
      assert.deepEqual([line['prompt_tokens'], line['completion_tokens']], [prompt, output])
    })
  }

  test('streams events byte for byte, however they are cut', async (t) => {
    const { gateway, upstream } = await startGateway(t, of('llama_cpp'))
    const events =
      'data: {"index":0,"content":"a","stop":false}\n\ndata: {"index":0,"content":"","stop":true,"timings":{"prompt_n":1,"predicted_n":2}}\n\n'
    upstream.respond(stream(events, { splitAt: 'every byte' }))
    const response = await exchange(
      t,
      gateway.url,
      rawRequest('POST /providers/box/completion', {}, '{"prompt":"a","stream":true}'),
    )
    assert.equal(response.body().toString(), events)
    const line = await gateway.logged({ route: 'POST /completion' })
    assert.deepEqual([line['prompt_tokens'], line['completion_tokens']], [1, 2])
  })

  test("streams Ollama's lines as they come", async (t) => {
    const { gateway, upstream } = await startGateway(t, of('ollama'))
    const gate = Promise.withResolvers<void>()
    upstream.respond([
      head(200, { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' }),
      chunk('{"response":"a","done":false}\n'),
      { kind: 'wait', gate: gate.promise },
      chunk('{"response":"","done":true}\n'),
      lastChunk,
    ])
    const response = await fetch(`${gateway.url}/providers/box/api/generate`, {
      method: 'POST',
      body: '{"model":"m"}',
    })
    const reader = response.body!.getReader()
    assert.equal(Buffer.from((await reader.read()).value ?? '').toString(), '{"response":"a","done":false}\n')
    gate.resolve()
    assert.equal(Buffer.from((await reader.read()).value ?? '').toString(), '{"response":"","done":true}\n')
  })

  const leaks: readonly (readonly [what: string, route: string, type: string, lines: readonly string[]])[] = [
    ['a line', '/api/chat', 'application/x-ndjson', ['{"done":false}\n', '{"error":"KEY"}\n']],
    ['the first line', '/api/generate', 'application/x-ndjson', ['{"error":"KEY"}\n']],
    [
      'a last line without its end',
      '/api/chat',
      'application/x-ndjson',
      ['{"done":false}\n', '{"error":"KEY"}'],
    ],
    ['a whole body', '/api/chat', 'application/json', ['{"error":"KEY"}']],
    [
      'a whole body of a route without tokens',
      '/api/show',
      'application/json',
      ['{"error":"KEY","modelfile":""}'],
    ],
  ]
  for (const [what, route, type, lines] of leaks) {
    test(`does not repeat the provider's key in an error in ${what}`, async (t) => {
      for (const splitAt of ['nowhere', 'every byte'] as const) {
        const { gateway, upstream } = await startGateway(t, of('ollama'))
        const body = Buffer.from(lines.join('').replace('KEY', `bad ${providerKey}`))
        const pieces = splitAt === 'nowhere' ? [body] : Array.from(body, (byte) => Buffer.from([byte]))
        upstream.respond([
          head(200, { 'content-type': type, 'transfer-encoding': 'chunked' }),
          ...pieces.map((piece) => chunk(piece)),
          lastChunk,
        ])
        const line = `POST /providers/box${route}` as const
        const response = await exchange(t, gateway.url, rawRequest(line, {}, '{"model":"m"}'))
        assert.equal(response.status, 200)
        assert.equal(response.body().toString(), lines.join('').replace('KEY', 'bad [secret]'))
      }
    })
  }

  test('keeps the errors of its server', async (t) => {
    const { gateway, upstream } = await startGateway(t, of('llama_cpp'))
    for (const [status, message, type] of [
      [501, 'no infill', 'not_supported_error'],
      [404, 'File Not Found', 'not_found_error'],
      [400, 'the request exceeds the context', 'exceed_context_size_error'],
    ] as const) {
      const error = JSON.stringify({ error: { code: status, message, type } })
      upstream.respond(content(status, 'application/json', error))
      const response = await exchange(t, gateway.url, rawRequest('POST /providers/box/infill', {}, '{}'))
      assert.equal(response.status, status)
      assert.equal(response.body().toString(), error)
    }
  })

  test('ends at the server when the client leaves', async (t) => {
    const { gateway, upstream } = await startGateway(t, of('llama_cpp'))
    upstream.respond([hang])
    const leaving = new AbortController()
    const asked = fetch(`${gateway.url}/providers/box/infill`, {
      method: 'POST',
      body: '{}',
      signal: leaving.signal,
    })
    const { outcome } = await upstream.nextRequest()
    leaving.abort()
    await assert.rejects(asked)
    assert.equal((await outcome).kind, 'aborted')
  })

  test('never has a Modelfile', async (t) => {
    const { gateway, upstream } = await startGateway(t, of('ollama', { allow_management: true }))
    const shown = (modelfile: string) =>
      `{"license":"MIT", ${modelfile}"model_info":{"general.size":12345678901234567890}}`
    for (const [given, expected] of [
      [shown('"modelfile": "FROM /home/ann/x.gguf",'), shown('"modelfile": "",')],
      [shown('"model\\u0066ile": "FROM /home/ann/x.gguf",'), shown('"model\\u0066ile": "",')],
      [shown('"modelfile": {"a": ["FROM /home/ann/x.gguf"]},'), shown('"modelfile": "",')],
      [shown(''), shown('')],
    ] as const) {
      upstream.respond(content(200, 'application/json', given))
      const response = await exchange(
        t,
        gateway.url,
        rawRequest('POST /providers/box/api/show', {}, '{"model":"m"}'),
      )
      assert.equal(response.body().toString(), expected)
    }
    for (const given of [
      shown('"Modelfile": "FROM /home/ann/x.gguf",'),
      shown('"modelfile": "","modelfile": "FROM /home/ann/x.gguf",'),
      'FROM /home/ann/x.gguf',
      '',
    ]) {
      upstream.respond(content(200, 'application/json', given))
      const response = await exchange(
        t,
        gateway.url,
        rawRequest('POST /providers/box/api/show', {}, '{"model":"m"}'),
      )
      assert.equal(response.status, 502)
      assert.ok(!response.body().toString().includes('/home/ann'))
    }
  })

  test('is a file for Ollama as well, while it arrives', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      ...of('ollama', { allow_management: true }),
      server: { max_request_body_bytes: 1024 },
    })
    upstream.respond(content(201, 'text/plain', ''))
    const file = Buffer.alloc(100_000, 'x')
    const response = await exchange(
      t,
      gateway.url,
      rawRequest(
        `POST /providers/box/api/blobs/${digest}`,
        { 'content-type': 'application/octet-stream' },
        file.toString(),
      ),
    )
    assert.equal(response.status, 201)
    assert.ok((await upstream.nextRequest()).body.equals(file))
  })

  test("errors under /api have Ollama's form, others OpenAI's", async (t) => {
    const { gateway } = await startGateway(t, of('ollama'))
    const ollama = await exchange(t, gateway.url, rawRequest('POST /providers/box/api/pull', {}, '{}'))
    assert.equal(typeof JSON.parse(ollama.body().toString()).error, 'string')
    const openai = await exchange(t, gateway.url, rawRequest('POST /providers/box/pull', {}, '{}'))
    assert.equal(JSON.parse(openai.body().toString()).error.code, 'unknown_url')
  })
})

suite('a member that changes the server', () => {
  const refused = [
    '{"model":"m","keep_alive":0}',
    '{"model":"m","keep_alive":-1}',
    '{"model":"m","keep_alive":0.0}',
    '{"model":"m","keep_alive":-1e2}',
    '{"model":"m","keep_alive":0.5}',
    '{"model":"m","keep_alive":"0"}',
    '{"model":"m","keep_alive":"0s"}',
    '{"model":"m","keep_alive":"-5m"}',
    '{"model":"m","keep_alive":"1ns"}',
    '{"model":"m","keep_alive":"forever"}',
    '{"model":"m","keep_alive":1e30}',
    '{"model":"m","keep_alive":3E2}',
    '{"model":"m","keep_alive":86401}',
    '{"model":"m","keep_alive":9223372037}',
    '{"model":"m","keep_alive":18446744074}',
    '{"model":"m","keep_alive":"24h0m1s"}',
    '{"model":"m","keep_alive":"2562047h47m17s"}',
    `{"model":"m","keep_alive":${'9'.repeat(400)}}`,
    '{"model":"m","keep_\\u0061live":"0s"}',
    '{"model":"m","keep_alive":[0]}',
    '{"model":"m","options":{"num_ctx":4096}}',
    '{"model":"m","options":{"temperature":1,"num_gpu":0}}',
    '{"model":"m","options":{"num\\u005fthread":1}}',
    '{"model":"m","options":{"main_gpu":1}}',
    '{"model":"m","options":{"use_mmap":false}}',
    `{"model":"m","options":{"stop":["${'x'.repeat(20_000)}"]}}`,
    '{"model":"m","id_slot":0}',
    '{"model":"m","id_slot":"0"}',
    '{"model":"m","id_slot":-1.0}',
  ]
  const passed = [
    '{"model":"m","keep_alive":300}',
    '{"model":"m","keep_alive":300.0}',
    '{"model":"m","keep_alive":86400}',
    '{"model":"m","keep_alive":"24h"}',
    '{"model":"m","keep_alive":"5m"}',
    '{"model":"m","keep_alive":"1h30m"}',
    '{"model":"m","keep_alive":null}',
    '{"model":"m","options":{"num_predict":5,"num_keep":1,"temperature":0}}',
    '{"model":"m","options":null}',
    '{"model":"m","id_slot":-1}',
    '{"model":"m","messages":[{"content":"keep_alive","keep_alive":0,"id_slot":0}]}',
  ]
  /** Read differently by different servers, or not JSON. */
  const malformed = [
    '{"model":"m","keep_alive":"5m","keep_alive":0}',
    '{"model":"m","Keep_Alive":0}',
    '{"model":"m","\\u212aeep_alive":0}',
    '{"model":"m","options":{},"options":{"num_ctx":1}}',
    '{"model":"m","Options":{"num_ctx":1}}',
    '{"model":"m",}',
    '[{"keep_alive":0}]',
    'model=m',
  ]

  test('is refused', async (t) => {
    const { gateway, upstream } = await startGateway(t, of('ollama'))
    for (const body of refused) {
      const response = await exchange(t, gateway.url, rawRequest('POST /providers/box/api/chat', {}, body))
      assert.equal(response.status, 403, body.slice(0, 60))
      assert.equal(response.header('x-llm-gateway-error'), 'management_not_allowed')
    }
    for (const body of malformed) {
      const response = await exchange(t, gateway.url, rawRequest('POST /providers/box/api/chat', {}, body))
      assert.equal(response.status, 400, body)
    }
    const large = `{"model":"m","prompt":"${'x'.repeat(200_000)}","keep_alive":0}`
    assert.equal(
      (await exchange(t, gateway.url, rawRequest('POST /providers/box/api/generate', {}, large))).status,
      403,
    )
    assert.equal(upstream.requests.length, 0)
  })

  test('is refused whatever the media type and the coding say', async (t) => {
    const { gateway, upstream } = await startGateway(t, of('ollama'))
    for (const type of ['text/plain', 'application/octet-stream', 'multipart/form-data; boundary=x']) {
      const request = rawRequest('POST /providers/box/api/chat', { 'content-type': type }, '{"keep_alive":0}')
      assert.equal((await exchange(t, gateway.url, request)).status, 403, type)
    }
    const coded = rawRequest(
      'POST /providers/box/api/chat',
      { 'content-encoding': 'gzip' },
      '{"keep_alive":0}',
    )
    assert.equal((await exchange(t, gateway.url, coded)).status, 415)
    assert.equal(upstream.requests.length, 0)
  })

  test('passes where it changes nothing, and where that is allowed', async (t) => {
    for (const [setup, bodies] of [
      [of('ollama'), passed],
      [of('ollama', { allow_management: true }), [...refused, ...passed, ...malformed]],
    ] as const) {
      const { gateway, upstream } = await startGateway(t, setup)
      upstream.respondAlways(json(200, {}))
      for (const body of bodies) {
        const response = await exchange(t, gateway.url, rawRequest('POST /providers/box/api/chat', {}, body))
        assert.equal(response.status, 200, body.slice(0, 60))
        assert.equal((await upstream.nextRequest()).body.toString(), body)
      }
    }
  })
})

suite('who may use them', () => {
  test('no provider that is not there, or has no such routes', async (t) => {
    const providers = {
      box: { kind: 'llama_cpp' },
      built_in: { kind: 'echo' },
      claude: { kind: 'anthropic' },
    } as const
    const { gateway } = await startGateway(t, { providers, models: { plain: { provider: 'box' } } })
    for (const name of ['other', 'Box', 'constructor', '__proto__', 'built_in', 'claude', 'box2']) {
      const response = await exchange(t, gateway.url, rawRequest(`GET /providers/${name}/health`))
      assert.equal(response.status, 404, name)
      assert.equal(response.header('x-llm-gateway-error'), 'unknown_url')
    }
  })

  test('the message names the route that may be meant', async (t) => {
    const { gateway } = await startGateway(t, of('llama_cpp'))
    const messageOf = async (line: `${string} ${string}`) =>
      JSON.parse((await exchange(t, gateway.url, rawRequest(line))).body().toString()).error.message as string
    assert.match(await messageOf('GET /providers/box/prop'), /Did you mean "GET \/props"\?/)
    assert.match(await messageOf('GET /providers/box/infill'), /the path has POST/)
  })
})

test('a path of the table is found only in the form that it has there', () => {
  for (const path of [
    '/slots/{slot}',
    '/slots/x',
    '/slots/',
    '/slots/1/',
    '/slots/-1',
    '/api/blobs/{digest}',
    'toString',
    '',
  ])
    for (const kind of kinds) assert.deepEqual(findNativePath(kind, path), [], path)
})
