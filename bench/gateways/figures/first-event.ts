// How much later the first event of a stream arrives than without a gateway.
import { directName, type Measurement } from '../figure.ts'
import type { Outcome } from '../tasks.ts'
import { addLatencies } from './latencies.ts'

export const firstEvent: Measurement = {
  name: 'first-event',
  figures: () => [
    { id: 'first_event_p50', title: 'added delay of the first event, p50', unit: 'µs', digits: 0 },
    { id: 'first_event_p99', title: 'first event, p99', unit: 'µs', digits: 0 },
  ],
  async measure(stage, instances) {
    const { scale, load, ledger } = stage
    for (let round = 0; round < scale.rounds; round += 1) {
      const outcomes = new Map<string, Outcome>()
      for (const instance of stage.inTurn([undefined, ...instances])) {
        const contender = instance?.contender.name ?? directName
        stage.tell(`round ${round + 1}: first events of ${contender}`)
        instance?.trimLog()
        const calls = (instance ?? stage.direct).callsOf({ kind: 'stream', events: 2, gapMs: 2 })
        await load.run({ kind: 'first_events', calls, durationMs: scale.leadMs })
        // Long enough for several hundred streams: of fewer, the 99th percentile is but the worst of them.
        outcomes.set(
          contender,
          await load.run({ kind: 'first_events', calls, durationMs: scale.measureMs * 2 }),
        )
      }
      addLatencies(ledger, 'first_event', round, outcomes)
    }
  },
}
