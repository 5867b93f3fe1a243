// The writer's thread, as the ledger has it: the first message starts it, and the next one after its death starts another.
import { Worker } from 'node:worker_threads'
import { reasonOf } from '../platform/thrown.ts'
import type { FromWriter, ToWriter, WriterStart } from './messages.ts'

/** What writes the file. */
export interface Writer {
  readonly isRunning: boolean
  /** Starts a thread if there is none. */
  post(message: ToWriter): void
  /** Keeps the process from ending by itself while the thread that there is runs. */
  hold(): void
  /** Undoes `hold`. */
  release(): void
  /** Has the thread close the file and end. @param withinMs after which it is ended by force. */
  end(withinMs: number): Promise<void>
}

/** Whom a writer works for. */
export interface WriterOwner {
  /** What a thread that is started has to know. */
  start(): WriterStart
  onMessage(message: FromWriter): void
  /** The thread has ended, as it was told to or not. */
  onExit(reason: string): void
}

/** TypeScript in a checkout, a bundled file in the package. */
const packagedEntry = new URL(
  import.meta.url.endsWith('.ts') ? './writer.ts' : './ledger-writer.cjs',
  import.meta.url,
)

export class WriterThread implements Writer {
  readonly #owner: WriterOwner
  readonly #entry: URL
  #thread: Worker | undefined

  /** @param entry the file that the thread runs. */
  constructor(owner: WriterOwner, entry = packagedEntry) {
    this.#owner = owner
    this.#entry = entry
  }

  get isRunning(): boolean {
    return this.#thread !== undefined
  }

  post(message: ToWriter): void {
    this.#thread ??= this.#start()
    this.#thread.postMessage(message, [])
  }

  hold(): void {
    this.#thread?.ref()
  }

  release(): void {
    this.#thread?.unref()
  }

  async end(withinMs: number): Promise<void> {
    const thread = this.#thread
    if (thread === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    thread.once('exit', () => resolve())
    const deadline = setTimeout(() => void thread.terminate(), withinMs)
    this.post({ kind: 'stop' })
    await promise
    clearTimeout(deadline)
  }

  #start(): Worker {
    const thread = new Worker(this.#entry, {
      workerData: this.#owner.start(),
      name: 'ledger',
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4, stackSizeMb: 2 },
    })
    let cause = 'its thread ended'
    thread.on('message', (message: FromWriter) => this.#owner.onMessage(message))
    thread.on('error', (error: unknown) => (cause = reasonOf(error)))
    thread.on('exit', () => {
      this.#thread = undefined
      this.#owner.onExit(cause)
    })
    thread.unref()
    return thread
  }
}
