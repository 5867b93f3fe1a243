// What a failure costs where gateways share their limits: real processes, before a real store. Each test is over within a minute,
// so that all calls that came through are in one window. docs/machines.md has the table; machines.long.ts measures it over minutes.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { leaseMs } from '../../src/admission/stores/valkey/exchange.ts'
import { checkout } from '../support/built-checkout.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import { redisProgram, startRedis } from '../support/redis.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { fakeClock, Fleet, type FleetOptions } from './fleet.ts'
import { promotion } from './network-scenarios.ts'

/** Requests a minute of all, and the part of each of three gateways. */
const [limit, share] = [12, 4]
/** No allotment of before is valid then. */
const pastLeaseMs = leaseMs + 500

/** With `refuse`, unless a test is of another way: the store, which may be slow while tests run, then adds nothing. */
function startThree(t: Cleanup, options: Partial<FleetOptions> = {}): Promise<Fleet> {
  return Fleet.start(t, { count: 3, limits: { rpm: limit }, whenUnavailable: 'refuse', ...options })
}

const cutAll = ({ relays }: Fleet) => relays.forEach((each) => each.cut())
const mendAll = ({ relays }: Fleet) => relays.forEach((each) => each.mend())

suite('gateways that share a limit', { skip: missing(redisProgram), concurrency: 2 }, () => {
  test('what a killed gateway used counts on, and its next process has nothing more', async (t) => {
    const fleet = await startThree(t)
    await fleet.take(0, 6)
    await fleet.gateways[0]!.stop('SIGKILL')
    await fleet.take(1, 5)
    await sleep(pastLeaseMs)
    await fleet.startGateway(0)
    const total = await fleet.exhaust(limit)
    // What it held ahead, nobody gets before what it used has left.
    assert.ok(total === limit || total === limit - 1, `${total}`)
  })

  for (const stoppedMs of [500, pastLeaseMs]) {
    test(`a gateway that stood still for ${stoppedMs} ms uses nothing that others got meanwhile`, async (t) => {
      const fleet = await startThree(t)
      await fleet.take(0, 6)
      process.kill(fleet.gateways[0]!.pid, 'SIGSTOP')
      await fleet.take(1, 5)
      await sleep(stoppedMs)
      process.kill(fleet.gateways[0]!.pid, 'SIGCONT')
      assert.equal(await fleet.exhaust(limit), limit)
    })
  }

  test('share: without the store each goes on with its part, and settles it afterwards', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'share' })
    await fleet.take(0, limit)
    await fleet.all('down', () => cutAll(fleet))
    assert.equal(await fleet.exhaust(limit + 2 * share), limit + 2 * share)
    await fleet.all('up', () => mendAll(fleet))
    assert.equal(await fleet.exhaust(limit), limit + 2 * share)
  })

  test('share: a gateway that is cut off has its part beside the whole of the others', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'share' })
    await fleet.take(1, limit)
    const before = fleet.losses
    await fleet.all('down', () => fleet.relays[0]!.cut(), [0])
    const total = await fleet.exhaust(limit + share)
    assert.ok(total >= limit + share && total <= limit + share * (fleet.losses - before), `${total}`)
  })

  test('refuse: without the store nothing is admitted that is not held', async (t) => {
    const fleet = await startThree(t)
    await fleet.take(0, 6)
    await fleet.all('down', () => cutAll(fleet))
    assert.equal(await fleet.send(1), 503)
    assert.match(fleet.refusals.at(-1)!, /limits_unavailable/)
    await sleep(pastLeaseMs)
    assert.equal(await fleet.send(0), 503)
    await fleet.all('up', () => mendAll(fleet))
    assert.equal(await fleet.exhaust(limit), limit)
  })

  test('local: without the store each has the whole limit', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'local' })
    await fleet.all('down', () => cutAll(fleet))
    assert.equal(await fleet.exhaust(3 * limit), 3 * limit)
  })

  for (const isQuiet of [false, true]) {
    test(`FLUSHALL: what gateways use is known again${isQuiet ? ', also of those that nobody calls' : ''}`, async (t) => {
      const fleet = await startThree(t)
      await fleet.take(0, 8)
      if (isQuiet) await sleep(pastLeaseMs)
      await fleet.redis.command('FLUSHALL')
      await fleet.settled()
      await fleet.take(1, 1)
      assert.equal(await fleet.exhaust(limit, isQuiet ? [1, 2] : [0, 1, 2]), limit)
    })
  }

  test('share: gateways that all crash and come back count what they used before', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'share' })
    await fleet.take(0, limit)
    await Promise.all(fleet.gateways.map((each) => each.stop('SIGKILL')))
    await sleep(pastLeaseMs)
    await Promise.all([0, 1, 2].map((index) => fleet.startGateway(index)))
    const before = fleet.losses
    const total = await fleet.exhaust(limit)
    assert.ok(total >= limit && total <= limit + share * (fleet.losses - before), `${total}`)
  })

  test('SCRIPT FLUSH costs nothing', async (t) => {
    const fleet = await startThree(t)
    await fleet.take(0, 6)
    await fleet.redis.command('SCRIPT', 'FLUSH')
    assert.equal(await fleet.exhaust(limit), limit)
  })

  for (const config of [[], ['appendonly yes', 'appendfsync always']]) {
    test(`a store that is killed comes back ${config.length === 0 ? 'without' : 'with'} its data`, async (t) => {
      const fleet = await startThree(t, { redis: { config } })
      await fleet.take(0, 6)
      await fleet.all('down', () => fleet.redis.kill())
      await fleet.all('up', () => fleet.redis.restart())
      await fleet.settled()
      await fleet.take(1, 1)
      assert.equal(await fleet.exhaust(limit), limit)
    })
  }

  test('a replica takes over that knows nothing of the last calls', async (t) => {
    const fleet = await startThree(t)
    const replica = await startRedis(t)
    await replica.command('REPLICAOF', '127.0.0.1', fleet.redis.port)
    await fleet.take(0, 2)
    // It lags behind for ever.
    await replica.command('REPLICAOF', 'NO', 'ONE')
    await fleet.take(1, 6)
    await fleet.all('up', async () => {
      fleet.storePort = replica.port
      await fleet.redis.kill()
    })
    await fleet.settled(replica)
    await fleet.take(2, 1)
    assert.equal(await fleet.exhaust(limit), limit)
  })

  test('Sentinels promote a replica, and gateways go on with it', async (t) => {
    const failover = promotion('refuse')
    const fleet = await startThree(t, failover.options(t))
    await fleet.take(0, 6)
    await failover.fail(fleet)
    await fleet.take(1, 1)
    assert.equal(await fleet.exhaust(limit), limit)
  })

  test('share: a store whose memory is full counts as away', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'share' })
    await fleet.take(0, limit)
    await fleet.all('down', () => fleet.redis.command('CONFIG', 'SET', 'maxmemory', 1))
    assert.equal(await fleet.exhaust(limit + 2 * share), limit + 2 * share)
    await fleet.all('up', () => fleet.redis.command('CONFIG', 'SET', 'maxmemory', 0))
    assert.equal(await fleet.exhaust(limit), limit + 2 * share)
  })

  test('share: a newer gateway that stores something else shuts the older ones out, which go on with their parts', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'share' })
    await fleet.take(0, limit)
    const newer = newerProgram(t)
    await fleet.gateways[2]!.stop()
    await fleet.startGateway(2, { program: newer })
    await fleet.settled()
    // What the older ones have used counts for the newer one.
    assert.equal(await fleet.exhaust(limit, [2]), limit)
    assert.equal(await fleet.exhaust(limit + share), limit + share)
  })

  test('a gateway that is updated while others run counts with them', async (t) => {
    const fleet = await startThree(t)
    await fleet.take(0, 6)
    for (const index of [0, 1, 2]) {
      await fleet.gateways[index]!.stop()
      await fleet.startGateway(index)
    }
    assert.equal(await fleet.exhaust(limit), limit)
  })

  test('tokens are shared as requests are', async (t) => {
    // Of each call, the answer has 40 tokens, and the question a few.
    const fleet = await startThree(t, { limits: { tpm: 1_000 } })
    fleet.call(() => ({ callers: 2, maxTokens: 40 }))
    await fleet.arrived(1_000)
    const { tokens, perGateway } = await fleet.end()
    assert.ok(tokens > 600 && tokens <= 1_000, `${tokens}`)
    assert.ok(Math.min(...perGateway) > 0, perGateway.join())
  })

  test('calls that wait for slots get them on every gateway, and never more run than there are', async (t) => {
    const limits = { max_parallel_requests: 2, when_limited: 'wait', max_wait_ms: 30_000 } as const
    const fleet = await startThree(t, { limits })
    fleet.provider.holdMs = 30
    fleet.call((index) => ({ callers: index === 0 ? 8 : 2 }))
    const { arrivals } = fleet.provider
    const hasServed = (index: number) => arrivals.filter(({ gateway }) => gateway === index).length > 5
    await until(() => [0, 1, 2].every((index) => hasServed(index)), 'calls of every gateway')
    assert.equal((await fleet.end()).atOnce, 2)
  })
})

const skipClocks = missing(redisProgram, 'faketime')
suite('clocks of gateways that share a limit', { skip: skipClocks, concurrency: 2 }, () => {
  test('gateways whose clocks are ten minutes off share it all the same', async (t) => {
    const skews = ['+600', '-600', '+0']
    const fleet = await startThree(t, { env: (index) => ({ ...fakeClock, FAKETIME: skews[index]! }) })
    const times = fleet.gateways.map((each) => Date.parse(/"time":"([^"]+)"/.exec(each.stdout())![1]!))
    assert.ok(times[0]! - times[2]! > 500_000 && times[2]! - times[1]! > 500_000, 'the clocks are off')
    await fleet.take(0, 4)
    await fleet.take(1, 4)
    assert.equal(await fleet.exhaust(limit), limit)
  })

  for (const step of ['+600', '-600']) {
    test(`the clock of the store goes ${step} s`, async (t) => {
      const file = join(scratchDirectory(t), 'time')
      writeFileSync(file, '+0')
      const redis = { env: { ...fakeClock, FAKETIME_TIMESTAMP_FILE: file } }
      const fleet = await startThree(t, { redis })
      await fleet.take(0, 6)
      writeFileSync(file, step)
      await fleet.take(1, 1)
      assert.equal(await fleet.exhaust(limit), limit)
    })
  }
})

/** The program of this checkout, but that it keeps another schema in the store. @returns the file to run. */
function newerProgram(t: Cleanup): string {
  const folder = scratchDirectory(t)
  for (const name of ['src', 'package.json', 'config']) {
    cpSync(join(checkout, name), join(folder, name), { recursive: true })
  }
  symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'))
  const file = join(folder, 'src/admission/stores/valkey/exchange.ts')
  const text = readFileSync(file, 'utf8')
  const later = text.replace(/(?<=export const schemaVersion = )\d+/, (version) => `${Number(version) + 1}`)
  assert.notEqual(later, text)
  writeFileSync(file, later)
  return join(folder, 'src/main.ts')
}
