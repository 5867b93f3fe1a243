// The whole run: who is there, who answers right, what is measured, what is written.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { runWith } from '../command.ts'
import { checkAnswers } from './check.ts'
import { type Contender, mainFormat } from './contender.ts'
import { contenders as allContenders } from './contenders/all.ts'
import { createBaseline, ours, variants } from './contenders/ours.ts'
import { drawChart } from './chart.ts'
import { describeFaults, type Entrant, Ledger, type Measurement, type Stage, takesPart } from './figure.ts'
import { bodies } from './figures/bodies.ts'
import { cpu } from './figures/cpu.ts'
import { dialects } from './figures/dialects.ts'
import { firstEvent } from './figures/first-event.ts'
import { profile } from './figures/profile.ts'
import { latency } from './figures/latency.ts'
import { life } from './figures/life.ts'
import { translation } from './figures/translation.ts'
import { throughput } from './figures/throughput.ts'
import { boundRun, openGround, tell } from './ground.ts'
import { type Ground, type Instance, startInstance } from './instance.ts'
import { describeMachine } from './machine.ts'
import { help, type Options, readOptions, scaleOf } from './options.ts'
import { Load } from './processes.ts'
import { type Account, roundsThatCount, writeReport } from './report.ts'
import { randomFrom, shuffled } from './statistics.ts'

const resultsDirectory = join(import.meta.dirname, '../results')
/** No run takes longer, whatever hangs: a few times what one with all contenders takes. */
const limitMs = { fixed: 60 * 60_000, perRound: 30 * 60_000, quick: 9 * 60_000 }

const measurements: readonly Measurement[] = [
  cpu,
  latency,
  throughput,
  firstEvent,
  bodies,
  dialects,
  life,
  translation,
  profile,
]
const chartFigures = [
  'call_cpu',
  'event_cpu',
  'latency_p50',
  'throughput_32',
  'messages_call',
  'responses_call',
  'idle_memory',
  'stream_memory',
]

/** @returns the exit status: 0, or 1 when a contender answered wrong or, with `--quick`, a call failed; 2 for bad options. */
export async function benchGateways(args: readonly string[]): Promise<number> {
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
  const ground = await openGround()
  const { cores, upstream, upstreamPort } = ground
  const scale = scaleOf(options, ground.maxFiles)
  const { entrants, instances, leftOut, wrong } = await admit(options, ground)
  const random = randomFrom(options.seed)
  const ledger = new Ledger()
  const stage: Stage = {
    scale,
    load: new Load(ground.loadProcess),
    ground,
    ledger,
    entrants,
    direct: {
      callsOf: (script, bulkBytes = 0, models = ['bench']) => {
        const address = { port: upstreamPort, path: '/v1/chat/completions', headers: {} }
        return { address, models, script, bulkBytes }
      },
    },
    isPacked: !options.isQuick,
    inTurn: (items) => shuffled(items, random),
    releaseHeld: () => upstream.send('release'),
    tell,
  }
  let broken: Reasons = []
  const chosen = measurements.filter(({ name }) => options.figures?.includes(name) ?? true)
  try {
    broken = await measureAll(stage, chosen, instances)
  } finally {
    await Promise.all(instances.map((instance) => instance.stop()))
    ground.close()
  }
  const figures = chosen.flatMap((measurement) => measurement.figures(scale))
  if (options.isQuick) return conclude(stage, chosen, [...wrong, ...broken])
  const account: Account = {
    command: `npm run bench -- gateways${commandOf(options)}`,
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(cores),
    rounds: options.rounds,
    seed: options.seed,
    contenders: entrants.map(({ contender, found }) => ({ ...contender, version: found.version })),
    leftOut: [...leftOut, ...wrong, ...broken],
    figures,
    samples: ledger.samples,
    notes: ledger.notes,
    profiles: ledger.profiles,
    faults: ledger.faults,
  }
  write(account, options.out)
  return wrong.length + broken.length === 0 ? 0 : 1
}

interface Field {
  readonly entrants: readonly Entrant[]
  readonly instances: readonly Instance[]
  readonly leftOut: Reasons
  /** Those that did not start or did not answer right. */
  readonly wrong: Reasons
}

/** Finds the contenders, starts them, and lets in who answers right. */
async function admit({ only, baseline, isQuick }: Options, ground: Ground): Promise<Field> {
  const chosen = allContenders.filter((each) => isChosen(each, only))
  if (baseline !== undefined) chosen.splice(1, 0, createBaseline(resolve(baseline)))
  const [entrants, instances, leftOut, wrong]: [Entrant[], Instance[], Reasons, Reasons] = [[], [], [], []]
  for (const contender of chosen) {
    const { name, isRival = false } = contender
    tell(`looks for ${name}`)
    const found = await contender.find({ mayDownload: !isQuick, isPacked: !isQuick })
    if (found.kind === 'absent') {
      leftOut.push({ name, reason: found.reason, isRival })
      tell(`${name} is left out: ${found.reason}`)
      continue
    }
    try {
      const instance = await startInstance(contender, found, ground)
      for (const format of instance.formats) {
        const faults = await checkAnswers(instance, format)
        if (faults.length === 0) continue
        const reason = `answers wrong: ${faults.join('; ')}`
        instance.formats.delete(format)
        if (format !== mainFormat(contender)) {
          // What it does besides is not measured; the rest is.
          wrong.push({ name: `${name}, ${format}`, reason })
          tell(`${name} is not measured in ${format}: ${reason}`)
          continue
        }
        await instance.stop()
        throw new Error(reason)
      }
      entrants.push({ contender, found })
      instances.push(instance)
      tell(`${name} ${found.version} answers right`)
    } catch (error) {
      const reason = (error as Error).message
      wrong.push({ name, reason, isRival })
      tell(`${name} is not measured: ${reason}`)
    }
  }
  return { entrants, instances, leftOut, wrong }
}

type Reasons = { name: string; reason: string; isRival?: boolean }[]

function isChosen({ name }: Contender, only: readonly string[] | undefined): boolean {
  if (only === undefined) return true
  const contender = allContenders.find((each) => each.name === name)
  if (contender !== undefined && variants.includes(contender)) return only.includes('variants')
  return only.includes(name.toLowerCase()) || (name === ours.name && only.includes('ours'))
}

/** @returns measurements that broke off, and why: the others are made all the same. */
async function measureAll(
  stage: Stage,
  chosen: readonly Measurement[],
  instances: readonly Instance[],
): Promise<Reasons> {
  const broken: Reasons = []
  const [shared, own] = [
    chosen.filter((each) => each.startsItsOwn !== true),
    chosen.filter((each) => each.startsItsOwn),
  ]
  if (shared.length > 0) for (const instance of instances) await warmUp(stage, instance)
  for (const [index, measurement] of [...shared, ...own].entries()) {
    // Processes of its own are to have the machine for themselves.
    if (index === shared.length) await Promise.all(instances.map((instance) => instance.stop()))
    const prefix = `${measurement.name} (${index + 1} of ${chosen.length})`
    const taking = instances.filter(({ contender }) => takesPart(measurement, contender))
    try {
      await measurement.measure({ ...stage, tell: (text) => tell(`${prefix}: ${text}`) }, taking)
    } catch (error) {
      const reason = (error as Error).message
      tell(`${prefix} broke off: ${reason}`)
      broken.push({ name: `a part of \`${measurement.name}\``, reason })
    }
  }
  return broken
}

/** Until their compilers have seen what is to come. */
async function warmUp({ load, scale }: Stage, instance: Instance): Promise<void> {
  tell(`warms up ${instance.contender.name}`)
  const calls = instance.callsOf({ kind: 'plain' })
  const { warmUpMs: durationMs, warmUpCalls: maxCalls } = scale
  await load.run({ kind: 'closed', calls, connections: 8, durationMs, maxCalls })
  const events = Math.max(5, Math.floor(durationMs / 100))
  const streams = instance.callsOf({ kind: 'stream', events, gapMs: 10 })
  await load.run({ kind: 'streams', calls: streams, streams: scale.streams, spreadMs: 10 })
}

/** A smoke run: everything was measured, and nothing failed. */
function conclude(
  { ledger, scale, entrants }: Stage,
  chosen: readonly Measurement[],
  wrong: Reasons,
): number {
  const faults = wrong.map(({ name, reason }) => `${name}: ${reason}`)
  const excused = entrants.filter(({ contender }) => contender.knownFault !== undefined)
  for (const [where, why] of ledger.faults) {
    if (excused.some(({ contender }) => where.startsWith(`${contender.name}, `))) continue
    faults.push(`failed, ${where}: ${describeFaults(why)}`)
  }
  const figures = chosen.flatMap((measurement) =>
    measurement.figures(scale).map((figure) => ({ figure, measurement })),
  )
  for (const { figure, measurement } of figures) {
    const { id, has = () => true } = figure
    for (const { contender } of entrants) {
      if (!takesPart(measurement, contender) || !has(contender)) continue
      const count = ledger.samples.filter(
        (sample) =>
          sample.figure === id && sample.contender === contender.name && Number.isFinite(sample.value),
      ).length
      if (count < scale.rounds) faults.push(`${id} of ${contender.name}: only ${count} values`)
    }
  }
  for (const fault of faults) process.stdout.write(`✗ ${fault}\n`)
  const names = entrants.map(({ contender }) => contender.name)
  process.stdout.write(
    `${faults.length === 0 ? '✓' : '✗'} ${figures.length} figures of ${names.join(', ')}\n`,
  )
  return faults.length === 0 ? 0 : 1
}

function write(account: Account, out: string | undefined): void {
  const report = writeReport(account, ours.name)
  if (out === undefined) {
    process.stdout.write(`${report}\n`)
    return
  }
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'gateways.md'), `${report.trimEnd()}\n`)
  const chart = drawChart({
    figures: chartFigures.flatMap((id) => account.figures.find((figure) => figure.id === id) ?? []),
    samples: account.samples,
    contenders: account.contenders.map(({ name }) => name),
    own: ours.name,
    caption: `Medians of ${account.rounds} rounds on a logarithmic scale; thin lines: min to max. ✗: calls failed. Shorter is better unless noted. ${account.date}.`,
  })
  writeFileSync(join(out, 'gateways.svg'), chart)
  process.stdout.write(`${report.split('## Medians')[0]}\nThe report is in ${out}.\n`)
}

function commandOf({ only, figures, rounds, seed, baseline }: Options): string {
  return [
    only === undefined ? '' : ` --only ${only.join(',')}`,
    figures === undefined ? '' : ` --figures ${figures.join(',')}`,
    rounds === roundsThatCount ? '' : ` --rounds ${rounds}`,
    seed === 1 ? '' : ` --seed ${seed}`,
    baseline === undefined ? '' : ' --baseline DIR',
  ].join('')
}
