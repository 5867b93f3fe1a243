// Threads that serve calls. More of them share the calls among more event loops: `npm run bench -- workers` has what that
// brings; here is what it costs.
import { type Axis, growthConfig, plainCalls } from '../axis.ts'

export const workers: Axis = {
  name: 'workers',
  title: 'worker threads',
  shouldBeFlat: false,
  note: 'on all cores, where load generator and upstream run too; a worker asks the main thread for each admission, and one thread does without',
  points: ({ workers }) =>
    [1, workers].map((size) => ({
      size,
      setup: { config: growthConfig({ workers: size }), isSpread: true },
      calls: plainCalls,
    })),
}
