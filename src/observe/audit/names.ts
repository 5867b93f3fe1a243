// The names of clients and users that the audit log refers to by number, in a file beside it: a person's name can be erased
// without touching the chain. `save` puts a name on disk before a line that refers to it. The lock of the log is the list's.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { StateFile } from '../../platform/state-file.ts'
import { laterRelease } from '../../platform/state-version.ts'
import { hasAuditFiles } from './audit-log.ts'

const fileName = 'audit-names.json'
const version = 1

/** More are one number, so that clients cannot fill the file. */
const maxNames = 100_000

/** The name of that number. */
const others = 'others'

export class AuditNames {
  readonly #file: StateFile
  /** The number of the first name. */
  readonly #first: number
  /** In the order of their numbers. */
  readonly #names: string[]
  readonly #numbers: Map<string, number>
  #isSaved = true

  private constructor(file: StateFile, { first, names }: NameList) {
    this.#file = file
    this.#first = first
    this.#names = names
    this.#numbers = new Map(names.map((name, index) => [name, first + index]))
  }

  /**
   * Reads the list. Where it is gone and the log is not, a new one begins at the number `wallMs`, so that no number of an
   * earlier line comes to mean somebody else.
   * @param wallMs Unix time in milliseconds.
   */
  static read(directory: string, wallMs: number): AuditNames | { readonly fault: string } {
    const file = new StateFile(directory, fileName, { isSynced: true })
    const read = file.read()
    if (read.kind === 'absent') {
      const first = hasAuditFiles(directory) ? wallMs : 0
      return new AuditNames(file, { first, names: [] })
    }
    const value = read.kind === 'read' ? parseJson(read.text) : undefined
    const list = parseList(value)
    if (list !== undefined) return new AuditNames(file, list)
    const { version: written } = membersOf(value)
    if (typeof written === 'number' && written > version)
      return { fault: `${file.path} ${laterRelease(written, version)} Run that release again` }
    const reason = read.kind === 'unreadable' ? read.reason : 'is damaged'
    return { fault: `${file.path} ${reason}; restore it, or remove it, which makes earlier lines anonymous` }
  }

  numberOf(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (this.#names.length >= maxNames && name !== others) return this.numberOf(others)
    const number = this.#first + this.#names.push(name) - 1
    this.#numbers.set(name, number)
    this.#isSaved = false
    return number
  }

  /** Undefined: no such number, or the file was lost. */
  nameOf(number: number): string | undefined {
    return this.#names[number - this.#first]
  }

  has(name: string): boolean {
    return this.#numbers.has(name)
  }

  /** @param names of one client. @returns the name in the place of the last of them; undefined if there is none. */
  erase(...names: readonly string[]): string | undefined {
    return names.map((name) => this.#erase(name)).findLast((erased) => erased !== undefined)
  }

  #erase(name: string): string | undefined {
    const number = this.#numbers.get(name)
    if (number === undefined) return undefined
    const erased = `erased-${number}`
    this.#numbers.delete(name)
    this.#names[number - this.#first] = erased
    this.#numbers.set(erased, number)
    this.#isSaved = false
    return erased
  }

  /** Writes new names. Rejects with what the disk reports. */
  async save(): Promise<void> {
    if (this.#isSaved) return
    this.#isSaved = true
    const list = { version, first: this.#first, names: this.#names }
    await this.#file.replace(`${JSON.stringify(list)}\n`).catch((error: unknown) => {
      this.#isSaved = false
      throw error
    })
  }
}

interface NameList {
  readonly first: number
  readonly names: string[]
}

/** Undefined for what `save` has not written. */
function parseList(value: unknown): NameList | undefined {
  const { version: written, first = 0, names } = membersOf(value)
  if (written !== version || typeof first !== 'number' || !Number.isSafeInteger(first)) return undefined
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) return undefined
  return { first, names }
}
