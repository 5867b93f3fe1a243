// Calls in the window of a limit: as many are made of one model as of fifty, where each window stays small. The large one is
// measured in the minute before its entries leave it.
import type { Instance } from '../../gateways/instance.ts'
import type { Calls } from '../../gateways/tasks.ts'
import { type At, type Axis, growthConfig, type Point } from '../axis.ts'
import { namesOf } from './models.ts'

/** Few enough that their windows stay in the caches of the processor, and that the default limit refuses nothing. */
const names = namesOf(50)
/** Before the first of them leave. */
const fillingMs = 25_000

export const windows: Axis = {
  name: 'windows',
  title: 'calls in the window of a limit, at most',
  shouldBeFlat: true,
  points: ({ windowEntries }) => [
    pointOf(Math.ceil(windowEntries / names.length), names),
    pointOf(windowEntries, ['bench']),
  ],
}

function pointOf(size: number, models: readonly string[]): Point {
  const calls = (instance: Instance): Calls => instance.callsOf({ kind: 'plain' }, 0, models)
  return {
    size,
    setup: { config: growthConfig({ models: names }) },
    calls,
    async grow({ instance, load, scale }: At) {
      const filling = { kind: 'closed', calls: calls(instance), connections: 32 } as const
      const {
        calls: made,
        failed,
        faults,
      } = await load.run({
        ...filling,
        durationMs: fillingMs,
        maxCalls: scale.windowEntries,
      })
      if (failed > 0) throw new Error(`windows: ${JSON.stringify(faults)}`)
      if (made >= scale.windowEntries) return undefined
      return `only ${made.toLocaleString('en')} calls were made in ${fillingMs / 1000} s of filling`
    },
  }
}
