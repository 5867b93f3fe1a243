// What calls leave in the metrics, seen as a scraper sees it.
import assert from 'node:assert/strict'
import { utimesSync } from 'node:fs'
import { suite, test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { chat, post, report } from '../support/calls.ts'
import { delta, usageEvent, whole } from '../support/chat-content.ts'
import { writeScratch } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { echo } from '../support/gateway-config.ts'
import { scrape } from '../support/metrics-text.ts'
import { commander, obedientEntry } from '../support/obedient-workers.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'
import { hang, json, sse, wait } from '../support/upstream-script.ts'
import { startDiscovering, startModelServer } from './model-servers.ts'

const total = 'llm_gateway_calls_total'

suite('a call counts', () => {
  test('with its tokens and its time, as what it is', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const parts = {
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 2 },
    }
    upstream.respond(whole({ prompt_tokens: 7, completion_tokens: 5, total_tokens: 12, ...parts }))
    await chat(gateway, 'short')

    const metrics = await scrape(gateway)
    const pair = { model: 'renamed', provider: 'scripted' }
    assert.equal(metrics.value(total, { ...pair, dialect: 'chat', outcome: 'ok' }), 1)
    assert.equal(metrics.sum(total), 1)
    assert.equal(metrics.value('llm_gateway_input_tokens_total', pair), 7)
    assert.equal(metrics.value('llm_gateway_output_tokens_total', pair), 5)
    assert.equal(metrics.value('llm_gateway_cached_input_tokens_total', pair), 4)
    assert.equal(metrics.value('llm_gateway_reasoning_tokens_total', pair), 2)
    assert.equal(metrics.value('llm_gateway_unpriced_calls_total', pair), 1)
    assert.equal(metrics.value('llm_gateway_attempts_total', { provider: 'scripted', result: 'ok' }), 1)
    assert.equal(metrics.value('llm_gateway_call_duration_seconds_count', pair), 1)
    assert.equal(metrics.value('llm_gateway_overhead_seconds_count'), 1)
    assert.equal(metrics.value('llm_gateway_time_to_first_token_seconds_count', pair), undefined)
    assert.ok(
      metrics.value('llm_gateway_provider_last_success_timestamp_seconds', { provider: 'scripted' })! > 1e9,
    )
  })

  test('with the time to the first token and per token, if it is a stream', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
    upstream.respond(sse([delta('one'), delta(' two'), usageEvent(usage), '[DONE]']))
    await chat(gateway, 'plain', { stream: true })

    const metrics = await scrape(gateway)
    const pair = { model: 'plain', provider: 'scripted' }
    assert.equal(metrics.value('llm_gateway_time_to_first_token_seconds_count', pair), 1)
    assert.equal(metrics.value('llm_gateway_time_per_output_token_seconds_count', pair), 1)
    assert.equal(metrics.value('llm_gateway_output_tokens_total', pair), 5)
  })

  test('with what it costs', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      models: { m: { provider: 'scripted', price: { input: 1, output: 10 } } },
    })
    upstream.respond(whole())
    await chat(gateway, 'm')
    const metrics = await scrape(gateway)
    assert.equal(metrics.sum('llm_gateway_cost_usd_total'), 57e-6)
    assert.equal(metrics.sum('llm_gateway_unpriced_calls_total'), 0)
  })

  test('once for its client, where the configuration wants that', async (t) => {
    const { gateway } = await startGateway(t, { ...echo, metrics: { client_label: true } })
    await chat(gateway, 'plain')
    const metrics = await scrape(gateway)
    assert.equal(metrics.sum('llm_gateway_client_calls_total'), 1)
    assert.ok(metrics.sum('llm_gateway_client_tokens_total', { kind: 'input' }) > 0)
  })

  test('as gone when its client leaves', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([hang])
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('POST /v1/chat/completions', {}, '{"model":"plain"}'))
    await upstream.nextRequest()
    assert.equal((await scrape(gateway)).value('llm_gateway_calls_in_flight'), 1)
    client.leave()
    await gateway.logged({ event: 'call', status: 499 })
    const metrics = await scrape(gateway)
    assert.equal(metrics.value(total, { outcome: 'client_gone' }), 1)
    assert.equal(metrics.value('llm_gateway_attempts_total', { result: 'gone' }), 1)
    assert.equal(metrics.value('llm_gateway_calls_in_flight'), 0)
  })

  test('by the name of no model when it asks for one that does not exist', async (t) => {
    const { gateway } = await startGateway(t)
    await chat(gateway, 'no-such-model')
    const metrics = await scrape(gateway)
    assert.equal(metrics.value(total, { model: '', provider: '', outcome: 'refused' }), 1)
    assert.equal(metrics.value('llm_gateway_refusals_total', { code: 'model_not_found' }), 1)
    assert.ok(!metrics.samples.some(({ labels }) => Object.values(labels).includes('no-such-model')))
  })
})

suite('a failure counts', () => {
  for (const [status, outcome, result] of [
    [400, 'client_error', 'client_error'],
    [401, 'provider_auth', 'auth'],
    [402, 'provider_billing', 'billing'],
    [429, 'provider_limited', 'rate_limit'],
    [500, 'provider_error', 'broken'],
    [503, 'provider_error', 'overloaded'],
  ] as const) {
    test(`by what a provider means with ${status}: ${outcome}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, { routing: { retries: 0, cooldown_ms: 60_000 } })
      upstream.respondAlways(json(status, { error: { message: 'no', type: 'x', code: null } }))
      await chat(gateway, 'plain')
      const metrics = await scrape(gateway)
      assert.equal(metrics.value(total, { model: 'plain', provider: 'scripted', outcome }), 1)
      assert.equal(
        metrics.sum('llm_gateway_attempts_total', { result }),
        metrics.sum('llm_gateway_attempts_total'),
      )
      const isTrouble = result !== 'client_error'
      assert.equal(metrics.sum('llm_gateway_cooldowns_total'), isTrouble ? 1 : 0)
      assert.equal(metrics.sum('llm_gateway_provider_trouble'), isTrouble ? 1 : 0)
      const isDown = result === 'auth' || result === 'billing'
      assert.equal(metrics.value('llm_gateway_provider_up', { provider: 'scripted' }), isDown ? 0 : 1)
      const cooling = metrics.sum('llm_gateway_target_cooling_until_timestamp_seconds')
      assert.equal(cooling > Date.now() / 1000, isTrouble)
    })
  }

  test('of a provider that cannot be reached, and the fallback that answers', async (t) => {
    const { gateway } = await startGateway(t, {
      providers: { away: { base_url: `${await refusingUrl(t)}/v1` }, echo: { kind: 'echo' } },
      models: { first: { provider: 'away', fallbacks: ['second'] }, second: { provider: 'echo' } },
      routing: { retries: 0, restart_wait_ms: 0 },
    })
    await chat(gateway, 'first')
    const metrics = await scrape(gateway)
    assert.equal(metrics.value(total, { model: 'first', provider: 'echo', outcome: 'ok' }), 1)
    assert.equal(
      metrics.value('llm_gateway_fallbacks_total', { model: 'first', fallback_model: 'second' }),
      1,
    )
    assert.ok(metrics.value('llm_gateway_attempts_total', { provider: 'away', result: 'unreachable' })! >= 1)
    assert.equal(metrics.value('llm_gateway_provider_up', { provider: 'away' }), 0)
    assert.equal(metrics.value('llm_gateway_provider_up', { provider: 'echo' }), 1)
  })
})

suite('a limit counts', () => {
  for (const [dimension, limit, more] of [
    ['requests', { rpm: 1 }, {}],
    ['tokens', { tpm: 10 }, { messages: [{ role: 'user', content: 'word '.repeat(500) }] }],
  ] as const) {
    test(`what it refuses: ${dimension}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, {
        rate_limit_settings: { per_client: {}, limits: { plain: limit } },
      })
      upstream.respondAlways(whole())
      if (dimension === 'requests') await chat(gateway, 'plain')
      const before = await scrape(gateway)
      assert.equal(before.value('llm_gateway_limited_total', { model: 'plain', dimension }), 0)
      assert.equal((await chat(gateway, 'plain', more)).status, 429)
      const metrics = await scrape(gateway)
      assert.equal(metrics.value('llm_gateway_limited_total', { model: 'plain', dimension }), 1)
      assert.equal(metrics.value(total, { model: 'plain', outcome: 'limited' }), 1)
      assert.equal(metrics.value('llm_gateway_limit', { model: 'plain', dimension }), Object.values(limit)[0])
    })
  }

  test('the calls that wait, and their time in line', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      rate_limit_settings: {
        per_client: {},
        when_limited: 'wait',
        limits: { plain: { max_parallel_requests: 1 } },
      },
    })
    const gate = Promise.withResolvers<void>()
    upstream.respondAlways(() => [wait(gate.promise), ...whole()])
    const calls = [chat(gateway, 'plain'), chat(gateway, 'plain')]
    await until(async () => (await report(gateway, 'plain')).waiting === 1, 'a call to wait')
    const during = await scrape(gateway)
    assert.equal(during.value('llm_gateway_queue_length', { model: 'plain' }), 1)
    assert.equal(during.value('llm_gateway_limit_used', { model: 'plain', dimension: 'parallel' }), 1)
    assert.equal(during.value('llm_gateway_provider_calls_in_flight', { provider: 'scripted' }), 1)
    gate.resolve()
    await Promise.all(calls)
    assert.equal((await scrape(gateway)).value('llm_gateway_queue_wait_seconds_count', { model: 'plain' }), 1)
  })

  test('the calls that wait for a model that several providers list', async (t) => {
    const servers = { one: await startModelServer(t, 'm'), other: await startModelServer(t, 'm') }
    const gate = Promise.withResolvers<void>()
    for (const server of Object.values(servers)) server.respondsToCalls([wait(gate.promise), ...whole()])
    const { gateway } = await startDiscovering(t, servers, {
      rate_limit_settings: {
        per_client: {},
        when_limited: 'wait',
        limits: { m: { max_parallel_requests: 1 } },
      },
    })
    const calls = [chat(gateway, 'm'), chat(gateway, 'm')]
    await until(async () => (await report(gateway, 'm')).waiting === 1, 'a call to wait')
    const metrics = await scrape(gateway)
    for (const provider of ['one', 'other']) {
      assert.equal(metrics.value('llm_gateway_provider_queue_length', { provider }), 1)
    }
    gate.resolve()
    await Promise.all(calls)
  })

  test('requests of a client beyond its own', async (t) => {
    const { gateway } = await startGateway(t, { ...echo, rate_limit_settings: { per_client: { rpm: 1 } } })
    await chat(gateway, 'plain')
    assert.equal((await chat(gateway, 'plain')).status, 429)
    const metrics = await scrape(gateway)
    assert.equal(metrics.value('llm_gateway_limited_total', { model: '', dimension: 'client' }), 1)
    assert.equal(metrics.sum(total), 1)
  })
})

suite('the metrics', () => {
  test('have what rules count as 0 from the start', async (t) => {
    const { gateway } = await startGateway(t, { ...echo, models: { a: { provider: 'echo' } } })
    const metrics = await scrape(gateway)
    assert.equal(metrics.value('llm_gateway_refusals_total', { code: 'host_not_allowed' }), 0)
    assert.equal(metrics.value('llm_gateway_attempts_total', { provider: 'echo', result: 'auth' }), 0)
    assert.equal(metrics.value(total, { model: 'a', outcome: 'no_target', dialect: 'chat' }), 0)
    assert.equal(metrics.value('llm_gateway_worker_restarts_total'), 0)
    assert.equal(metrics.value('llm_gateway_metrics_overflow_total'), 0)
  })

  test('count what guards refuse', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const request = rawRequest('GET /v1/models', { host: 'evil.example' })
    assert.equal((await exchange(t, gateway.url, request)).status, 403)
    const metrics = await scrape(gateway)
    assert.equal(metrics.value('llm_gateway_refusals_total', { code: 'host_not_allowed' }), 1)
  })

  test('follow a reload, and say when one is refused', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const at = (await scrape(gateway)).value('llm_gateway_config_last_reload_success_timestamp_seconds')!
    await gateway.reload({ providers: { other: { kind: 'echo' } } })
    gateway.app.events.emit({ kind: 'reloaded', config: 'c', needs_restart: [] })
    const reloaded = await scrape(gateway)
    assert.equal(reloaded.value('llm_gateway_attempts_total', { provider: 'other', result: 'ok' }), 0)
    assert.ok(reloaded.value('llm_gateway_config_last_reload_success_timestamp_seconds')! >= at)
    gateway.app.events.emit({ kind: 'reload_refused', config: 'c', problems: [] })
    assert.equal((await scrape(gateway)).value('llm_gateway_config_last_reload_successful'), 0)
  })

  test('have the budget of all clients together', async (t) => {
    const { gateway, upstream } = await startGateway(t, {
      models: { m: { provider: 'scripted', price: { input: 1, output: 10 } } },
      budgets: { total: [{ usd: 1, per: 'day' }] },
    })
    upstream.respondAlways(whole())
    await chat(gateway, 'm')
    const metrics = await scrape(gateway)
    assert.equal(metrics.value('llm_gateway_budget_limit_usd', { budget: '1 usd/day' }), 1)
    assert.equal(metrics.value('llm_gateway_budget_used_ratio', { budget: '1 usd/day' }), 57e-6)
  })

  test('have the age of keys that are in files, by their place', async (t) => {
    const file = writeScratch(t, 'sk-of-the-test')
    utimesSync(file, 1_700_000_000, 1_700_000_000)
    const providers = { scripted: { api_key: { file } }, other: {} }
    const { gateway } = await startGateway(t, { providers })
    const metrics = await scrape(gateway)
    const name = 'llm_gateway_credential_set_timestamp_seconds'
    assert.equal(metrics.value(name, { credential: `file ${file}` }), 1_700_000_000)
    assert.equal(metrics.sum(name), 1_700_000_000)
  })

  test('have no name that a client has made up below a wildcard, whatever becomes of its calls', async (t) => {
    const { gateway, upstream } = await startGateway(t, { routing: { retries: 0, cooldown_ms: 60_000 } })
    upstream.respondAlways(json(500, { error: { message: 'no', type: 'x', code: null } }))
    for (const name of ['a', 'b', 'c']) await chat(gateway, `open/made-up-${name}`)
    const metrics = await scrape(gateway)
    assert.equal(metrics.sum(total, { model: 'open/*' }), 3)
    assert.ok(!metrics.samples.some(({ labels }) => /made-up/.test(Object.values(labels).join())))
    const cooling = metrics.samples.filter(({ name }) => name.includes('target_cooling'))
    assert.deepEqual(
      cooling.map(({ labels }) => labels),
      [{ provider: 'scripted', target_model: 'other' }],
    )
  })

  test('are not even counted where nobody reads them', async (t) => {
    const off = { enabled: false }
    const { gateway } = await startGateway(t, { ...echo, metrics: off, status: off })
    await chat(gateway, 'plain')
    assert.equal(gateway.app.counters, undefined)
    assert.deepEqual(await gateway.app.metrics(), [])
  })

  test('are of no other method, and of HEAD without a body', async (t) => {
    const { gateway } = await startGateway(t, echo)
    assert.equal((await post(gateway, {}, { path: '/metrics' })).status, 405)
    const head = await exchange(t, gateway.url, rawRequest('HEAD /metrics'))
    assert.equal(head.status, 200)
  })
})

test('workers add to the same counters, which a dead one leaves as they are', async (t) => {
  const workers = { server: { workers: 3 } }
  const { gateway, upstream } = await startGateway(t, workers, { workerEntry: obedientEntry })
  upstream.respondAlways(() => whole())
  const call = async () => {
    const request = rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[]}')
    assert.equal((await exchange(t, gateway.url, request)).status, 200)
  }
  await Promise.all(Array.from({ length: 30 }, call))
  const pair = { model: 'plain', provider: 'scripted', outcome: 'ok' }
  await until(async () => (await scrape(gateway)).value(total, pair) === 30, 'all calls to be counted')
  const metrics = await scrape(gateway)
  assert.equal(metrics.sum('llm_gateway_input_tokens_total'), 210)
  assert.equal(metrics.value('llm_gateway_call_duration_seconds_count', { model: 'plain' }), 30)
  assert.equal(metrics.value('llm_gateway_workers', { state: 'running' }), 3)
  for (const worker of ['0', '1', '2', '3']) {
    assert.ok(metrics.value('llm_gateway_event_loop_active_seconds_total', { worker })! > 0, worker)
  }
  // Whichever thread is asked.
  for (const each of await Promise.all(Array.from({ length: 10 }, () => scrape(gateway)))) {
    assert.equal(each.value(total, pair), 30)
  }
  const busy = (worker: string) => metrics.value('llm_gateway_event_loop_active_seconds_total', { worker })!
  commander(t).fail(2)
  await gateway.logged({ event: 'worker_restarted' })
  await Promise.all(Array.from({ length: 6 }, call))
  await until(async () => (await scrape(gateway)).value(total, pair) === 36, 'the other calls to be counted')
  const after = await scrape(gateway)
  assert.equal(after.value('llm_gateway_worker_restarts_total'), 1)
  for (const worker of ['1', '2', '3']) {
    assert.ok(after.value('llm_gateway_event_loop_active_seconds_total', { worker })! >= busy(worker), worker)
  }
})
