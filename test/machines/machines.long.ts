// Gateways that share limits under load for two minutes, while something fails. `--first` and `--count` choose among the
// scenarios.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { scratchDirectory } from '../support/config-file.ts'
import { longRun } from '../support/long-run.ts'
import { missing } from '../support/needs.ts'
import { redisProgram, startRedis } from '../support/redis.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { fakeClock, type Fleet } from './fleet.ts'
import { networkScenarios, promotion } from './network-scenarios.ts'
import { limit, refuse, run, type Scenario, scenarioSeconds, share, slow } from './scenario.ts'

const atOnce = 5

const cutAll = ({ relays }: Fleet) => relays.forEach((each) => each.cut())
const mendAll = ({ relays }: Fleet) => relays.forEach((each) => each.mend())
const signal = ({ gateways }: Fleet, index: number, name: NodeJS.Signals) =>
  process.kill(gateways[index]!.pid, name)

async function killInTurn(fleet: Fleet): Promise<void> {
  for (const index of fleet.gateways.keys()) {
    await fleet.gateways[index]!.stop('SIGKILL')
    await sleep(5_000)
    await fleet.startGateway(index)
    fleet.callOne(index, slow)
    await sleep(5_000)
  }
}

async function killAll(fleet: Fleet): Promise<void> {
  await Promise.all(fleet.gateways.map((each) => each.stop('SIGKILL')))
  await sleep(5_000)
  await Promise.all(fleet.gateways.map((_, index) => fleet.startGateway(index)))
  for (const index of fleet.gateways.keys()) fleet.callOne(index, slow)
}

async function cutForHalfAMinute(fleet: Fleet): Promise<void> {
  cutAll(fleet)
  await sleep(30_000)
  mendAll(fleet)
}

async function replaceStore(fleet: Fleet): Promise<void> {
  await fleet.redis.kill()
  await sleep(5_000)
  await fleet.redis.restart()
}

async function flush(fleet: Fleet): Promise<void> {
  for (let count = 0; count < 3; count++) {
    await fleet.redis.command('FLUSHALL')
    await sleep(15_000)
  }
}

async function failOver(fleet: Fleet, t: Cleanup): Promise<void> {
  const replica = await startRedis(t)
  await replica.command('REPLICAOF', '127.0.0.1', fleet.redis.port)
  await sleep(3_000)
  await replica.command('REPLICAOF', 'NO', 'ONE')
  // What comes meanwhile is lost.
  await sleep(3_000)
  fleet.storePort = replica.port
  await fleet.redis.kill()
}

async function stopFor(fleet: Fleet, ms: number): Promise<void> {
  signal(fleet, 0, 'SIGSTOP')
  await sleep(ms)
  signal(fleet, 0, 'SIGCONT')
}

function stepOfStore(step: string): Pick<Scenario, 'options' | 'fail'> {
  let file = ''
  return {
    options(t) {
      file = join(scratchDirectory(t), 'time')
      writeFileSync(file, '+0')
      return { ...refuse(), redis: { env: { ...fakeClock, FAKETIME_TIMESTAMP_FILE: file } } }
    },
    fail: async () => writeFileSync(file, step),
  }
}

const skews = ['+600', '-600', '+0']

const scenarios: readonly Scenario[] = [
  { name: 'nothing, one gateway', options: () => ({ ...refuse(), count: 1 }) },
  {
    name: 'nothing, two gateways, 10 a minute',
    options: () => ({ ...refuse(), count: 2, limits: { rpm: 10 } }),
  },
  {
    name: 'nothing, 8 gateways, 1,000 a minute',
    options: () => ({ ...refuse(), count: 8, limits: { rpm: 1_000 } }),
    load: { callers: 3, pauseMs: 20 },
  },
  {
    name: 'nothing, calls wait',
    options: () => ({ ...refuse(), limits: { rpm: limit, when_limited: 'wait', max_wait_ms: 60_000 } }),
  },
  { name: 'a gateway is killed and comes back, one after the other', options: refuse, fail: killInTurn },
  { name: 'all gateways are killed and come back, refuse', options: refuse, fail: killAll },
  { name: 'all gateways are killed and come back, share', fail: killAll, most: limit + 3 * share },
  { name: 'a gateway stands still for 2 s', options: refuse, fail: (fleet) => stopFor(fleet, 2_000) },
  { name: 'a gateway stands still for 70 s', options: refuse, fail: (fleet) => stopFor(fleet, 70_000) },
  {
    name: 'a gateway is cut off, share',
    fail: async ({ relays }) => relays[0]!.cut(),
    most: limit + share,
  },
  { name: 'all are cut off for 30 s, share', fail: cutForHalfAMinute, most: limit + 2 * share },
  { name: 'all are cut off for 30 s, refuse', options: refuse, fail: cutForHalfAMinute },
  {
    name: 'all are cut off for 30 s, local',
    options: () => ({ whenUnavailable: 'local' }),
    fail: cutForHalfAMinute,
    most: 3 * limit,
  },
  { name: 'the store is killed and comes back empty, share', fail: replaceStore, most: limit + 2 * share },
  { name: 'the store is killed and comes back empty, refuse', options: refuse, fail: replaceStore },
  { name: 'FLUSHALL, share', fail: flush, most: limit + 2 * share },
  { name: 'FLUSHALL, refuse', options: refuse, fail: flush },
  { name: 'a replica that lags behind takes over, share', fail: failOver, most: limit + 2 * share },
  { name: 'a replica that lags behind takes over, refuse', options: refuse, fail: failOver },
  {
    name: 'SCRIPT FLUSH',
    options: refuse,
    fail: ({ redis }) => redis.command('SCRIPT', 'FLUSH'),
  },
  {
    name: 'the memory of the store is full for 30 s, share',
    async fail({ redis }) {
      await redis.command('CONFIG', 'SET', 'maxmemory', 1)
      await sleep(30_000)
      await redis.command('CONFIG', 'SET', 'maxmemory', 0)
    },
    most: limit + 2 * share,
  },
  {
    name: 'clocks of gateways are ten minutes off',
    options: () => ({ ...refuse(), env: (index) => ({ ...fakeClock, FAKETIME: skews[index]! }) }),
  },
  { name: 'the clock of the store goes ten minutes on', ...stepOfStore('+600') },
  { name: 'the clock of the store goes ten minutes back', ...stepOfStore('-600') },
  { name: 'Sentinels promote a replica, refuse', ...promotion('refuse') },
  { name: 'Sentinels promote a replica, share', ...promotion('share'), most: limit + 2 * share },
  ...networkScenarios(),
  {
    // Two cores that do this and nothing else are just enough.
    name: 'nothing, 2 gateways, 100,000 a minute',
    options: () => ({ ...refuse(), count: 2, limits: { rpm: 100_000 } }),
    load: { callers: 32, pauseMs: 0, refusedPauseMs: 50 },
    isBeyondReach: true,
  },
]

const { first, count = Infinity, seconds } = longRun()
const reason = missing(redisProgram, 'faketime')
if (reason !== false) process.stdout.write(`machines: skipped, ${reason}\n`)
else {
  const left = scenarios.slice(first, first + count)
  const failures: (string | undefined)[] = []
  let done = 0
  while (left.length > 0 && (done === 0 || performance.now() / 1_000 + scenarioSeconds < seconds)) {
    const now = left.splice(0, atOnce)
    done += now.length
    failures.push(
      ...(await Promise.all(
        now.map((each) => run(each).catch((error: unknown) => `${each.name}: ${String(error)}`)),
      )),
    )
  }
  if (left.length > 0) process.stdout.write(`machines: ${left.length} scenarios had no time\n`)
  assert.deepEqual(
    failures.filter((each) => each !== undefined),
    [],
  )
}
