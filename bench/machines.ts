// What limits that several gateways share cost a call, and how much of a shared limit gets used: the stores themselves, over a
// real server on this machine, in real time, because windows are real minutes.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Scope, modelScope } from '../src/admission/scopes.ts'
import { MemoryStore } from '../src/admission/stores/memory.ts'
import type { AdmissionStore } from '../src/admission/stores/store.ts'
import { Allotments } from '../src/admission/stores/valkey/allotments.ts'
import { connectStore } from '../src/admission/stores/valkey/connection.ts'
import { leaseMs, schemaVersion } from '../src/admission/stores/valkey/exchange.ts'
import { ValkeyStore } from '../src/admission/stores/valkey/valkey-store.ts'
import { readStoreUrl } from '../src/config/store-url.ts'
import { systemClock } from '../src/platform/clock.ts'
import { missing } from '../test/support/needs.ts'
import { type RedisServer, redisProgram, startRedis } from '../test/support/redis.ts'
import { percentile } from './gateways/statistics.ts'

/** Per minute. */
const limits = [10, 1_000, 100_000]
const gatewayCount = 8
const callMs = 50
const [latencySeconds, shareSeconds] = [20, 80]
const [mostTrips, leastEven, leastOne] = [0.1, 0.95, 0.85]
/** From this limit on, a model is busy. */
const busyLimit = 1_000
/** Keys that call once a second, each with a limit of its own. */
const [busyKeys, keySeconds] = [3_000, 20]

interface Gateway {
  readonly store: AdmissionStore
  trips: number
  /** How often the server was away, though it was there. */
  losses: number
  readonly close: () => Promise<unknown>
}

const inMemory = (): Gateway => ({
  store: new MemoryStore(),
  trips: 0,
  losses: 0,
  close: () => Promise.resolve(),
})

async function sharing({ url }: RedisServer, prefix: string, index: number): Promise<Gateway> {
  const read = readStoreUrl(url, 'bench')
  if (read.kind === 'refused') throw new Error(read.message)
  const name = { machine: `m${index}`, process: 'p' }
  // As in a gateway, but that nothing else keeps this process alive.
  const setTimer = (fn: () => void, delayMs: number) => {
    const timer = setTimeout(fn, delayMs)
    return () => clearTimeout(timer)
  }
  const clock = { ...systemClock, setTimer }
  const connection = await connectStore({
    endpoint: read.endpoint,
    ca: undefined,
    prefix,
    member: { ...name, host: 'bench', version: '1' },
    schema: schemaVersion,
    leaseMs,
    setTimer,
    chance: Math.random,
  })
  const counts = { trips: 0, losses: 0 }
  const allotments: Allotments = new Allotments({
    connection: {
      get isUp() {
        return connection.isUp
      },
      run(...call) {
        counts.trips += 1
        return connection.run(...call)
      },
    },
    prefix,
    member: `${name.machine}.${name.process}`,
    clock,
    whenUnavailable: 'refuse',
    members: gatewayCount,
    onFreed: () => store.freed(),
    onBug: (error) => process.stderr.write(`${String(error)}\n`),
  })
  const store = new ValkeyStore({
    allotments,
    keyOf: ({ kind, name: scope }) => `${kind}:${scope}`,
    whenUnavailable: 'refuse',
    now: clock.now,
    setTimer: clock.setTimer,
  })
  connection.onNews = (message) => allotments.hear(message)
  connection.onChange = () => {
    if (!connection.isUp && !isClosing) counts.losses += 1
    allotments.reconnected()
  }
  connection.onGrace = () => void allotments.restate()
  let isClosing = false
  async function close(): Promise<void> {
    isClosing = true
    await allotments.leave()
    await connection.close()
  }
  while (!connection.isUp) await sleep(20)
  return Object.assign(counts, { store, close })
}

interface Load {
  readonly calls: number
  /** Of each call in line, in milliseconds. */
  readonly latencies: readonly number[]
  /** When calls were admitted. */
  readonly admittedMs: readonly number[]
}

/** So many calls a second, in bursts where those are more than the timer's ticks. */
async function offer(store: AdmissionStore, scope: Scope, perSecond: number, seconds: number): Promise<Load> {
  const { now } = systemClock
  const [latencies, admittedMs]: [number[], number[]] = [[], []]
  const startMs = now()
  let calls = 0
  const underWay = new Set<Promise<void>>()
  async function one(): Promise<void> {
    const sentMs = now()
    const result = await store.reserve({ scopes: [scope], oneOf: [], tokens: 10, minTokens: 1 }, sentMs)
    latencies.push(now() - sentMs)
    if (result.kind !== 'admitted') return
    admittedMs.push(now())
    await sleep(callMs)
    await store.settle(result.reservation, { requests: 1, tokens: 10 }, now())
  }
  while (now() - startMs < seconds * 1_000) {
    for (; calls < ((now() - startMs) / 1_000) * perSecond; calls++) {
      const call = one()
      underWay.add(call)
      void call.then(() => underWay.delete(call))
    }
    await sleep(Math.min(100, 1_000 / perSecond))
  }
  await Promise.all(underWay)
  return { calls, latencies, admittedMs }
}

function scopeOf(rpm: number): Scope {
  return modelScope('m', { rpm, whenLimited: 'reject', maxWaitMs: 0 })
}

/** @returns whether the round trips are as few as they are to be. */
async function benchCalls(redis: RedisServer, rpm: number): Promise<boolean> {
  const perSecond = Math.max(5, (rpm / 60) * 0.9)
  const shared = await sharing(redis, `calls-${rpm}`, 0)
  await sleep(leaseMs + 500)
  const measured: { load: Load; cpuMicros: number }[] = []
  for (const { store } of [inMemory(), shared]) {
    const scope = scopeOf(rpm)
    await offer(store, scope, 5, 1)
    const before = process.cpuUsage()
    const load = await offer(store, scope, perSecond, latencySeconds)
    const { user, system } = process.cpuUsage(before)
    measured.push({ load, cpuMicros: (user + system) / load.calls })
  }
  const trips = shared.trips / measured[1]!.load.calls
  await shared.close()
  const [memory, valkey] = measured.map(({ load, cpuMicros }) => {
    const sorted = load.latencies.toSorted((one, other) => one - other)
    return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), cpuMicros }
  })
  const added = (of: (figures: NonNullable<typeof memory>) => number) => of(valkey!) - of(memory!)
  process.stdout.write(
    `${rpm} a minute: adds ${added(({ p50 }) => p50).toFixed(3)} ms (p50), ${added(({ p99 }) => p99).toFixed(3)} ms (p99), ` +
      `${added(({ cpuMicros }) => cpuMicros).toFixed(0)} µs of CPU per call; ${trips.toFixed(3)} round trips per call\n`,
  )
  return rpm < busyLimit || trips <= mostTrips
}

/** @returns whether the server was there all the time. */
async function benchKeys(redis: RedisServer): Promise<boolean> {
  const gateway = await sharing(redis, 'keys', 0)
  await sleep(leaseMs + 500)
  const { now } = systemClock
  const scopes = Array.from({ length: busyKeys }, (_, index): Scope => {
    return { kind: 'client', name: `key:${index}`, limits: { rpm: 600 }, isMetered: true }
  })
  const before = process.cpuUsage()
  const trips = gateway.trips
  const startMs = now()
  let calls = 0
  const underWay: Promise<void>[] = []
  async function one(scope: Scope): Promise<void> {
    const result = await gateway.store.reserve(
      { scopes: [scope], oneOf: [], tokens: 10, minTokens: 1 },
      now(),
    )
    if (result.kind !== 'admitted') return
    await gateway.store.settle(result.reservation, { requests: 1, tokens: 10 }, now())
  }
  while (now() - startMs < keySeconds * 1_000) {
    for (; calls < ((now() - startMs) / 1_000) * busyKeys; calls++)
      underWay.push(one(scopes[calls % busyKeys]!))
    await sleep(10)
  }
  await Promise.all(underWay)
  const { user, system } = process.cpuUsage(before)
  const perSecond = (gateway.trips - trips) / keySeconds
  const { losses } = gateway
  await gateway.close()
  process.stdout.write(
    `${busyKeys} keys, each with a call a second: ${perSecond.toFixed(0)} round trips a second, ` +
      `${((user + system) / 1e4 / keySeconds).toFixed(0)} % of a core; the server was lost ${losses} times (at most 0)\n`,
  )
  return losses === 0
}

/** The part of the limit that all gateways together have used in the last minute. */
async function usedShare(
  redis: RedisServer,
  name: string,
  rpm: number,
  loads: readonly number[],
): Promise<number> {
  const gateways = await Promise.all(loads.map((_, index) => sharing(redis, name, index)))
  await sleep(leaseMs + 500)
  const scope = scopeOf(rpm)
  const endMs = systemClock.now() + shareSeconds * 1_000
  const seen = await Promise.all(
    loads.map(async (perSecond, index) =>
      perSecond === 0 ? undefined : offer(gateways[index]!.store, scope, perSecond, shareSeconds),
    ),
  )
  await Promise.all(gateways.map(({ close }) => close()))
  const times = seen.flatMap((each) => each?.admittedMs ?? [])
  return times.filter((atMs) => atMs > endMs - 60_000 && atMs <= endMs).length / rpm
}

/** @returns the exit status: 1 where a figure is not what it is to be, or there is no server. */
export async function benchMachines(): Promise<number> {
  const reason = missing(redisProgram)
  if (reason !== false) {
    process.stderr.write(`machines: ${reason}\n`)
    return 1
  }
  const ends: (() => unknown)[] = []
  try {
    const redis = await startRedis({ after: (end) => void ends.push(end) })
    let isGood = await benchKeys(redis)
    for (const rpm of limits) isGood = (await benchCalls(redis, rpm)) && isGood
    for (const rpm of limits.slice(1)) {
      const perSecond = (rpm / 60) * 1.3
      const even = Array.from({ length: gatewayCount }, () => perSecond / gatewayCount)
      const one = even.map((_, index) => (index === 0 ? perSecond : 0))
      const used = await usedShare(redis, `even-${rpm}`, rpm, even)
      const usedByOne = await usedShare(redis, `one-${rpm}`, rpm, one)
      isGood &&= used >= leastEven && usedByOne >= leastOne
      process.stdout.write(
        `${rpm} a minute, ${gatewayCount} gateways: ${(used * 100).toFixed(1)} % used under even load (at least ${leastEven * 100}), ` +
          `${(usedByOne * 100).toFixed(1)} % when one has all callers (at least ${leastOne * 100})\n`,
      )
    }
    return isGood ? 0 : 1
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}
