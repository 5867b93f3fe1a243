// A gateway with a store of limits that others share: what it reports of it, and what it keeps to itself.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { examineStore } from '../../src/cli/doctor/store.ts'
import { openConfig } from '../../src/config/load.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { echo } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { missing } from '../support/needs.ts'
import { redisProgram, startRedis } from '../support/redis.ts'
import { runCommand } from '../support/run-command.ts'

const password = 's3cret-Passw0rd'
const store = { kind: 'valkey', url: { env: 'STORE_URL' }, members: 2, prefix: 'p' } as const
const setup = { rate_limit_settings: { store } }

const text = `providers: { echo: { kind: echo } }
models: { m: { provider: echo } }
rate_limit_settings: { store: { kind: valkey, url: { env: STORE_URL }, members: 2 } }
`

async function metricsOf(url: string): Promise<string[]> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return metrics.split('\n').filter((line) => line.startsWith('llm_gateway_limits_store_'))
}

suite('a store of limits', { skip: missing(redisProgram) }, () => {
  test('is joined at the start and left at the end, as the same machine each time', async (t) => {
    const server = await startRedis(t, { config: [`requirepass ${password}`] })
    const env = { STORE_URL: server.url.replace('//', `//:${password}@`) }
    const stateDirectory = scratchDirectory(t)
    const members = async () => {
      const all = (await server.commandAs(password, 'HGETALL', '{p}:members')).split('\n')
      return new Map(
        all.flatMap((field, index) =>
          index % 2 === 0 ? [[field, JSON.parse(all[index + 1]!) as { left?: number }]] : [],
        ),
      )
    }
    for (const run of [1, 2]) {
      const { gateway } = await startGateway(t, setup, { env, stateDirectory })
      const { server: version } = await gateway.logged({ event: 'limits_store_up', members: 1 })
      assert.match(String(version), /^(?:Redis|Valkey) \d/)
      const [up, count, member] = await metricsOf(gateway.url)
      assert.deepEqual([up, count], ['llm_gateway_limits_store_up 1', 'llm_gateway_limits_store_members 1'])
      assert.match(member!, /^llm_gateway_limits_store_member_info\{.*\} 1$/)
      assert.equal([...(await members()).values()].filter(({ left }) => left === undefined).length, 1)
      await gateway.stop()
      assert.equal(JSON.stringify(gateway.log()).includes(password), false)
      const after = await members()
      assert.equal(after.size, run)
      assert.ok([...after.values()].every(({ left }) => left !== undefined))
    }
    const id = readFileSync(join(stateDirectory, 'machine'), 'utf8').trim()
    for (const member of (await members()).keys()) assert.equal(member.split('.')[0], id)
  })

  test('that is not there keeps no gateway from starting, and is reported until it comes', async (t) => {
    const server = await startRedis(t)
    await server.kill()
    const env = { STORE_URL: server.url }
    const { gateway } = await startGateway(t, setup, { env })
    const { reason } = await gateway.logged({ event: 'limits_store_down', when_unavailable: 'share' })
    assert.match(String(reason), /ECONNREFUSED/)
    assert.deepEqual(await metricsOf(gateway.url), ['llm_gateway_limits_store_up 0'])
    const isReported = () => gateway.app.attention().some(({ subject }) => subject === 'limits store')
    await until(isReported, 'its report')
    const call = await fetch(`${gateway.url}/v1/models`)
    assert.equal(call.status, 200)
    await server.restart()
    await gateway.logged({ event: 'limits_store_up' })
    await until(() => !isReported(), 'the end of its report')
    await server.kill()
    const downs = () => gateway.log().filter(({ event }) => event === 'limits_store_down')
    await until(() => downs().length === 2, 'the second report')
    assert.deepEqual(await metricsOf(gateway.url), [
      'llm_gateway_limits_store_up 0',
      'llm_gateway_limits_store_members 1',
    ])
  })

  test('is left again by a start that fails', async (t) => {
    const server = await startRedis(t)
    const source = { kind: 'header', header: 'x-user', from_user: 'nobody-here' } as const
    const identity = { sources: [source] }
    const env = { STORE_URL: server.url }
    const members = async () => {
      const all = (await server.command('HGETALL', '{p}:members')).split('\n')
      return all.filter((_, index) => index % 2 === 1).map((each) => JSON.parse(each) as { left?: number })
    }
    // On a busy machine a start may go on before it has reached the store.
    await until(async () => {
      await assert.rejects(startGateway(t, { ...setup, identity }, { env }), /no such user: "nobody-here"/)
      return (await members()).length > 0
    }, 'a start that has joined the store')

    assert.deepEqual(
      (await members()).filter(({ left }) => left === undefined),
      [],
    )
    // A connection that stays would keep the process alive. This one is the question's own.
    const connections = async () => (await server.command('CLIENT', 'LIST')).trim().split('\n')
    await until(async () => (await connections()).length === 1, 'the end of the connections')
  })

  test('that may delete limits is warned of', async (t) => {
    const server = await startRedis(t, { config: ['maxmemory 100mb', 'maxmemory-policy volatile-lru'] })
    const { gateway } = await startGateway(t, setup, { env: { STORE_URL: server.url } })
    await gateway.logged({ event: 'limits_store_evicts', policy: 'volatile-lru' })
  })

  test('is absent from the metrics of a gateway without one', async (t) => {
    const { gateway } = await startGateway(t)
    assert.deepEqual(await metricsOf(gateway.url), [])
  })

  test('is examined by doctor, which does not join it', async (t) => {
    const server = await startRedis(t, { config: [`requirepass ${password}`] })
    const examined = async (url: string) => {
      const loaded = await openConfig(writeScratch(t, text), { env: { STORE_URL: url } })
      assert.ok(loaded.ok)
      const [finding, ...others] = await examineStore(loaded.config.store, systemClock)
      assert.deepEqual(others, [])
      return `${finding!.state}: ${finding!.detail}`
    }
    const right = server.url.replace('//', `//:${password}@`)
    assert.match(
      await examined(right),
      /^ok: \w+ [\d.]+ at 127\.0\.0\.1:\d+, for at most 2 gateways; env STORE_URL$/,
    )
    assert.equal(await server.commandAs(password, 'DBSIZE'), '0')
    assert.match(
      await examined(right.replace(password, 'other')),
      /^fail: 127\.0\.0\.1:\d+: cannot log in: WRONGPASS [^;]*; meanwhile this gateway has its part of each limit$/,
    )
    await server.kill()
    assert.match(await examined(right), /^fail: .*ECONNREFUSED/)
  })

  test('is examined with the rights that a gateway needs', async (t) => {
    const rights = `user gateway on >${password} resetchannels ~{p}:* &{p}:* +@all -@dangerous +info`
    const server = await startRedis(t, { config: [rights] })
    const url = server.url.replace('//', `//gateway:${password}@`)
    for (const [prefix, expected] of [
      ['p', /^ok: undefined/],
      ['q', /^fail: 127.0.0.1:\d+: NOPERM .*: the user needs .* on ~\{q\}:\* and &\{q\}:\*;/],
    ] as const) {
      const yaml = text.replace('members', `prefix: ${prefix}, members`)
      const loaded = await openConfig(writeScratch(t, yaml), { env: { STORE_URL: url } })
      assert.ok(loaded.ok)
      const [finding] = await examineStore(loaded.config.store, systemClock)
      const { state, detail, fix } = finding!
      assert.match(state === 'ok' ? `${state}: ${fix}` : `${state}: ${detail}: ${fix}`, expected)
      assert.equal(await server.command('DBSIZE'), '0')
    }
  })

  test('keeps no start alive that fails', async (t) => {
    const server = await startRedis(t)
    const { gateway } = await startGatewayProcess(t, setup, { STORE_URL: server.url })
    await gateway.says(/limits_store_up/)
    const port = new URL(gateway.url).port
    const env = { STORE_URL: server.url, LLM_GATEWAY_PORT: port }
    const second = startGatewayProcess(t, setup, env)
    await assert.rejects(second, /the gateway ended: .* is in use by another gateway/s)
    const { stdout } = await runCommand(['machines', '--json'], { env: { HOME: gateway.folder } })
    const { machines } = JSON.parse(stdout) as { machines: readonly { is_this: boolean; state: string }[] }
    assert.deepEqual(
      machines.filter(({ state }) => state === 'here').map(({ is_this }) => is_this),
      [true],
    )
  })

  test('of which a gateway has its share while it is away: refusals and limits say so', async (t) => {
    const server = await startRedis(t)
    const limited = {
      rate_limit_settings: { store: { ...store, members: 3 }, limits: { scripted: { rpm: 6 } } },
    }
    const { gateway } = await startGateway(
      t,
      { ...echo, models: { scripted: { provider: 'echo' } }, ...limited },
      {
        env: { STORE_URL: server.url },
      },
    )
    await gateway.logged({ event: 'limits_store_up' })
    await server.kill()
    await gateway.logged({ event: 'limits_store_down' })
    const statuses = []
    for (let sent = 0; sent < 2; sent++) statuses.push((await chat(gateway, 'scripted')).status)
    assert.deepEqual(statuses, [200, 200])
    const refused = await chat(gateway, 'scripted')
    assert.equal(refused.status, 429)
    const { error } = JSON.parse(refused.body) as { error: { message: string } }
    assert.match(
      error.message,
      /Limit 2, Used 2, Requested 1\..*store of shared limits cannot be reached.*when_unavailable: share/,
    )
    const limits = await (await fetch(`${gateway.url}/v1/limits`)).json()
    const [row] = (limits as { data: { used: { requests: number }; next_ms: { requests: number } }[] }).data
    assert.equal(row!.used.requests, 2)
    assert.ok(row!.next_ms.requests > 0)
  })

  test('is explained without its URL', async (t) => {
    const file = writeScratch(t, text)
    const env = { STORE_URL: `rediss://ann:${password}@db.example` }
    const { status, stdout } = await runCommand(['explain', 'm', '--config', file], { env })
    assert.equal(status, 0)
    assert.match(
      stdout,
      /^store      limits are shared by at most 2 gateways: env STORE_URL \(present\), prefix llm-gateway; share while it is unavailable$/m,
    )
    assert.doesNotMatch(stdout, /db\.example|s3cret/)
  })
})
