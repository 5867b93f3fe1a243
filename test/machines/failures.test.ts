// What a failure costs where gateways share their limits: real processes, before a real store. Each test is over within a minute,
// so that all calls that came through are in one window. docs/machines.md has the table; failures.long.ts measures it over minutes.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { leaseMs } from '../../src/admission/stores/valkey/exchange.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { missing } from '../support/needs.ts'
import { redisProgram, startRedis } from '../support/redis.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { Fleet, type FleetOptions } from './fleet.ts'

/** Requests a minute of all, and the part of each of three gateways. */
const [limit, share] = [12, 4]
const pastLeaseMs = leaseMs + 500

function startThree(t: Cleanup, options: Partial<FleetOptions> = {}): Promise<Fleet> {
  return Fleet.start(t, { count: 3, limits: { rpm: limit }, ...options })
}

/** All gateways take what they get. @returns the calls that have come through in all. */
async function exhaust(fleet: Fleet): Promise<number> {
  for (const index of fleet.gateways.keys()) await fleet.take(index, limit)
  return fleet.provider.arrivals.length
}

/** Beyond what is used, a gateway holds so much ahead, which a dead one cannot give back. */
const ahead = 1

suite('gateways that share a limit', { skip: missing(redisProgram), concurrency: 3 }, () => {
  test('what a killed gateway used counts on, and its next process has nothing more', async (t) => {
    const fleet = await startThree(t)
    assert.deepEqual(await fleet.take(0, 6), { 200: 6 })
    await fleet.gateways[0]!.stop('SIGKILL')
    await fleet.take(1, limit)
    const before = fleet.provider.arrivals.length
    assert.ok(before >= limit - ahead && before <= limit, `${before}`)
    await sleep(pastLeaseMs)
    await fleet.startGateway(0)
    assert.ok((await exhaust(fleet)) <= limit)
  })

  for (const stoppedMs of [500, pastLeaseMs]) {
    test(`a gateway that stood still for ${stoppedMs} ms uses nothing that others got meanwhile`, async (t) => {
      const fleet = await startThree(t)
      assert.deepEqual(await fleet.take(0, 6), { 200: 6 })
      process.kill(fleet.gateways[0]!.pid, 'SIGSTOP')
      await fleet.take(1, limit)
      await sleep(stoppedMs)
      process.kill(fleet.gateways[0]!.pid, 'SIGCONT')
      assert.equal(await exhaust(fleet), limit)
    })
  }

  test('share: without the store each goes on with its part, and settles it afterwards', async (t) => {
    const fleet = await startThree(t)
    assert.deepEqual(await fleet.take(0, limit), { 200: limit })
    await fleet.all('down', () => fleet.relays.forEach((each) => each.cut()))
    assert.equal(await exhaust(fleet), limit + 2 * share)
    await fleet.all('up', () => fleet.relays.forEach((each) => each.mend()))
    assert.equal(await exhaust(fleet), limit + 2 * share)
  })

  test('share: a gateway that is cut off by itself has its part beside the whole of the others', async (t) => {
    const fleet = await startThree(t)
    assert.deepEqual(await fleet.take(1, limit), { 200: limit })
    await fleet.all('down', () => fleet.relays[0]!.cut(), [0])
    assert.equal(await exhaust(fleet), limit + share)
  })

  test('refuse: without the store nothing is admitted that is not held', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'refuse' })
    await sleep(pastLeaseMs)
    assert.deepEqual(await fleet.take(0, 6), { 200: 6 })
    await fleet.all('down', () => fleet.relays.forEach((each) => each.cut()))
    assert.deepEqual(await fleet.take(1, 1), { 503: 1 })
    assert.ok((await exhaust(fleet)) <= limit)
    await fleet.all('up', () => fleet.relays.forEach((each) => each.mend()))
    assert.equal(await exhaust(fleet), limit)
  })

  test('local: without the store each has the whole limit', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'local' })
    await fleet.all('down', () => fleet.relays.forEach((each) => each.cut()))
    assert.equal(await exhaust(fleet), 3 * limit)
  })

  for (const isQuiet of [false, true]) {
    test(`FLUSHALL: what gateways use is known again${isQuiet ? ', also of those that nobody calls' : ''}`, async (t) => {
      const fleet = await startThree(t, { whenUnavailable: 'refuse' })
      await sleep(pastLeaseMs)
      assert.deepEqual(await fleet.take(0, 8), { 200: 8 })
      if (isQuiet) await sleep(pastLeaseMs)
      await fleet.redis.command('FLUSHALL')
      if (isQuiet) await sleep(pastLeaseMs)
      assert.ok((await exhaust(fleet)) <= limit)
      await sleep(pastLeaseMs)
      assert.equal(await exhaust(fleet), limit)
    })
  }

  test('SCRIPT FLUSH costs nothing', async (t) => {
    const fleet = await startThree(t)
    assert.deepEqual(await fleet.take(0, 6), { 200: 6 })
    await fleet.redis.command('SCRIPT', 'FLUSH')
    assert.equal(await exhaust(fleet), limit)
  })

  for (const config of [[], ['appendonly yes', 'appendfsync always']]) {
    const what = config.length === 0 ? 'without its data' : 'with its data'
    test(`refuse: the store is killed and comes back ${what}`, async (t) => {
      const fleet = await startThree(t, { whenUnavailable: 'refuse', redis: { config } })
      await sleep(pastLeaseMs)
      assert.deepEqual(await fleet.take(0, 6), { 200: 6 })
      await fleet.all('down', () => fleet.redis.kill())
      assert.ok((await exhaust(fleet)) <= limit)
      await fleet.all('up', () => fleet.redis.restart())
      assert.ok((await exhaust(fleet)) <= limit)
      await sleep(pastLeaseMs)
      assert.equal(await exhaust(fleet), limit)
    })
  }

  test('refuse: a replica that knows nothing of the last calls takes over', async (t) => {
    const fleet = await startThree(t, { whenUnavailable: 'refuse' })
    await sleep(pastLeaseMs)
    const replica = await startRedis(t)
    await replica.command('REPLICAOF', '127.0.0.1', fleet.redis.port)
    assert.deepEqual(await fleet.take(0, 2), { 200: 2 })
    // It lags behind for ever.
    await replica.command('REPLICAOF', 'NO', 'ONE')
    assert.deepEqual(await fleet.take(1, 6), { 200: 6 })
    await fleet.all('up', async () => {
      fleet.storePort = replica.port
      await fleet.redis.kill()
    })
    assert.ok((await exhaust(fleet)) <= limit)
    await sleep(pastLeaseMs)
    assert.equal(await exhaust(fleet), limit)
  })

  test('share: a store whose memory is full counts as away, with each having its part', async (t) => {
    const fleet = await startThree(t)
    assert.deepEqual(await fleet.take(0, limit), { 200: limit })
    await fleet.all('down', () => fleet.redis.command('CONFIG', 'SET', 'maxmemory', 1))
    assert.equal(await exhaust(fleet), limit + 2 * share)
    await fleet.all('up', () => fleet.redis.command('CONFIG', 'SET', 'maxmemory', 0))
    assert.equal(await exhaust(fleet), limit + 2 * share)
  })
})

const faketime = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'
const fake = { LD_PRELOAD: faketime, DONT_FAKE_MONOTONIC: '1', FAKETIME_NO_CACHE: '1' }

suite('clocks of gateways that share a limit', { skip: missing(redisProgram, 'faketime'), concurrency: 3 }, () => {
  test('gateways whose clocks are ten minutes off share it all the same', async (t) => {
    const skews = ['+600', '-600', '+0']
    const fleet = await startThree(t, { env: (index) => ({ ...fake, FAKETIME: skews[index]! }) })
    const times = fleet.gateways.map((each) => Date.parse(/"time":"([^"]+)"/.exec(each.stdout())![1]!))
    assert.ok(times[0]! - times[2]! > 500_000 && times[2]! - times[1]! > 500_000, 'the clocks are off')
    assert.deepEqual(await fleet.take(0, 4), { 200: 4 })
    assert.deepEqual(await fleet.take(1, 4), { 200: 4 })
    assert.equal(await exhaust(fleet), limit)
  })

  for (const step of ['+600', '-600']) {
    test(`refuse: the clock of the store goes ${step} s`, async (t) => {
      const file = join(scratchDirectory(t), 'time')
      writeFileSync(file, '+0')
      const fleet = await startThree(t, {
        whenUnavailable: 'refuse',
        redis: { env: { ...fake, FAKETIME_TIMESTAMP_FILE: file } },
      })
      await sleep(pastLeaseMs)
      assert.deepEqual(await fleet.take(0, 6), { 200: 6 })
      writeFileSync(file, step)
      assert.ok((await exhaust(fleet)) <= limit)
      await sleep(pastLeaseMs)
      assert.equal(await exhaust(fleet), limit)
    })
  }
})
