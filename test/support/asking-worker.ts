// A worker thread that asks the owner as calls do, told by a test (asking-workers.ts).
import { workerData } from 'node:worker_threads'
import type { FromWorker, ToWorker, WorkerStart } from '../../src/app/workers/messages.ts'
import { type Batch, Outbox } from '../../src/app/workers/outbox.ts'
import { RemoteServices } from '../../src/app/workers/remote-services.ts'
import { request } from '../contracts/coordinator.ts'
import { askingChannel, type AskingCommand } from './asking-workers.ts'

const { port, number } = workerData as WorkerStart
const outbox = new Outbox<FromWorker>(port)
const services = new RemoteServices({
  outbox,
  rpm: 1,
  now: () => performance.now(),
  discovered: new Map(),
  foundFormats: new Map(),
  prefixKey: [1, 2],
  onBug: (error) => {
    throw error
  },
})
port.on('message', ({ messages }: Batch<ToWorker>) => {
  for (const message of messages) {
    if (message.kind === 'response' || message.kind === 'failed') services.onMessage(message)
  }
})
const print = (value: unknown) => outbox.post({ kind: 'log', text: JSON.stringify(value) })

const channel = new BroadcastChannel(askingChannel)
channel.addEventListener('message', (message: unknown) => {
  const { thread, times, inFlight, usedTokens } = (message as { data: AskingCommand }).data
  if (thread === number) void hammer(times, inFlight, usedTokens)
})
outbox.post({ kind: 'listening', addresses: [] })

/** So many calls, some at a time; every third one is given back. A call without used tokens is held for ever. */
async function hammer(times: number, inFlight: number, usedTokens: number | undefined): Promise<void> {
  let left = times
  const counts = { admitted: 0, charged: 0 }
  const call = async () => {
    while (left > 0) {
      const number = left--
      const result = await services.coordinator.admit(request())
      if (result.kind !== 'admitted') continue
      if (usedTokens === undefined) counts.admitted++
      else if (number % 3 === 0) result.hold.settle({ kind: 'unsent' })
      else {
        result.hold.settle({ kind: 'used', tokens: usedTokens })
        counts.admitted++
        counts.charged += usedTokens
      }
    }
  }
  await Promise.all(Array.from({ length: inFlight }, call))
  print(counts)
}
