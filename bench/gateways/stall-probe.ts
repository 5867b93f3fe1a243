// Loaded into a Node process before its program (`--import`): tells over the channel, when asked, how long the event loop
// was held up at most since it was asked before. The program knows nothing of it.
import { monitorEventLoopDelay } from 'node:perf_hooks'

const delays = monitorEventLoopDelay({ resolution: 1 })
delays.enable()

process.on('message', (message) => {
  if (message !== 'stall') return
  // Time between two beats that are due every millisecond: at most a millisecond more than the stall itself.
  process.send?.({ stallMs: delays.max / 1e6 })
  delays.reset()
})
// The channel must not keep the program alive.
process.channel?.unref()
