// `logging.transport`: the log goes to a module of the operator's choice, such as pino-roll or pino-loki.
import { pino } from 'pino'
import type { Worker } from 'node:worker_threads'
import type { LogTransportConfig } from '../../config/observe-types.ts'
import type { LogOutput } from './log.ts'

/** What a transport that does not keep up may leave waiting, in UTF-16 units, besides the 4 MiB on the way to it. */
const maxHeld = 16 * 1024 * 1024

/** Members of thread-stream that its types lack. */
interface TransportThread {
  readonly worker: Worker
  readonly destroyed: boolean
  readonly writableErrored: Error | null
  unref(): void
}

/**
 * Runs a transport in a thread, and writes to `fallback` once it has failed: when it can't be loaded, throws, ends by
 * itself, or accepts no more lines. Lines that it had accepted by then may be lost.
 */
export class LogTransport implements LogOutput {
  readonly #stream: ReturnType<typeof pino.transport> & TransportThread
  readonly #fallback: LogOutput
  readonly #onFailure: (cause: Error) => void
  /** Lines for a thread that is not ready, or does not keep up. */
  #held = ''
  #isReady = false
  #isTaking = false
  #hasFailed = false

  /** @param onFailure called once, when lines go to `fallback` already. */
  constructor(
    { target, options }: LogTransportConfig,
    fallback: LogOutput,
    onFailure: (cause: Error) => void,
  ) {
    this.#fallback = fallback
    this.#onFailure = onFailure
    const stream = pino.transport({
      target,
      options,
      // The environment holds the keys of providers.
      worker: { autoEnd: false, env: {} },
    })
    this.#stream = stream as typeof stream & TransportThread
    // A thread that never gets ready must not keep the process.
    this.#stream.unref()
    this.#stream.on('ready', () => {
      this.#isReady = true
      this.#release()
    })
    this.#stream.on('drain', () => this.#release())
    this.#stream.on('error', (cause: Error) => this.#fail(cause))
    this.#stream.on('close', () => this.#failAsItEnded())
    this.#stream.worker.on('error', (cause: Error) => this.#fail(cause))
    // Before the fallback's own listener.
    process.prependListener('exit', this.#end)
  }

  write(lines: string): void {
    if (this.#hasFailed) this.#fallback.write(lines)
    else if (this.#isTaking) this.#isTaking = this.#stream.write(lines)
    else {
      this.#held += lines
      if (this.#held.length > maxHeld) this.#fail(new Error('it cannot keep up with the log'))
    }
  }

  /** pino announces the log's settings to a transport in this way. */
  emit(name: string, ...values: unknown[]): void {
    this.#stream.emit(name, ...values)
  }

  #release(): void {
    if (!this.#isReady || this.#hasFailed) return
    const lines = this.#held
    this.#held = ''
    this.#isTaking = lines === '' || this.#stream.write(lines)
  }

  #failAsItEnded(): void {
    this.#fail(this.#stream.writableErrored ?? new Error('its stream ended'))
  }

  #fail(cause: Error): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    process.removeListener('exit', this.#end)
    this.#fallback.write(this.#held)
    this.#held = ''
    void this.#stream.worker.terminate()
    this.#onFailure(cause)
  }

  /** Waits until the transport has written everything, 10 s at most, as thread-stream does. */
  readonly #end = (): void => {
    if (this.#hasFailed) return
    if (!this.#isReady) {
      this.#fallback.write(this.#held)
      return
    }
    const lines = this.#held
    this.#held = ''
    try {
      if (lines !== '') this.#stream.write(lines)
      this.#stream.flushSync()
      this.#stream.end()
    } catch (error) {
      this.#fail(error as Error)
    }
    if (this.#stream.destroyed) this.#failAsItEnded()
  }
}
