// Writes a state file soon after each change, one write at a time: what changes during a write is in the next one.
import type { StateFile } from './state-file.ts'
import { errorOf } from './thrown.ts'

export interface StateWriterParts {
  readonly file: Pick<StateFile, 'replace'>
  /** The whole content, as it is now. Undefined: the file stays as it is. */
  readonly text: () => string | undefined
  /** Called for each write that failed. What was to be written is in the next one. */
  readonly onFault: (cause: Error) => void
}

export class StateWriter {
  readonly #parts: StateWriterParts
  #hasNews = false
  #isWriting = false
  /** Resolves when there is no news any more. */
  #written: Promise<void> = Promise.resolve()

  constructor(parts: StateWriterParts) {
    this.#parts = parts
  }

  /** Something has changed: it will be in the file soon. */
  touch(): void {
    this.#hasNews = true
    if (this.#isWriting) return
    this.#isWriting = true
    this.#written = this.#write()
  }

  /** Resolves when everything is written, or has failed. */
  stop(): Promise<void> {
    return this.#written
  }

  /** From the last look for news to `#isWriting` nothing is awaited, so that no news comes between them. */
  async #write(): Promise<void> {
    const { file, text, onFault } = this.#parts
    while (this.#hasNews) {
      this.#hasNews = false
      try {
        const content = text()
        if (content !== undefined) await file.replace(content)
      } catch (cause) {
        onFault(errorOf(cause))
      }
    }
    this.#isWriting = false
  }
}
