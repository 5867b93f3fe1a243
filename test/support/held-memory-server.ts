// Loaded before a gateway (`--import`): reports what its heap holds, to whoever connects to a Unix socket in its home.
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

import { heldMemorySocket } from './held-memory.ts'

if (isMainThread) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options?: object) => void
  let isFirst = true
  const server = createServer((socket) => {
    socket.on('error', () => {})
    // Code and sources of the start, which V8 would let go of at any later time.
    if (isFirst) collect({ type: 'major', flavor: 'last-resort' })
    isFirst = false
    // A second collection takes what finalizers have let go after the first.
    collect()
    setImmediate(() => {
      collect()
      socket.end(JSON.stringify(process.memoryUsage()))
    })
  })
  server.unref().listen(join(process.env['HOME']!, heldMemorySocket))
}
