// What calls cost, by the usage that providers send on the wire.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { RawModel, RawProvider } from '../../src/config/raw.ts'
import { type Running, startGateway } from '../support/app.ts'
import { at } from '../support/gateway-config.ts'
import { chat, post } from '../support/calls.ts'
import { delta, messages, usageEvent, whole } from '../support/chat-content.ts'
import { writeScratch } from '../support/config-file.ts'
import { type RawPriceList, writePriceList } from '../../src/prices/price-list.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { bytes, chunk, end, hang, head, json, sse, streamHead } from '../support/upstream-script.ts'

/** A gateway with one model `m`. */
function start(t: Cleanup, model: Partial<RawModel>, provider: RawProvider = {}): Promise<Running> {
  return startGateway(t, {
    providers: { scripted: provider },
    models: { m: { provider: 'scripted', ...model } },
  })
}

/** The line of the only call. */
function line({ gateway }: Running, more: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  return gateway.logged({ event: 'call', ...more })
}

interface Golden {
  readonly name: string
  readonly price: NonNullable<RawModel['price']>
  readonly provider?: RawProvider
  /** Of a whole response, or of a stream's last event. */
  readonly usage: object
  readonly usd: string
  readonly source?: string
}

/** Usage as each provider sends it, and its price list at the end of 2026. */
const goldens: readonly Golden[] = [
  {
    name: 'OpenAI: cached tokens are part of the prompt, reasoning is part of the output',
    price: { input: 1.25, cached_input: 0.125, output: 10 },
    usage: {
      prompt_tokens: 2006,
      completion_tokens: 300,
      total_tokens: 2306,
      prompt_tokens_details: { cached_tokens: 1920, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 192, accepted_prediction_tokens: 0 },
    },
    // 86 × 1.25 + 1920 × 0.125 + 300 × 10 millionths
    usd: '0.0033475',
  },
  {
    name: 'Gemini: thinking is in the total only',
    price: { input: 1.25, output: 10, above: [{ input_tokens: 200_000, input: 2.5, output: 15 }] },
    usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 530 },
    usd: '0.0052125',
  },
  {
    name: 'Gemini: a long prompt',
    price: { input: 1.25, output: 10, above: [{ input_tokens: 200_000, input: 2.5, output: 15 }] },
    usage: { prompt_tokens: 200_001, completion_tokens: 1, total_tokens: 200_002 },
    usd: '0.5000175',
  },
  {
    name: 'DeepSeek: hits and misses of the cache',
    price: { input: 0.28, cached_input: 0.028, output: 0.42 },
    usage: {
      prompt_tokens: 1000,
      completion_tokens: 500,
      total_tokens: 1500,
      prompt_cache_hit_tokens: 640,
      prompt_cache_miss_tokens: 360,
    },
    usd: '0.00032872',
  },
  {
    name: 'OpenRouter: its own figure',
    price: 'reported',
    usage: {
      prompt_tokens: 194,
      completion_tokens: 2,
      total_tokens: 196,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 100 },
      cost: 0.00014295,
      is_byok: false,
      cost_details: { upstream_inference_cost: null },
    },
    usd: '0.00014295',
    source: 'reported',
  },
  {
    name: "OpenRouter with the operator's own key upstream: its fee and what the upstream provider charges",
    price: 'reported',
    usage: {
      prompt_tokens: 194,
      completion_tokens: 2,
      total_tokens: 196,
      cost: 0.00000715,
      is_byok: true,
      cost_details: { upstream_inference_cost: 0.000143 },
    },
    usd: '0.00015015',
    source: 'reported',
  },
  {
    name: 'OpenRouter: a free model',
    price: 'reported',
    usage: { prompt_tokens: 194, completion_tokens: 2, total_tokens: 196, cost: 0 },
    usd: '0',
    source: 'reported',
  },
  {
    name: 'llama.cpp: on a machine of ones own',
    price: 'free',
    provider: { kind: 'llama_cpp' },
    usage: {
      prompt_tokens: 20,
      completion_tokens: 3,
      total_tokens: 23,
      prompt_tokens_details: { cached_tokens: 12 },
    },
    usd: '0',
    source: 'free',
  },
  {
    name: 'Ollama: a price for its electricity',
    price: { input: '0.01', output: '0.03' },
    provider: { kind: 'ollama' },
    usage: { prompt_tokens: 26, completion_tokens: 298, total_tokens: 324 },
    usd: '0.0000092',
  },
  {
    name: 'Mistral',
    price: { input: 0.4, output: 2 },
    usage: { prompt_tokens: 33, total_tokens: 161, completion_tokens: 128 },
    usd: '0.0002692',
  },
  {
    name: 'Groq: times beside the counts',
    price: { input: 0.59, output: 0.79 },
    usage: {
      queue_time: 0.02,
      prompt_tokens: 37,
      prompt_time: 0.002,
      completion_tokens: 480,
      total_tokens: 517,
    },
    usd: '0.00040103',
  },
  {
    name: 'xAI: reasoning beside the output',
    price: { input: 3, output: 15 },
    usage: {
      prompt_tokens: 32,
      completion_tokens: 9,
      total_tokens: 135,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 94 },
    },
    usd: '0.001641',
  },
]

describe('a call costs what its provider counts, whole or streamed', () => {
  for (const { name, price, provider, usage, usd, source = 'model' } of goldens) {
    test(name, async (t) => {
      for (const isStream of [false, true]) {
        const running = await start(t, { price }, provider)
        running.upstream.respond(isStream ? sse([delta('Hi'), usageEvent(usage), '[DONE]']) : whole(usage))
        await chat(running.gateway, 'm', { stream: isStream })
        const { cost_usd: cost, price: from, estimated } = await line(running)
        assert.deepEqual({ cost, from, estimated }, { cost: usd, from: source, estimated: false })
      }
    })
  }

  test('Anthropic, through a translation and in its own format', async (t) => {
    const price = { input: 3, cached_input: 0.3, cache_write: 3.75, cache_write_1h: 6, output: 15 }
    const usage = {
      input_tokens: 21,
      cache_creation_input_tokens: 188,
      cache_read_input_tokens: 2051,
      cache_creation: { ephemeral_5m_input_tokens: 88, ephemeral_1h_input_tokens: 100 },
      output_tokens: 393,
      service_tier: 'standard',
    }
    const answer = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      stop_reason: 'end_turn',
      stop_sequence: null,
    }
    const message = { ...answer, content: [{ type: 'text', text: 'Hi' }], usage }
    // 21 × 3 + 88 × 3.75 + 100 × 6 + 2051 × 0.3 + 393 × 15 millionths
    const expected = { cost: '0.0075033', from: 'model', estimated: false }
    for (const path of ['/v1/chat/completions', '/v1/messages']) {
      const running = await start(t, { price }, { kind: 'anthropic' })
      running.upstream.respond(json(200, message))
      const response = await post(running.gateway, { model: 'm', max_tokens: 500, messages }, { path })
      assert.equal(response.status, 200)
      await response.arrayBuffer()
      const { cost_usd: cost, price: from, estimated } = await line(running)
      assert.deepEqual({ cost, from, estimated }, expected, path)
    }
  })
})

describe('the price is', () => {
  const usage = { prompt_tokens: 1_000, completion_tokens: 0, total_tokens: 1_000 }

  test("the target's, else the model's, else the provider's", async (t) => {
    const prices = { target: { input: 1 }, model: { input: 2 }, provider: { input: 3 } }
    for (const [from, cost] of [
      ['target', '0.001'],
      ['model', '0.002'],
      ['provider', '0.003'],
    ] as const) {
      const running = await startGateway(t, {
        providers: { scripted: { price: prices.provider } },
        models: {
          m: {
            targets: [{ provider: 'scripted', ...(from === 'target' && { price: prices.target }) }],
            ...(from !== 'provider' && { price: prices.model }),
          },
        },
      })
      running.upstream.respond(whole(usage))
      await chat(running.gateway, 'm')
      const logged = await line(running)
      assert.deepEqual([logged['price'], logged['cost_usd']], [from, cost])
    }
  })

  test('unknown where nothing states it: not 0', async (t) => {
    const running = await start(t, {})
    running.upstream.respond(whole(usage))
    await chat(running.gateway, 'm')
    const logged = await line(running)
    assert.ok(!('cost_usd' in logged) && !('price' in logged) && !('cost_nano' in logged))
  })

  test('unknown where the provider counts nothing and the response is not made of tokens', async (t) => {
    const running = await start(t, { price: { input: 15, output: 40 } })
    running.upstream.respond(json(200, { created: 1, data: [{ b64_json: 'AAAA' }] }))
    await (
      await post(running.gateway, { model: 'm', prompt: 'a cat' }, { path: '/v1/images/generations' })
    ).arrayBuffer()
    assert.ok(!('cost_usd' in (await line(running))))
  })

  test('free for local servers that are named by their kind, and for the echo', async (t) => {
    for (const kind of ['ollama', 'llama_cpp', 'vllm'] as const) {
      const running = await start(t, {}, { kind })
      running.upstream.respond(whole(usage))
      await chat(running.gateway, 'm')
      assert.equal((await line(running))['cost_usd'], '0', kind)
    }
    const running = await startGateway(t, {
      providers: { e: { kind: 'echo' } },
      models: { m: { provider: 'e' } },
    })
    await chat(running.gateway, 'm')
    assert.equal((await running.gateway.logged({ event: 'call' }))['price'], 'free')
  })

  test('not what a provider reports where that is no amount', async (t) => {
    for (const cost of [-1, 1e308, 'NaN', null, {}, undefined]) {
      const running = await start(t, { price: 'reported' }, { price: { input: 1 } })
      running.upstream.respond(whole({ ...usage, cost }))
      await chat(running.gateway, 'm')
      const { cost_usd: usd, price, estimated } = await line(running)
      assert.deepEqual({ usd, price, estimated }, { usd: '0.001', price: 'provider', estimated: true })
    }
  })

  test('of the service tier that the provider reports, or that the client has requested', async (t) => {
    const price = { input: 1, service_tiers: { flex: { input: 0.5 }, priority: { input: 2 } } }
    for (const [requested, reported, usd, isEstimated] of [
      [undefined, undefined, '0.001', false],
      ['flex', undefined, '0.0005', false],
      ['auto', 'priority', '0.002', false],
      ['priority', 'default', '0.001', false],
      ['scale', undefined, '0.002', true],
    ] as const) {
      for (const isStream of [false, true]) {
        const running = await start(t, { price })
        const tier = reported && { service_tier: reported }
        const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }]
        const event = JSON.stringify({ ...JSON.parse(usageEvent(usage)), ...tier })
        running.upstream.respond(
          isStream
            ? sse([delta('Hi', tier), event, '[DONE]'])
            : json(200, { id: 'c', choices, usage, ...tier }),
        )
        await chat(running.gateway, 'm', { stream: isStream, ...(requested && { service_tier: requested }) })
        const { cost_usd: cost, estimated } = await line(running)
        assert.deepEqual(
          { cost, estimated },
          { cost: usd, estimated: isEstimated },
          `${requested} ${reported}`,
        )
      }
    }
  })

  test('the usual one where a translation leaves the requested tier out', async (t) => {
    const price = { input: 1, service_tiers: { priority: { input: 2 } } }
    const running = await start(t, { price }, { speaks: ['chat'] })
    running.upstream.respond(whole(usage))
    const body = { model: 'm', max_tokens: 5, messages, service_tier: 'priority' }
    await (await post(running.gateway, body, { path: '/v1/messages' })).arrayBuffer()
    const { cost_usd: cost, way } = await line(running)
    assert.deepEqual({ cost, way }, { cost: '0.001', way: 'messages_chat' })
  })

  test("the fallback's where that answers", async (t) => {
    const running = await startGateway(t, {
      models: {
        m: { provider: 'scripted', model: 'a', price: { input: 1 }, fallbacks: ['n'] },
        n: { provider: 'scripted', model: 'b', price: { input: 2 } },
      },
      routing: { retries: 0 },
    })
    running.upstream.respond(json(500, { error: { message: 'no' } }))
    running.upstream.respond(whole(usage))
    await chat(running.gateway, 'm')
    assert.equal((await line(running))['cost_usd'], '0.002')
  })
})

describe('the list of prices', () => {
  const usage = { prompt_tokens: 1_000, completion_tokens: 0, total_tokens: 1_000 }
  const list: RawPriceList = {
    version: 1,
    source: 'a test',
    licence: 'MIT',
    date: '2026-11-01',
    providers: { here: { hosts: ['127.0.0.1'], models: { 'deep-*': { input: 2, output: 4 } } } },
  }

  for (const workers of [1, 2]) {
    test(`has the price of a model at a server, with ${workers} of server.workers`, async (t) => {
      const file = writeScratch(t, writePriceList(list), { name: 'list.json', mode: 0o644 })
      const { gateway, upstream } = await startGateway(t, {
        server: { workers },
        models: { 'w/*': { provider: 'scripted' }, other: { provider: 'scripted' } },
        prices: { file },
      })
      upstream.respondAlways(whole(usage))
      await chat(gateway, 'w/deep-7b')
      await chat(gateway, 'other')
      const known = await gateway.logged({ model: 'w/deep-7b' })
      assert.deepEqual([known['price'], known['cost_usd']], ['list', '0.002'])
      assert.ok(!('price' in (await gateway.logged({ model: 'other' }))))
    })
  }

  test('does not count where it is off', async (t) => {
    const file = writeScratch(t, writePriceList(list), { name: 'list.json', mode: 0o644 })
    const { gateway, upstream } = await startGateway(t, {
      models: { 'deep-7b': { provider: 'scripted' } },
      prices: { file, list: 'off' },
    })
    upstream.respond(whole(usage))
    await chat(gateway, 'deep-7b')
    assert.ok(!('price' in (await gateway.logged({ event: 'call' }))))
  })

  test('and other prices count from the next reload on', async (t) => {
    const { gateway, upstream } = await startGateway(t, { models: { m: { provider: 'scripted' } } })
    upstream.respondAlways(whole(usage))
    await chat(gateway, 'm')
    await gateway.reload({
      providers: { scripted: at(upstream, { price: { input: 7 } }) },
      models: { m: { provider: 'scripted' } },
    })
    await chat(gateway, 'm')
    assert.equal((await gateway.logged({ price: 'provider' }))['cost_usd'], '0.007')
  })
})

describe('what is cut or fails is paid for', () => {
  const price = { input: 1_000, output: 2_000 }

  test('a stream that the client leaves costs what was seen of it', async (t) => {
    const running = await start(t, { price })
    running.upstream.respond([streamHead(), chunk(`data: ${delta('one two three')}\n\n`), hang])
    const leaving = new AbortController()
    const response = await post(
      running.gateway,
      { model: 'm', stream: true, messages },
      { signal: leaving.signal },
    )
    await response.body!.getReader().read()
    leaving.abort()
    const {
      cost_usd: usd,
      estimated,
      prompt_tokens: prompt,
      completion_tokens: output,
    } = await line(running, { status: 499 })
    assert.ok(Number(output) >= 1 && Number(prompt) >= 1)
    assert.equal(Number(usd), (Number(prompt) * 1_000 + Number(output) * 2_000) / 1_000_000)
    assert.equal(estimated, true)
  })

  test('an attempt whose response breaks off costs its prompt, besides the one that answers', async (t) => {
    const targets = [
      { provider: 'scripted', model: 'a' },
      { provider: 'scripted', model: 'b', tier: 2 },
    ]
    const running = await startGateway(t, { models: { m: { targets, price } } })
    const cut = head(200, { 'content-type': 'application/json', 'content-length': '500' })
    running.upstream.respond([cut, bytes('{"id":'), end])
    running.upstream.respond(whole())
    const { status } = await chat(running.gateway, 'm')
    assert.equal(status, 200)
    const { cost_usd: usd, estimated, attempts } = await line(running)
    assert.equal(attempts, 2)
    // 7 + 5 tokens of the second, and a prompt that was estimated.
    assert.ok(Number(usd) > (7 * 1_000 + 5 * 2_000) / 1_000_000, String(usd))
    assert.equal(estimated, true)
  })

  test('counts that cannot be true cost what was seen instead, and parts that exceed the whole no more than the whole', async (t) => {
    for (const count of [-5, 1e308, 'NaN', null, 1e9, {}]) {
      const running = await start(t, { price })
      const usage = { prompt_tokens: count, completion_tokens: count, total_tokens: count }
      running.upstream.respond(whole(usage))
      await chat(running.gateway, 'm')
      const { cost_usd: usd, estimated } = await line(running)
      assert.ok(Number(usd) > 0 && Number(usd) < 1, `${JSON.stringify(count)}: ${String(usd)}`)
      assert.equal(estimated, true)
    }
    const running = await start(t, { price: { input: 1, cached_input: 0.5, output: 1 } })
    const details = { cached_tokens: 5_000, cache_write_tokens: 5_000 }
    const usage = { prompt_tokens: 1_000, completion_tokens: 0, total_tokens: 1_000 }
    running.upstream.respond(whole({ ...usage, prompt_tokens_details: details }))
    await chat(running.gateway, 'm')
    assert.equal((await line(running))['cost_usd'], '0.0005')
  })

  test('a refusal costs nothing', async (t) => {
    const running = await start(t, { price })
    running.upstream.respond(json(400, { error: { message: 'no' } }))
    await chat(running.gateway, 'm')
    assert.ok(!('cost_usd' in (await line(running))))
  })
})
