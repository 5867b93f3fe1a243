// Loaded into a Node process before its program (`--import`): samples its main thread between two messages, and tells
// how much of the time went where. The program knows nothing of it.
import { Session } from 'node:inspector/promises'

/** Between two looks, in microseconds. */
const intervalUs = 200

const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.setSamplingInterval', { interval: intervalUs })

process.on('message', (message) => {
  if (message === 'start') void session.post('Profiler.start').then(() => process.send?.('started'))
  else if (message === 'stop') void stop()
})
// The channel must not keep the program alive.
process.channel?.unref()

async function stop(): Promise<void> {
  const { profile } = await session.post('Profiler.stop')
  const places = new Map(profile.nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]))
  const us: Record<string, number> = {}
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const place = places.get(id)
    if (place !== undefined) us[place] = (us[place] ?? 0) + (profile.timeDeltas?.[index] ?? 0)
  }
  process.send?.({ us })
}

/** Undefined while there is nothing to do. */
function placeOf({ functionName, url }: { functionName: string; url: string }): string | undefined {
  switch (functionName) {
    case '(idle)':
      return undefined
    case '(garbage collector)':
      return 'garbage collection (main thread)'
    case '(program)':
    case '(root)':
      return 'outside any function (event loop, kernel)'
    default:
      break
  }
  if (url.includes('/node_modules/')) return `package ${/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]}`
  if (url.startsWith('node:')) return 'Node, in JavaScript (http, net, streams, timers)'
  const own = /\/src\/([^/]+)\//.exec(url)?.[1]
  if (own !== undefined) return `llm-gateway: ${own}`
  return url === '' ? 'V8 and Node, in C++ (including system calls)' : 'other'
}
