// Keeps the owners of objects over a restart: a file with its version and one line for each object, which grows by what is new and is
// written anew, without what was forgotten, once most of it is old.
//
// Where it cannot be written, calls go on, and the fault is reported once; what a later start does not know is like an object
// that was forgotten. A line that cannot be read (the last one, of a process that was killed) is skipped.
import { appendFile, mkdir } from 'node:fs/promises'
import { membersOf, parseJson } from '../bytes/json/parse.ts'
import type { SetTimer } from '../platform/clock.ts'
import { StateFile } from '../platform/state-file.ts'
import { copyAside, keepAside, laterRelease } from '../platform/state-version.ts'
import type { MemoryObjectOwners, OwnedObject } from './object-owners.ts'

export interface ObjectOwnersFileParts {
  /** As for the limits file. Created, for this user alone, when missing. */
  readonly directory: string
  readonly owners: MemoryObjectOwners
  readonly setTimer: SetTimer
  /** Called once, until a write succeeds again. */
  readonly onFault: (cause: unknown) => void
}

const version = 1
/** The first line. */
const head = `${JSON.stringify({ version })}\n`
/** What is new is written together. A crash may lose so much. */
const delayMs = 200
/** The file may have so many lines of forgotten objects beside as many as are remembered. */
const minOldLines = 1_000

export class ObjectOwnersFile {
  readonly #parts: ObjectOwnersFileParts
  readonly #file: StateFile
  #unsaved: OwnedObject[] = []
  #lines = 0
  /** The file begins with the version that this release writes. */
  #isCurrent = false
  /** Ends a line that the last process left unfinished. */
  #separator = ''
  #stopTimer: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()
  #isFailing = false

  constructor(parts: ObjectOwnersFileParts) {
    this.#parts = parts
    this.#file = new StateFile(parts.directory, 'objects.jsonl')
  }

  /** Takes up what the last process left, and saves from then on what is remembered. */
  load(): void {
    const { owners } = this.#parts
    const read = this.#file.read()
    if (read.kind === 'read') this.#takeUp(read.text)
    else if (read.kind === 'unreadable') this.#report(new Error(`${this.#file.path} ${read.reason}`))
    const save = (objects: readonly OwnedObject[]) => this.#add(objects)
    owners.onRemembered = save
  }

  #takeUp(text: string): void {
    const written = versionIn(text)
    if (written > version) {
      const reason = `${laterRelease(written, version)} ${keepAside(this.#file, written)}`
      return this.#report(new Error(`${this.#file.path} ${reason}`))
    }
    this.#isCurrent = written === version
    if (!this.#isCurrent && text !== '') this.#copyEarlier(written)
    if (text !== '' && !text.endsWith('\n')) this.#separator = '\n'
    const lines = text.split('\n').filter((line) => line !== '')
    this.#lines = lines.length
    this.#parts.owners.remember(lines.map(readLine).filter((object) => object !== undefined))
  }

  #copyEarlier(written: number): void {
    const fault = copyAside(this.#file, written)
    if (fault === undefined) return
    const reason = `${this.#file.path} ${fault}`
    this.#file.refuse(reason)
    this.#report(new Error(reason))
  }

  /** Writes what is new, and waits until that is done. */
  async stop(): Promise<void> {
    this.#stopTimer?.()
    if (this.#unsaved.length > 0) this.#save()
    await this.#writing
  }

  #add(objects: readonly OwnedObject[]): void {
    this.#unsaved.push(...objects)
    this.#stopTimer ??= this.#parts.setTimer(() => this.#save(), delayMs)
  }

  #save(): void {
    this.#stopTimer = undefined
    this.#writing = this.#writing.then(async () => {
      const objects = this.#unsaved
      if (objects.length === 0) return
      this.#unsaved = []
      try {
        await this.#write(objects)
        this.#isFailing = false
      } catch (cause) {
        this.#report(cause)
      }
    })
  }

  async #write(objects: readonly OwnedObject[]): Promise<void> {
    const { owners } = this.#parts
    this.#lines += objects.length
    if (this.#isCurrent && this.#lines <= 2 * owners.size + minOldLines) return this.#append(objects)
    const all = [...owners.all()]
    await this.#file.replace(head + linesOf(all))
    this.#isCurrent = true
    this.#lines = all.length
    this.#separator = ''
  }

  async #append(objects: readonly OwnedObject[]): Promise<void> {
    const { path } = this.#file
    const append = () => appendFile(path, this.#separator + linesOf(objects), { mode: 0o600 })
    await append().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      await mkdir(this.#parts.directory, { recursive: true, mode: 0o700 })
      await append()
    })
    this.#separator = ''
  }

  #report(cause: unknown): void {
    if (!this.#isFailing) this.#parts.onFault(cause)
    this.#isFailing = true
  }
}

/** 0 for the files of earlier releases, which have none. */
function versionIn(text: string): number {
  const { version: written } = membersOf(parseJson(text.slice(0, text.indexOf('\n') + 1)))
  return Number.isSafeInteger(written) ? (written as number) : 0
}

function linesOf(objects: readonly OwnedObject[]): string {
  return objects
    .map(({ id, kind, provider, client }) => `${JSON.stringify([id, kind, provider, client])}\n`)
    .join('')
}

function readLine(line: string): OwnedObject | undefined {
  const fields = parseJson(line)
  if (!Array.isArray(fields) || !fields.every((field) => typeof field === 'string')) return undefined
  const [id, kind, provider, client] = fields
  return client === undefined ? undefined : { id: id!, kind: kind!, provider: provider!, client }
}
