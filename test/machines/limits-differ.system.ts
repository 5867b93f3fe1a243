// Two gateways with other limits of the same model, over a real server: how they say so, and when.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { type Running, startGateway } from '../support/app.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { echo, type Setup } from '../support/gateway-config.ts'
import { missing } from '../support/needs.ts'
import { redisProgram, startRedis } from '../support/redis.ts'
import { systemClock } from '../../src/platform/clock.ts'

/** Real time, which a test may put forward; its timers do not notice. */
class AheadClock {
  aheadMs = 0
  readonly now = () => systemClock.now() + this.aheadMs
  readonly wallNow = systemClock.wallNow
  readonly setTimer = systemClock.setTimer
}

interface Limits {
  readonly store: { readonly conflicts: readonly string[] }
}

const conflictsOf = async ({ gateway }: Running<never>) => {
  const { store } = (await (await fetch(`${gateway.url}/v1/limits`)).json()) as Limits
  return store.conflicts.join('\n')
}

suite('machines with other limits of the same model', { skip: missing(redisProgram) }, () => {
  test('say so after a minute, until the limits are the same', async (t) => {
    const server = await startRedis(t)
    const store = { kind: 'valkey', url: { env: 'STORE_URL' }, members: 3, prefix: 'p' } as const
    const setup = (rpm: number, own: string) =>
      ({
        ...echo,
        models: { gpt: { provider: 'echo' }, [own]: { provider: 'echo' } },
        rate_limit_settings: { store, limits: { gpt: { rpm }, [own]: { rpm } } },
      }) satisfies Setup
    const clock = new AheadClock()
    const start = (rpm: number, own: string, more = {}) => {
      const options = { env: { STORE_URL: server.url }, stateDirectory: scratchDirectory(t), ...more }
      return startGateway<never>(t, setup(rpm, own), options)
    }
    const one = await start(12, 'one', { clock })
    const two = await start(20, 'two')
    const stated = async () => (await server.command('HVALS', '{p}:members')).match(/"limits":"/g)?.length
    await until(async () => (await stated()) === 2, 'what both have')
    assert.equal(await conflictsOf(one), '')
    clock.aheadMs += 30_000
    assert.equal(await conflictsOf(one), '')
    clock.aheadMs += 31_000
    const message =
      /^Limits are not the same on all machines: model gpt: rpm 12 \(\S+ \(\w{8}\)\), rpm 20 \(\S+ \(\w{8}\)\)\. /
    await until(async () => message.test(await conflictsOf(one)), 'the difference')
    await one.gateway.logged({ event: 'machines_in_conflict' })
    const logged = one.gateway.log().find(({ event }) => event === 'machines_in_conflict')
    assert.match(String(logged!['reason']), message)

    assert.deepEqual(two.gateway.reload(setup(12, 'two')), [])
    clock.aheadMs += 2_000
    await until(async () => {
      clock.aheadMs += 1_000
      return (await conflictsOf(one)) === ''
    }, 'the end of it')
  })
})
