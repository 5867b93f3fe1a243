// A gateway with a store of limits that others share: what it reports of it, and what it keeps to itself.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { examineStore } from '../../src/cli/doctor/store.ts'
import { openConfig } from '../../src/config/load.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { startGateway } from '../support/app.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
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
