// The keys that one thread checks requests against, replaced as a whole with each version of the key file.
import type { KeyFile } from './key-record.ts'
import { type KeyRefusal, KeyTable, type ValidKey } from './key-table.ts'

export class KeysInForce {
  readonly #prefixes: readonly string[]
  readonly #earliestMs: number | undefined
  #table: KeyTable
  #secretIds: ReadonlySet<string>
  /** Of the table's secrets, those that a version which is still on its way does not have. */
  #revoked: ReadonlySet<string> = new Set()

  /** @param prefixes with which keys begin. @param earliestMs as of `KeyTable`. */
  constructor(file: KeyFile, prefixes: readonly string[], earliestMs?: number) {
    this.#prefixes = prefixes
    this.#earliestMs = earliestMs
    this.#table = new KeyTable(file, prefixes, earliestMs)
    this.#secretIds = secretIdsOf(file)
  }

  /** Replaces all keys. @returns whether keys were revoked: secrets that were there before and are gone. */
  replace(file: KeyFile): boolean {
    const before = this.#secretIds.union(this.#revoked)
    this.#revoked = new Set()
    this.#table = new KeyTable(file, this.#prefixes, this.#earliestMs)
    this.#secretIds = secretIdsOf(file)
    return before.difference(this.#secretIds).size > 0
  }

  /** Refuses these secrets from now on, ahead of the version that does not have them: a large one takes its time. */
  revoke(secretIds: ReadonlySet<string>): void {
    this.#revoked = this.#revoked.union(secretIds)
    this.#secretIds = this.#secretIds.difference(secretIds)
  }

  /** @param nowMs milliseconds since 1970. */
  check(text: string, nowMs: number): ValidKey | { readonly refused: KeyRefusal } {
    const found = this.#table.check(text, nowMs)
    return 'secret' in found && this.#revoked.has(found.secret.id) ? invalid : found
  }

  /** Whether a secret has been revoked: it is not in the file any more. One that has expired has not. */
  isRevoked(secretId: string): boolean {
    return !this.#secretIds.has(secretId)
  }
}

const invalid = { refused: 'invalid_api_key' } as const

/** Of all keys of a file. */
export function secretIdsOf({ keys }: KeyFile): ReadonlySet<string> {
  return new Set(keys.flatMap(({ secrets }) => secrets.map(({ id }) => id)))
}
