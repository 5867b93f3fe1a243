// Real threads that use the same counters.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { SharedStorePlace } from '../../src/admission/shared-store.ts'
import type { ModelLimits } from '../../src/domain.ts'
import { soon } from './deadline.ts'
import type { Cleanup } from './scripted-upstream.ts'

export interface StoreThreadStart {
  readonly place: SharedStorePlace
  readonly thread: number
  readonly limits: ModelLimits
}

export type HammerOrder =
  | { readonly kind: 'hammer'; readonly model: string; readonly times: number; readonly tokens: number }
  | { readonly kind: 'wait'; readonly client: string; readonly tokens: number }
  | { readonly kind: 'hold'; readonly isLocked: boolean }

export interface StoreThread {
  /** Gives an order; what comes back is in `next`. */
  tell(order: HammerOrder): void
  /** The next thing that the thread says. */
  next(): Promise<unknown>
  /** Ends the thread wherever it is. */
  end(): Promise<void>
}

/** Starts a thread; it ends with the test. */
export async function startStoreThread(t: Cleanup, start: StoreThreadStart): Promise<StoreThread> {
  const worker = new Worker(new URL('./store-thread.ts', import.meta.url), { workerData: start })
  const said: unknown[] = []
  let hasSpoken = Promise.withResolvers<void>()
  worker.on('message', (message: unknown) => {
    said.push(message)
    hasSpoken.resolve()
  })
  worker.on('error', (error) => hasSpoken.reject(error))
  t.after(async () => void (await worker.terminate()))
  const thread: StoreThread = {
    tell(order) {
      const nothingToTransfer: [] = []
      worker.postMessage(order, nothingToTransfer)
    },
    async next() {
      while (said.length === 0) {
        hasSpoken = Promise.withResolvers()
        await soon(hasSpoken.promise, () => `thread ${start.thread} to say something`)
      }
      return said.shift()
    },
    async end() {
      const ended = once(worker, 'exit')
      await worker.terminate()
      await ended
    },
  }
  await thread.next()
  return thread
}
