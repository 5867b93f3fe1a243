// What a model's calls need in their requests: members that are set, added and dropped in the bytes for its provider.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RawModel } from '../../src/config/raw.ts'
import { startGateway } from '../support/app.ts'
import { post, reports } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { helloMessage } from '../support/message-events.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'

const start = (t: Cleanup, request: RawModel['request'], more: RawModel = {}) =>
  startGateway(t, {
    models: { plain: { provider: 'scripted', request: request!, ...more } },
    rate_limit_settings: { per_client: {}, limits: { plain: { tpm: 100_000 } } },
  })

/** What the provider gets of a chat call with this body. */
async function sent(
  t: Cleanup,
  request: RawModel['request'],
  body: string,
  more?: RawModel,
): Promise<string> {
  const { gateway, upstream } = await start(t, request, more)
  upstream.respond(whole())
  const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, body))
  assert.equal(response.status, 200, response.body().toString())
  return (await upstream.nextRequest()).body.toString()
}

const odd =
  '{ "model":"plain", "messages":[ {"role":"user","content":"\\u00e9"} ], "temperature" : 1.0, "seed": 12345678901234567890 }'

describe('the bytes for the provider', () => {
  const values: readonly (readonly [string, unknown, string])[] = [
    ['a text', 'é "x"', '"é \\"x\\""'],
    ['a whole number', 40, '40'],
    ['a fraction', 0.2, '0.2'],
    ['zero', 0, '0'],
    ['true', true, 'true'],
    ['false', false, 'false'],
    ['null', null, 'null'],
    ['a list', [1, 'a', [null]], '[1,"a",[null]]'],
    ['an empty list', [], '[]'],
    ['an object', { a: { b: 0.5 } }, '{"a":{"b":0.5}}'],
    ['an empty object', {}, '{}'],
  ]
  for (const [what, value, text] of values) {
    test(`have ${what} where it is set, and otherwise what the client has sent`, async (t) => {
      const there = odd.replace('1.0', text)
      assert.equal(await sent(t, { set: { temperature: value } }, odd), there)
      const added = odd.replace(/ }$/, `,"top_k":${text} }`)
      assert.equal(await sent(t, { set: { top_k: value }, default: { temperature: value } }, odd), added)
    })
  }

  test('lack what is dropped', async (t) => {
    const dropped = odd.replace(', "temperature" : 1.0', '')
    assert.equal(await sent(t, { drop: ['temperature', 'frequency_penalty'] }, odd), dropped)
  })

  test('are the client’s own where nothing changes', async (t) => {
    assert.equal(await sent(t, { default: { temperature: 2 }, drop: ['top_k'] }, odd), odd)
  })

  test('are changed within objects', async (t) => {
    const request = { set: { '/chat_template_kwargs/enable_thinking': false }, drop: ['/options/num_ctx'] }
    const body = '{"model":"plain","messages":[],"options":{"num_ctx":9,"seed":1}}'
    assert.equal(
      await sent(t, request, body),
      '{"model":"plain","messages":[],"options":{"seed":1},"chat_template_kwargs":{"enable_thinking":false}}',
    )
  })

  test('have the provider’s name of the model, too, and the wish for usage', async (t) => {
    const body = '{"model":"plain","stream":true,"messages":[]}'
    assert.equal(
      await sent(t, { set: { top_k: 4 } }, body, { model: 'vendor/deep' }),
      '{"stream_options":{"include_usage":true},"model":"vendor/deep","stream":true,"messages":[],"top_k":4}',
    )
  })

  test('are changed in a large body', async (t) => {
    const content = 'x'.repeat(200_000)
    const body = `{"model":"plain","messages":[{"role":"user","content":"${content}"}],"temperature":1}`
    const request = { set: { temperature: 0 }, default: { top_k: 4 } }
    assert.equal(await sent(t, request, body), body.replace(/:1}$/, ':0,"top_k":4}'))
  })

  test('name members of the provider’s format, also in a translated call', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      providers: { scripted: { speaks: ['chat'] } },
      models: {
        plain: { provider: 'scripted', request: { set: { frequency_penalty: 0.5 }, drop: ['top_p'] } },
      },
    })
    upstream.respond(whole())
    const messages = [{ role: 'user', content: 'hello' }]
    const asked = { model: 'plain', max_tokens: 9, top_p: 0.5, messages }
    const response = await post(gateway, asked, { path: '/v1/messages' })
    assert.equal(response.status, 200)
    const body = JSON.parse((await upstream.nextRequest()).body.toString())
    assert.deepEqual([body.frequency_penalty, 'top_p' in body, body.max_tokens], [0.5, false, 9])
    await gateway.logged({ event: 'call', way: 'messages_chat', changed_members: 2 })
  })

  test('are those of each model for itself when a fallback answers', async (t) => {
    const { gateway, upstreams } = await startGateway(t, {
      providers: { one: {}, other: {} },
      models: {
        plain: { provider: 'one', fallbacks: ['second'], request: { set: { top_k: 1 } } },
        second: { provider: 'other', request: { drop: ['temperature'] } },
      },
    })
    upstreams.one.respond(json(500, {}))
    upstreams.other.respond(whole())
    await post(gateway, '{"model":"plain","messages":[],"temperature":1}')
    const bodyOf = async (name: 'one' | 'other') => (await upstreams[name].nextRequest()).body.toString()
    assert.equal(await bodyOf('one'), '{"model":"plain","messages":[],"temperature":1,"top_k":1}')
    assert.equal(await bodyOf('other'), '{"model":"second","messages":[]}')
  })
})

describe('objects with very many members', () => {
  const many = `{"fp":1${',"fp":1'.repeat(130_000)}}`

  test('are refused where rules look into them', async (t) => {
    const { gateway, upstream } = await start(t, { drop: ['/k/fp'] })
    const body = `{"model":"plain","messages":[],"k":${many}}`
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, body))
    assert.equal(response.status, 400)
    const { error } = JSON.parse(response.body().toString())
    assert.equal(error.code, 'invalid_request')
    assert.match(error.message, /more than 10000 members/)
    assert.equal(upstream.requests.length, 0)
  })

  test('are refused in a translated body, too, and cost no limit', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      providers: { scripted: { speaks: ['chat'] } },
      models: {
        plain: { provider: 'scripted', request: { drop: ['/response_format/json_schema/schema/fp'] } },
      },
    })
    const format = { type: 'json_schema', schema: 'MANY' }
    const messages = [{ role: 'user', content: 'hello' }]
    const asked = JSON.stringify({ model: 'plain', max_tokens: 9, messages, output_config: { format } })
    const body = asked.replace('"MANY"', many)
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/messages', {}, body))
    assert.equal(response.status, 400, response.body().toString())
    assert.match(response.body().toString(), /more than 10000 members/)
    assert.equal(upstream.requests.length, 0)
  })

  test('pass where rules do not', async (t) => {
    const body = `{"model":"plain","messages":[],"k":${many}}`
    assert.equal(await sent(t, { drop: ['/j/fp'] }, body), body)
  })
})

describe('what a call costs', () => {
  test('is estimated with the cap that the provider gets', async (t) => {
    const { gateway, upstream } = await start(t, { set: { max_tokens: 10 } })
    const answered = Promise.withResolvers<void>()
    upstream.respond(
      (async function* () {
        await answered.promise
        yield* whole()
      })(),
    )
    const response = post(gateway, { model: 'plain', messages: [], max_tokens: 200 })
    await upstream.nextRequest()
    const [limit] = await reports(gateway)
    answered.resolve()
    await response
    // 3 tokens of the request, and the answer.
    assert.equal(limit?.used.tokens, 13)
  })

  test('has the number of changes in the log, and in no response', async (t) => {
    const { gateway, upstream } = await start(t, {
      set: { top_k: 4 },
      default: { temperature: 0.5 },
      drop: ['seed'],
    })
    upstream.respond(whole())
    const response = await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, odd))
    assert.equal(response.status, 200)
    const line = await gateway.logged({ event: 'call' })
    assert.equal(line['changed_members'], 2)
    assert.doesNotMatch(JSON.stringify(line), /top_k|seed/)
  })
})

describe('a default for the cap of the answer', () => {
  const ask = (cap: string) => `{"model":"plain","messages":[]${cap}}`
  for (const [name, other] of [
    ['max_tokens', 'max_completion_tokens'],
    ['max_tokens', 'max_output_tokens'],
    ['max_completion_tokens', 'max_tokens'],
    ['max_output_tokens', 'max_tokens'],
  ] as const) {
    test(`${name} is not added where the client has set ${other}`, async (t) => {
      const request = { default: { [name]: 10 } }
      const capped = ask(`,"${other}":20`)
      assert.equal(await sent(t, request, capped), capped)
      assert.equal(await sent(t, request, ask('')), ask(`,"${name}":10`))
    })
  }

  test('keeps the cap of a translated call', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      providers: { scripted: { speaks: ['chat'] } },
      models: {
        plain: { provider: 'scripted', request: { default: { max_tokens: 10, max_completion_tokens: 10 } } },
      },
    })
    upstream.respond(whole())
    await post(gateway, { model: 'plain', input: 'hi', max_output_tokens: 20 }, { path: '/v1/responses' })
    const body = JSON.parse((await upstream.nextRequest()).body.toString())
    const caps = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'].map((name) => body[name])
    assert.deepEqual(
      caps.filter((cap) => cap !== undefined),
      [20],
    )
  })
})

test('calls whose answer is not generated stay as they are', async (t) => {
  const request = { default: { max_tokens: 10 }, set: { temperature: 0 }, drop: ['user'] }
  const { gateway, upstream } = await start(t, request)
  for (const [path, member] of [
    ['/v1/embeddings', 'input'],
    ['/tokenize', 'content'],
  ] as const) {
    upstream.respond(json(200, { data: [], tokens: [] }))
    const body = `{"model":"plain","${member}":"hi","user":"u"}`
    const response = await post(gateway, body, { path })
    assert.equal(response.status, 200, path)
    assert.equal((await upstream.nextRequest()).body.toString(), body, path)
  }
})

test('a body in parts stays as it is', async (t) => {
  const { gateway, upstream } = await start(t, { set: { temperature: 0 } })
  upstream.respond(json(200, { text: 'hi' }))
  const form = new FormData()
  form.set('model', 'plain')
  form.set('file', new Blob(['sound']), 'a.wav')
  const response = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form })
  assert.equal(response.status, 200)
  assert.doesNotMatch((await upstream.nextRequest()).body.toString(), /temperature/)
})

test('a passing call of Messages is changed in its own format', async (t) => {
  const { gateway, upstream } = await start(t, { default: { top_k: 5 } })
  upstream.respond(json(200, helloMessage))
  const body = '{"model":"plain","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}'
  const response = await post(gateway, body, { path: '/v1/messages' })
  assert.equal(response.status, 200)
  assert.equal((await upstream.nextRequest()).body.toString(), body.replace(/}$/, ',"top_k":5}'))
})
