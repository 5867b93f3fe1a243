// A gateway's worker thread that also does what a test tells it (obedient-workers.ts).
import { getEnvironmentData, workerData } from 'node:worker_threads'
import type { WorkerStart } from '../../src/app/workers/messages.ts'
import { channelName, type Command, threadFileKey } from './obedient-workers.ts'

// A thread does not have the environment of its process, which says what it is to run.
await import(getEnvironmentData(threadFileKey) as string)
const { number } = workerData as WorkerStart
const channel = new BroadcastChannel(channelName)
channel.addEventListener('message', (message: unknown) => {
  const data = (message as { data: Command }).data
  if (data.thread !== number) return
  if (data.kind === 'vanish') {
    process.removeAllListeners('exit')
    process.exit(7)
  }
  if (data.kind === 'fail') throw new Error('a test made this worker fail')
  Atomics.store(data.state, 0, 1)
  Atomics.wait(data.state, 0, 1)
})
