// One worker thread as the coordinator sees it: from its start to its end, whoever brings that about.
import { Worker } from 'node:worker_threads'
import { StartError } from '../../errors.ts'
import type { FromWorker, Order, ToWorker, WorkerStart } from './messages.ts'

export interface WorkerHooks {
  /** Whole lines for the log. */
  readonly onLog: (text: string) => void
  /** The counters have changed. */
  readonly onChange: () => void
}

export class WorkerThread {
  /** Its addresses. Rejects when it can't start, with a StartError where the cause is known. */
  readonly started: Promise<readonly string[]>
  /** Resolves when the thread has ended, and all that it had to say has come: undefined if it was asked to, else why. */
  readonly ended: Promise<Error | undefined>
  readonly #worker: Worker
  readonly #answers = new Map<number, (openCalls: number) => void>()
  #lastId = 0
  #unansweredPings = 0
  #isStopping = false
  #hasEnded = false

  /** @param entry the file that the thread runs. */
  constructor(entry: URL, start: WorkerStart, hooks: WorkerHooks) {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>()
    let cause: Error | undefined
    // The environment holds keys, which have come with the configuration already.
    this.#worker = new Worker(entry, { workerData: start, env: {}, name: `worker ${start.thread}` })
    this.#worker.on('message', (message: FromWorker) => {
      if (message.kind === 'listening') resolve(message.addresses)
      else if (message.kind === 'refused') {
        cause = new StartError(message.message)
        void this.#worker.terminate()
      } else this.#hear(message, hooks)
    })
    this.#worker.on('error', (error: unknown) => {
      cause = error instanceof Error ? error : new Error(String(error))
    })
    this.ended = new Promise((end) => {
      this.#worker.once('exit', (code) => {
        cause ??= new Error(`worker ${start.thread} ended with exit code ${code}`)
        reject(cause)
        this.#hasEnded = true
        for (const answer of this.#answers.values()) answer(0)
        end(this.#isStopping ? undefined : cause)
      })
    })
    this.started = promise
    promise.catch(() => {})
  }

  /** Resolves when it is done, or never will be. The number is of the calls under way when a stop begins. */
  order(order: Order): Promise<number> {
    const id = ++this.#lastId
    return new Promise((resolve) => {
      if (this.#hasEnded) return resolve(0)
      this.#answers.set(id, resolve)
      const nothingToTransfer: [] = []
      this.#worker.postMessage({ id, ...order } satisfies ToWorker, nothingToTransfer)
    })
  }

  /** Whether the last question, if there was one, has been answered. Asks the next one. */
  isAlive(): boolean {
    const isAlive = this.#unansweredPings === 0
    this.#unansweredPings += 1
    void this.order({ kind: 'ping' }).then(() => (this.#unansweredPings = 0))
    return isAlive
  }

  /**
   * Has the thread finish what is under way and end.
   * @param limitMs when it is ended by force.
   * @returns how many calls were under way.
   */
  stop(reason: string, limitMs: number): Promise<number> {
    this.#isStopping = true
    const deadline = setTimeout(() => void this.#worker.terminate(), limitMs)
    void this.ended.then(() => clearTimeout(deadline))
    return this.order({ kind: 'stop', reason })
  }

  /** Ends the thread as it is. */
  async end(): Promise<void> {
    this.#isStopping = true
    await this.#worker.terminate()
  }

  #hear(
    message: Exclude<FromWorker, { kind: 'listening' | 'refused' }>,
    { onLog, onChange }: WorkerHooks,
  ): void {
    switch (message.kind) {
      case 'log':
        onLog(message.text)
        return
      case 'changed':
        onChange()
        return
      case 'answer':
        this.#answers.get(message.id)?.(message.openCalls)
        this.#answers.delete(message.id)
        return
      case 'stopped':
        void this.#worker.terminate()
        return
      default:
        message satisfies never
    }
  }
}
