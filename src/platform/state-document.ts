// What a gateway keeps over a restart for convenience, as one document of JSON in a small state file: read at the start, and
// replaced whole soon after each change. Where it cannot be read or written, the gateway goes on without it, and the fault is
// reported.
import { StateFile } from './state-file.ts'
import { readValue, type StateFormat } from './state-version.ts'
import { StateWriter } from './state-writer.ts'

export interface StateDocumentParts<Content> {
  /** Created, for this user alone, when missing. Undefined: nothing outlives the process. */
  readonly directory: string | undefined
  /** Of the file: `formats.json`. */
  readonly name: string
  readonly format: StateFormat
  /** What is to be in the file, as it is now. */
  readonly content: () => Content
  /** The text of the file, an object with its `version`. */
  readonly textOf: (content: Content) => string
  /** The well-formed parts of such an object; of an empty one, what counts where there is no file. */
  readonly contentOf: (value: Readonly<Record<string, unknown>>) => Content
  /** Whether there is nothing to keep: then no file is made for it. Absent: there always is. */
  readonly isEmpty?: (content: Content) => boolean
  /** Called for each failed read and write. */
  readonly onFault: (cause: Error) => void
}

export class StateDocument<Content> {
  readonly #parts: StateDocumentParts<Content>
  readonly #file: StateFile | undefined
  readonly #writer: StateWriter | undefined
  /** Before it was read, it may be. */
  #isThere = true

  constructor(parts: StateDocumentParts<Content>) {
    this.#parts = parts
    const { directory, name, onFault } = parts
    if (directory === undefined) return
    this.#file = new StateFile(directory, name)
    this.#writer = new StateWriter({ file: this.#file, text: () => this.#text(), onFault })
  }

  /** What the last process has written; empty if there is nothing that can be read. */
  load(): Content {
    const { format, contentOf, onFault } = this.#parts
    if (this.#file === undefined) return contentOf({})
    const read = readValue(this.#file, format)
    this.#isThere = read.kind !== 'absent'
    if (read.kind === 'unreadable') onFault(new Error(`${this.#file.path} ${read.reason}`))
    return contentOf(read.kind === 'read' ? read.value : {})
  }

  /** Something has changed: it will be in the file soon. */
  touch(): void {
    this.#writer?.touch()
  }

  /** Resolves when everything is written, or has failed. */
  async stop(): Promise<void> {
    await this.#writer?.stop()
  }

  /** Undefined: nothing is to be written. */
  #text(): string | undefined {
    const { content, textOf, isEmpty } = this.#parts
    const now = content()
    if (!this.#isThere && isEmpty?.(now) === true) return undefined
    this.#isThere = true
    return textOf(now)
  }
}
