// The ledger against the log: as many rows of each call as lines, with the same outcome, and sums that equal the rows.
import { DatabaseSync } from 'node:sqlite'
import { verifyLedger } from '../../src/ledger/verify.ts'
import type { CallLine } from './gateway-log.ts'

/** @param path of the ledger of a gateway that has stopped. @param lines of each request id. */
export function* faultsOfLedger(
  path: string,
  lines: ReadonlyMap<string, readonly Pick<CallLine, 'status' | 'isCall'>[]>,
): Generator<string> {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const { damages, wrongSums } = verifyLedger(database)
    if (damages.length > 0) yield `the ledger is damaged: ${damages.join('; ')}`
    if (wrongSums > 0) yield `${wrongSums} sums of the ledger differ from its rows`
    const rows = database.prepare('SELECT request_id AS id, status FROM calls').all()
    const recorded = Map.groupBy(rows, ({ id }) => String(id))
    for (const [id, each] of recorded) {
      if (!lines.has(id)) yield `${id} has ${each.length} rows in the ledger, and no line in the log`
    }
    for (const [id, each] of lines) {
      const logged = each.filter(({ isCall }) => isCall).map(({ status }) => status)
      const found = (recorded.get(id) ?? []).map(({ status }) => status)
      if (logged.join() !== found.join())
        yield `${id} has status ${logged.join()} in the log and ${found.join() || 'no row'} in the ledger`
    }
  } finally {
    database.close()
  }
}
