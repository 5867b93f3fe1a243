// A thread that uses shared counters as a gateway's worker does; `startStoreThread` in store-threads.ts starts it.
import { parentPort, workerData } from 'node:worker_threads'
import { Admission } from '../../src/admission/admission.ts'
import { Calibration } from '../../src/admission/estimate.ts'
import { SharedStore } from '../../src/admission/shared-store.ts'
import { threadClock } from '../../src/platform/clock.ts'
import { SharedMemory } from '../../src/shared-memory.ts'
import type { HammerOrder, StoreThreadStart } from './store-threads.ts'

const { place, thread, limits } = workerData as StoreThreadStart
const store = new SharedStore(new SharedMemory(place.buffer, thread), place)
const { now, setTimer } = threadClock
const rateLimits = { enabled: true, perClientRpm: undefined, default: limits, limits: new Map() }
const port = parentPort!
const say = (message: unknown) => port.postMessage(message)
const admission = new Admission({ store, limits: rateLimits, calibration: new Calibration(), now, setTimer })

port.on('message', (order: HammerOrder) => {
  if (order.kind === 'hammer') say(hammer(order))
  else if (order.kind === 'wait') void waitFor(order.client, order.tokens)
  else if (order.kind === 'hold') hold(order.isLocked)
})
say('ready')

/** Asks as often as it may, without a break; gives what was admitted and what it came to. */
function hammer({ model, times, tokens }: HammerOrder & { kind: 'hammer' }): object {
  let admitted = 0
  let charged = 0
  for (let time = 0; time < times; time++) {
    const verdict = store.reserve({ model, tokens, minTokens: 0, providers: [] }, limits, now())
    if (verdict.kind !== 'admitted') continue
    admitted++
    const used = time % (2 * tokens)
    if (used > tokens) store.grow(verdict.reservation, used, now())
    const isRefund = time % 5 === 0
    store.settle(
      verdict.reservation,
      isRefund ? { requests: 0, tokens: 0 } : { requests: 1, tokens: used },
      now(),
    )
    if (!isRefund) charged += used
    else admitted--
  }
  return { admitted, charged }
}

/** Waits in line, says when it was admitted, and gives the slot back at once. */
async function waitFor(client: string, tokens: number): Promise<void> {
  const departure = { isGone: false, onGone: undefined }
  const ask = { client: { id: client }, departure, model: 'm', tokens, minTokens: 0, providers: [] }
  const asked = admission.reserve(ask)
  say('asked')
  const decision = await asked
  say({ client, kind: decision.kind, atMs: now() })
  if (decision.kind === 'admitted') decision.hold.settle({ kind: 'used', tokens })
}

/** Takes a slot and keeps it; then stays in the lock if told so. */
function hold(isLocked: boolean): void {
  const verdict = store.reserve({ model: 'm', tokens: 1, minTokens: 0, providers: [] }, limits, now())
  if (isLocked) store.memory.lock()
  say(verdict.kind)
}
