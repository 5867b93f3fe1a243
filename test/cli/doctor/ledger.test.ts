import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { examineLedger } from '../../../src/cli/doctor/ledger.ts'
import { openLedgerFile } from '../../../src/ledger/ledger-file.ts'
import { newDirectory, newPath, novemberMs, openFile, rowsOf } from '../../ledger/ended-call.ts'
import type { Cleanup } from '../../support/scripted-upstream.ts'

function examine(path: string): string[] {
  const state = { path: dirname(path), owner: 'of a test', uid: undefined }
  return examineLedger(state).map(
    ({ state: grade, detail }) => `${grade} ${detail.replaceAll(dirname(path), 'D')}`,
  )
}

function closed(t: Cleanup): string {
  const path = newPath()
  const file = openFile(t, path)
  file.write({ seq: 1, rows: rowsOf([{}]), lostSums: [] })
  file.end(novemberMs)
  file.close()
  return path
}

test('where nothing was recorded so far there is nothing to report', () => {
  assert.deepEqual(examine(`${newDirectory()}/usage.db`), [])
})

test('a ledger that can be read is ok', (t) => {
  assert.deepEqual(examine(closed(t)), ['ok D/usage.db'])
})

test('a ledger of a later version is a failure: nothing is recorded', (t) => {
  const path = closed(t)
  const database = new DatabaseSync(path)
  database.exec('PRAGMA user_version = 99')
  database.close()
  assert.deepEqual(examine(path), [
    'fail D/usage.db cannot be used, so that no call is recorded: the file is of a later version of llm-gateway',
  ])
})

test('a ledger that was moved aside, and rows that were lost, are warnings', (t) => {
  const path = closed(t)
  writeFileSync(path, 'x'.repeat(5_000))
  const opened = openLedgerFile({ path, nowMs: novemberMs, busyTimeoutMs: 100 })
  assert.ok(opened.kind === 'open')
  opened.file.database.exec('UPDATE runs SET lost_rows = 7')
  opened.file.close()
  rmSync(`${path}-wal`, { force: true })
  assert.deepEqual(examine(path), [
    'warn a damaged ledger was moved aside as usage.db.corrupt-2026-11-01T000000000Z, and a new one begun',
    'warn 7 rows were lost since the gateway started, while nothing could be written; their sums are kept',
  ])
})
