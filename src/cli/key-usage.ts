// What the ledger has of keys: when each secret was used, and what each key took today.
import { openReader } from '../ledger/reader.ts'
import { readReport, type UsageCounts } from '../ledger/report.ts'
import { readSecretUses, type SecretUse } from '../ledger/secret-uses.ts'
import { ownTimeZone, startOfDay, wallClock } from '../platform/time-zone.ts'
import { chosenPaths } from './chosen-paths.ts'
import { findLedger } from './ledger-place.ts'

export interface KeyUsage {
  /** By the id of the secret; one that was never used is not in it. */
  readonly uses: ReadonlyMap<string, SecretUse>
  /** By the name of the key: since midnight of this machine's time zone. */
  readonly today: ReadonlyMap<string, UsageCounts>
}

/** Undefined: there is no ledger that this user can read. */
export function readKeyUsage(env: NodeJS.ProcessEnv, nowMs: number): KeyUsage | undefined {
  const found = findLedger({ file: undefined, paths: chosenPaths({}, env) }, env)
  const opened = found === undefined ? undefined : openReader(found.path)
  if (opened?.kind !== 'open') return undefined
  const { database } = opened
  const zone = ownTimeZone()
  try {
    const uses = readSecretUses(database)
    const sinceMs = startOfDay(wallClock(zone)(nowMs).day, zone)
    const { rows } = readReport(database, { by: ['key'], sinceMs, untilMs: nowMs + 1, zone })
    return {
      uses,
      today: new Map(rows.filter(({ key }) => key !== null).map((row) => [String(row.key), row])),
    }
  } catch {
    // doctor and usage verify report what is wrong with it.
    return undefined
  } finally {
    database.close()
  }
}
