// Where the time of a call and of an event goes: ours alone, from its sources, so that the places have names.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createOurs, ours } from '../contenders/ours.ts'
import type { Measurement, Stage } from '../figure.ts'
import { type Instance, startInstance } from '../instance.ts'
import { answerOf } from '../processes.ts'
import { spreadOfStreams } from './cpu.ts'

const connections = 8
const gapMs = 25

export const profile: Measurement = {
  name: 'profile',
  figures: () => [],
  startsItsOwn: true,
  async measure(stage) {
    if (!stage.entrants.some(({ contender }) => contender === ours)) return
    const instance = await start(stage)
    try {
      await profileCalls(stage, instance)
      await profileEvents(stage, instance)
    } finally {
      await instance.stop()
    }
  },
}

async function start({ ground }: Stage): Promise<Instance> {
  const probe = join(import.meta.dirname, '../profile-probe.ts')
  const contender = createOurs(ours.name, { models: [], probe })
  const found = await contender.find({ mayDownload: false, isPacked: false })
  if (found.kind !== 'found') throw new Error(found.reason)
  return await startInstance(contender, found, ground)
}

async function profileCalls(stage: Stage, instance: Instance): Promise<void> {
  const { scale, load, ledger } = stage
  stage.tell('calls')
  const calls = instance.callsOf({ kind: 'plain' })
  const { warmUpMs, warmUpCalls: maxCalls } = scale
  await load.run({ kind: 'closed', calls, connections, durationMs: warmUpMs, maxCalls })
  await begin(instance)
  const durationMs = scale.measureMs * 2
  const outcome = await load.run({ kind: 'closed', calls, connections, durationMs })
  ledger.profiles.push({ of: 'plain chat call', us: await end(instance), count: outcome.calls })
}

async function profileEvents(stage: Stage, instance: Instance): Promise<void> {
  const { scale, load, ledger } = stage
  stage.tell('events')
  const events = Math.ceil((scale.measureMs * 3) / gapMs) + scale.streams + 10
  const calls = instance.callsOf({ kind: 'stream', events, gapMs })
  const { streams } = scale
  const spreadMs = spreadOfStreams(gapMs, streams)
  const running = load.run({ kind: 'streams', calls, streams, spreadMs })
  await sleep(spreadMs + 4 * gapMs)
  await begin(instance)
  const first = await load.run({ kind: 'count' })
  await sleep(scale.measureMs * 2)
  const last = await load.run({ kind: 'count' })
  ledger.profiles.push({
    of: 'streamed event',
    us: await end(instance),
    count: last.events - first.events,
  })
  await running
}

async function begin({ child }: Instance): Promise<void> {
  await answerOf(child, 'start')
}

async function end({ child }: Instance): Promise<Readonly<Record<string, number>>> {
  const { us } = await answerOf<{ us: Record<string, number> }>(child, 'stop')
  return us
}
