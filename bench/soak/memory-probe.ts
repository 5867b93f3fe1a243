// Loaded into a Node process before its program (`--import`): tells over the channel, when asked, what its main thread holds.
// The program knows nothing of it.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Held {
  /** Bytes. */
  readonly heap: number
  /** Bytes outside of V8's heap that belong to its objects, buffers among them. */
  readonly external: number
  /** Sockets, timers and whatever else keeps an event loop alive. */
  readonly handles: number
}

process.on('message', (message) => {
  if (message === 'held') process.send?.(held())
  if (message === 'collect') {
    collect()
    process.send?.(held())
  }
})
// The channel must not keep the program alive.
process.channel?.unref()

function held(): Held {
  const { heapUsed, external } = process.memoryUsage()
  return { heap: heapUsed, external, handles: process.getActiveResourcesInfo().length }
}

/** Twice: what the first one finalizes, the second one frees. */
function collect(): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  gc()
  gc()
}
