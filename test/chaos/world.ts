// The upstreams and the gateway of a run, and what is done to them while it runs.
import { readdirSync, readlinkSync, renameSync, writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'

import { type GatewayProcess, runGateway } from '../support/gateway-process.ts'
import { heldMemoryOptions } from '../support/held-memory.ts'
import { Random } from '../support/random.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { type Addresses, type Fixed, plainConfiguration } from './configurations.ts'
import { spoiltConfiguration, variedConfiguration } from './configurations.ts'
import { GatewayLog } from './gateway-log.ts'
import type { Visit } from './records.ts'
import { UpstreamProcess } from './upstream-process.ts'

export interface World {
  readonly seed: number
  readonly fixed: Fixed
  readonly upstreams: readonly UpstreamProcess[]
  readonly gateway: GatewayProcess
  readonly log: GatewayLog
  /** By tag and call. */
  readonly visits: Map<string, Visit>
  /** Before any call. */
  readonly socketsAtFirst: number
  readonly accuse: (what: string) => void
  readonly counts: { kills: number; reloads: number; refusals: number }
}

export async function startWorld(
  t: Cleanup,
  { seed, fixed, accuse }: Pick<World, 'seed' | 'fixed' | 'accuse'>,
): Promise<World> {
  const visits = new Map<string, Visit>()
  const upstreams = ['a', 'b', 'c'].map(
    (name) =>
      new UpstreamProcess(name, seed, ({ kind, tag, callId, atMs }) => {
        const key = `${tag} ${callId}`
        if (kind === 'began') visits.set(key, { tag, callId, beganAtMs: atMs })
        else visits.get(key)!.endedAtMs = atMs
      }),
  )
  for (const upstream of upstreams) t.after(() => upstream.kill())
  await Promise.all(upstreams.map((upstream) => upstream.start(false)))
  const launch = { options: heldMemoryOptions }
  const gateway = await runGateway(t, plainConfiguration(addressesOf(upstreams), fixed), {}, launch)
  const log = new GatewayLog()
  gateway.drainInto((text) => log.read(text))
  // What came before is in the log that was kept until now.
  log.read(gateway.stdout())
  await log.until('provider_reachable', upstreams.length)
  const counts = { kills: 0, reloads: 0, refusals: 0 }
  const socketsAtFirst = openSockets(gateway.pid)
  return { seed, fixed, upstreams, gateway, log, visits, socketsAtFirst, accuse, counts }
}

export function addressesOf(upstreams: readonly UpstreamProcess[]): Addresses {
  return new Map(upstreams.map(({ name, url }) => [name, url]))
}

/** False when the signal came meanwhile. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await setTimeout(ms, undefined, { signal }).catch(() => {})
  return !signal.aborted
}

/** @param pace how long things take, 1 being seconds. */
export async function killAndRestart(
  { seed, counts }: Pick<World, 'seed' | 'counts'>,
  upstream: UpstreamProcess,
  pace: number,
  signal: AbortSignal,
): Promise<void> {
  const random = new Random(seed + 1, upstream.name.codePointAt(0)!)
  while (await pause(pace * (1_000 + random.below(6_000)), signal)) {
    await upstream.kill()
    counts.kills += 1
    await pause(pace * random.below(2_500), signal)
    await upstream.start(random.has(0.8))
  }
}

export async function reloadAgainAndAgain(world: World, pace: number, signal: AbortSignal): Promise<void> {
  const random = new Random(world.seed + 2, 0)
  let nextMs = performance.now()
  while (await pause(Math.max(0, (nextMs += pace * 1_000) - performance.now()), signal)) {
    const addresses = addressesOf(world.upstreams)
    if (random.has(0.15)) await reload(world, spoiltConfiguration(addresses, random), 'reload_refused')
    else await reload(world, variedConfiguration(addresses, world.fixed, random), 'reloaded')
  }
}

/** Has the gateway load this, and waits until it says that it has, or that it will not. */
export async function reload(
  { gateway, log, counts, accuse }: Pick<World, 'gateway' | 'log' | 'counts' | 'accuse'>,
  yaml: string,
  expected: 'reloaded' | 'reload_refused',
): Promise<void> {
  if (gateway.ending() !== undefined) return
  writeFileSync(`${gateway.file}.new`, yaml, { mode: 0o600 })
  renameSync(`${gateway.file}.new`, gateway.file)
  const before = log.count(expected)
  process.kill(gateway.pid, 'SIGHUP')
  await log.until(expected, before + 1).catch((error: Error) => accuse(`${error.message}: ${yaml}`))
  if (expected === 'reloaded') counts.reloads += 1
  else counts.refusals += 1
}

export function openSockets(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((name) => isSocket(`/proc/${pid}/fd/${name}`)).length
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:')
  } catch {
    // Closed since the folder was read.
    return false
  }
}
