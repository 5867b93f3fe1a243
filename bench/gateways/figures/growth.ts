// Ours alone: what a call costs as the configuration and the windows of the limits grow.
import { createOurs, isOurs, ours } from '../contenders/ours.ts'
import type { Measurement, Stage } from '../figure.ts'
import { type Instance, startInstance } from '../instance.ts'
import { cpuPerCall } from './cpu.ts'

const connections = 8

export const growth: Measurement = {
  name: 'growth',
  startsItsOwn: true,
  figures: ({ manyModels, windowEntries }) => {
    const [models, entries] = [manyModels, windowEntries].map((count) => count.toLocaleString('en'))
    const microseconds = { unit: 'µs', digits: 0, has: isOurs } as const
    return [
      { id: 'models_few', title: 'CPU per call, 4 models configured', ...microseconds },
      { id: 'models_many', title: `CPU per call, ${models} models configured`, ...microseconds },
      { id: 'models_all', title: `CPU per call, ${models} models, all of them called`, ...microseconds },
      { id: 'window_small', title: 'CPU per call, windows of at most 10 entries', ...microseconds },
      { id: 'window_large', title: `CPU per call, a window of ${entries} entries`, ...microseconds },
    ]
  },
  async measure(stage) {
    if (!stage.entrants.some(({ contender }) => contender === ours)) return
    const { scale } = stage
    const names = Array.from({ length: scale.manyModels - 1 }, (_, index) => `model-${index}`)
    const few = await start(stage, ['second', 'third', 'fourth'])
    try {
      const many = await start(stage, names)
      try {
        await measureModels(stage, { few, many, names })
        await measureWindows(stage, { many, names })
      } finally {
        await many.stop()
      }
    } finally {
      await few.stop()
    }
  },
}

async function start({ ground, isPacked }: Stage, models: readonly string[]): Promise<Instance> {
  const contender = createOurs(ours.name, { models })
  const found = await contender.find({ mayDownload: false, isPacked })
  if (found.kind !== 'found') throw new Error(found.reason)
  return await startInstance(contender, found, ground)
}

interface Grown {
  readonly many: Instance
  /** Of its models besides `bench`. */
  readonly names: readonly string[]
}

async function measureModels(stage: Stage, { few, many, names }: Grown & { few: Instance }): Promise<void> {
  const { scale, load } = stage
  for (const instance of [few, many]) {
    const calls = instance.callsOf({ kind: 'plain' })
    const { warmUpMs: durationMs, warmUpCalls: maxCalls } = scale
    await load.run({ kind: 'closed', calls, connections, durationMs, maxCalls })
  }
  for (let round = 0; round < scale.rounds; round += 1) {
    const variants: readonly [string, Instance, readonly string[]][] = [
      ['models_few', few, ['bench']],
      ['models_many', many, ['bench']],
      ['models_all', many, names],
    ]
    for (const [figure, instance, models] of stage.inTurn(variants)) {
      await measureCalls(stage, { figure, instance, models, round })
    }
  }
}

/**
 * The large window is filled by as many calls, and measured in the minute before they leave it. Calls over thousands of
 * models in turn leave a few in each window: windows that stay small however many calls are measured.
 */
async function measureWindows(stage: Stage, { many, names }: Grown): Promise<void> {
  const { scale, load } = stage
  stage.tell(`fills a window with ${scale.windowEntries} calls`)
  const filledFromMs = performance.now()
  const calls = many.callsOf({ kind: 'plain' })
  many.trimLog()
  await load.run({
    kind: 'closed',
    calls,
    connections: 32,
    durationMs: 50_000,
    maxCalls: scale.windowEntries,
  })
  for (let round = 0; round < scale.rounds; round += 1) {
    const variants: readonly [string, readonly string[]][] = [
      ['window_small', names],
      ['window_large', ['bench']],
    ]
    for (const [figure, models] of stage.inTurn(variants)) {
      await measureCalls(stage, { figure, instance: many, models, round })
    }
  }
  const sinceS = (performance.now() - filledFromMs) / 1000
  if (sinceS > 60) {
    const text = `The large window was measured over ${sinceS.toFixed(0)} s: its first entries left it after 60 s.`
    stage.ledger.notes.push(text)
  }
}

async function measureCalls(
  stage: Stage,
  {
    figure,
    instance,
    models,
    round,
  }: { figure: string; instance: Instance; models: readonly string[]; round: number },
): Promise<void> {
  const { scale, load, ledger } = stage
  stage.tell(`round ${round + 1}: ${figure}`)
  const calls = instance.callsOf({ kind: 'plain' }, 0, models)
  const durationMs = scale.measureMs / 2
  const { perCall, outcome } = await cpuPerCall(instance, () =>
    load.run({ kind: 'closed', calls, connections, durationMs }),
  )
  ledger.add({ figure, contender: ours.name, round, value: perCall }, outcome)
}
