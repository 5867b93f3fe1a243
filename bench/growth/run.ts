// The whole run: each axis in turn, its sizes side by side.
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runWith } from '../command.ts'
import { createOurs } from '../gateways/contenders/ours.ts'
import { boundRun, openGround, type OpenGround, tell } from '../gateways/ground.ts'
import { type Instance, startInstance } from '../gateways/instance.ts'
import { describeMachine } from '../gateways/machine.ts'
import { Load } from '../gateways/processes.ts'
import { cpuBetween, readCpu, residentBytes } from '../gateways/process-tree.ts'
import { randomFrom, shuffled } from '../gateways/statistics.ts'
import type { Outcome } from '../gateways/tasks.ts'
import type { At, Axis, Point, Scale } from './axis.ts'
import { clients } from './axes/clients.ts'
import { keys } from './axes/keys.ts'
import { ledger } from './axes/ledger.ts'
import { models } from './axes/models.ts'
import { scopes } from './axes/scopes.ts'
import { streams } from './axes/streams.ts'
import { windows } from './axes/windows.ts'
import { workers } from './axes/workers.ts'
import { help, type Options, readOptions } from './options.ts'
import { type Grown, isFlat, type Sample, writeGrowth } from './report.ts'

const resultsDirectory = join(import.meta.dirname, '../results')
const axes: readonly Axis[] = [models, windows, keys, clients, scopes, ledger, streams, workers]
/** No run takes longer, whatever hangs. */
const limitMs = { fixed: 60 * 60_000, perRound: 5 * 60_000, quick: 600_000 }
/** In closed loop: each sends its next call when it has its answer. */
const connections = 8
/** Streams that are asked for; what the limit of open files leaves of them is opened. */
const wantedStreams = 20_000
/** Files that a gateway has open besides its streams. */
const otherFiles = 400

/** @returns the exit status: 0, or 1 when something grows that should not, or calls failed; 2 for bad options. */
export async function benchGrowth(args: readonly string[]): Promise<number> {
  return await runWith(
    () => readOptions(args, resultsDirectory),
    help,
    async (options) => {
      const fullMs = limitMs.fixed + options.rounds * limitMs.perRound
      return await boundRun(options.isQuick ? limitMs.quick : fullMs, () => run(options))
    },
  )
}

async function run(options: Options): Promise<number> {
  const { only, rounds, seed, isQuick, out } = options
  const firstLoad = loadavg()[0]!
  const ground = await openGround()
  const load = new Load(ground.loadProcess)
  const scale = scaleOf(options, ground.maxFiles)
  const random = randomFrom(seed)
  const grown: Grown[] = []
  try {
    for (const axis of axes.filter(({ name }) => only?.includes(name) ?? true)) {
      const stage = { ground, load, scale, inTurn: <Item>(items: readonly Item[]) => shuffled(items, random) }
      grown.push(await measure(axis, stage).catch((error: Error) => brokenOff(axis, error)))
    }
  } finally {
    ground.close()
  }
  if (isQuick) return conclude(grown, rounds)
  const report = writeGrowth({
    command: `npm run bench -- growth${only === undefined ? '' : ` --only ${only.join(',')}`} --rounds ${rounds}`,
    date: new Date().toISOString().slice(0, 10),
    version: (await findOursToRun({}, false)).found.version,
    machine: describeMachine(ground.cores),
    rounds,
    grown,
    loads: [firstLoad, loadavg()[0]!],
  })
  if (out === undefined) process.stdout.write(`${report}\n`)
  else {
    mkdirSync(out, { recursive: true })
    writeFileSync(join(out, 'growth.md'), `${report.trimEnd()}\n`)
    process.stdout.write(`${report.split('## How')[0]}\nThe report is in ${out}.\n`)
  }
  return isFlat(grown) ? 0 : 1
}

/** @param maxFiles how many files one process may open: a stream takes two in a gateway. */
export function scaleOf({ isQuick, rounds }: Pick<Options, 'isQuick' | 'rounds'>, maxFiles: number): Scale {
  const cores = Math.max(2, availableParallelism())
  if (isQuick) {
    return {
      isQuick,
      rounds,
      measureMs: 100,
      leadMs: 20,
      warmUpMs: 20,
      warmUpCalls: 100,
      models: 50,
      windowEntries: 200,
      keys: 20,
      ledgerRows: 1000,
      streams: 20,
      workers: 2,
    }
  }
  return {
    isQuick,
    rounds,
    measureMs: 1250,
    // A process that has rested, as it does while others are measured, costs more at first.
    leadMs: 2000,
    warmUpMs: 180_000,
    warmUpCalls: 40_000,
    models: 10_000,
    windowEntries: 100_000,
    keys: 10_000,
    ledgerRows: 10_000_000,
    streams: Math.min(wantedStreams, Math.floor((maxFiles - otherFiles) / 2)),
    workers: cores,
  }
}

/** The other axes are measured all the same. */
function brokenOff({ name, title, shouldBeFlat }: Axis, { message }: Error): Grown {
  tell(`${name} broke off: ${message}`)
  return { name, title, shouldBeFlat, notes: [], sizes: [], samples: [], faults: [message] }
}

interface Stage {
  readonly ground: OpenGround
  readonly load: Load
  readonly scale: Scale
  inTurn<Item>(items: readonly Item[]): Item[]
}

interface Running {
  readonly point: Point
  readonly at: At
}

async function measure(axis: Axis, stage: Stage): Promise<Grown> {
  const { scale } = stage
  const running: Running[] = []
  const faults: string[] = []
  const grownNotes: string[] = []
  const samples: Sample[] = []
  try {
    for (const point of axis.points(scale)) {
      tell(`${axis.name}: starts with ${point.size.toLocaleString('en')}`)
      running.push({ point, at: await start(point, stage) })
    }
    for (const { point, at } of running) {
      tell(`${axis.name}: grows to ${point.size.toLocaleString('en')}`)
      const note = await point.grow?.(at)
      if (note !== undefined) grownNotes.push(note)
    }
    for (let round = 0; round < scale.rounds; round += 1) {
      for (const each of stage.inTurn(running)) {
        const { size } = each.point
        tell(`${axis.name}, round ${round + 1}: ${size.toLocaleString('en')}`)
        const { outcome, perCall, restPerMs } = await costOf(each, stage)
        samples.push({ axis: axis.name, size, round, perCall, restPerMs })
        if (outcome.failed > 0) faults.push(`${size}: ${JSON.stringify(outcome.faults)}`)
      }
    }
    const sizes = running.map(({ point: { size, isAside = false }, at: { instance } }) => {
      return { size, isAside, residentBytes: residentBytes(instance.pid) }
    })
    for (const { point, at } of running) {
      const fault = await point.shrink?.(at)
      if (fault !== undefined) faults.push(`${point.size}: ${fault}`)
    }
    const notes = [...(axis.note === undefined ? [] : [axis.note]), ...grownNotes, ...boundOf(axis, stage)]
    const { name, title, shouldBeFlat } = axis
    return { name, title, shouldBeFlat, notes, sizes, samples, faults }
  } finally {
    await Promise.all(running.map(({ at }) => at.instance.stop()))
  }
}

function boundOf({ name }: Axis, { scale, ground }: Stage): string[] {
  if (name !== 'streams' || scale.isQuick || scale.streams === wantedStreams) return []
  const [wanted, files, opened] = [wantedStreams, ground.maxFiles, scale.streams].map((count) =>
    count.toLocaleString('en'),
  )
  return [
    `${opened} instead of ${wanted}, because a process may open ${files} files here and a stream takes two`,
  ]
}

async function start({ setup, calls }: Point, { ground, load, scale }: Stage): Promise<At> {
  const { contender, found } = await findOursToRun(setup, !scale.isQuick)
  const instance = await startInstance(contender, found, ground)
  const { warmUpMs: durationMs, warmUpCalls: maxCalls } = scale
  const warm = await load.run({ kind: 'closed', calls: calls(instance), connections, durationMs, maxCalls })
  if (!scale.isQuick && warm.calls < maxCalls) {
    // A process that V8 has not compiled yet costs up to three times as much: sizes could not be compared.
    await instance.stop()
    throw new Error(
      `the machine is too busy: ${warm.calls} of ${maxCalls} calls to warm up in ${durationMs} ms`,
    )
  }
  return { instance, load, scale, releaseHeld: () => void ground.upstream.send('release') }
}

async function findOursToRun(setup: Point['setup'], isPacked: boolean) {
  const contender = createOurs('llm-gateway', { models: [], ...setup })
  const found = await contender.find({ mayDownload: false, isPacked })
  if (found.kind !== 'found') throw new Error(found.reason)
  return { contender, found }
}

async function costOf({ point, at: { instance } }: Running, { load, scale }: Stage) {
  const calls = point.calls(instance)
  const task = { kind: 'closed', calls, connections } as const
  const restPerMs = point.worksAtRest === true ? await costAtRest(instance, scale) : undefined
  instance.trimLog()
  // On connections that are there: looking up who opens one reads the table of all sockets of the machine.
  const running: Promise<Outcome> = load.run({ ...task, durationMs: scale.leadMs + scale.measureMs })
  await sleep(scale.leadMs)
  const before = readCpu(instance.pid)
  const first = await load.run({ kind: 'count' })
  const startMs = performance.now()
  await sleep(scale.measureMs - marginMs(scale))
  const after = readCpu(instance.pid)
  const last = await load.run({ kind: 'count' })
  const elapsedMs = performance.now() - startMs
  const own = cpuBetween(before, after) - (restPerMs ?? 0) * elapsedMs
  return { outcome: await running, perCall: own / (last.calls - first.calls), restPerMs }
}

/** The calls go on for so long after what is measured of them. */
function marginMs({ measureMs }: Scale): number {
  return measureMs / 5
}

/** @returns microseconds in a millisecond. */
async function costAtRest({ pid }: Instance, { measureMs }: Scale): Promise<number> {
  const before = readCpu(pid)
  const startMs = performance.now()
  await sleep(measureMs)
  return cpuBetween(before, readCpu(pid)) / (performance.now() - startMs)
}

/** A smoke run: everything was measured, and nothing failed. */
function conclude(grown: readonly Grown[], rounds: number): number {
  const wrong = grown.flatMap(({ name, sizes, samples, faults }) => {
    const count = samples.filter(({ perCall }) => Number.isFinite(perCall)).length
    const expected = sizes.length * rounds
    return [...faults, ...(count < expected ? [`${count} values in place of ${expected}`] : [])].map(
      (fault) => `${name}: ${fault}`,
    )
  })
  for (const each of wrong) process.stdout.write(`✗ ${each}\n`)
  process.stdout.write(
    `${wrong.length === 0 ? '✓' : '✗'} ${grown.map(({ name, sizes }) => `${name} at ${sizes.length} sizes`).join(', ')}\n`,
  )
  return wrong.length === 0 ? 0 : 1
}
