// Threads that serve calls. More of them share the calls among more event loops: `npm run bench -- workers` has what that
// brings; here is what it costs.
import { type Axis, growthConfig, plainCalls } from '../axis.ts'

export const workers: Axis = {
  name: 'workers',
  title: 'worker threads',
  shouldBeFlat: false,
  note: 'on all cores, shared with load generator and upstream; a worker asks the main thread to admit each call, a single thread does not',
  points: ({ workers }) =>
    [1, workers].map((size) => ({
      size,
      setup: { config: growthConfig({ workers: size }), isSpread: true },
      calls: plainCalls,
    })),
}
