// CPU time of the gateway's process tree, by call and by streamed event.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Measurement, Stage } from '../figure.ts'
import type { Instance } from '../instance.ts'
import { cpuBetween, readCpu } from '../process-tree.ts'
import type { Calls, Outcome, Task } from '../tasks.ts'
import type { Script } from '../wire.ts'

/** In closed loop: each sends its next call when it has its answer. */
const connections = 8
/** About as fast as a model writes. */
const eventsPerSecond = 40
/** Streams that begin at this distance have their events at as many different moments as there are streams. */
export function spreadOfStreams(gapMs: number, streams: number): number {
  return gapMs * (streams + 1)
}

/** How many times as long as usual is waited for an event at most. */
const maxWindows = 20

export const cpu: Measurement = {
  name: 'cpu',
  figures: ({ streams }) => [
    {
      id: 'call_cpu',
      title: `CPU per plain chat call, ${connections} connections`,
      unit: 'µs',
      digits: 0,
    },
    {
      id: 'event_cpu',
      title: `CPU per streamed event, ${streams} streams of ${eventsPerSecond} events/s`,
      unit: 'µs',
      digits: 1,
    },
    {
      id: 'together',
      title: 'events that arrived in one read with another',
      unit: '%',
      digits: 1,
      isContext: true,
    },
  ],
  async measure(stage, instances) {
    const { scale, load, ledger } = stage
    for (let round = 0; round < scale.rounds; round += 1) {
      for (const instance of stage.inTurn(instances)) {
        stage.tell(`round ${round + 1}: calls of ${instance.contender.name}`)
        const calls = instance.callsOf({ kind: 'plain' })
        const task: Task = {
          kind: 'closed',
          calls,
          connections,
          durationMs: scale.measureMs,
        }
        await load.run({ ...task, durationMs: scale.leadMs })
        const { perCall, outcome } = await cpuPerCall(instance, () => load.run(task))
        const contender = instance.contender.name
        ledger.add({ figure: 'call_cpu', contender, round, value: perCall }, outcome)
      }
      for (const instance of stage.inTurn(instances)) await measureEvents(stage, instance, round)
    }
  },
}

export async function cpuPerCall(instance: Instance, run: () => Promise<Outcome>) {
  instance.trimLog()
  const before = readCpu(instance.pid)
  const outcome = await run()
  return { perCall: cpuBetween(before, readCpu(instance.pid)) / outcome.calls, outcome }
}

async function measureEvents(stage: Stage, instance: Instance, round: number): Promise<void> {
  const { ledger } = stage
  const contender = instance.contender.name
  stage.tell(`round ${round + 1}: streams of ${contender}`)
  const { perEvent, together, outcome } = await cpuPerEvent(stage, instance, (script) =>
    instance.callsOf(script),
  )
  ledger.add({ figure: 'event_cpu', contender, round, value: perEvent }, outcome)
  ledger.add({ figure: 'together', contender, round, value: together })
}

/** In the middle of the streams, when all are open: what opening and ending them costs is not in it. */
export async function cpuPerEvent(
  { scale, load }: Stage,
  instance: Instance,
  callsOf: (script: Script) => Calls,
) {
  instance.trimLog()
  const gapMs = scale.isQuick ? 5 : 1000 / eventsPerSecond
  const leadMs = gapMs * 40
  const events = Math.ceil((scale.measureMs + 3 * leadMs) / gapMs)
  const calls = callsOf({ kind: 'stream', events, gapMs })
  const { streams } = scale
  const running = load.run({ kind: 'streams', calls, streams, spreadMs: spreadOfStreams(gapMs, streams) })
  await sleep(2 * leadMs)
  const before = readCpu(instance.pid)
  const first = await load.run({ kind: 'count' })
  let [after, last] = [before, first]
  // The short time of a smoke run may pass without an event where the contender lags.
  for (let tries = 0; last.events === first.events && tries < maxWindows; tries += 1) {
    await sleep(scale.measureMs)
    after = readCpu(instance.pid)
    last = await load.run({ kind: 'count' })
  }
  const outcome = await running
  const [count, together] = [last.events - first.events, last.together - first.together]
  return { perEvent: cpuBetween(before, after) / count, together: (100 * together) / count, outcome }
}
