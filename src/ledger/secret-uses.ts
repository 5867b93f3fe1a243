// When the secrets of keys were first and last used. That stays when the rows of the calls are removed.
import type { DatabaseSync } from 'node:sqlite'

export interface SecretUse {
  /** Ends of calls, in milliseconds since 1970. */
  readonly firstMs: number
  readonly lastMs: number
}

/** @returns by the id of the secret. @throws what SQLite throws. */
export function readSecretUses(database: DatabaseSync): ReadonlyMap<string, SecretUse> {
  const rows = database
    .prepare(
      `SELECT name, first_used_ms AS firstMs, last_used_ms AS lastMs FROM key_state
        JOIN names ON names.id = key_state.secret`,
    )
    .all() as { name: string; firstMs: number; lastMs: number }[]
  return new Map(rows.map(({ name, firstMs, lastMs }) => [name, { firstMs, lastMs }]))
}
