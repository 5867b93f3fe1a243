// Writes a state file soon after each change, one write at a time: what changes during a write is in the next one.
import type { StateFile } from './state-file.ts'

export interface StateWriterParts {
  readonly file: StateFile
  /** The whole content, as it is now. */
  readonly text: () => string
  readonly onFault: (cause: Error) => void
}

export class StateWriter {
  readonly #parts: StateWriterParts
  #writing: Promise<void> | undefined
  #hasNews = false

  constructor(parts: StateWriterParts) {
    this.#parts = parts
  }

  /** Something has changed: it will be in the file soon. */
  touch(): void {
    this.#hasNews = true
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined))
  }

  /** Resolves when everything is written, or has failed. */
  async stop(): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    const { file, text, onFault } = this.#parts
    try {
      while (this.#hasNews) {
        this.#hasNews = false
        await file.replace(text())
      }
    } catch (cause) {
      onFault(cause instanceof Error ? cause : new Error(String(cause)))
    }
  }
}
