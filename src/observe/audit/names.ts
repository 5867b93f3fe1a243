// The names of clients and users that the audit log refers to by number, in a file beside it: a person's name can be erased
// without touching the chain. `save` puts a name on disk before a line that refers to it.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import { readRegularFileSync } from '../../platform/regular-file.ts'

const fileName = 'audit-names.json'

/** More are one number, so that clients cannot fill the file. */
const maxNames = 100_000

/** The name of that number. */
const others = 'others'

export class AuditNames {
  readonly #path: string
  /** By number. */
  readonly #names: string[]
  readonly #numbers: Map<string, number>
  #isSaved = true

  /** Reads the file; one that is absent or unreadable begins anew, and old numbers mean nobody. */
  constructor(directory: string) {
    this.#path = join(directory, fileName)
    this.#names = readNames(this.#path)
    this.#numbers = new Map(this.#names.map((name, number) => [name, number]))
  }

  numberOf(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (this.#names.length >= maxNames && name !== others) return this.numberOf(others)
    const number = this.#names.push(name) - 1
    this.#numbers.set(name, number)
    this.#isSaved = false
    return number
  }

  /** Undefined: no such number, or the file was lost. */
  nameOf(number: number): string | undefined {
    return this.#names[number]
  }

  has(name: string): boolean {
    return this.#numbers.has(name)
  }

  /** @returns the name in its place; undefined if there is no such name. */
  erase(name: string): string | undefined {
    const number = this.#numbers.get(name)
    if (number === undefined) return undefined
    const erased = `erased-${number}`
    this.#numbers.delete(name)
    this.#names[number] = erased
    this.#numbers.set(erased, number)
    this.#isSaved = false
    return erased
  }

  /** Writes new names. @throws what the disk reports. */
  async save(): Promise<void> {
    if (this.#isSaved) return
    this.#isSaved = true
    const draft = `${this.#path}.${process.pid}`
    try {
      await writeFile(draft, `${JSON.stringify({ version: 1, names: this.#names })}\n`, { mode: 0o600 })
      await rename(draft, this.#path)
    } catch (error) {
      this.#isSaved = false
      throw error
    }
  }
}

function readNames(path: string): string[] {
  let text: string
  try {
    text = readRegularFileSync(path).toString()
  } catch {
    return []
  }
  const value = parseJson(text)
  const names = isObject(value) ? value['names'] : undefined
  return Array.isArray(names) ? names.map(String) : []
}
