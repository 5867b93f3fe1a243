// Calls with an image in them: CPU by size, and how long the largest holds up our event loop.
import { join } from 'node:path'
import { createOurs, isOurs, ours } from '../contenders/ours.ts'
import type { Measurement, Stage } from '../figure.ts'
import { startInstance } from '../instance.ts'
import { answerOf } from '../processes.ts'
import type { Outcome } from '../tasks.ts'
import { cpuPerCall } from './cpu.ts'

const stallCalls = 10

export const bodies: Measurement = {
  name: 'bodies',
  figures: ({ bodyBytes }) => [
    ...bodyBytes.map((bytes) => ({
      id: `body_${bytes}`,
      title: `CPU per call with a body of ${sizeOf(bytes)}, one connection`,
      unit: 'µs',
      digits: 0,
    })),
    {
      id: 'stall',
      title: `longest event-loop stall, bodies of ${sizeOf(bodyBytes.at(-1)!)}`,
      unit: 'ms',
      digits: 1,
      has: isOurs,
    },
  ],
  async measure(stage, instances) {
    const { scale, load, ledger } = stage
    for (let round = 0; round < scale.rounds; round += 1) {
      for (const bytes of scale.bodyBytes) {
        for (const instance of stage.inTurn(instances)) {
          const contender = instance.contender.name
          stage.tell(`round ${round + 1}: bodies of ${sizeOf(bytes)} through ${contender}`)
          const calls = instance.callsOf({ kind: 'big', bytes }, bytes)
          const limits = { durationMs: scale.measureMs / 2, ...(scale.isQuick ? { maxCalls: 2 } : {}) }
          const { perCall, outcome } = await cpuPerCall(instance, () =>
            load.run({ kind: 'closed', calls, connections: 1, ...limits }),
          )
          ledger.add({ figure: `body_${bytes}`, contender, round, value: perCall }, outcome)
        }
      }
    }
    if (instances.some(({ contender }) => contender === ours)) await measureStall(stage)
  },
}

/** In a process of its own, with a probe in it that the product knows nothing of. */
async function measureStall(stage: Stage): Promise<void> {
  const { scale, load, ledger, ground, isPacked } = stage
  const contender = createOurs(ours.name, {
    models: [],
    probe: join(import.meta.dirname, '../stall-probe.ts'),
  })
  const found = await contender.find({ mayDownload: false, isPacked })
  if (found.kind !== 'found') return
  const instance = await startInstance(contender, found, ground)
  const readStall = async (): Promise<number> => {
    const { stallMs } = await answerOf<{ stallMs: number }>(instance.child, 'stall')
    return stallMs
  }
  try {
    const bytes = scale.bodyBytes.at(-1)!
    const calls = instance.callsOf({ kind: 'big', bytes }, bytes)
    const maxCalls = scale.isQuick ? 1 : stallCalls
    const send = (): Promise<Outcome> =>
      load.run({ kind: 'closed', calls, connections: 1, durationMs: 30_000, maxCalls })
    // Once without looking: the first ones run uncompiled.
    await send()
    for (let round = 0; round < scale.rounds; round += 1) {
      stage.tell(`round ${round + 1}: stalls`)
      await readStall()
      const outcome = await send()
      ledger.add({ figure: 'stall', contender: ours.name, round, value: await readStall() }, outcome)
    }
  } finally {
    await instance.stop()
  }
}

function sizeOf(bytes: number): string {
  return bytes < 1_000_000 ? `${bytes / 1000} KB` : `${bytes / 1_000_000} MB`
}
