// A gateway that reports what needs a person to a service on a real socket: what it posts, and what is never in it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { suite, test, type TestContext } from 'node:test'

import type { RawConfig } from '../../src/config/raw.ts'
import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { providerKey, type Setup } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { findKey } from '../support/key-forms.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { json } from '../support/upstream-script.ts'

const prompt = 'a-prompt-that-nobody-may-read-4711'
const words = 'words-of-the-provider-0815'
const path = '/hook/secret-path-9931'

const whole = {
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
}
const ask = (gateway: { readonly url: string }, model = 'plain') =>
  chat(gateway, model, { messages: [{ role: 'user', content: prompt }] })

const hook: RawConfig['notify'] = {
  sinks: { team: { kind: 'webhook', url: { env: 'HOOK' } } },
  quiet_start_ms: 0,
}

interface Notice {
  readonly kind: string
  readonly rule: string
  readonly subject: string
}

function noticesOf({ received }: Receiver): string[] {
  return received
    .flatMap(({ body }) => (body as { notices: Notice[] }).notices)
    .map(({ kind, rule, subject }) => `${kind} ${rule} of ${subject}`)
}

/** Neither keys, prompts, URLs nor words of others. */
function assertOwnWords({ received }: Receiver): void {
  const text = received.map((each) => each.text).join('\n')
  assert.deepEqual(findKey(text, providerKey), [])
  for (const secret of [prompt, words, 'secret-path', '127.0.0.1']) assert.ok(!text.includes(secret), secret)
}

/** Lets time go by until so many notices have come. */
function passing(clock: FakeClock, receiver: Receiver, count: number): Promise<void> {
  return until(() => {
    if (noticesOf(receiver).length < count) clock.advance(2_000)
    return noticesOf(receiver).length >= count
  }, `${count} notices`)
}

suite('a gateway with a service to notify', () => {
  async function start(t: TestContext, more: Partial<Setup> = {}) {
    const receiver = await startReceiver(t)
    const clock = new FakeClock()
    const env = { HOOK: receiver.url + path }
    const started = await startGateway(t, { notify: hook, ...more } as Setup<'scripted'>, {
      env,
      clock,
      stateDirectory: scratchDirectory(t),
    })
    return { ...started, receiver, clock }
  }

  for (const workers of [1, 2]) {
    test(`reports a key that is refused, and that it is accepted again, with ${workers} threads`, async (t) => {
      const receiver = await startReceiver(t)
      const env = { HOOK: receiver.url + path }
      const { gateway, upstream } = await startGateway(t, { server: { workers }, notify: hook }, { env })
      upstream.respond(json(401, { error: { message: `${words} ${providerKey}`, code: 'invalid_api_key' } }))
      assert.equal((await ask(gateway)).status, 502)
      await receiver.count(1)
      assert.deepEqual(noticesOf(receiver), ['firing ProviderAuth of scripted'])
      assert.equal(receiver.received[0]?.path, path)
      await gateway.logged({ event: 'notification_sent', sink: 'team', notices: 1 })
      const page = (await (await fetch(`${gateway.url}/status/data`)).json()) as { attention: Notice[] }
      assert.deepEqual(
        page.attention.map(({ rule, subject }) => [rule, subject]),
        [['ProviderAuth', 'scripted']],
      )
      upstream.respondAlways(json(200, whole))
      assert.equal((await ask(gateway)).status, 200)
      await until(() => gateway.app.attention().length === 0, 'the end of the condition')
      assertOwnWords(receiver)
    })
  }

  test('reports a provider that is away for five minutes, and its return', async (t) => {
    const { gateway, upstream, receiver, clock } = await start(t, {
      routing: { retries: 0, restart_wait_ms: 0, cooldown_ms: 30_000 },
    })
    const { url } = upstream
    await upstream.close()
    for (let minute = 0; minute < 7; minute++) {
      assert.equal((await ask(gateway)).status, 502)
      clock.advance(60_000)
    }
    await passing(clock, receiver, 1)
    await serveAgain(t, url)
    await until(async () => {
      await ask(gateway)
      clock.advance(2_000)
      return noticesOf(receiver).includes('recovered ProviderDown of scripted')
    }, 'the return')
    assert.ok(noticesOf(receiver).includes('firing ProviderDown of scripted'))
    assertOwnWords(receiver)
  })

  test('reports a configuration that was refused when that has lasted', async (t) => {
    const { gateway, receiver, clock } = await start(t)
    gateway.app.events.emit({ kind: 'reload_refused', config: '/x.yaml', problems: ['a', 'b'] })
    clock.advance(2_000)
    assert.deepEqual(
      gateway.app.attention().map(({ rule, state }) => [rule, state]),
      [['ReloadRefused', 'pending']],
    )
    clock.advance(5 * 60_000)
    await receiver.count(1)
    gateway.app.events.emit({ kind: 'reloaded', config: '/x.yaml', needs_restart: [] })
    await passing(clock, receiver, 2)
    assert.deepEqual(noticesOf(receiver), [
      'firing ReloadRefused of gateway',
      'recovered ReloadRefused of gateway',
    ])
  })

  test('reports a budget that is nearly spent, and that it is renewed', async (t) => {
    const { gateway, upstream, receiver, clock } = await start(t, {
      providers: { scripted: { price: { input: 10_000, output: 0 } } },
      budgets: { total: [{ usd: 10, per: 'day' }] },
    })
    const usage = { prompt_tokens: 900, completion_tokens: 0, total_tokens: 900 }
    upstream.respond(json(200, { ...whole, usage }))
    assert.equal((await ask(gateway)).status, 200)
    await passing(clock, receiver, 1)
    assert.match(
      receiver.received[0]!.text,
      /The budget of all clients together, 10 usd\/day, is nearly spent\.","why":"9 USD are spent\. It is renewed on \d+ \w{3} \d{4}, \d\d:\d\d UTC\./,
    )
    clock.advance(24 * 3_600_000)
    await until(() => {
      clock.advance(2_000)
      return noticesOf(receiver).includes('recovered Budget of all clients together, usd per day')
    }, 'its end')
    assert.equal(noticesOf(receiver)[0], 'firing Budget of all clients together, usd per day')
  })

  test('follows a reload to other services', async (t) => {
    const { gateway, upstream, receiver, clock } = await start(t)
    const other = { sinks: { team: { kind: 'slack', url: { env: 'HOOK' } } }, quiet_start_ms: 0 } as const
    const providers = { scripted: { base_url: `${upstream.url}/v1`, api_key: { env: 'SCRIPTED_KEY' } } }
    assert.deepEqual(await gateway.reload({ providers, notify: other }), [])
    upstream.respondAlways(json(401, {}))
    await ask(gateway)
    clock.advance(2_000)
    const [message] = await receiver.count(1)
    assert.match(
      (message!.body as { text: string }).text,
      /^Critical: The provider scripted refuses the gateway's key\./,
    )
  })

  test('goes on serving when the service does not answer', async (t) => {
    const { gateway, upstream, receiver, clock } = await start(t)
    receiver.answer = { hangs: true }
    upstream.respond(json(401, {}))
    await ask(gateway)
    clock.advance(2_000)
    await receiver.count(1)
    upstream.respondAlways(json(200, whole))
    assert.equal((await ask(gateway)).status, 200)
    await gateway.stop()
  })
})

suite('a gateway process', () => {
  test('reports nothing again after a restart, and the end of what it reported before it', async (t) => {
    const receiver = await startReceiver(t)
    const state = scratchDirectory(t)
    const env = { HOOK: receiver.url + path, XDG_STATE_HOME: state }
    const first = await startGatewayProcess(t, { notify: hook }, env)
    first.upstream.respond(json(401, {}))
    await ask(first.gateway)
    await receiver.count(1)
    await first.gateway.says(/"event":"notification_sent"/)
    await first.gateway.stop()

    const second = await startGatewayProcess(t, { notify: hook }, env)
    second.upstream.respond(json(401, {}))
    await ask(second.gateway)
    second.upstream.respondAlways(json(200, whole))
    await until(async () => {
      await ask(second.gateway)
      return receiver.received.length > 1
    }, 'the end')
    assert.deepEqual(noticesOf(receiver), [
      'firing ProviderAuth of scripted',
      'recovered ProviderAuth of scripted',
    ])
    assertOwnWords(receiver)
  })
})

/** A provider at an address where another one was. */
async function serveAgain(t: TestContext, url: string): Promise<void> {
  const server = createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.setHeader('content-type', 'application/json').end(JSON.stringify(whole)))
  })
  server.listen(Number(new URL(url).port), '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
}
