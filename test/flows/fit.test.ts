// Calls go where they fit, by what the configuration says of servers; their own counts mend a wrong estimate.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { post } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { after, json } from '../support/upstream-script.ts'

const usual = {
  small: { context_length: 2000, takes: ['text', 'tools'] },
  large: { context_length: 20_000, takes: ['text', 'image'] },
}

const start = (t: Cleanup, providers: Record<'large' | 'small', object> = usual) =>
  startGateway(t, {
    providers,
    rate_limit_settings: { per_client: {}, when_limited: 'wait', max_wait_ms: 3_000_000 },
    models: {
      both: { targets: [{ provider: 'small' }, { provider: 'large', tier: 2 }] },
      one: { provider: 'small', fallbacks: ['other'] },
      other: { provider: 'large' },
    },
  })

const user = (content: unknown) => ({ messages: [{ role: 'user', content }] })

test('a growing conversation moves to the larger context before the smaller one would refuse it', async (t) => {
  const { gateway, upstreams } = await start(t)
  for (const model of ['both', 'one']) {
    const places: (string | null)[] = []
    for (const words of [100, 600, 1950, 3000]) {
      const usage = { prompt_tokens: words + 7, completion_tokens: 5, total_tokens: words + 12 }
      upstreams[words < 1900 ? 'small' : 'large'].respond(whole(usage))
      const response = await post(gateway, { model, ...user('word '.repeat(words)) })
      assert.equal(response.status, 200)
      places.push(response.headers.get('x-llm-gateway-provider'))
    }
    assert.deepEqual(places, ['small', 'small', 'large', 'large'], model)
    if (model === 'both') {
      const calls = gateway.log().filter(({ event }) => event === 'call')
      const reasons = calls.map(({ placement }) => placement)
      assert.deepEqual(reasons, [undefined, undefined, 'fits', 'fits'])
    }
  }
})

test('an estimate that is wrong is mended by the server’s own count', async (t) => {
  const { gateway, upstreams } = await start(t)
  const message = 'request (2100 tokens) exceeds the available context size (2000 tokens), try increasing it'
  upstreams.small.respond(json(400, { error: { message, type: 'exceed_context_size_error', code: 400 } }))
  upstreams.large.respond(whole())
  const response = await post(gateway, { model: 'both', ...user('字'.repeat(300)) })
  assert.equal(response.headers.get('x-llm-gateway-provider'), 'large')
  await gateway.logged({ event: 'call', attempts: 2, status: 200 })
})

test('an estimate refuses nothing: what fits nowhere is sent to a server', async (t) => {
  const { gateway, upstreams } = await start(t)
  upstreams.small.respond(whole())
  assert.equal((await post(gateway, { model: 'both', ...user('word '.repeat(30_000)) })).status, 200)
})

test('a call that fits nowhere at a model waits for none of its slots, and goes to the fallback', async (t) => {
  const { gateway, upstreams } = await start(t, {
    small: { context_length: 2000, max_parallel_requests: 1 },
    large: { context_length: 20_000 },
  })
  const released = Promise.withResolvers<void>()
  upstreams.small.respond(after(released.promise, whole()))
  upstreams.large.respond(whole())
  const first = post(gateway, { model: 'one', ...user('hi') })
  await upstreams.small.nextRequest()
  const long = await post(gateway, { model: 'one', ...user('word '.repeat(3000)) })
  assert.deepEqual([long.status, long.headers.get('x-llm-gateway-provider')], [200, 'large'])
  released.resolve()
  assert.equal((await first).status, 200)
})

test('images and tools go to a server that takes them', async (t) => {
  const { gateway, upstreams } = await start(t)
  upstreams.small.respondAlways(whole())
  upstreams.large.respondAlways(whole())
  const picture = { type: 'image_url', image_url: { url: 'https://a.example/x.png' } }
  const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }]
  for (const model of ['both', 'one']) {
    const place = async (body: object) =>
      (await post(gateway, { model, ...body })).headers.get('x-llm-gateway-provider')
    assert.equal(await place(user('hi')), 'small')
    assert.equal(await place(user([picture])), 'large')
    assert.equal(await place({ ...user('hi'), tools }), 'small')
  }
})

test('llama.cpp’s 500 for an image and a 501 leave the server as good as it was', async (t) => {
  const targets = [{ provider: 'one' }, { provider: 'other', tier: 2 }]
  const { gateway, upstreams } = await startGateway(t, {
    providers: { one: {}, other: {} },
    models: { both: { targets }, alone: { provider: 'one' } },
  })
  const statesAfter = async (model: string) => {
    const response = await post(gateway, { model, ...user('hi') })
    const { providers } = (await (await fetch(`${gateway.url}/status/data`)).json()) as {
      providers: readonly { name: string; state: string; trouble: string | null }[]
    }
    const states = providers.map(({ name, state, trouble }) => `${name} ${state} ${trouble}`)
    return [response.status, ...states]
  }
  const noImages = 'image input is not supported - hint: you may need to provide the mmproj'
  upstreams.other.respondAlways(whole())
  for (const [status, message] of [
    [500, noImages],
    [501, 'This server does not support embeddings.'],
  ] as const) {
    upstreams.one.respondAlways(json(status, { error: { code: status, message } }))
    assert.deepEqual(await statesAfter('both'), [200, 'one ok null', 'other ok null'])
    assert.deepEqual(await statesAfter('alone'), [status, 'one ok null', 'other ok null'])
  }
})
