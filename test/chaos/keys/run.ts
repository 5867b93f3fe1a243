// Half of the clients have keys, which an operator rotates, revokes and restricts every second, with budgets that run out;
// upstreams misbehave and die, and the gateway is killed and started again over the same state. Then all is held against what
// the keys allowed, and what was spent against the ledger.
import { performance } from 'node:perf_hooks'

import type { Setup } from '../../support/gateway-config.ts'
import { Random } from '../../support/random.ts'
import type { Cleanup } from '../../support/scripted-upstream.ts'
import { indexOf, planCall, requestOf, shapeSeed } from '../calls.ts'
import { kindOf, nameOfEnd } from '../chaos.ts'
import { ClientConnection } from '../client-connection.ts'
import { type Fixed, plainConfiguration, variedConfiguration } from '../configurations.ts'
import { judge } from '../judge.ts'
import { shapeOf } from '../responses.ts'
import { UpstreamProcess } from '../upstream-process.ts'
import { addressesOf, killAndRestart, pause, reload } from '../world.ts'
import { judgeAtRest } from './at-rest.ts'
import { judgeKeys } from './judge-keys.ts'
import { type HeldKey, KeyDesk } from './key-desk.ts'
import { end, keyOf, type KeysWorld } from './keys-world.ts'
import { type Life, Lives, wallNow } from './lives.ts'

export interface KeysRunOptions {
  readonly seed: number
  /** How long clients call. */
  readonly seconds: number
  readonly connections: number
}

export interface KeysReport {
  /** What should not have happened. No more than the first 20. */
  readonly findings: readonly string[]
  readonly ends: ReadonlyMap<string, number>
  /** Calls with a key by what became of them. */
  readonly fates: ReadonlyMap<string, number>
  readonly commands: ReadonlyMap<string, number>
  readonly lives: number
  readonly reloads: number
}

const callDeadlineMs = 30_000
const maxFindings = 20
/** USD of a million tokens. */
const prices = { a: { input: 1, output: 2 }, b: { input: 3, output: 15 }, c: { input: 0.5, output: 1.5 } }

export async function chaosOfKeys(t: Cleanup, options: KeysRunOptions): Promise<KeysReport> {
  const { seed, seconds, connections } = options
  const findings: string[] = []
  const accuse = (what: string) => {
    if (findings.length < maxFindings) findings.push(what)
  }
  const fixed: Fixed = {
    rpm: Math.ceil(connections * seconds * 0.2),
    parallel: 8,
    providerParallel: 16,
    prices,
  }
  const upstreams = ['a', 'b', 'c'].map((name) => new UpstreamProcess(name, seed, () => {}))
  for (const upstream of upstreams) t.after(() => upstream.kill())
  await Promise.all(upstreams.map((upstream) => upstream.start(false)))
  const lives = new Lives(t)
  const counts = { kills: 0, reloads: 0, refusals: 0 }
  const desk = new KeyDesk(lives, accuse)
  const world: KeysWorld = {
    seed,
    connections,
    fixed,
    upstreams,
    lives,
    desk,
    accuse,
    counts,
    calls: [],
    spend: [],
  }
  await drive(world, options)
  await judgeAtRest(world)
  const fates = judgeKeys(world)
  const ends = Map.groupBy(world.calls, (each) => nameOfEnd(each))
  return {
    findings,
    ends: new Map([...ends].map(([name, { length }]) => [name, length])),
    fates: new Map([...fates].map(([fate, times]) => [fate, times])),
    commands: desk.counts,
    lives: lives.all.length,
    reloads: counts.reloads,
  }
}

async function drive(world: KeysWorld, { seconds, connections }: KeysRunOptions): Promise<void> {
  const { desk, lives, accuse } = world
  const over = new AbortController()
  const { signal } = over
  const random = new Random(world.seed + 11, 0)
  const first = await begin(world, random)
  await desk.open()
  const clients = Array.from({ length: connections }, (_, lane) => callAgainAndAgain(world, lane, signal))
  const others = [
    ...world.upstreams.map((upstream) => killAndRestart(world, upstream, 2, signal)),
    actAgainAndAgain(world, signal),
    liveAgainAndAgain(world, first, random, signal),
  ].map((each) => each.catch((error: Error) => accuse(error.message)))
  await pause(seconds * 1_000, signal)
  over.abort()
  await Promise.all(others)
  // What is under way comes to a good end then, or has ended already.
  for (const upstream of world.upstreams) upstream.order('calm down')
  await Promise.all(clients)
  if (lives.current === undefined) await begin(world, random)
}

async function actAgainAndAgain({ seed, desk }: KeysWorld, signal: AbortSignal): Promise<void> {
  const random = new Random(seed + 12, 0)
  let nextMs = performance.now()
  while (await pause(Math.max(0, (nextMs += 800) - performance.now()), signal)) await desk.act(random)
}

/** One process after the other, each with its configuration and reloads of it. */
async function liveAgainAndAgain(
  world: KeysWorld,
  first: Life,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  let life = first
  for (;;) {
    const reloads = 1 + random.below(4)
    for (let count = 0; count < reloads; count++) {
      if (!(await pause(400 + random.below(1_200), signal))) return
      const addresses = addressesOf(world.upstreams)
      // Another mode than that of the start waits for the next one.
      const yaml = variedConfiguration(addresses, world.fixed, random, setupOf(world, random))
      await reload({ ...world, ...life }, yaml, 'reloaded')
    }
    if (!(await pause(random.below(1_000), signal))) return
    await end(world, life, random.has(0.7) ? 'SIGKILL' : 'SIGTERM')
    if (!(await pause(random.below(600), signal))) return
    life = await begin(world, random)
  }
}

async function begin(world: KeysWorld, random: Random): Promise<Life> {
  const { lives, desk, upstreams, fixed } = world
  const setup = setupOf(world, random)
  const life = await lives.begin(plainConfiguration(addressesOf(upstreams), fixed, setup), setup)
  desk.acknowledgeWritten(life.startedAtMs, life.listeningAtMs)
  return life
}

function setupOf({ desk }: Pick<KeysWorld, 'desk'>, random: Random): Setup {
  return {
    server: { workers: random.pick([1, 2]) },
    keys: { mode: random.pick(['optional', 'required']), file: desk.keyFile },
    budgets: {
      reserve: random.pick(['predicted', 'worst_case']),
      when_exhausted: random.pick(['finish', 'cut']),
      total: [{ usd: 1_000_000, per: 'total' }],
    },
  }
}

async function callAgainAndAgain(world: KeysWorld, lane: number, signal: AbortSignal): Promise<void> {
  const { seed, lives, desk, accuse, calls } = world
  let connection: ClientConnection | undefined
  let connectedTo: Life | undefined
  for (let count = 0; ; count++) {
    const planned = planCall(seed, lane, count)
    const random = new Random(seed + 13, indexOf(planned.id))
    // A large prompt would use up a small budget alone.
    const call = { ...planned, promptBytes: Math.min(planned.promptBytes, 2_000) }
    if (!(await pause(call.pauseMs, signal))) break
    const life = lives.current
    if (life === undefined) continue
    if (connectedTo !== life) {
      connection?.close()
      connection = new ClientConnection(life.gateway.url, callDeadlineMs)
      connectedTo = life
    }
    const held = keyOf(lane) === undefined ? undefined : desk.handOut(keyOf(lane)!, random)
    const request = requestOf(call, held && headersOf(held, random))
    const wire = await connection!.call(request, call)
    const verdict = judge(call, shapeOf(new Random(seed + shapeSeed, indexOf(call.id))), wire)
    const times = { sentAtMs: performance.timeOrigin + wire.sentAtMs, endedAtMs: wallNow() }
    const isCut = life.endingAtMs !== undefined && times.endedAtMs >= life.endingAtMs
    if (!('fault' in verdict)) calls.push({ call, held, life, wire, verdict, ...times })
    else if (isCut) calls.push({ call, held, life, wire, verdict: { end: 'left' }, ...times })
    else accuse(`${call.id} (${kindOf(call)}, ${held?.name ?? 'no key'}): ${verdict.fault}`)
  }
  connection?.close()
}

function headersOf({ text }: HeldKey, random: Random): Readonly<Record<string, string>> {
  return random.pick([{ authorization: `Bearer ${text}` }, { 'x-api-key': text }, { 'api-key': text }])
}
