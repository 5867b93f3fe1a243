// What the ledger has of keys: when each secret was used, and what each key took today.
import { openReader } from '../ledger/reader.ts'
import { readReport, type UsageCounts } from '../ledger/report.ts'
import { readSecretUses, type SecretUse } from '../ledger/secret-uses.ts'
import { ownTimeZone, startOfDay, wallClock } from '../platform/time-zone.ts'
import { chosenPaths } from './chosen-paths.ts'
import { namesHere, recordedName } from './record-keys.ts'
import { findLedger } from './ledger-place.ts'

export interface KeyUsage {
  /** By the id of the secret; one that was never used is not in it. */
  readonly uses: ReadonlyMap<string, SecretUse>
  /** What a key took since midnight of this machine's time zone, by its name. Undefined: nothing. */
  readonly today: (name: string) => UsageCounts | undefined
}

/** Undefined: there is no ledger that this user can read. */
export async function readKeyUsage(
  { env, configFile }: { readonly env: NodeJS.ProcessEnv; readonly configFile: string },
  nowMs: number,
): Promise<KeyUsage | undefined> {
  const paths = chosenPaths({}, env)
  const found = findLedger({ file: undefined, paths }, env)
  const opened = found === undefined ? undefined : openReader(found.path)
  if (opened?.kind !== 'open') return undefined
  const { database } = opened
  const zone = ownTimeZone()
  try {
    const uses = readSecretUses(database)
    const sinceMs = startOfDay(wallClock(zone)(nowMs).day, zone)
    const { rows } = readReport(database, { by: ['key'], sinceMs, untilMs: nowMs + 1, zone })
    const names = await namesHere({ env, paths, configFile })
    // Without the key of the pseudonyms, nobody's calls can be told.
    if (names.kind === 'refused') return undefined
    const byName = new Map(rows.filter(({ key }) => key !== null).map((row) => [`key:${row.key}`, row]))
    return {
      uses,
      today: (name) => byName.get(recordedName(names, `key:${name}`)!) ?? byName.get(`key:${name}`),
    }
  } catch {
    // doctor and usage verify report what is wrong with it.
    return undefined
  } finally {
    database.close()
  }
}
