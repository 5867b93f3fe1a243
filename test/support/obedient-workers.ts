// Makes a worker thread of a gateway fail, or stand still, from outside of it.
import { pathToFileURL } from 'node:url'
import { setEnvironmentData } from 'node:worker_threads'

import { workerFile } from './built-checkout.ts'
import { until } from './deadline.ts'
import type { Cleanup } from './scripted-upstream.ts'

/** What the gateway's threads run; see `Chosen.workerEntry`. */
export const obedientEntry = new URL('./obedient-worker.ts', import.meta.url)
export const threadFileKey = 'what an obedient worker runs'
setEnvironmentData(threadFileKey, pathToFileURL(workerFile).href)

export const channelName = 'obedient workers'

export type Command =
  | { readonly kind: 'fail'; readonly thread: number }
  | { readonly kind: 'vanish'; readonly thread: number }
  /** `state` is 1 while it stands still, until somebody writes another number and wakes it. */
  | { readonly kind: 'block'; readonly thread: number; readonly state: Int32Array }

export interface Commander {
  fail(thread: number): void
  /** Ends it at once, with whatever it still had to send. */
  vanish(thread: number): void
  /** Resolves when the thread stands still, with what lets it go on. */
  block(thread: number): Promise<() => void>
}

export function commander(t: Cleanup): Commander {
  const port = new BroadcastChannel(channelName)
  t.after(() => port.close())
  const tell = (command: Command) => port.postMessage(command)
  return {
    fail: (thread) => tell({ kind: 'fail', thread }),
    vanish: (thread) => tell({ kind: 'vanish', thread }),
    async block(thread) {
      const state = new Int32Array(new SharedArrayBuffer(4))
      const release = () => {
        Atomics.store(state, 0, 2)
        Atomics.notify(state, 0)
      }
      t.after(release)
      tell({ kind: 'block', thread, state })
      await until(() => Atomics.load(state, 0) !== 0, `worker ${thread} to stand still`)
      return release
    },
  }
}
