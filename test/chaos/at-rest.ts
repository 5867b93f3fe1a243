// What has to be true when all clients have gone: nothing is held any more, and everything still works.
import { setTimeout } from 'node:timers/promises'
import { performance } from 'node:perf_hooks'

import { soon } from '../support/deadline.ts'
import { type Metrics, scrape } from '../support/metrics-text.ts'
import { Random } from '../support/random.ts'
import { shapeOf } from './responses.ts'
import { indexOf, requestOf, shapeSeed, type PlannedCall } from './calls.ts'
import { ClientConnection } from './client-connection.ts'
import { plainConfiguration, probeModel } from './configurations.ts'
import { judge, type Verdict } from './judge.ts'
import { countedBetween, type Ended, type Used } from './records.ts'
import type { UpstreamProcess } from './upstream-process.ts'
import { addressesOf, openSockets, reload, type World } from './world.ts'

/** Idle connections to providers are given up after 4 s. */
const maxQuietMs = 10_000

const probeDeadlineMs = 15_000

export interface AtRest {
  readonly sockets: number
  /** After the last call. */
  readonly metrics: Metrics
}

export async function judgeRest(world: World, ended: readonly Ended[]): Promise<AtRest> {
  const { upstreams, fixed, gateway, accuse } = world
  await reload(world, plainConfiguration(addressesOf(upstreams), fixed), 'reloaded')
  const socketsAtLast = await quiet(world)
  await judgeCounters(world, ended)
  for (const [index, upstream] of upstreams.entries()) await judgeSlots(world, upstream, index)
  const metrics = await scrape(gateway)
  const ending = await gateway.stop().catch(() => 'not at all')
  if (ending !== 0) accuse(`SIGTERM ended it with ${ending}`)
  if (/\(node:\d+\)/.test(gateway.stderr())) accuse(`a warning: ${gateway.stderr().slice(-2_000)}`)
  return { sockets: socketsAtLast, metrics }
}

/** Waits until no connection is left over. */
async function quiet({ upstreams, gateway, socketsAtFirst, accuse }: World): Promise<number> {
  const untilMs = performance.now() + maxQuietMs
  for (;;) {
    const standings = await Promise.all(upstreams.map((upstream) => upstream.standing()))
    const sockets = openSockets(gateway.pid)
    const isQuiet = standings.every(({ active, connections }) => active + connections === 0)
    if (isQuiet && sockets <= socketsAtFirst) return sockets
    if (performance.now() > untilMs) {
      accuse(`${sockets} sockets at rest, ${socketsAtFirst} at first; upstreams ${JSON.stringify(standings)}`)
      return sockets
    }
    await setTimeout(100)
  }
}

/** The limits' own counters, against what the clients saw. */
async function judgeCounters({ gateway, accuse }: World, ended: readonly Ended[]): Promise<void> {
  const beganAtMs = performance.now()
  const answer = await fetch(`${gateway.url}/v1/limits`, { headers: { connection: 'close' } })
  const { data } = (await answer.json()) as { data: { model: string; used: Used; waiting: number }[] }
  const asked = { beganAtMs, endedAtMs: performance.now() }
  for (const { model, used, waiting } of data) {
    if (used.parallel !== 0 || waiting !== 0) {
      accuse(`model ${model} has ${used.parallel} calls under way and ${waiting} waiting at rest`)
    }
  }
  const [least, most] = countedBetween(
    ended.filter(({ call }) => call.model === 'steady' && !call.isCount),
    asked,
  )
  const counted = data.find(({ model }) => model === 'steady')?.used.requests ?? -1
  if (counted < least || counted > most) {
    accuse(`steady counts ${counted} requests, and its clients ${least} to ${most}`)
  }
}

/** As many calls at once as the provider takes, and then one more, which has to be refused. */
async function judgeSlots(
  { seed, fixed, gateway, accuse }: World,
  upstream: UpstreamProcess,
  index: number,
): Promise<void> {
  const connections: ClientConnection[] = []
  const probe = (count: number) => {
    const call = probeCall(`probe-${900 + index}-${count}`, upstream.name)
    const connection = new ClientConnection(gateway.url, probeDeadlineMs)
    connections.push(connection)
    const hasBegun = Promise.withResolvers<void>()
    const verdict = connection.call(requestOf(call), call, hasBegun.resolve).then((wire) => {
      hasBegun.resolve()
      return judge(call, shapeOf(new Random(seed + shapeSeed, indexOf(call.id))), wire)
    })
    return { hasBegun: hasBegun.promise, verdict }
  }
  const probes = Array.from({ length: fixed.providerParallel }, (_, count) => probe(count))
  await soon(Promise.all(probes.map(({ hasBegun }) => hasBegun)), () => `calls of ${upstream.name} at once`)
  const further = await probe(fixed.providerParallel).verdict
  upstream.order('release probes')
  const verdicts = await Promise.all(probes.map(({ verdict }) => verdict))
  for (const connection of connections) connection.close()
  const others = verdicts.filter((verdict) => !('end' in verdict) || verdict.end !== 'streamed')
  if (others.length > 0) accuse(`slots of ${upstream.name} are not free: ${JSON.stringify(others)}`)
  if (!isLimited(further)) accuse(`${upstream.name} takes one too many: ${JSON.stringify(further)}`)
}

function isLimited(verdict: Verdict): boolean {
  return 'end' in verdict && verdict.end === 'gateway_error' && verdict.code === 'rate_limit_exceeded'
}

function probeCall(id: string, provider: string): PlannedCall {
  const stays = { leaves: undefined, readsSlowly: false, pauseMs: 0, promptBytes: 60 }
  return {
    id,
    model: probeModel(provider),
    dialect: 'chat',
    isCount: false,
    isStream: true,
    wantsUsage: false,
    ...stays,
  }
}
