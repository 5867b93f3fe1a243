// The log's lines on their way to standard output.
import { type DestinationStream, pino } from 'pino'

/** How long a line may wait for others: at a thousand calls a second, five share a write. A `kill -9` loses no more. */
const maxDelayMs = 5

/** Until a full pipe is tried again. */
const retryMs = 50

/** How long the end of the process may wait for a reader that reads nothing. */
const exitLimitMs = 2_000

/**
 * Joins the lines of a few milliseconds into one write, and leaves the process with none unwritten. A write is made at
 * once, and the descriptor does not block: no thread is woken for a line, and no slow reader stops the calls. (pino's
 * asynchronous destination costs 1 to 6 µs more a line, and loses what is under way at `process.exit`.)
 */
export class StdoutLines implements DestinationStream {
  readonly #destination: ReturnType<typeof pino.destination>
  #pending = ''
  #timer: NodeJS.Timeout | undefined
  #exitDeadlineMs = 0

  /**
   * @param fd of a file, or of a pipe or socket that does not block, as Node makes those of standard output.
   */
  constructor(fd: number = process.stdout.fd) {
    this.#destination = pino.destination({
      dest: fd,
      sync: true,
      // If true, pino waits for a tenth of a second and tries again.
      retryEAGAIN: () => performance.now() < this.#exitDeadlineMs,
    })
    // What was not written is kept and goes first the next time. pino itself deals with a reader that is gone.
    this.#destination.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'EPIPE') this.#destination.write = () => true
      if (this.#timer === undefined) this.#timer = setTimeout(this.#flush, retryMs)
    })
    process.on('exit', this.#finish)
  }

  write(lines: string): void {
    this.#pending += lines
    if (this.#timer === undefined) this.#timer = setTimeout(this.#flush, maxDelayMs).unref()
  }

  readonly #flush = (): void => {
    this.#timer = undefined
    const lines = this.#pending
    this.#pending = ''
    this.#destination.write(lines)
  }

  readonly #finish = (): void => {
    this.#exitDeadlineMs = performance.now() + exitLimitMs
    this.#flush()
  }
}
