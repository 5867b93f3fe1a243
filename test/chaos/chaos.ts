// Clients call the gateway while its upstreams misbehave and die, its configuration changes every second, and clients
// leave; then all is held against what may happen to a call, and against what has to be given back.
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'

import { Random } from '../support/random.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { shapeOf } from './responses.ts'
import { judgeRest } from './at-rest.ts'
import { indexOf, type PlannedCall, planCall, requestOf, shapeSeed } from './calls.ts'
import { ClientConnection } from './client-connection.ts'
import { judge, keyErrors } from './judge.ts'
import { faultsOfLedger } from './ledger.ts'
import { faultsOfMemory, type MemorySample, watchMemory } from './memory.ts'
import { faultsOfMetrics } from './metrics.ts'
import { type Ended, faultOfLine, faultsOfLimits, faultsOfVisits, mostInWindow } from './records.ts'
import { killAndRestart, pause, reloadAgainAndAgain, startWorld, type World } from './world.ts'

export interface ChaosOptions {
  readonly seed: number
  /** How long clients call. A run of less than 20 s goes at more than twice the pace. */
  readonly seconds: number
  readonly connections: number
  /** On a busy machine the run goes on until so many calls have ended. */
  readonly leastCalls: number
}

export interface ChaosReport {
  /** What should not have happened. No more than the first 20. */
  readonly findings: readonly string[]
  /** Calls by how they ended. */
  readonly ends: ReadonlyMap<string, number>
  readonly counts: World['counts']
  /** Requests that reached the upstreams. */
  readonly visits: number
  /** What the gateway held meanwhile. */
  readonly memory: readonly MemorySample[]
  /** Open sockets of the gateway before the first call and after the last. */
  readonly sockets: readonly [atFirst: number, atLast: number]
  /** Calls of the model `steady` that were surely admitted in the fullest 60 s, and its limit. */
  readonly steady: readonly [most: number, rpm: number]
}

const callDeadlineMs = 30_000
const maxFindings = 20
export async function chaos(t: Cleanup, options: ChaosOptions): Promise<ChaosReport> {
  const { seed, seconds, connections } = options
  const findings: string[] = []
  const accuse = (what: string) => {
    if (findings.length < maxFindings) findings.push(what)
  }
  // Of about a call a second of each connection, steady gets a fifth: it comes to its limit in a minute's course.
  const rpm = Math.ceil(connections * seconds * 0.07)
  const workers = seed % 2 === 0 ? 1 : 3
  const fixed = { rpm, parallel: 8, providerParallel: 16, workers }
  const world = await startWorld(t, { seed, accuse, fixed })
  const { ended, memory } = await drive(world, options)
  const hasEnded = world.gateway.ending() !== undefined
  if (hasEnded)
    accuse(`the gateway ended (${world.gateway.ending()}): ${world.gateway.stderr().slice(-3000)}`)
  const rest = hasEnded ? undefined : await judgeRest(world, ended)
  const { log, counts, socketsAtFirst } = world
  const visits = [...world.visits.values()]
  if (rest !== undefined) {
    for (const each of ended) {
      const fault = faultOfLine(each, log.calls.get(each.call.id))
      if (fault !== undefined) accuse(`${each.call.id} ${fault}`)
    }
    for (const fault of [...faultsOfLimits(ended, visits, world.fixed), ...faultsOfVisits(visits, log.calls)])
      accuse(fault)
    const ledger = join(world.gateway.folder, '.local/state/llm-gateway/usage.db')
    for (const fault of faultsOfLedger(ledger, log.calls)) accuse(fault)
    for (const fault of faultsOfMetrics(rest.metrics, log.calls, ledger)) accuse(fault)
    for (const fault of [...log.faults, ...faultsOfMemory(memory)]) accuse(fault)
  }
  const ends = new Map(
    [...Map.groupBy(ended, nameOfEnd)].map(([name, { length }]) => [name, length] as const),
  )
  const most = mostInWindow(ended.filter(({ call }) => call.model === 'steady' && !call.isCount))
  return {
    findings,
    ends,
    counts,
    visits: visits.length,
    memory,
    steady: [most, rpm],
    sockets: [socketsAtFirst, rest?.sockets ?? 0],
  }
}

/** All at once, for as long as the run takes. */
async function drive(
  world: World,
  options: ChaosOptions,
): Promise<{ ended: Ended[]; memory: MemorySample[] }> {
  const { seconds, connections, leastCalls } = options
  const pace = seconds < 20 ? 0.4 : 1
  const over = new AbortController()
  const { signal } = over
  const ended: Ended[] = []
  const clients = Array.from({ length: connections }, (_, lane) =>
    callAgainAndAgain(world, lane, ended, signal),
  )
  const others = [
    ...world.upstreams.map((upstream) => killAndRestart(world, upstream, pace, signal)),
    reloadAgainAndAgain(world, pace, signal),
  ]
  const watch = watchMemory(world, () => ended.length, signal)
  await pause(seconds * 1_000, signal)
  while (ended.length < leastCalls && (await pause(100, signal)));
  over.abort()
  await Promise.all(others)
  // What is under way comes to a good end then, or has ended already.
  for (const upstream of world.upstreams) upstream.order('calm down')
  await Promise.all(clients)
  return { ended, memory: await watch }
}

async function callAgainAndAgain(
  { seed, gateway, accuse }: World,
  lane: number,
  ended: Ended[],
  signal: AbortSignal,
): Promise<void> {
  const connection = new ClientConnection(gateway.url, callDeadlineMs)
  for (let count = 0; gateway.ending() === undefined; count++) {
    const call = planCall(seed, lane, count)
    if (!(await pause(call.pauseMs, signal))) break
    const wire = await connection.call(requestOf(call), call)
    const verdict = judge(call, shapeOf(new Random(seed + shapeSeed, indexOf(call.id))), wire)
    if ('fault' in verdict) {
      const tookMs = Math.round(performance.now() - wire.sentAtMs)
      accuse(`${call.id} (${kindOf(call)}, ${tookMs} ms): ${verdict.fault}`)
    } else if ('code' in verdict && keyErrors[verdict.code] !== undefined) {
      accuse(`${call.id} (${kindOf(call)}) without a key: ${verdict.code}`)
    } else ended.push({ call, wire, verdict })
  }
  connection.close()
}

export function kindOf({ model, dialect, isCount, isStream }: PlannedCall): string {
  if (isCount) return `${model}, count`
  return `${model}, ${dialect}, ${isStream ? 'streamed' : 'whole'}`
}

export function nameOfEnd({ call, verdict }: Pick<Ended, 'call' | 'verdict'>): string {
  const end = call.isCount ? verdict.end : `${call.dialect} ${verdict.end}`
  return 'code' in verdict ? `${end} ${verdict.code}` : end
}
