// Rows that are in the ledger. They are written straight into its file before the gateway starts, over the last 80 days,
// which is younger than what it removes.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { appendRow, type Cell } from '../../../src/ledger/call-row.ts'
import { openLedgerFile } from '../../../src/ledger/ledger-file.ts'
import { failedSql, quarterMs } from '../../../src/ledger/quarter-sums.ts'
import { type Axis, growthConfig, plainCalls } from '../axis.ts'

const dayMs = 24 * 60 * 60_000
const spanMs = 80 * dayMs

export const ledger: Axis = {
  name: 'ledger',
  title: 'calls in the ledger',
  shouldBeFlat: true,
  points: ({ ledgerRows }) =>
    [0, ledgerRows].map((size) => ({
      size,
      setup: {
        config: growthConfig({ model: { price: { input: 1, output: 4 } } }),
        ...(size > 0 && { prepare: (directory: string) => fill(directory, size) }),
      },
      calls: plainCalls,
    })),
}

/** A first row brings the names; the others are copies of it with times and ids of their own. */
function fill(directory: string, rows: number): void {
  const state = join(directory, 'state')
  mkdirSync(state, { mode: 0o700 })
  const nowMs = Date.now()
  const opened = openLedgerFile({ path: join(state, 'usage.db'), nowMs, busyTimeoutMs: 1000 })
  if (opened.kind !== 'open') throw new Error(opened.reason)
  const { file } = opened
  const first: Cell[] = []
  appendRow(first, firstCall, nowMs - spanMs)
  file.write({ seq: 1, rows: first, lostSums: [] })
  const { database } = file
  const columns = database
    .prepare('PRAGMA table_info(calls)')
    .all()
    .map(({ name }) => String(name))
    .filter((name) => name !== 'id')
  const copied = columns.map((name) => {
    if (name === 'ended_ms') return `first.ended_ms + CAST(n * ${spanMs / rows} AS INTEGER)`
    if (name === 'request_id') return "printf('req_%022d', n)"
    return `first.${name}`
  })
  database.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    INSERT INTO calls(${columns.join(', ')})
      WITH RECURSIVE count(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM count WHERE n < ${rows - 1})
      SELECT ${copied.join(', ')} FROM count CROSS JOIN (SELECT * FROM calls LIMIT 1) AS first;
    DELETE FROM quarters;
    INSERT INTO quarters
      SELECT ended_ms / ${quarterMs}, COALESCE(key, 0), client, COALESCE(fallback, model, 0), COALESCE(provider, 0), COUNT(*),
        SUM${failedSql}, SUM(prompt), SUM(cached), SUM(cache_write), SUM(completion), SUM(reasoning),
        SUM(COALESCE(cost_nano, 0)), SUM(cost_nano IS NULL), SUM(estimated), 0
      FROM calls GROUP BY 1, 2, 3, 4, 5;
    COMMIT;
    PRAGMA synchronous = FULL;`)
  // A ledger that has grown by calls has them already; one without makes them between its writes.
  while (file.digestPiece(nowMs));
  file.close()
}

const firstCall = {
  request_id: 'req_0000000000000000000000',
  client: 'user:bench',
  dialect: 'chat',
  model: 'bench',
  provider: 'scripted',
  target_model: 'bench',
  fallback_model: undefined,
  status: 200,
  code: undefined,
  stream: false,
  prompt_tokens: 74,
  completion_tokens: 23,
  cached_tokens: 0,
  cache_write_tokens: 0,
  reasoning_tokens: 0,
  estimated: false,
  cost_nano: 166_000,
  price: 'model',
  attempts: 1,
  wait_ms: 0,
  first_byte_ms: 1,
  duration_ms: 2,
}
