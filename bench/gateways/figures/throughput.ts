// Calls a second on one core.
import { directName, type Measurement } from '../figure.ts'

const connectionCounts = [32, 256] as const

export const throughput: Measurement = {
  name: 'throughput',
  figures: () =>
    connectionCounts.map((count) => ({
      id: `throughput_${count}`,
      title: `throughput, ${count} connections`,
      unit: 'calls/s',
      digits: 0,
      isMoreBetter: true,
    })),
  async measure(stage, instances) {
    const { scale, load, ledger } = stage
    for (let round = 0; round < scale.rounds; round += 1) {
      for (const connections of connectionCounts) {
        for (const instance of stage.inTurn([undefined, ...instances])) {
          const contender = instance?.contender.name ?? directName
          stage.tell(`round ${round + 1}: throughput of ${contender}, ${connections} connections`)
          instance?.trimLog()
          const calls = (instance ?? stage.direct).callsOf({ kind: 'plain' })
          const [leadMs, durationMs] = [scale.measureMs / 2, scale.measureMs]
          const outcome = await load.run({ kind: 'closed', calls, connections, leadMs, durationMs })
          const value = ((outcome.calls - outcome.failed) * 1000) / outcome.elapsedMs
          ledger.add({ figure: `throughput_${connections}`, contender, round, value }, outcome)
        }
      }
    }
  },
}
