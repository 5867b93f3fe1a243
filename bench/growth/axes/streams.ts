// Streams that are open and silent meanwhile. What they take by themselves is measured before the calls and subtracted.
import { setTimeout as sleep } from 'node:timers/promises'
import { type At, type Axis, growthConfig, plainCalls } from '../axis.ts'

/** On their way to being opened. */
const atOnce = 400

export const streams: Axis = {
  name: 'streams',
  title: 'open streams',
  shouldBeFlat: true,
  note: 'heartbeats are off: streams that were opened together would send them together, in some measurements and not in others',
  points: ({ streams }) =>
    [0, streams].map((size) => ({
      size,
      setup: { config: growthConfig({ server: { heartbeat_after_ms: 600_000 } }) },
      calls: plainCalls,
      worksAtRest: true,
      ...(size > 0 && {
        async grow({ instance, load, scale }: At) {
          const calls = instance.callsOf({ kind: 'hold', events: 2 }, 0, ['bench'])
          const opened = await load.run({ kind: 'hold', calls, streams: size, atOnce })
          if (opened.failed > 0) throw new Error(`streams: ${JSON.stringify(opened.faults)}`)
          await sleep(scale.isQuick ? 0 : 2000)
          return undefined
        },
        async shrink({ load, ...at }: At) {
          at.releaseHeld()
          const ended = await load.run({ kind: 'await_held' })
          return ended.failed === 0 ? undefined : JSON.stringify(ended.faults)
        },
      }),
    })),
}
