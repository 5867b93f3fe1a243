// The whole soak: starts the gateway, warms it up, sends the mix, samples, judges and writes.
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runWith } from '../command.ts'
import { createOurs } from '../gateways/contenders/ours.ts'
import { boundRun, openGround, type OpenGround, tell } from '../gateways/ground.ts'
import { type Instance, startInstance } from '../gateways/instance.ts'
import { describeMachine } from '../gateways/machine.ts'
import { answerOf } from '../gateways/processes.ts'
import { cpuBetween, type CpuReading, readCpu, residentBytes } from '../gateways/process-tree.ts'
import { drawSoak } from './chart.ts'
import type { Held } from './memory-probe.ts'
import { mixAt, soakConfig } from './mix.ts'
import { help, type Options, readOptions } from './options.ts'
import type { LoadOrder, LoadSample } from './orders.ts'
import { type Account, isFlat, writeSoak } from './report.ts'
import { coursesOf, type Sample } from './samples.ts'

const resultsDirectory = join(import.meta.dirname, '../results')
/** Before the first sample: at a higher rate until V8 has compiled, then until the windows of a minute have filled. */
const warmUpMs = { fast: 60_000, filling: 65_000, regrowing: 60_000, quick: 400 }
const fastFactor = 4
/** What a run may take beyond what it measures. */
const graceMs = 5 * 60_000

/** @returns the exit status: 0, or 1 when something is not flat or a call ended otherwise than it should; 2 for bad options. */
export async function benchSoak(args: readonly string[]): Promise<number> {
  return await runWith(
    () => readOptions(args, resultsDirectory),
    help,
    async (options) => {
      const account = await boundRun(options.minutes * 60_000 + graceMs, () => run(options))
      return options.isQuick ? conclude(account, options) : write(account, options)
    },
  )
}

async function run(options: Options): Promise<Account> {
  const ground = await openGround(join(import.meta.dirname, 'load.ts'))
  try {
    const contender = createOurs('llm-gateway', {
      models: [],
      config: soakConfig,
      probe: join(import.meta.dirname, 'memory-probe.ts'),
    })
    const found = await contender.find({ mayDownload: false, isPacked: !options.isQuick })
    if (found.kind !== 'found') throw new Error(found.reason)
    const instance = await startInstance(contender, found, ground)
    try {
      const measured = await soak(options, ground, instance)
      return {
        command: `npm run bench -- soak --minutes ${options.minutes} --rate ${options.ratePerSecond}`,
        date: new Date().toISOString().slice(0, 10),
        machine: describeMachine(ground.cores),
        version: found.version,
        ratePerSecond: options.ratePerSecond,
        mix: mixAt(instance.address),
        ...measured,
        courses: coursesOf(measured.samples),
      }
    } finally {
      await instance.stop()
    }
  } finally {
    ground.close()
  }
}

type Measured = Pick<Account, 'samples' | 'floors' | 'calls' | 'left' | 'faults'>

async function soak(options: Options, ground: OpenGround, instance: Instance): Promise<Measured> {
  const { intervalMs, ratePerSecond, minutes, isQuick, seed } = options
  const order = (what: LoadOrder) => void ground.loadProcess.send(what)
  const ask = (kind: 'sample' | 'stop') => answerOf<LoadSample>(ground.loadProcess, { kind })
  const faults = new Map<string, number>()
  let [calls, left] = [0, 0]
  const count = (sample: LoadSample): void => {
    calls += sample.calls
    left += sample.left
    for (const [what, times] of Object.entries(sample.faults))
      faults.set(what, (faults.get(what) ?? 0) + times)
  }
  order({ kind: 'begin', mix: mixAt(instance.address), seed })
  const halfMs = minutes * 30_000
  tell('warms up')
  order({ kind: 'rate', ratePerSecond: ratePerSecond * fastFactor, isWarmUp: true })
  await sleep(isQuick ? warmUpMs.quick : Math.min(warmUpMs.fast, halfMs))
  order({ kind: 'rate', ratePerSecond, isWarmUp: false })
  await sleep(isQuick ? warmUpMs.quick : Math.min(warmUpMs.filling, halfMs))
  const before = await hold(instance, 'collect')
  // What is collected in one go grows to its usual size again before it is looked at.
  await sleep(isQuick ? intervalMs : Math.min(warmUpMs.regrowing, halfMs / 2))
  // Of the warm-up only what went wrong counts.
  count({ ...(await ask('sample')), calls: 0, left: 0 })

  const samples: Sample[] = []
  const startMs = performance.now()
  let former = readBoth(ground, instance)
  for (let index = 1; index * intervalMs <= minutes * 60_000 + intervalMs / 2; index += 1) {
    await sleep(Math.max(0, startMs + index * intervalMs - performance.now()))
    const sent = await ask('sample')
    const cpu = readBoth(ground, instance)
    count(sent)
    samples.push({
      atMs: performance.now() - startMs,
      ...costOf(former, cpu, sent.calls),
      ...timesOf(sent),
      ...(await heldBy(instance)),
      openCalls: sent.open,
      load: loadavg()[0]!,
    })
    instance.trimLog()
    former = cpu
    if (index % 10 === 0) tell(`${samples.length} samples, ${faults.size === 0 ? 'no fault' : 'FAULTS'}`)
  }
  count(await ask('stop'))
  // What the last calls leave behind is settled and written by then.
  await sleep(isQuick ? 0 : 3000)
  const after = await hold(instance, 'collect')
  const floors = [
    { title: 'live heap', beforeBytes: before.heap, afterBytes: after.heap },
    { title: 'live memory outside the heap', beforeBytes: before.external, afterBytes: after.external },
  ]
  return { samples, floors, calls, left, faults }
}

interface Cpu {
  readonly gateway: CpuReading
  readonly upstream: CpuReading
}

function readBoth({ upstream }: OpenGround, { pid }: Instance): Cpu {
  return { gateway: readCpu(pid), upstream: readCpu(upstream.pid!) }
}

function costOf(former: Cpu, cpu: Cpu, calls: number) {
  return {
    calls,
    cpuPerCall: cpuBetween(former.gateway, cpu.gateway) / calls,
    upstreamCpuPerCall: cpuBetween(former.upstream, cpu.upstream) / calls,
  }
}

function timesOf({ whole, firstEvents, latenessP99Ms }: LoadSample) {
  return {
    p50: whole?.p50 ?? NaN,
    p99: whole?.p99 ?? NaN,
    firstEventP50: firstEvents?.p50 ?? NaN,
    firstEventP99: firstEvents?.p99 ?? NaN,
    latenessP99: latenessP99Ms,
  }
}

async function heldBy(instance: Instance) {
  const { heap, external, handles } = await hold(instance, 'held')
  const state = join(instance.directory, 'state')
  const walBytes = sizeOf(join(state, 'usage.db-wal'))
  return {
    rssBytes: residentBytes(instance.pid),
    heapBytes: heap,
    externalBytes: external,
    handles,
    files: readdirSync(`/proc/${instance.pid}/fd`).length,
    ledgerBytes: sizeOf(join(state, 'usage.db')) + walBytes,
    walBytes,
  }
}

function hold({ child }: Instance, what: 'held' | 'collect'): Promise<Held> {
  return answerOf<Held>(child, what)
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** A smoke run: all samples are whole, and no call ended otherwise than it should. */
function conclude({ samples, faults, calls }: Account, { minutes, intervalMs }: Options): number {
  const wrong = [...faults].map(([what, times]) => `${times} × ${what}`)
  const expected = Math.floor((minutes * 60_000) / intervalMs)
  if (samples.length < expected) wrong.push(`${samples.length} samples in place of ${expected}`)
  for (const [index, sample] of samples.entries()) {
    const missing = Object.entries(sample).filter(([, value]) => !Number.isFinite(value))
    for (const [name] of missing) wrong.push(`sample ${index} has no ${name}`)
  }
  for (const each of wrong) process.stdout.write(`✗ ${each}\n`)
  process.stdout.write(`${wrong.length === 0 ? '✓' : '✗'} ${samples.length} samples, ${calls} calls\n`)
  return wrong.length === 0 ? 0 : 1
}

function write(account: Account, { out }: Options): number {
  const report = writeSoak(account)
  const status = isFlat(account) && account.faults.size === 0 ? 0 : 1
  if (out === undefined) {
    process.stdout.write(`${report}\n`)
    return status
  }
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'soak.md'), `${report.trimEnd()}\n`)
  const caption = `${account.calls.toLocaleString('en')} mixed calls, ${account.ratePerSecond} a second. ${account.date}.`
  writeFileSync(join(out, 'soak.svg'), drawSoak(account.courses, caption))
  process.stdout.write(`${report.split('## The mix')[0]}\nThe report is in ${out}.\n`)
  return status
}
