// Keeps over a restart what was found of the formats that providers speak: one small JSON file, replaced whole whenever
// something is found. It is a convenience: where it can't be read, providers are asked again.
import { isObject, membersOf } from '../bytes/json/parse.ts'
import { StateFile } from '../platform/state-file.ts'
import { StateWriter } from '../platform/state-writer.ts'
import { readValue } from '../platform/state-version.ts'
import type { FormatFinding, FormatFindings } from './format-findings.ts'

interface FormatsFileParts {
  /** As for the limits' counters. Created, for this user alone, when missing. */
  readonly directory: string
  readonly findings: () => FormatFindings
  /** Called for each failed read and write. */
  readonly onFault: (cause: Error) => void
}

const version = 1

export class FormatsFile {
  readonly #parts: FormatsFileParts
  readonly #file: StateFile
  readonly #writer: StateWriter

  constructor(parts: FormatsFileParts) {
    this.#parts = parts
    this.#file = new StateFile(parts.directory, 'formats.json')
    const text = () => JSON.stringify({ version, providers: Object.fromEntries(parts.findings()) })
    this.#writer = new StateWriter({ file: this.#file, text, onFault: parts.onFault })
  }

  /** What the last process has written; empty if there is nothing. */
  load(): FormatFindings {
    const read = readValue(this.#file, { current: version })
    if (read.kind === 'unreadable') this.#parts.onFault(new Error(`${this.#file.path} ${read.reason}`))
    return read.kind === 'read' ? findingsOf(read.value) : new Map()
  }

  /** Something has changed: it will be in the file soon. */
  touch(): void {
    this.#writer.touch()
  }

  /** Resolves when everything is written. */
  stop(): Promise<void> {
    return this.#writer.stop()
  }
}

/** The well-formed entries of a file. */
function findingsOf(value: unknown): FormatFindings {
  const { providers } = membersOf(value)
  const entries = Object.entries(membersOf(providers))
  return new Map(entries.filter((entry): entry is [string, FormatFinding] => isFinding(entry[1])))
}

function isFinding(value: unknown): value is FormatFinding {
  const { address, version: ofServer, foundAtMs, formats } = membersOf(value)
  const isVersion = ofServer === undefined || typeof ofServer === 'string'
  const isMap = isObject(formats) && Object.values(formats).every((each) => typeof each === 'boolean')
  return typeof address === 'string' && isVersion && typeof foundAtMs === 'number' && isMap
}
