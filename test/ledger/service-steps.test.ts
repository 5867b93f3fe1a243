// Starts and stops of model servers: from the ledger's thread into the file, and what is read of them.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'

import { openLedger } from '../../src/ledger/ledger.ts'
import { repairLedger } from '../../src/ledger/repair.ts'
import { readServiceSteps, readServiceUse, type ServiceStep } from '../../src/ledger/service-steps.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { newPath, novemberMs, openFile, rowsOf } from './ended-call.ts'

const of = { provider: 'local', unit: 'local.service' }

/** Two starts, of which one ends well, and one of another server. */
const steps: readonly ServiceStep[] = [
  { ...of, atMs: novemberMs, what: 'started', reason: 'call' },
  { ...of, atMs: novemberMs + 1_000, what: 'failed', reason: 'exit-code 1' },
  { ...of, atMs: novemberMs + 2_000, what: 'started', reason: 'call' },
  { ...of, atMs: novemberMs + 6_000, what: 'ready', readyMs: 4_000 },
  { provider: 'other', unit: 'other.service', atMs: novemberMs + 7_000, what: 'adopted' },
  { ...of, atMs: novemberMs + 9_000, what: 'stopped', reason: 'idle' },
]

function reading(t: Cleanup, path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true })
  t.after(() => database.close())
  return database
}

const facts = ({ what, readyMs, reason }: ServiceStep) => [what, readyMs ?? reason]

test('the last steps of one server are read, the latest first', (t) => {
  const path = newPath()
  openFile(t, path).write({ seq: 1, rows: [], lostSums: [], steps })
  const database = reading(t, path)
  const found = readServiceSteps(database, 'local', 3)
  assert.deepEqual(found.map(facts), [
    ['stopped', 'idle'],
    ['ready', 4_000],
    ['started', 'call'],
  ])
  assert.deepEqual([found[0]!.atMs, found[0]!.unit], [novemberMs + 9_000, 'local.service'])
  assert.deepEqual(readServiceSteps(database, 'third', 3), [])
})

test('a span has starts, failures, the median until ready, and the calls that waited', (t) => {
  const path = newPath()
  const rows = rowsOf([{ wait_ms: 4_000, start_ms: 4_000 }, {}, { provider: 'other' }])
  openFile(t, path).write({ seq: 1, rows, lostSums: [], steps })
  const database = reading(t, path)
  assert.deepEqual(readServiceUse(database, novemberMs, novemberMs + 10_000), [
    { provider: 'local', starts: 2, failed: 1, readyP50Ms: 4_000, waited: 1 },
  ])
  assert.deepEqual(readServiceUse(database, novemberMs, novemberMs + 1_500), [
    { provider: 'local', starts: 1, failed: 1, readyP50Ms: null, waited: 1 },
  ])
  assert.deepEqual(readServiceUse(database, novemberMs + 10_000, novemberMs + 20_000), [])
})

test('steps are kept as long as rows of calls', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  file.write({ seq: 1, rows: [], lostSums: [], steps })
  while (file.prunePiece(novemberMs + 6_000, 0, novemberMs));
  assert.deepEqual(readServiceSteps(reading(t, path), 'local', 10).map(facts), [
    ['stopped', 'idle'],
    ['ready', 4_000],
  ])
})

test('a repair takes them over from a damaged file', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  file.write({ seq: 1, rows: rowsOf([{}]), lostSums: [], steps })
  file.checkpoint()
  file.close()
  const database = new DatabaseSync(path)
  const damaged = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'calls_ended'").get()!
  const { page_size: pageSize } = database.prepare('PRAGMA page_size').get() as { page_size: number }
  database.close()
  const bytes = readFileSync(path)
  const page = ((damaged['rootpage'] as number) - 1) * pageSize
  bytes.fill(0xff, page, page + pageSize)
  writeFileSync(path, bytes)
  assert.equal(repairLedger(path, novemberMs).kind, 'rescued')
  assert.equal(readServiceSteps(reading(t, path), 'local', 10).length, 5)
})

test('a step is in the file soon, without a call; one that cannot be written waits', async (t) => {
  const path = newPath()
  const clock = new FakeClock()
  const bounds = { busyTimeoutMs: 50 }
  const ledger = openLedger({
    path,
    keepCallsDays: 9_000,
    keepHoursDays: 9_000,
    clock,
    onEvent: () => {},
    bounds,
  })
  t.after(() => ledger.stop())
  ledger.recordStep(steps[0]!)
  clock.advance(200)
  const read = () => {
    try {
      return readServiceSteps(reading(t, path), 'local', 10)
    } catch {
      // There is no table yet.
      return []
    }
  }
  await until(() => read().length === 1, 'the first step')

  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  ledger.recordStep(steps[1]!)
  clock.advance(200)
  await until(() => ledger.state().state === 'waiting', 'a write that fails')
  ledger.recordStep(steps[2]!)
  other.exec('ROLLBACK')
  other.close()
  await until(() => {
    clock.advance(5_000)
    return read().length === 3
  }, 'all steps')
  assert.deepEqual(
    read().map(({ atMs }) => atMs),
    [2_000, 1_000, 0].map((ms) => novemberMs + ms),
  )
})
