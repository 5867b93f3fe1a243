// What a gateway adds to the time of a call, against the upstream without one in the same round.
import { directName, type Measurement } from '../figure.ts'
import type { Instance } from '../instance.ts'
import type { Outcome, Task } from '../tasks.ts'
import { cpuPerCall } from './cpu.ts'
import { addLatencies } from './latencies.ts'

const microseconds = { unit: 'µs', digits: 0 } as const

export const latency: Measurement = {
  name: 'latency',
  figures: ({ openRate }) => [
    { id: 'latency_p50', title: 'added latency, one connection, p50', ...microseconds },
    { id: 'latency_p99', title: 'latency, one connection, p99', ...microseconds },
    { id: 'open_p50', title: `added latency at ${openRate} calls/s, p50`, ...microseconds },
    { id: 'open_p99', title: `latency at ${openRate} calls/s, p99`, ...microseconds },
    { id: 'open_cpu', title: `CPU per plain chat call at ${openRate} calls/s`, ...microseconds },
    {
      id: 'lateness',
      title: `lateness of the load generator at ${openRate} calls/s, p99`,
      ...microseconds,
      isContext: true,
    },
  ],
  async measure(stage, instances) {
    const { scale, load, ledger } = stage
    const { openRate: ratePerSecond } = scale
    for (let round = 0; round < scale.rounds; round += 1) {
      for (const mode of ['latency', 'open'] as const) {
        const outcomes = new Map<string, Outcome>()
        const measure = async (name: string, { callsOf }: Pick<Instance, 'callsOf'>) => {
          const calls = callsOf({ kind: 'plain' })
          const durationMs = mode === 'latency' ? scale.measureMs / 2 : scale.measureMs * 1.25
          const task: Task =
            mode === 'latency'
              ? { kind: 'closed', calls, connections: 1, durationMs }
              : { kind: 'open', calls, ratePerSecond, durationMs }
          stage.tell(`round ${round + 1}: latency of ${name}`)
          const outcome = await load.run(task)
          outcomes.set(name, outcome)
          return outcome
        }
        const all = [undefined, ...instances]
        for (const instance of stage.inTurn(all)) {
          const calls = (instance ?? stage.direct).callsOf({ kind: 'plain' })
          await load.run({ kind: 'closed', calls, connections: 8, durationMs: scale.leadMs })
          if (instance === undefined) {
            await measure(directName, stage.direct)
            continue
          }
          const { name } = instance.contender
          const { perCall, outcome } = await cpuPerCall(instance, () => measure(name, instance))
          if (mode === 'latency') continue
          ledger.add({ figure: 'open_cpu', contender: name, round, value: perCall }, outcome)
          ledger.add({ figure: 'lateness', contender: name, round, value: outcome.latenessP99 * 1000 })
        }
        addLatencies(ledger, mode, round, outcomes)
      }
    }
  },
}
