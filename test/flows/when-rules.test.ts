// Models whose rules lead calls to other models.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { post, reports } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'

const rules = {
  when: [
    { prompt_tokens_over: 2000, use: 'big' },
    { images: true, use: 'vision' },
    { thinking: true, use: 'reasoner' },
    { tools: true, use: 'caller' },
  ],
  use: 'coder',
}

const names = ['big', 'vision', 'reasoner', 'caller', 'coder']

const start = (t: Cleanup, more: object = {}) =>
  startGateway(t, {
    models: {
      any: { ...rules, aliases: ['claude-any'] },
      'claude-*': { when: [{ images: true, use: 'vision' }], use: 'any' },
      ...Object.fromEntries(names.map((name) => [name, { provider: 'scripted' }])),
    },
    ...more,
  })

const user = (content: unknown) => ({ messages: [{ role: 'user', content }] })
const picture = { type: 'image_url', image_url: { url: 'https://a.example/x.png' } }
const tool = {
  type: 'function',
  function: { name: 'f', parameters: { properties: { type: { const: 'image' } } } },
}

describe('a call goes to the model of the first rule that fits', () => {
  const calls: readonly (readonly [string, string, object, string])[] = [
    ['a plain one', '/v1/chat/completions', user('hi'), 'coder'],
    ['one with an image', '/v1/chat/completions', user([picture]), 'vision'],
    ['one that quotes an image', '/v1/chat/completions', user(JSON.stringify(picture)), 'coder'],
    ['one with tools', '/v1/chat/completions', { ...user('hi'), tools: [tool] }, 'caller'],
    ['one with an empty list of tools', '/v1/chat/completions', { ...user('hi'), tools: [] }, 'coder'],
    [
      'one that asks for effort',
      '/v1/chat/completions',
      { ...user('hi'), reasoning_effort: 'low' },
      'reasoner',
    ],
    ['one that asks for none', '/v1/chat/completions', { ...user('hi'), reasoning_effort: 'none' }, 'coder'],
    ['a long one', '/v1/chat/completions', { ...user('words '.repeat(3000)), tools: [tool] }, 'big'],
    [
      'one of Messages that thinks',
      '/v1/messages',
      { ...user('hi'), max_tokens: 9, thinking: { type: 'enabled', budget_tokens: 1024 } },
      'reasoner',
    ],
    [
      'one of Messages that does not',
      '/v1/messages',
      { ...user('hi'), max_tokens: 9, thinking: { type: 'disabled' } },
      'coder',
    ],
    [
      'one of Messages with an image',
      '/v1/messages',
      { ...user([{ type: 'image', source: { type: 'url', url: 'https://a.example/x' } }]), max_tokens: 9 },
      'vision',
    ],
    [
      'one of Responses with an image',
      '/v1/responses',
      { input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] },
      'vision',
    ],
    [
      'one of Responses that reasons',
      '/v1/responses',
      { input: 'hi', reasoning: { effort: 'high' } },
      'reasoner',
    ],
    ['a completion', '/v1/completions', { prompt: 'hi' }, 'coder'],
  ]
  for (const [what, path, body, model] of calls) {
    test(what, async (t) => {
      const { gateway, upstream } = await start(t)
      upstream.respond(json(500, {}))
      await post(gateway, { model: 'claude-any', ...body }, { path })
      assert.equal(JSON.parse((await upstream.nextRequest()).body.toString()).model, model)
      await gateway.logged({ event: 'call', model, asked: 'claude-any' })
    })
  }
})

test('limits, the log and the response are of the model that answers', async (t) => {
  const { gateway, upstream } = await start(t, {
    rate_limit_settings: { per_client: {}, limits: { vision: { rpm: 9 }, any: { rpm: 1 } } },
  })
  upstream.respondAlways(whole())
  for (let calls = 1; calls <= 2; calls++) {
    const response = await post(gateway, { model: 'any', ...user([picture]) })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('x-ratelimit-limit-requests'), '9')
  }
  const used = Object.fromEntries((await reports(gateway)).map((each) => [each.model, each.used.requests]))
  assert.deepEqual(used, { any: 0, vision: 2 })
  await gateway.logged({ event: 'call', model: 'vision', asked: 'any', rule: 'images: true' })
})

test('a wildcard leads on, and its targets are those of where it leads', async (t) => {
  const { gateway, upstream } = await start(t)
  upstream.respondAlways(whole())
  const sent = async (body: object) => {
    await post(gateway, { model: 'claude-sonnet-5-5', ...body })
    return JSON.parse((await upstream.nextRequest()).body.toString()).model
  }
  assert.equal(await sent(user('hi')), 'coder')
  assert.equal(await sent(user([picture])), 'vision')
  await gateway.logged({ model: 'vision', asked: 'claude-sonnet-5-5', rule: 'images: true' })
})

test('a model with a provider answers what no rule fits', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    models: {
      plain: { provider: 'scripted', when: [{ images: true, thinking: false, use: 'vision' }] },
      vision: { provider: 'scripted' },
    },
  })
  upstream.respondAlways(whole())
  const sent = async (body: object) => {
    await post(gateway, { model: 'plain', ...body })
    return JSON.parse((await upstream.nextRequest()).body.toString()).model
  }
  assert.equal(await sent(user('hi')), 'plain')
  assert.equal(await sent({ ...user([picture]), reasoning_effort: 'high' }), 'plain')
  assert.equal(await sent(user([picture])), 'vision')
  const [first] = gateway.log().filter(({ event }) => event === 'call')
  assert.deepEqual([first!['asked'], first!['rule']], [undefined, undefined])
})

test('a fallback that leads on is the model that it leads to', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    providers: { broken: {}, scripted: {} },
    models: {
      plain: { provider: 'broken', fallbacks: ['any'] },
      any: { use: 'coder' },
      coder: { provider: 'scripted' },
    },
  })
  upstreams.broken.respond(json(500, {}))
  upstreams.scripted.respond(whole())
  assert.equal((await post(gateway, { model: 'plain', ...user('hi') })).status, 200)
  await gateway.logged({ event: 'call', fallback_model: 'coder' })
})

describe('a client’s list of models', () => {
  const startFor = (t: Cleanup, models: string[]) => start(t, { clients: { default: { models } } })

  test('passes over a rule for another model', async (t) => {
    const { gateway, upstream } = await startFor(t, ['any', 'coder'])
    upstream.respond(whole())
    assert.equal((await post(gateway, { model: 'any', ...user([picture]) })).status, 200)
    assert.equal(JSON.parse((await upstream.nextRequest()).body.toString()).model, 'coder')
  })

  test('refuses where the rest leads to another model', async (t) => {
    const { gateway, upstream } = await startFor(t, ['any', 'vision'])
    const response = await post(gateway, { model: 'any', ...user('hi') })
    assert.equal(response.status, 403)
    assert.match(await response.text(), /may not use the model \\"coder\\"/)
    assert.equal(upstream.requests.length, 0)
  })

  test('has to have the name that leads there, too', async (t) => {
    const { gateway } = await startFor(t, ['coder'])
    assert.equal((await post(gateway, { model: 'any', ...user('hi') })).status, 403)
  })

  test('counts for the model that a fallback leads to, also by a wildcard', async (t) => {
    const { gateway, upstreams } = await startGateway(t, {
      providers: { broken: {}, scripted: {} },
      models: {
        plain: { provider: 'broken', fallbacks: ['any'] },
        any: { use: 'coder-1' },
        'coder-*': { provider: 'scripted' },
      },
      clients: { default: { models: ['plain', 'any'] } },
    })
    upstreams.broken.respondAlways(json(500, {}))
    assert.notEqual((await post(gateway, { model: 'plain', ...user('hi') })).status, 200)
    assert.equal(upstreams.scripted.requests.length, 0)
  })
})

test('a boundary holds for where the model leads', async (t) => {
  const { gateway, upstream } = await startGateway(t, {
    providers: { scripted: {}, cloud: { base_url: 'https://a.example/v1' } },
    models: {
      any: { when: [{ images: true, use: 'cloudy' }], use: 'coder' },
      coder: { provider: 'scripted' },
      cloudy: { provider: 'cloud' },
    },
  })
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-llm-gateway-boundary': 'local' },
    body: JSON.stringify({ model: 'any', ...user([picture]) }),
  })
  assert.equal(response.status, 403)
  assert.match(await response.text(), /any → cloudy → cloud \(a\.example\)/)
  assert.equal(upstream.requests.length, 0)
})

test('a model that leads on is listed with the provider of where it leads', async (t) => {
  const { gateway } = await start(t)
  const list = (await (await fetch(`${gateway.url}/v1/models`)).json()) as {
    data: { id: string; owned_by: string }[]
  }
  const owners = Object.fromEntries(list.data.map(({ id, owned_by: owner }) => [id, owner]))
  assert.deepEqual([owners['any'], owners['claude-any']], ['scripted', 'scripted'])
})

test('tokens are counted by the model that a call would go to', async (t) => {
  const { gateway, upstream } = await start(t)
  upstream.respond(json(200, { input_tokens: 12 }))
  const response = await post(gateway, { model: 'any', ...user('hi') }, { path: '/v1/messages/count_tokens' })
  assert.deepEqual(await response.json(), { input_tokens: 12 })
  assert.equal(JSON.parse((await upstream.nextRequest()).body.toString()).model, 'coder')
})
