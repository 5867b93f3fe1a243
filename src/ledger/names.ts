// Names that rows refer to by number: clients, keys, models and so on.
import type { DatabaseSync, StatementSync } from 'node:sqlite'

export type NameKind =
  | 'client'
  | 'code'
  | 'dialect'
  | 'key'
  | 'model'
  | 'provider'
  | 'scope'
  | 'secret'
  | 'target'
  | 'trouble'
  | 'unit'
  | 'via'

/** A wildcard lets a client choose the names of models. Further ones of a kind share one name. */
const maxNamesPerKind = 20_000
const otherName = '(other)'
const maxNameLength = 500

export class Names {
  readonly #find: StatementSync
  readonly #insert: StatementSync
  readonly #count: StatementSync
  readonly #maxPerKind: number
  readonly #ids = new Map<NameKind, Map<string, number>>()

  constructor(database: DatabaseSync, maxPerKind = maxNamesPerKind) {
    this.#maxPerKind = maxPerKind
    this.#find = database.prepare('SELECT id FROM names WHERE kind = ? AND name = ?')
    this.#insert = database.prepare('INSERT INTO names(kind, name) VALUES(?, ?)')
    this.#count = database.prepare('SELECT COUNT(*) AS count FROM names WHERE kind = ?')
  }

  /** Within a transaction that writes. */
  idOf(kind: NameKind, given: string): number {
    const ids = this.#idsOf(kind)
    const known = ids.get(given)
    if (known !== undefined) return known
    const name = given.slice(0, maxNameLength)
    const found = this.#find.get(kind, name) as { id: number } | undefined
    const id = found?.id ?? this.#add(kind, name)
    // Further names than are kept share a number, and are as many as clients invent.
    if (ids.size >= 2 * this.#maxPerKind) ids.clear()
    ids.set(given, id)
    return id
  }

  /** As `idOf`; no name has no number. */
  idOrNull(kind: NameKind, given: string | null | undefined): number | null {
    return given === null || given === undefined ? null : this.idOf(kind, given)
  }

  /** After a transaction that was rolled back, or when another process may have changed a name. */
  forget(): void {
    this.#ids.clear()
  }

  #idsOf(kind: NameKind): Map<string, number> {
    let ids = this.#ids.get(kind)
    if (ids === undefined) {
      ids = new Map()
      this.#ids.set(kind, ids)
    }
    return ids
  }

  #add(kind: NameKind, name: string): number {
    const { count } = this.#count.get(kind) as { count: number }
    if (count >= this.#maxPerKind && name !== otherName) return this.idOf(kind, otherName)
    return Number(this.#insert.run(kind, name).lastInsertRowid)
  }
}
