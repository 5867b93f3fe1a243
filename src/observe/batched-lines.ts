/** How long a line may wait for others: at a thousand calls a second, five share a write. A `kill -9` loses no more. */
const maxDelayMs = 5

/**
 * Joins the lines of a few milliseconds into one write, and leaves the process with none unwritten. The stream writes at
 * once what its reader takes and keeps the rest: no thread is woken for a line, and no slow reader stops the calls.
 */
export class BatchedLines {
  readonly #stream: NodeJS.WritableStream
  #pending = ''

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream
    process.on('exit', this.#flush)
  }

  write(line: string): void {
    if (this.#pending === '') setTimeout(this.#flush, maxDelayMs).unref()
    this.#pending += line
  }

  readonly #flush = (): void => {
    if (this.#pending === '') return
    const lines = this.#pending
    this.#pending = ''
    this.#stream.write(lines)
  }
}
