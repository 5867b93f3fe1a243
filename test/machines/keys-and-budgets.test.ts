// Two gateways, as processes, that share the limits of keys over a real server: what each of them admits, on the wire.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

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
import { type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { trustEpoch } from '../support/store-epoch.ts'

/** `whole` takes 12 tokens. */
const perCall = 12

interface World {
  readonly server: RedisServer
  readonly upstream: ScriptedUpstream
  readonly key: TestKey
  readonly gateways: readonly [GatewayProcess, GatewayProcess]
  readonly call: (gateway: GatewayProcess) => Promise<RawResponse>
  /** Starts the second one again, as it was. */
  readonly restart: () => Promise<GatewayProcess>
}

async function start(
  t: TestContext,
  terms: Partial<ClientTerms>,
  settings: Setup['rate_limit_settings'] = {},
  more: Setup = {},
): Promise<World> {
  const server = await startRedis(t)
  await trustEpoch(server, 'p')
  const upstream = await startUpstream(t)
  upstream.respondAlways(whole())
  const file = new KeyFileOnDisk(t)
  const key = testKey()
  file.write({ ci: { keys: [key], terms } })
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
  const call = ({ url }: GatewayProcess) => {
    const body = JSON.stringify({
      model: 'plain',
      messages: [{ role: 'user', content: 'hi' }],
      max_tokens: 9,
    })
    return exchange(t, url, rawRequest('POST /v1/chat/completions', bearer(key), body))
  }
  return { server, upstream, key, gateways, call, restart: () => run(directories[1]) }
}

function codeOf(response: RawResponse): string {
  return (JSON.parse(response.body().toString()) as { error: { code: string } }).error.code
}

/** Calls in turn. @returns how many were admitted, and the codes of the others. */
async function callInTurn({ gateways, call }: World, count: number): Promise<[number, Set<string>]> {
  const codes = new Set<string>()
  let admitted = 0
  for (let index = 0; index < count; index++) {
    const response = await call(gateways[index % 2]!)
    if (response.status === 200) admitted += 1
    else codes.add(codeOf(response))
  }
  return [admitted, codes]
}

suite('two gateways with one key', { skip: missing(redisProgram) }, () => {
  test('admit its requests per minute together', async (t) => {
    const world = await start(t, { rpm: 7 })
    assert.deepEqual(await callInTurn(world, 12), [7, new Set(['rate_limit_exceeded'])])
    assert.equal(world.upstream.requests.length, 7)
  })

  test('admit its tokens per minute together', async (t) => {
    const world = await start(t, { tpm: 5 * perCall })
    const [admitted, codes] = await callInTurn(world, 12)
    assert.deepEqual([admitted, codes], [world.upstream.requests.length, new Set(['rate_limit_exceeded'])])
    assert.ok(admitted >= 4 && admitted <= 5, `${admitted}`)
  })

  test('have its parallel requests under way together', async (t) => {
    const world = await start(t, { maxParallelRequests: 1 })
    const { gateways, call, upstream } = world
    const { promise, resolve } = Promise.withResolvers<void>()
    upstream.respond([{ kind: 'wait', gate: promise }, ...(whole() as Iterable<never>)])
    const first = call(gateways[0])
    await until(() => upstream.requests.length === 1, 'the call under way')
    const second = await call(gateways[1])
    assert.deepEqual([second.status, codeOf(second)], [429, 'rate_limit_exceeded'])
    resolve()
    assert.equal((await first).status, 200)
    await until(async () => (await call(gateways[1])).status === 200, 'the slot at the other gateway')
  })

  test('pass as many requests as the flood limit says together', async (t) => {
    const world = await start(t, {}, { per_client: { rpm: 5 } })
    assert.deepEqual(await callInTurn(world, 12), [5, new Set(['rate_limit_exceeded'])])
  })

  test('pass no request where the flood limit cannot be asked for and none may pass', async (t) => {
    const world = await start(
      t,
      {},
      { per_client: { rpm: 50 }, store: { kind: 'valkey', when_unavailable: 'refuse' } },
    )
    const { gateways, call, server } = world
    assert.equal((await call(gateways[0])).status, 200)
    await server.kill()
    await gateways[1].says(/"event":"limits_store_down"/)
    const refused = await call(gateways[1])
    assert.deepEqual([refused.status, codeOf(refused)], [503, 'limits_unavailable'])
  })

  test('spend its budget together, and what one has spent outlives its end', async (t) => {
    const world = await start(t, { budgets: [{ unit: 'tokens', limit: 10 * perCall, per: 'total' }] })
    const { gateways, call, restart, key, upstream } = world
    for (const index of [0, 1, 1, 1] as const) assert.equal((await call(gateways[index])).status, 200)
    const response = await exchange(t, gateways[0].url, rawRequest('GET /v1/limits', bearer(key)))
    const { budgets } = JSON.parse(response.body().toString()) as { budgets: { spent: number }[] }
    assert.equal(budgets[0]!.spent, 4 * perCall, 'what both have spent')
    await gateways[1].stop('SIGKILL')
    const again = await restart()
    const both = { ...world, gateways: [gateways[0], again] as const }
    assert.deepEqual(await callInTurn(both, 10), [6, new Set(['budget_exceeded'])])
    assert.equal(upstream.requests.length, 10)
    const refused = await call(again)
    assert.equal(refused.header('x-should-retry'), 'false')
    assert.match(refused.header('x-llm-gateway-budget')!, /^120 tokens in total; spent 120; reserved 0;/)
  })
})
