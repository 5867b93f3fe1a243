// What people of local models look for in the line of a finished call: speeds, the time to the first token, the cache, and why the
// call went where it went.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { chat, sendChat } from '../support/calls.ts'
import { delta, usageEvent, whole } from '../support/chat-content.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { chunk, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'

const event = (data: string) => chunk(`data: ${data}\n\n`)

test('a stream’s line has its speeds, without what the provider had cached', async (t) => {
  const clock = new FakeClock()
  const { gateway, upstream } = await startGateway(t, {}, { clock })
  const gates = [0, 1].map(() => Promise.withResolvers<void>())
  upstream.respond([
    wait(gates[0]!.promise),
    streamHead(),
    event(delta('a')),
    wait(gates[1]!.promise),
    event(delta('b')),
    event(
      usageEvent({
        prompt_tokens: 1_100,
        completion_tokens: 41,
        total_tokens: 1_141,
        prompt_tokens_details: { cached_tokens: 100 },
      }),
    ),
    event('[DONE]'),
    lastChunk,
  ])
  const client = await sendChat(t, gateway, { model: 'plain', stream: true })
  await upstream.nextRequest()
  clock.advance(500)
  gates[0]!.resolve()
  await client.seen('"a"')
  clock.advance(2_000)
  gates[1]!.resolve()
  await client.response()
  const line = await gateway.logged({ event: 'call' })
  const { first_token_ms, prompt_per_second, tokens_per_second, cached_tokens, placement } = line
  assert.deepEqual(
    [first_token_ms, prompt_per_second, tokens_per_second, cached_tokens, placement],
    [500, 2_000, 20, 100, undefined],
  )
})

test('the line of a whole response has no speeds', async (t) => {
  const { gateway, upstream } = await startGateway(t)
  upstream.respond(whole())
  await chat(gateway, 'plain')
  const line = await gateway.logged({ event: 'call' })
  for (const name of ['first_token_ms', 'prompt_per_second', 'tokens_per_second'])
    assert.ok(!(name in line), name)
})

for (const workers of [1, 2]) {
  suite(`why a call went where it went, with ${workers} threads`, () => {
    const models = {
      both: { targets: [{ provider: 'one' }, { provider: 'two' }] },
      spare: { provider: 'two', model: 'spare' },
      falls: { provider: 'one', fallbacks: ['spare'] },
    }
    const providers = { one: {}, two: {} }
    const setup = { server: { workers }, models, providers }

    test('by turns, then at another target after the first has failed', async (t) => {
      const { gateway, upstreams } = await startGateway(t, {
        ...setup,
        routing: { retries: 2, cooldown_ms: 0 },
      })
      for (const upstream of Object.values(upstreams)) upstream.respondAlways(whole())
      await chat(gateway, 'both', { messages: [{ role: 'user', content: 'one' }] })
      assert.equal((await gateway.logged({ model: 'both' }))['placement'], 'turn')
      const failing = json(500, { error: { message: 'no' } })
      const [one, two] = [upstreams.one.requests.length, upstreams.two.requests.length]
      for (const upstream of Object.values(upstreams)) upstream.respond(failing)
      await chat(gateway, 'both', { messages: [{ role: 'user', content: 'two' }] })
      assert.ok(upstreams.one.requests.length > one && upstreams.two.requests.length > two)
      await gateway.logged({ model: 'both', placement: 'failover' })
    })

    test('with another model', async (t) => {
      const { gateway, upstreams } = await startGateway(t, setup)
      upstreams.one.respondAlways(json(500, { error: { message: 'no' } }))
      upstreams.two.respondAlways(whole())
      await chat(gateway, 'falls')
      assert.equal((await gateway.logged({ fallback_model: 'spare' }))['placement'], 'fallback')
    })
  })
}
