// A worker's log on its way to the coordinator, which writes it: all lines of one turn of the event loop at once.
import type { LogOutput } from '../observe/log.ts'

export class LogBatch implements LogOutput {
  readonly #send: (text: string) => void
  #text = ''

  constructor(send: (text: string) => void) {
    this.#send = send
  }

  write(text: string): void {
    if (this.#text === '') setImmediate(() => this.flush())
    this.#text += text
  }

  /** Sends what there is now. */
  flush(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    this.#send(text)
  }
}
