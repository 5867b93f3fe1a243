// Budgets, on the wire: who is refused, with what, and what reaches the provider.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test, type TestContext } from 'node:test'

import type { Budget, ClientTerms } from '../../src/domain.ts'
import { usdOfNano } from '../../src/prices/usd.ts'
import { type Options, type Running, startGateway } from '../support/app.ts'
import { delta, usageEvent, whole } from '../support/chat-content.ts'
import { bearer, KeyFileOnDisk, type TestKey, testKey } from '../support/client-keys.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { at, type Setup } from '../support/gateway-config.ts'
import { connectRaw, exchange, type RawResponse, rawRequest } from '../support/raw-client.ts'
import { runCommand } from '../support/run-command.ts'
import { bytes, chunk, hang, head, json, reset, streamHead, wait } from '../support/upstream-script.ts'

const dayMs = 86_400_000

/** 12 tokens of `whole` cost 0.0012 USD. */
const price = { input: 100, output: 100 }
const perCall = 1_200_000
const models = { plain: { provider: 'scripted', price }, unpriced: { provider: 'scripted' } }

function usd(limit: number, per: Budget['per'] = 'day'): Budget {
  return { unit: 'usd', limit, per }
}

interface Call {
  readonly key?: TestKey
  readonly model?: string
  readonly path?: string
  readonly more?: object
}

type WithKeys = Running & {
  readonly file: KeyFileOnDisk
  readonly keys: readonly [TestKey, TestKey]
  readonly call: (call?: Call) => Promise<RawResponse>
  readonly limits: (key?: TestKey) => Promise<ReportedBudget[] | undefined>
}

interface ReportedBudget {
  readonly of: string
  readonly spent: string | number
  readonly reserved: string | number
}

/** Two keys, `ci` with these terms, and `free` without any. */
async function startWith(
  t: TestContext,
  terms: Partial<ClientTerms>,
  setup: Setup = {},
  options: Options = {},
): Promise<WithKeys> {
  const file = new KeyFileOnDisk(t)
  const keys = [testKey(), testKey()] as const
  file.write({ ci: { keys: [keys[0]], terms }, free: { keys: [keys[1]] } })
  const stateDirectory = scratchDirectory(t)
  const chosen = { stateDirectory, ...options }
  const running = await startGateway(t, { models, ...setup, keys: file.setup }, chosen)
  running.upstream?.respondAlways(whole())
  return { ...running, file, keys, ...clientsOf(t, running, keys[0]) }
}

function clientsOf(t: TestContext, { gateway }: Pick<Running, 'gateway'>, own: TestKey) {
  const call = ({ key = own, model = 'plain', path = 'chat/completions', more = {} }: Call = {}) => {
    const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], ...more })
    return exchange(t, gateway.url, rawRequest(`POST /v1/${path}`, bearer(key), body))
  }
  const limits = async (key = own) => {
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/limits', bearer(key)))
    return JSON.parse(response.body().toString()).budgets
  }
  return { call, limits }
}

function errorOf(response: RawResponse): { code: string; type: string; message: string } {
  return JSON.parse(response.body().toString()).error
}

suite('a budget of a key', () => {
  test('is spent by what calls cost; then calls are refused, of this key alone, until its day is over', async (t) => {
    const clock = new FakeClock()
    const { upstream, keys, call, limits } = await startWith(
      t,
      { budgets: [usd(2 * perCall)] },
      {},
      { clock },
    )
    assert.equal((await call()).status, 200)
    assert.deepEqual((await limits())![0]!.spent, '0.0012')
    assert.equal((await call()).status, 200)
    const refused = await call()
    assert.equal(refused.status, 429)
    const { code, type, message } = errorOf(refused)
    assert.deepEqual([code, type], ['budget_exceeded', 'insufficient_quota'])
    assert.match(
      message,
      /The budget of the key "ci", 0\.0024 usd\/day, has no room .* 0\.0024 USD are spent/,
    )
    assert.equal(refused.header('x-should-retry'), 'false')
    assert.equal(refused.header('retry-after'), undefined)
    assert.equal(
      refused.header('x-llm-gateway-budget'),
      '0.0024 usd/day; spent 0.0024; reserved 0; resets 2025-06-16T00:00:00Z',
    )
    assert.equal(upstream.requests.length, 2)
    assert.equal((await call({ key: keys[1] })).status, 200)
    clock.advance(dayMs)
    assert.equal((await call()).status, 200)
  })

  test('is written as Anthropic writes errors to its clients', async (t) => {
    const { call } = await startWith(t, { budgets: [usd(1)] })
    assert.equal((await call()).status, 200)
    const refused = await call({ path: 'messages', more: { max_tokens: 5 } })
    assert.equal(refused.status, 429)
    assert.equal(errorOf(refused).type, 'rate_limit_error')
    assert.equal(refused.header('x-should-retry'), 'false')
    assert.equal(refused.header('x-llm-gateway-error'), 'budget_exceeded')
  })

  test('holds what calls under way may cost', async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { upstream, call, limits } = await startWith(t, { budgets: [usd(30 * perCall)] })
    upstream.respond([{ kind: 'wait', gate: promise }, ...(whole() as Iterable<never>)])
    const first = call()
    await until(() => upstream.requests.length === 1, 'the call under way')
    const [state] = (await limits())!
    assert.equal(state!.spent, '0')
    // 256 tokens of output are predicted.
    assert.ok(Number(state!.reserved) > 0.0256)
    assert.equal((await call()).status, 429)
    resolve()
    assert.equal((await first).status, 200)
    assert.deepEqual(
      (await limits())!.map(({ spent, reserved }) => [spent, reserved]),
      [['0.0012', '0']],
    )
    assert.equal((await call()).status, 200)
  })

  test('of tokens counts them, whatever they cost', async (t) => {
    const { call, limits } = await startWith(t, { budgets: [{ unit: 'tokens', limit: 24, per: 'total' }] })
    assert.equal((await call({ model: 'unpriced' })).status, 200)
    assert.equal((await call()).status, 200)
    assert.equal((await limits())![0]!.spent, 24)
    const refused = await call()
    assert.equal(refused.status, 429)
    assert.match(
      refused.header('x-llm-gateway-budget')!,
      /^24 tokens in total; spent 24; reserved 0; resets never$/,
    )
  })

  test('of money refuses models whose price is not known, and names the setting', async (t) => {
    const { upstream, call } = await startWith(t, { budgets: [usd(perCall)] })
    const refused = await call({ model: 'unpriced' })
    assert.equal(refused.status, 403)
    assert.equal(errorOf(refused).code, 'price_unknown')
    assert.match(errorOf(refused).message, /The key "ci" .* Set models\.unpriced\.price/)
    assert.equal(upstream.requests.length, 0)
  })

  test('of money refuses calls that are not paid for by tokens, without a price of the call', async (t) => {
    const priced = { provider: 'scripted', price: { ...price, request: '0.02' } }
    const setup = { models: { ...models, paint: priced } }
    const { upstream, call, limits } = await startWith(t, { budgets: [usd(1_000_000_000)] }, setup)
    const image = { path: 'images/generations', more: { prompt: 'a cat' } }
    const refused = await call(image)
    assert.equal(refused.status, 403)
    assert.match(errorOf(refused).message, /models\.plain\.price\.request/)
    upstream.respondAlways(json(200, { created: 1, data: [{ b64_json: 'AA==' }] }))
    assert.equal((await call({ ...image, model: 'paint' })).status, 200)
    // Nobody counted the tokens, so that what was reserved is charged.
    assert.ok(Number((await limits())![0]!.spent) >= 0.02)
  })

  test('lets calls pass that cost nothing, also when it is spent', async (t) => {
    const free = { provider: 'scripted', price: 'free' as const }
    const { call } = await startWith(t, { budgets: [usd(1)] }, { models: { ...models, free } })
    assert.equal((await call()).status, 200)
    assert.equal((await call()).status, 429)
    assert.equal((await call({ model: 'free' })).status, 200)
  })

  test('charges nothing for what a provider refuses', async (t) => {
    const { upstream, call, limits } = await startWith(t, { budgets: [usd(perCall)] })
    upstream.respondAlways(json(400, { error: { message: 'no' } }))
    assert.equal((await call()).status, 400)
    assert.deepEqual(
      (await limits())!.map(({ spent, reserved }) => [spent, reserved]),
      [['0', '0']],
    )
  })

  test('is charged for what a client that leaves has seen', async (t) => {
    const { gateway, upstream, keys, limits } = await startWith(t, { budgets: [usd(1_000_000_000)] })
    upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const body = '{"model":"plain","messages":[],"stream":true}'
    client.send(rawRequest('POST /v1/chat/completions', bearer(keys[0]), body))
    await client.seen('first')
    client.leave()
    await gateway.logged({ event: 'call', status: 499 })
    const [state] = (await limits())!
    assert.ok(Number(state!.spent) > 0)
    assert.equal(state!.reserved, '0')
  })

  for (const [path, more] of [
    ['chat/completions', {}],
    ['messages', { max_tokens: 60_000 }],
  ] as const) {
    test(`is charged for hidden reasoning where the client of ${path} leaves before its count`, async (t) => {
      const terms = { budgets: [{ unit: 'tokens', limit: 100_000, per: 'day' } as const] }
      const providers = { scripted: { speaks: ['chat' as const] } }
      const { gateway, upstream, keys, limits } = await startWith(t, terms, { providers })
      const { promise, resolve } = Promise.withResolvers<void>()
      const finish = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
      const usage = { prompt_tokens: 10, completion_tokens: 50_000, total_tokens: 50_010 }
      upstream.respond([
        streamHead(),
        chunk(`data: ${delta('Hi!')}\n\ndata: ${delta('', finish)}\n\n`),
        { kind: 'wait', gate: promise },
        chunk(`data: ${usageEvent(usage)}\n\ndata: [DONE]\n\n`),
        hang,
      ])
      const client = await connectRaw(t, gateway.url)
      const asked = JSON.stringify({
        model: 'plain',
        messages: [{ role: 'user', content: 'hi' }],
        stream: true,
        ...more,
      })
      client.send(rawRequest(`POST /v1/${path}`, bearer(keys[0]), asked))
      await client.seen('Hi!')
      client.leave('reset')
      // What comes later on another connection finds that this one has closed.
      for (let count = 0; count < 3; count++) await limits()
      resolve()
      await gateway.logged({ event: 'call', status: 499 })
      const [state] = (await limits())!
      assert.deepEqual([state!.spent, state!.reserved], [50_010, 0])
    })
  }

  test('outlives a rotation and another name of the key', async (t) => {
    const terms = { budgets: [usd(perCall)] }
    const { gateway, file, keys, call } = await startWith(t, terms)
    assert.equal((await call()).status, 200)
    const next = testKey()
    file.write({ ci: { keys: [keys[0], next], terms } })
    await gateway.logged({ event: 'keys_loaded', generation: 2 })
    assert.equal((await call({ key: next })).status, 429)
    assert.equal((await call()).status, 429)
  })

  test('is exact over all threads, and a call of any of them is refused', async (t) => {
    const terms = { budgets: [{ unit: 'tokens', limit: 24, per: 'total' } as const] }
    const { call, limits } = await startWith(t, terms, { server: { workers: 2 } })
    for (const expected of [200, 200, 429, 429, 429]) assert.equal((await call()).status, expected)
    assert.equal((await limits())![0]!.spent, 24)
  })

  test('is never exceeded by calls at once in several threads that take what was foreseen', async (t) => {
    const limit = 3_000
    const terms = { budgets: [{ unit: 'tokens', limit, per: 'total' } as const] }
    const budgets = { reserve: 'worst_case' } as const
    const { upstream, call, limits } = await startWith(t, terms, { budgets, server: { workers: 3 } })
    upstream.respondAlways(whole({ prompt_tokens: 7, completion_tokens: 93, total_tokens: 100 }))
    const burst = () => Promise.all(Array.from({ length: 40 }, () => call({ more: { max_tokens: 93 } })))
    const statuses: number[] = []
    for (let count = 0; count < 3; count++) statuses.push(...(await burst()).map(({ status }) => status))
    const served = statuses.filter((status) => status === 200).length
    assert.deepEqual(new Set(statuses), new Set([200, 429]))
    const [state] = (await limits())!
    assert.deepEqual([state!.spent, state!.reserved], [100 * served, 0])
    assert.ok(100 * served <= limit)
    assert.equal(upstream.requests.length, served)
  })

  test('counts tokens that a provider has in the total only', async (t) => {
    const terms = { budgets: [{ unit: 'tokens', limit: 5_000, per: 'day' } as const] }
    const { upstream, call, limits } = await startWith(t, terms)
    upstream.respond(whole({ prompt_tokens: 7, completion_tokens: 5, total_tokens: 5_012 }))
    assert.equal((await call()).status, 200)
    assert.equal((await limits())![0]!.spent, 5_012)
    assert.equal((await call()).status, 429)
  })

  test('refuses responses in the background, whose tokens nobody reports', async (t) => {
    const terms = { budgets: [{ unit: 'tokens', limit: 50_000, per: 'day' } as const] }
    const { gateway, upstream, keys, call } = await startWith(t, terms)
    const queued = { id: 'r', object: 'response', status: 'queued', output: [], usage: null }
    upstream.respondAlways(json(200, queued))
    const ask = (background: unknown, key = keys[0]) =>
      call({ key, path: 'responses', more: { input: 'hi', background } })
    const refused = await ask(true)
    assert.equal(refused.status, 403)
    assert.equal(errorOf(refused).code, 'price_unknown')
    assert.match(errorOf(refused).message, /The key "ci" has a budget, .* background/)
    assert.equal(upstream.requests.length, 0)
    for (const [background, key] of [
      [false, keys[0]],
      [null, keys[0]],
      [true, keys[1]],
    ] as const) {
      assert.equal((await ask(background, key)).status, 200)
    }
    const twice = '{"model":"plain","input":"hi","background":false,"background":true}'
    const sent = await exchange(t, gateway.url, rawRequest('POST /v1/responses', bearer(keys[0]), twice))
    assert.equal(sent.status, 400)
  })

  test('keeps the routes closed whose cost is not known', async (t) => {
    const { gateway, keys } = await startWith(
      t,
      { budgets: [usd(1)], routes: true },
      {
        routes: { rest: { provider: 'scripted' } },
      },
    )
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/files', bearer(keys[0])))
    assert.equal(response.status, 403)
    assert.match(errorOf(response).message, /has a budget/)
  })
})

suite('what was spent', () => {
  test('is the sum of the rows of the ledger, for whole, translated, refused, failed and cut calls', async (t) => {
    const stateDirectory = scratchDirectory(t)
    const terms = {
      budgets: [usd(1_000_000_000, 'total'), { unit: 'tokens', limit: 1e6, per: 'total' } as const],
    }
    const { gateway, upstream, keys, call, limits } = await startWith(t, terms, {}, { stateDirectory })
    assert.equal((await call()).status, 200)
    assert.equal((await call({ path: 'messages', more: { max_tokens: 5 } })).status, 200)
    upstream.respond(json(400, { error: { message: 'no' } }))
    assert.equal((await call()).status, 400)
    upstream.respond([streamHead(), chunk(`data: ${delta('one')}\n\n`), reset])
    await call({ more: { stream: true } })
    upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const body = '{"model":"plain","messages":[],"stream":true}'
    client.send(rawRequest('POST /v1/chat/completions', bearer(keys[0]), body))
    await client.seen('first')
    client.leave()
    await gateway.logged({ event: 'call', status: 499 })
    const [inUsd, inTokens] = (await limits())!
    await gateway.stop()
    const database = new DatabaseSync(join(stateDirectory, 'usage.db'), { readOnly: true })
    const sums =
      'SELECT COUNT(*) AS calls, SUM(cost_nano) AS nano, SUM(prompt + completion) AS tokens FROM calls'
    const { calls, nano, tokens } = database.prepare(sums).get()!
    database.close()
    assert.equal(calls, 5)
    assert.deepEqual([inUsd!.spent, inTokens!.spent], [usdOfNano(nano as number), tokens])
    assert.deepEqual([inUsd!.reserved, inTokens!.reserved], ['0', 0])
  })

  test('is the sum of the rows, with what attempts took that were not passed on', async (t) => {
    const stateDirectory = scratchDirectory(t)
    const terms = {
      budgets: [usd(1_000_000_000, 'total'), { unit: 'tokens', limit: 1e6, per: 'total' } as const],
    }
    const targets = [
      { provider: 'scripted', tier: 1 },
      { provider: 'other', tier: 2 },
    ]
    const setup: Setup = {
      providers: { scripted: {}, other: {} },
      models: { plain: { targets, price } },
      routing: { retries: 1, restart_wait_ms: 0, cooldown_ms: 0 },
    }
    const { gateway, upstream, upstreams, call, limits } = await startWith(t, terms, setup, {
      stateDirectory,
    })
    Object.values(upstreams)[1]!.respondAlways(whole())
    // Begun, and broken off before anything of it could be passed on.
    upstream.respond([
      head(200, { 'content-type': 'application/json', 'content-length': '99' }),
      bytes('{'),
      reset,
    ])
    assert.equal((await call()).status, 200)
    assert.equal(upstream.requests.length, 1)
    const [inUsd, inTokens] = (await limits())!
    await gateway.stop()
    const [line] = gateway.log().filter(({ event }) => event === 'call')
    const { prompt_tokens: prompt, completion_tokens: completion, cost_usd: cost } = line!
    assert.ok(Number(prompt) > 8, `${String(prompt)} tokens of the prompt`)
    assert.deepEqual([inTokens!.spent, inUsd!.spent], [Number(prompt) + Number(completion), String(cost)])
  })

  test('is known after a restart', async (t) => {
    const stateDirectory = scratchDirectory(t)
    const { gateway, upstream, file, keys, call } = await startWith(
      t,
      { budgets: [usd(perCall, 'total')] },
      {},
      { stateDirectory },
    )
    assert.equal((await call()).status, 200)
    await gateway.stop()
    const setup: Setup = { models, keys: file.setup, providers: { scripted: at(upstream) } }
    const again = await startGateway(t, setup, { stateDirectory })
    const after = clientsOf(t, again, keys[0])
    assert.equal((await after.call()).status, 429)
    assert.equal((await after.limits())![0]!.spent, '0.0012')
  })

  test('includes, after a crash, what calls under way had reserved', async (t) => {
    const stateDirectory = scratchDirectory(t)
    const path = join(stateDirectory, 'budgets.json')
    const { upstream, file, keys, call } = await startWith(
      t,
      { budgets: [usd(40 * perCall, 'total')] },
      {},
      { stateDirectory },
    )
    upstream.respond([hang])
    void call()
    const saved = () => JSON.parse(readFileSync(path, 'utf8')).accounts[0].nano
    await until(() => {
      try {
        return saved() > 0
      } catch {
        return false
      }
    }, 'the hold on disk')
    // As the process would leave it behind.
    const elsewhere = scratchDirectory(t)
    writeFileSync(join(elsewhere, 'budgets.json'), readFileSync(path))
    const setup: Setup = { models, keys: file.setup, providers: { scripted: at(upstream) } }
    const again = await startGateway(t, setup, { stateDirectory: elsewhere })
    const [state] = (await clientsOf(t, again, keys[0]).limits())!
    assert.ok(Number(state!.spent) > 0.0256)
    assert.equal(state!.reserved, '0')
  })

  test('is never less after kill -9 than before it, whole calls and calls under way', async (t) => {
    const env = { STATE_DIRECTORY: scratchDirectory(t) }
    const budgets = { total: [{ tokens: 10_000, per: 'total' as const }] }
    const { gateway, upstream } = await startGatewayProcess(
      t,
      { models, budgets, server: { workers: 2 } },
      env,
    )
    const call = (url: string) =>
      exchange(t, url, rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[]}'))
    const state = async (url: string): Promise<ReportedBudget> => {
      const response = await exchange(t, url, rawRequest('GET /v1/limits'))
      return JSON.parse(response.body().toString()).budgets[0]
    }
    upstream.respondAlways(whole())
    for (let count = 0; count < 3; count++) assert.equal((await call(gateway.url)).status, 200)
    upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const body = '{"model":"plain","messages":[],"stream":true}'
    client.send(rawRequest('POST /v1/chat/completions', {}, body))
    await client.seen('first')
    const before = await state(gateway.url)
    assert.equal(before.spent, 36)
    assert.ok(Number(before.reserved) > 0)
    const savedTokens = (): number[] => {
      const [account] = JSON.parse(readFileSync(join(env.STATE_DIRECTORY, 'budgets.json'), 'utf8')).accounts
      return [account.windows[3][3], account.tokens]
    }
    await until(() => {
      try {
        return savedTokens().join() === [before.spent, before.reserved].join()
      } catch {
        return false
      }
    }, 'the file')
    assert.equal(await gateway.stop('SIGKILL'), 'SIGKILL')
    const again = await startGatewayProcess(
      t,
      { models, budgets, providers: { scripted: at(upstream) } },
      env,
    )
    const after = await state(again.gateway.url)
    assert.deepEqual([after.spent, after.reserved], [36 + Number(before.reserved), 0])
    // `key list` reads the file: it must not show the reservation until the next call.
    await until(
      () => savedTokens().join() === [after.spent, 0].join(),
      'what was reserved to be spent in the file',
    )
  })

  for (const [what, spoil] of [
    ['damaged', (path: string) => writeFileSync(path, '{"version":1,"acc')],
    ['missing', (path: string) => rmSync(path)],
  ] as const) {
    test(`is read from the second copy where the file is ${what}`, async (t) => {
      const stateDirectory = scratchDirectory(t)
      const path = join(stateDirectory, 'budgets.json')
      const terms = { budgets: [usd(perCall, 'total')] }
      const { gateway, upstream, file, keys, call } = await startWith(t, terms, {}, { stateDirectory })
      assert.equal((await call()).status, 200)
      await gateway.stop()
      spoil(path)
      const setup: Setup = { models, keys: file.setup, providers: { scripted: at(upstream) } }
      const again = await startGateway(t, setup, { stateDirectory })
      assert.equal((await clientsOf(t, again, keys[0]).call()).status, 429)
      await again.gateway.logged({ event: 'budgets_copy_used' })
      await again.gateway.stop()
      assert.equal(JSON.parse(readFileSync(path, 'utf8')).accounts[0].windows.length, 4)
    })
  }

  test('is not known where its file cannot be read: calls with a budget are refused, others are not', async (t) => {
    const stateDirectory = scratchDirectory(t)
    const path = join(stateDirectory, 'budgets.json')
    writeFileSync(path, '{"version":1,"acc')
    const { gateway, keys, call } = await startWith(t, { budgets: [usd(perCall)] }, {}, { stateDirectory })
    const { reason } = await gateway.logged({ event: 'budgets_lost' })
    assert.match(String(reason), /budgets\.json cannot be read \(not JSON: cut off\?\)/)
    const refused = await call()
    assert.equal(refused.status, 503)
    assert.equal(errorOf(refused).code, 'budget_state_lost')
    assert.ok(!JSON.stringify(errorOf(refused)).includes(stateDirectory))
    assert.equal((await call({ key: keys[1] })).status, 200)
    await gateway.stop()
    assert.equal(readFileSync(path, 'utf8'), '{"version":1,"acc')
  })
})

suite('what becomes of a budget', () => {
  test('is in the log and in the audit log: nearly spent, exhausted, begun anew', async (t) => {
    const clock = new FakeClock()
    const stateDirectory = scratchDirectory(t)
    const terms = { budgets: [{ unit: 'tokens', limit: 2 * 12 + 2, per: 'day' } as const] }
    const setup = { audit: { enabled: true } }
    const { gateway, call } = await startWith(t, terms, setup, { clock, stateDirectory })
    for (let count = 0; count < 3; count++) assert.equal((await call()).status, 200)
    assert.equal((await call()).status, 429)
    clock.advance(dayMs)
    assert.equal((await call()).status, 200)
    await gateway.stop()
    const events = ['budget_nearly_spent', 'budget_exhausted', 'budget_window_begun']
    for (const [index, event] of events.entries()) {
      const { scope, of, budget, spent } = await gateway.logged({ event })
      assert.deepEqual([scope, of, budget], ['key:k_000000000001', 'ci', '26 tokens/day'])
      assert.equal(spent, ['24', '36', '12'][index])
      assert.equal(gateway.log().filter((line) => line['event'] === event).length, 1)
    }
    const audited = readdirSync(stateDirectory).find((name) => /^audit-.*jsonl$/.test(name))!
    const names = readFileSync(join(stateDirectory, audited), 'utf8')
    for (const name of ['nearly_spent', 'exhausted', 'window_begun']) {
      assert.match(names, new RegExp(`llm_gateway.budget.${name}".*key:k_000000000001`))
    }
  })

  test('shows in the usage: its own to a client, all to the master, and both to the command', async (t) => {
    const stateDirectory = scratchDirectory(t)
    const file = new KeyFileOnDisk(t)
    const [ci, ben, master] = [testKey(), testKey(), testKey()] as const
    const terms = { budgets: [usd(5 * perCall), { unit: 'tokens', limit: 100, per: 'total' } as const] }
    file.write({
      ci: { keys: [ci], terms },
      ben: { keys: [ben], terms },
      master: { keys: [master], role: 'master' },
    })
    const { gateway, upstream } = await startGateway(t, { models, keys: file.setup }, { stateDirectory })
    upstream.respondAlways(whole())
    assert.equal((await clientsOf(t, { gateway }, ci).call()).status, 200)
    const usage = async (key: TestKey) => {
      const response = await exchange(t, gateway.url, rawRequest('GET /v1/usage', bearer(key)))
      return JSON.parse(response.body().toString())
    }
    const own = await usage(ci)
    const states = own.budgets.map(({ spent, reserved }: ReportedBudget) => [spent, reserved])
    assert.deepEqual(
      [own.spending, states],
      [
        undefined,
        [
          ['0.0012', '0'],
          [12, 0],
        ],
      ],
    )
    assert.equal((await usage(ben)).budgets[0].spent, '0')
    const [spending, ...others] = (await usage(master)).spending
    assert.deepEqual(others, [])
    assert.deepEqual([spending.scope, spending.of], ['key:k_000000000001', 'ci'])
    assert.deepEqual(spending.windows.at(-1), {
      per: 'total',
      since: null,
      spent_usd: '0.0012',
      spent_tokens: 12,
    })
    await gateway.stop()
    const args = ['usage', '--db', join(stateDirectory, 'usage.db')]
    const printed = await runCommand(args)
    assert.match(
      printed.stdout,
      /^ci \(key:k_000000000001\): 0\.0012 USD, 12 tokens today; .* in total; 0\.00 USD, 0 tokens reserved$/m,
    )
    const asJson = await runCommand([...args, '--format', 'json', '--by', 'scope'])
    const { data, spending: ofLedger } = JSON.parse(asJson.stdout)
    assert.deepEqual(ofLedger[0].windows, spending.windows)
    assert.equal(data[0].scope, 'key:k_000000000001')
  })
})

suite('a budget that is to cut calls', () => {
  for (const workers of [1, 2]) {
    test(`ends a stream with an error event, with ${workers} threads`, async (t) => {
      const terms = { budgets: [{ unit: 'tokens', limit: 400, per: 'day' } as const] }
      const budgets = { when_exhausted: 'cut' } as const
      const { gateway, upstream, keys } = await startWith(t, terms, { budgets, server: { workers } })
      upstream.respond([streamHead(), chunk(`data: ${delta('word '.repeat(2_000))}\n\n`), hang])
      const client = await connectRaw(t, gateway.url)
      const body = '{"model":"plain","messages":[],"stream":true}'
      client.send(rawRequest('POST /v1/chat/completions', bearer(keys[0]), body))
      await client.seen('budget_exceeded')
      const { code } = await gateway.logged({ event: 'call' })
      assert.equal(code, 'budget_exceeded')
    })
  }

  test('ends a stream that takes more than what is left, and not only more than answers usually take', async (t) => {
    const terms = { budgets: [{ unit: 'tokens', limit: 5_000, per: 'day' } as const] }
    const { gateway, upstream, keys, call } = await startWith(t, terms, {
      budgets: { when_exhausted: 'cut' },
    })
    const usage = { prompt_tokens: 10, completion_tokens: 4_000, total_tokens: 4_010 }
    upstream.respond(whole(usage))
    assert.equal((await call()).status, 200)
    // About 2,500 tokens, of the 990 that are left; answers of 8,000 would be usual.
    upstream.respond([streamHead(), chunk(`data: ${delta('word '.repeat(2_000))}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const body = '{"model":"plain","messages":[],"stream":true}'
    client.send(rawRequest('POST /v1/chat/completions', bearer(keys[0]), body))
    await client.seen('budget_exceeded')
  })

  test('ends a stream under way that takes more than what other calls have left since', async (t) => {
    const budgets = {
      total: [{ tokens: 5_000, per: 'day' as const }],
      when_exhausted: 'cut' as const,
    }
    const { gateway, upstream, keys, call } = await startWith(t, {}, { budgets })
    // From now on the length of an answer is known.
    assert.equal((await call()).status, 200)
    const gate = Promise.withResolvers<void>()
    const more = chunk(`data: ${delta('word '.repeat(2_000))}\n\n`)
    upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), wait(gate.promise), more, hang])
    const client = await connectRaw(t, gateway.url)
    const body = '{"model":"plain","messages":[],"stream":true}'
    client.send(rawRequest('POST /v1/chat/completions', bearer(keys[0]), body))
    await client.seen('first')
    upstream.respond(whole({ prompt_tokens: 10, completion_tokens: 4_000, total_tokens: 4_010 }))
    assert.equal((await call({ key: keys[1] })).status, 200)
    // About 2,500 tokens, of the 990 that are left; nothing but the stream is to come.
    gate.resolve()
    await client.seen('budget_exceeded')
  })
})

suite('budgets of the configuration', () => {
  test('bind all clients together, and show in the limits of those that may know', async (t) => {
    const budgets = { total: [{ usd: '0.0012', per: 'month' as const }] }
    const { keys, call, limits } = await startWith(t, {}, { budgets })
    assert.equal((await call()).status, 200)
    const refused = await call({ key: keys[1] })
    assert.equal(refused.status, 429)
    assert.match(errorOf(refused).message, /The budget of the gateway \(budgets\.total\), 0\.0012 usd\/month/)
    assert.doesNotMatch(errorOf(refused).message, /spent/)
    assert.match(refused.header('x-llm-gateway-budget')!, /^0\.0012 usd\/month; resets [\dT:-]+Z$/)
    assert.equal((await limits())![0]!.of, 'all clients')
  })

  test('change with a reload, and keep what was spent', async (t) => {
    const setup = (total: object[]) =>
      ({ models, providers: { scripted: at(upstream) }, budgets: { total } }) as Setup
    const upstream = (await startGateway(t, {})).upstream
    upstream.respondAlways(whole())
    const { gateway } = await startGateway(t, setup([]))
    const call = () =>
      exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, '{"model":"plain","messages":[]}'))
    assert.equal((await call()).status, 200)
    await gateway.reload(setup([{ tokens: 12, per: 'day' }]))
    assert.equal((await call()).status, 200)
    assert.equal((await call()).status, 429)
    await gateway.reload(setup([{ tokens: 24, per: 'day' }]))
    assert.equal((await call()).status, 200)
    assert.equal((await call()).status, 429)
    await gateway.reload(setup([]))
    assert.equal((await call()).status, 200)
  })

  test('bind each client without a key by itself', async (t) => {
    const setup: Setup = {
      models,
      server: { trusted_proxies: [{ user: 'self' }] },
      clients: { 'ip:203.0.113.0/24': { budgets: [{ tokens: 12, per: 'day' }] } },
    }
    const { gateway, upstream } = await startGateway(t, setup)
    upstream.respondAlways(whole())
    const call = (address: string) =>
      exchange(
        t,
        gateway.url,
        rawRequest(
          'POST /v1/chat/completions',
          { 'x-forwarded-for': address },
          '{"model":"plain","messages":[]}',
        ),
      )
    assert.equal((await call('203.0.113.1')).status, 200)
    const refused = await call('203.0.113.1')
    assert.equal(refused.status, 429)
    assert.match(errorOf(refused).message, /clients\["ip:203\.0\.113\.0\/24"\]\.budgets/)
    assert.equal((await call('203.0.113.2')).status, 200)
    assert.equal((await call('198.51.100.1')).status, 200)
  })
})
