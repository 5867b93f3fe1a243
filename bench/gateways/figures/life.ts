// From the start of a fresh process: how soon it serves, what it takes when idle, and with many streams open.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Entrant, type Measurement, type Stage, takesPart } from '../figure.ts'
import { type Instance, startInstance } from '../instance.ts'
import { residentBytes } from '../process-tree.ts'

/** Streams on their way to being opened. */
const atOnce = 400
const mib = 1_048_576

export const life: Measurement = {
  name: 'life',
  startsItsOwn: true,
  takes: () => true,
  figures: ({ heldStreams }) => [
    { id: 'ready', title: 'start to ready', unit: 'ms', digits: 0 },
    { id: 'ready_again', title: 'start to ready, second start', unit: 'ms', digits: 0 },
    { id: 'first_answer', title: 'start to first answer', unit: 'ms', digits: 0 },
    { id: 'idle_memory', title: 'idle memory', unit: 'MiB', digits: 1 },
    {
      id: 'stream_memory',
      title: `memory per open stream, ${heldStreams.toLocaleString('en')} streams`,
      unit: 'KiB',
      digits: 1,
    },
    {
      id: 'opening',
      title: `time to open them, ${atOnce} at a time`,
      unit: 's',
      digits: 2,
      has: ({ maxStreams = Infinity }) => maxStreams >= heldStreams,
    },
  ],
  async measure(stage) {
    for (let round = 0; round < stage.scale.rounds; round += 1) {
      const entrants = stage.entrants.filter(({ contender }) => takesPart(life, contender))
      for (const entrant of stage.inTurn(entrants)) {
        try {
          await live(stage, entrant, round)
        } catch (error) {
          // The others go on: a run takes more than an hour.
          stage.ledger.addFault(entrant.contender.name, 'life', (error as Error).message)
        }
      }
    }
  },
}

async function live(stage: Stage, { contender, found }: Entrant, round: number): Promise<void> {
  const { scale, ground, ledger } = stage
  stage.tell(`round ${round + 1}: life of ${contender.name}`)
  const instance = await startInstance(contender, found, ground)
  try {
    const where = { contender: contender.name, round }
    ledger.add({ figure: 'ready', ...where, value: instance.readyMs })
    ledger.add({ figure: 'first_answer', ...where, value: instance.firstAnswerMs })
    // Not at once: what it learned at its first start it may write down seconds later.
    await sleep(scale.isQuick ? 0 : 6000)
    ledger.add({ figure: 'ready_again', ...where, value: await instance.restart() })
    await sleep(scale.isQuick ? 0 : 700)
    const idle = residentBytes(instance.pid)
    ledger.add({ figure: 'idle_memory', ...where, value: idle / mib })
    await holdStreams(stage, instance, round)
  } finally {
    await instance.stop()
  }
}

async function holdStreams(stage: Stage, instance: Instance, round: number): Promise<void> {
  const { scale, load, ledger } = stage
  const contender = instance.contender.name
  // A few calls first: what code and connections take once is not counted as the streams'.
  const warmUp = instance.callsOf({ kind: 'plain' })
  const durationMs = scale.isQuick ? 100 : 500
  await load.run({ kind: 'closed', calls: warmUp, connections: 8, durationMs })
  const before = residentBytes(instance.pid)
  const calls = instance.callsOf({ kind: 'hold', events: 2 })
  const streams = Math.min(scale.heldStreams, instance.contender.maxStreams ?? Infinity)
  try {
    const opened = await load.run({ kind: 'hold', calls, streams, atOnce })
    await sleep(scale.isQuick ? 0 : 1000)
    if (streams === scale.heldStreams) {
      ledger.add({ figure: 'opening', contender, round, value: opened.elapsedMs / 1000 })
    }
    const bytes = residentBytes(instance.pid) - before
    stage.releaseHeld()
    const ended = await load.run({ kind: 'await_held' })
    const outcome = {
      failed: Math.max(opened.failed, ended.failed),
      faults: { ...opened.faults, ...ended.faults },
    }
    const value = bytes / streams / 1024
    ledger.add({ figure: 'stream_memory', contender, round, value }, outcome)
  } finally {
    stage.releaseHeld()
  }
}
