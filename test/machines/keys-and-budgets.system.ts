// Two gateways, as processes, that share the limits of keys over a real server: what each of them admits, on the wire.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { isDeepStrictEqual } from 'node:util'

import type { ClientTerms } from '../../src/domain.ts'
import { whole } from '../support/chat-content.ts'
import { bearer, KeyFileOnDisk, type TestKey, testKey } from '../support/client-keys.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { at, type Setup } from '../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { missing } from '../support/needs.ts'
import { exchange, type RawResponse, rawRequest } from '../support/raw-client.ts'
import { redisProgram, type RedisServer, startRedis } from '../support/redis.ts'
import { runCommand } from '../support/run-command.ts'
import { type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { trustEpoch } from '../support/store-epoch.ts'

/** `whole` takes 12 tokens. */
const perCall = 12

interface World {
  readonly server: RedisServer
  readonly upstream: ScriptedUpstream
  readonly keys: ReadonlyMap<string, TestKey>
  readonly gateways: readonly [GatewayProcess, GatewayProcess]
  /** Of the gateways. */
  readonly directories: readonly [string, string]
  readonly call: (gateway: GatewayProcess, name: string) => Promise<RawResponse>
  /** Starts the second one again, as it was. */
  readonly restart: () => Promise<GatewayProcess>
}

async function start(
  t: TestContext,
  terms: Readonly<Record<string, Partial<ClientTerms>>>,
  settings: Setup['rate_limit_settings'] = {},
  more: Setup = {},
): Promise<World> {
  const server = await startRedis(t)
  await trustEpoch(server, 'p')
  const upstream = await startUpstream(t)
  upstream.respondAlways(whole())
  const file = new KeyFileOnDisk(t)
  const keys = new Map(Object.keys(terms).map((name) => [name, testKey()]))
  file.write(
    Object.fromEntries(
      Object.entries(terms).map(([name, of]) => [name, { keys: [keys.get(name)!], terms: of }]),
    ),
  )
  const store = {
    kind: 'valkey',
    url: { env: 'STORE_URL' },
    members: 2,
    prefix: 'p',
    ...settings.store,
  } as const
  const run = async (stateDirectory: string) => {
    const setup = {
      ...more,
      keys: file.setup,
      providers: { scripted: at(upstream) },
      models: { plain: { provider: 'scripted' } },
      rate_limit_settings: { ...settings, store },
    }
    const env = { STORE_URL: server.url, STATE_DIRECTORY: stateDirectory }
    const { gateway } = await startGatewayProcess(t, setup, env)
    await gateway.says(/"event":"limits_store_up"/)
    return gateway
  }
  const directories = [scratchDirectory(t), scratchDirectory(t)] as const
  const gateways = [await run(directories[0]), await run(directories[1])] as const
  const call = ({ url }: GatewayProcess, name: string) => {
    const body = JSON.stringify({
      model: 'plain',
      messages: [{ role: 'user', content: 'hi' }],
      max_tokens: 9,
    })
    return exchange(t, url, rawRequest('POST /v1/chat/completions', bearer(keys.get(name)!), body))
  }
  return { server, upstream, keys, gateways, directories, call, restart: () => run(directories[1]) }
}

function codeOf(response: RawResponse): string {
  return (JSON.parse(response.body().toString()) as { error: { code: string } }).error.code
}

/** Calls in turn. @returns how many were admitted, and the codes of the others. */
async function callInTurn(
  { gateways, call }: Pick<World, 'call' | 'gateways'>,
  name: string,
  count: number,
): Promise<[number, string[]]> {
  const codes = new Set<string>()
  let admitted = 0
  for (let index = 0; index < count; index++) {
    const response = await call(gateways[index % 2]!, name)
    if (response.status === 200) admitted += 1
    else codes.add(codeOf(response))
  }
  return [admitted, [...codes]]
}

suite('two gateways with the same keys', { skip: missing(redisProgram) }, () => {
  test('admit what a key may have together', async (t) => {
    const world = await start(t, {
      requests: { rpm: 7 },
      tokens: { tpm: 5 * perCall },
      slots: { maxParallelRequests: 1 },
      budget: { budgets: [{ unit: 'tokens', limit: 10 * perCall, per: 'total' }] },
    })
    const { gateways, call, upstream, keys, directories, restart } = world

    await t.test('of requests per minute', async () => {
      assert.deepEqual(await callInTurn(world, 'requests', 12), [7, ['rate_limit_exceeded']])
    })

    await t.test('of tokens per minute', async () => {
      const [admitted, codes] = await callInTurn(world, 'tokens', 12)
      assert.deepEqual(codes, ['rate_limit_exceeded'])
      assert.ok(admitted >= 4 && admitted <= 5, `${admitted} were admitted`)
    })

    await t.test('of parallel requests', async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const before = upstream.requests.length
      upstream.respond([{ kind: 'wait', gate: promise }, ...(whole() as Iterable<never>)])
      const first = call(gateways[0], 'slots')
      await until(() => upstream.requests.length > before, 'the call under way')
      const second = await call(gateways[1], 'slots')
      assert.deepEqual([second.status, codeOf(second)], [429, 'rate_limit_exceeded'])
      resolve()
      assert.equal((await first).status, 200)
      await until(async () => (await call(gateways[1], 'slots')).status === 200, 'the slot at the other one')
    })

    await t.test('of a budget, and what one has spent outlives its end', async () => {
      for (const index of [0, 1, 1, 1] as const) {
        assert.equal((await call(gateways[index], 'budget')).status, 200)
      }
      const spent = async () => {
        const request = rawRequest('GET /v1/limits', bearer(keys.get('budget')!))
        const response = await exchange(t, gateways[0].url, request)
        return (JSON.parse(response.body().toString()) as { budgets: { spent: number }[] }).budgets[0]!.spent
      }
      await until(async () => (await spent()) === 4 * perCall, 'what both have spent, in the limits of one')
      // A crash costs what is not on the disk yet.
      const isSaved = () =>
        readFileSync(join(directories[1], 'budgets.json'), 'utf8').includes(`,${3 * perCall}]`)
      await until(
        () => existsSync(join(directories[1], 'budgets.json')) && isSaved(),
        'what it has spent, in its file',
      )
      await gateways[1].stop('SIGKILL')
      const again = await restart()
      const before = upstream.requests.length
      const both = { call, gateways: [gateways[0], again] as const }
      assert.deepEqual(await callInTurn(both, 'budget', 10), [6, ['budget_exceeded']])
      assert.equal(upstream.requests.length, before + 6)
      const refused = await call(again, 'budget')
      assert.equal(refused.header('x-should-retry'), 'false')
      assert.match(refused.header('x-llm-gateway-budget')!, /^120 tokens in total; spent 120; reserved 0;/)
    })
  })

  test('pass as many requests of a key as the flood limit says together, and none beyond what they hold without the store', async (t) => {
    const store = { kind: 'valkey', when_unavailable: 'refuse' } as const
    const world = await start(
      t,
      { ci: {}, other: {} },
      { per_client: { rpm: 5 }, store },
      { server: { workers: 2 } },
    )
    const { gateways, call, server } = world
    assert.deepEqual(await callInTurn(world, 'ci', 12), [5, ['rate_limit_exceeded']])
    await server.kill()
    await gateways[1].says(/"event":"limits_store_down"/)
    const refused = await call(gateways[1], 'other')
    assert.deepEqual([refused.status, codeOf(refused)], [503, 'limits_unavailable'])
  })

  for (const workers of [1, 2]) {
    test(`tell commands what both have spent, with ${workers} threads`, async (t) => {
      const budgets = [{ unit: 'tokens', limit: 10 * perCall, per: 'total' }] as const
      const world = await start(
        t,
        { ci: { budgets }, other: { budgets }, free: {} },
        {},
        { server: { workers }, budgets: { total: [{ tokens: 1_000_000, per: 'month' }] } },
      )
      const { gateways, directories, call, server } = world
      for (const index of [0, 1, 1] as const) assert.equal((await call(gateways[index], 'ci')).status, 200)
      const [{ file, folder }] = gateways
      const env = { HOME: folder, STATE_DIRECTORY: directories[0], LLM_GATEWAY_CONFIG: file, PATH: '' }
      const run = async (...args: string[]) => {
        const { status, stdout, stderr } = await runCommand(args, { env })
        assert.deepEqual([status, stderr], [0, ''], args.join(' '))
        return stdout
      }
      const json = async (...args: string[]) => JSON.parse(await run(...args)) as Record<string, unknown>
      const ofBoth = { budget: '120tokens/total', spent: 36, reserved: 0, resets_at: null }
      const shown = () => json('key', 'show', 'ci', '--json')
      await until(
        async () => isDeepStrictEqual((await shown())['spending'], [ofBoth]),
        'what both have spent',
      )
      assert.equal((await shown())['spending_by'], 'all_machines')
      assert.match(await run('key', 'show', 'ci'), /^spent +36 of 120tokens\/total, 0 reserved$/m)
      const listed = await run('key', 'list')
      assert.match(listed, /^ci .* 36 of 120tokens\/total *$/m)
      assert.match(listed, /^other .* 0 of 120tokens\/total *$/m)
      assert.doesNotMatch(listed, /this machine alone|as last heard/)

      const isRecorded = async () =>
        /^spent of budgets, on this machine$/m.test((await runCommand(['usage'], { env })).stdout)
      await until(isRecorded, 'the calls in the ledger')
      const usage = await run('usage')
      assert.match(usage, /on this machine\n(?:.*\n)*?ci \(key:\w+\): .*, 12 tokens in total; /)
      assert.match(usage, /on all machines\n(?:.*\n)*?ci \(key:\w+\): 36 of 120tokens\/total, 0 reserved\n/)
      assert.match(usage, /on all machines\n(?:.*\n)*?total: 36 of 1000000tokens\/month, 0 reserved, until /)
      const { spending_of_all: ofAll } = (await json('usage', '--format', 'json')) as {
        spending_of_all: { of: string; spent: number }[]
      }
      assert.deepEqual(
        ofAll.map(({ of, spent }) => [of, spent]),
        [
          ['total', 36],
          ['ci', 36],
        ],
      )

      await server.kill()
      await gateways[0].says(/"event":"limits_store_down"/)
      const away = await run('key', 'show', 'ci')
      assert.match(away, /^spent +36 of .*\n(?:.*\n)*The store is away: .* as last heard\.$/m)

      // A gateway that does not answer: its files are known all the same.
      rmSync(join(directories[0], 'control.sock'))
      const note = /^What is spent is the part of this machine alone: /m
      for (const args of [['key', 'show', 'ci'], ['key', 'list'], ['usage']]) {
        const text = await run(...args)
        assert.match(text, note)
        assert.doesNotMatch(text, /36 of|on all machines/)
      }
      assert.match(await run('key', 'show', 'ci'), /^spent +12 of 120tokens\/total/m)
      const alone = await shown()
      assert.deepEqual(
        [alone['spending'], alone['spending_by']],
        [[{ ...ofBoth, spent: 12 }], 'this_machine'],
      )
    })
  }

  test('after a restart, a machine states by itself what its keys had spent before', async (t) => {
    const budgets = [{ unit: 'tokens', limit: 10 * perCall, per: 'total' }] as const
    const world = await start(
      t,
      { budget: { budgets } },
      { store: { kind: 'valkey', when_unavailable: 'refuse' } },
    )
    const { gateways, call, restart, server } = world
    for (let count = 0; count < 6; count++) assert.equal((await call(gateways[1], 'budget')).status, 200)
    await gateways[1].stop()
    const again = await restart()
    await server.command('FLUSHALL')
    const isSure = async () => {
      const [seconds] = (await server.command('TIME')).split('\n')
      const graceMs = await server.command('HGET', '{p}:epoch', 'grace_until')
      return graceMs !== '' && Number(graceMs) < Number(seconds) * 1000
    }
    await until(isSure, 'the end of grace')
    const alone = { call, gateways: [gateways[0], gateways[0]] as const }
    assert.deepEqual(await callInTurn(alone, 'budget', 10), [4, ['budget_exceeded']])
    assert.equal((await call(again, 'budget')).status, 429)
  })
})
