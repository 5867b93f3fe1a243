// A ledger with its thread, for tests: opened, filled, and its file read beside it.
import { DatabaseSync } from 'node:sqlite'
import type { LedgerEvent } from '../../src/ledger/ledger-event.ts'
import { type Ledger, type LedgerOptions, openLedger } from '../../src/ledger/ledger.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { endedCall } from './ended-call.ts'

interface Opened {
  readonly ledger: Ledger
  readonly events: LedgerEvent[]
}

/** Opens it with short waits, and stops it after the test. */
export function open(t: Cleanup, path: string, bounds: LedgerOptions['bounds'] = {}): Opened {
  const events: LedgerEvent[] = []
  const ledger = openLedger({
    path,
    keepCallsDays: 90,
    keepHoursDays: 400,
    clock: systemClock,
    onEvent: (event) => events.push(event),
    bounds: { retryMs: 20, busyTimeoutMs: 50, ...bounds },
  })
  t.after(() => ledger.stop())
  return { ledger, events }
}

/** Records `count` calls. */
export function record(ledger: Ledger, count: number): void {
  for (let index = 0; index < count; index++) ledger.record(endedCall({ request_id: `req-${index}` }))
}

/** @returns the column `count` of the first row; of calls, how many there are. */
export function count(path: string, sql = 'SELECT COUNT(*) AS count FROM calls'): number {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 1000 })
  try {
    return (database.prepare(sql).get() as { count: number }).count
  } finally {
    database.close()
  }
}
