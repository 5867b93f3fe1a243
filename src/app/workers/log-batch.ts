// A worker's log on its way to the coordinator, which writes it: all lines of one turn of the event loop at once.
import type { LogOutput } from '../../observe/log.ts'

export class LogBatch implements LogOutput {
  readonly isTTY: boolean
  readonly #send: (text: string) => void
  #text = ''

  /** @param isTTY whether a person at a terminal sees what is sent. */
  constructor(isTTY: boolean, send: (text: string) => void) {
    this.isTTY = isTTY
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
