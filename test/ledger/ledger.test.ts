// The ledger with its thread: what the gateway hands over is in the file, or waits, or is reported as lost.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { ballastOf } from '../../src/ledger/ballast.ts'
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { spendingCall } from '../support/spending-call.ts'
import { newPath, openFile, rowsOf } from './ended-call.ts'
import { count, open, record } from './opened-ledger.ts'

const isWaiting = (ledger: Ledger) => () => ledger.state().state === 'waiting'

test('what reports are read from is made while nothing else is written, also of calls of earlier runs', async (t) => {
  const path = newPath()
  const before = openFile(t, path)
  const endedMs = Date.now() - 60 * 60_000
  before.write({ seq: 1, rows: rowsOf([{}, {}], endedMs), lostSums: [] })
  before.close()
  const { ledger } = open(t, path)
  record(ledger, 1)
  await until(() => count(path, 'SELECT TOTAL(calls) AS count FROM digests') === 2, 'the digest')
})

test('nothing is opened before the first call ends, and each is in the file soon', async (t) => {
  const path = newPath()
  const { ledger, events } = open(t, path)
  assert.equal(statSync(path, { throwIfNoEntry: false }), undefined)
  assert.equal(ledger.state().state, 'idle')

  record(ledger, 1)
  await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined, 'the file')
  await until(() => ledger.state().waitingRows === 0, 'the row to be written')

  assert.equal(count(path), 1)
  assert.deepEqual(events, [])
})

test('what is new of budgets waits for the next batch, however soon the last one is written', async (t) => {
  const path = newPath()
  const clock = new FakeClock()
  const options = { path, keepCallsDays: 9_000, keepHoursDays: 9_000, clock, onEvent: () => {} }
  const ledger = openLedger(options)
  t.after(() => ledger.stop())
  ledger.followSpending({ revision: 1, balance: () => [] })
  const scope = { name: 'total', entry: 'total' }
  const demand = { scopes: [scope], promptTokens: 1, call: spendingCall }
  const spending = { id: 1, sinceMs: 0, nano: 3, tokens: 3, demand }
  ledger.spending.held(spending)
  record(ledger, 1)
  clock.advance(200)
  ledger.spending.charged(spending, [
    { atMs: clock.wallNow(), scope, requestId: 'req-1', nano: 2, tokens: 2 },
  ])
  await until(() => ledger.state().waitingRows === 0, 'the first batch')
  // It has been read after all that was sent before.
  await ledger.restoreSpending({ spans: [], copy: undefined, nowMs: 1 })
  assert.equal(count(path, 'SELECT seq AS count FROM runs'), 1)
  assert.equal(count(path), 1)
  assert.equal(count(path, 'SELECT COUNT(*) AS count FROM holds'), 1)
  clock.advance(200)
  await until(() => count(path, 'SELECT seq AS count FROM runs') === 2, 'the second batch')
  assert.equal(count(path, 'SELECT COUNT(*) AS count FROM holds'), 0)
  assert.equal(count(path, 'SELECT SUM(nano) AS count FROM charges'), 2)
})

test('a stop writes all there is, and ends the run in order', async (t) => {
  const path = newPath()
  const { ledger, events } = open(t, path)
  record(ledger, 4_321)
  await ledger.stop()

  assert.equal(count(path), 4_321)
  assert.equal(count(path, 'SELECT SUM(calls) AS count FROM quarters'), 4_321)
  assert.equal(count(path, 'SELECT COUNT(*) AS count FROM runs WHERE ended_ms IS NOT NULL'), 1)
  assert.deepEqual(events, [])
})

test('an answer counts every call that has ended before the question', async (t) => {
  const { ledger } = open(t, newPath())
  record(ledger, 5)
  const question = { by: [], sinceMs: Date.now() - 60_000, untilMs: Date.now() + 60_000, zone: 'UTC' }
  assert.equal((await ledger.read(question))?.total.calls, 5)
  record(ledger, 2)
  assert.equal((await ledger.read(question))?.total.calls, 7)
})

suite('while another process holds the write lock', () => {
  test('rows wait, an operator is told once, and they are written later', async (t) => {
    const path = newPath()
    const { ledger, events } = open(t, path)
    record(ledger, 1)
    await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined, 'the file')
    await until(() => ledger.state().waitingRows === 0, 'the row to be written')
    const other = new DatabaseSync(path, { timeout: 1000 })
    other.exec('BEGIN IMMEDIATE')
    record(ledger, 300)
    await until(isWaiting(ledger), 'the ledger to wait')
    record(ledger, 300)
    assert.match(ledger.state().reason ?? '', /locked/)
    other.exec('ROLLBACK')
    other.close()
    await until(() => ledger.state().waitingRows === 0, 'the rows to be written')

    assert.equal(count(path), 601)
    assert.equal(count(path, 'SELECT SUM(calls) AS count FROM quarters'), 601)
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['ledger_waiting', 'ledger_writing'],
    )
  })

  test('beyond a bound the oldest rows are given up, and their sums kept', async (t) => {
    const path = newPath()
    const { ledger } = open(t, path, { maxWaitingRows: 1_000 })
    record(ledger, 1)
    await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined, 'the file')
    await until(() => ledger.state().waitingRows === 0, 'the row to be written')
    const other = new DatabaseSync(path, { timeout: 1000 })
    other.exec('BEGIN IMMEDIATE')
    record(ledger, 3_000)
    await until(isWaiting(ledger), 'the ledger to wait')
    const { waitingRows, lostRows } = ledger.state()
    assert.ok(waitingRows <= 1_000, `${waitingRows} rows wait`)
    assert.ok(lostRows >= 2_000)
    other.exec('ROLLBACK')
    other.close()
    await ledger.stop()

    assert.equal(count(path), 3_001 - lostRows)
    assert.equal(count(path, 'SELECT SUM(calls) AS count FROM quarters'), 3_001)
    assert.equal(count(path, 'SELECT SUM(lost) AS count FROM quarters'), lostRows)
    assert.equal(count(path, 'SELECT SUM(lost_rows) AS count FROM runs'), lostRows)
  })

  test('a stop does not wait for ever, and says what is lost', async (t) => {
    const path = newPath()
    const { ledger, events } = open(t, path, { stopMs: 200 })
    record(ledger, 1)
    await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined, 'the file')
    await until(() => ledger.state().waitingRows === 0, 'the row to be written')
    const other = new DatabaseSync(path, { timeout: 1000 })
    other.exec('BEGIN IMMEDIATE')
    record(ledger, 3)
    await ledger.stop()
    other.close()

    // The thread may report in the meantime that it waits.
    const lost = events.filter(({ kind }) => kind === 'ledger_rows_lost')
    assert.deepEqual(lost, [{ kind: 'ledger_rows_lost', rows: 3 }])
  })
})

test('a file that is damaged while it is open is set aside, and the batch goes into a new one', async (t) => {
  const path = newPath()
  const { ledger, events } = open(t, path)
  record(ledger, 5_000)
  await until(() => ledger.state().waitingRows === 0, 'the rows to be written')
  // What is in the log has to be in the main file, where it can be damaged.
  const other = new DatabaseSync(path, { timeout: 1000 })
  other.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  other.close()
  const bytes = readFileSync(path)
  const inode = statSync(path).ino
  // Over the same file, as a failing disk does.
  writeFileSync(path, Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(bytes.length - 100, 0xff)]))
  assert.equal(statSync(path).ino, inode)
  record(ledger, 300)
  await until(() => ledger.state().waitingRows === 0, 'the rows to be written')
  await ledger.stop()

  const aside = events.find((event) => event.kind === 'ledger_set_aside')
  assert.match(aside?.file ?? '', /usage\.db\.corrupt-/)
  assert.ok(count(path) > 0)
})

test('a file that is removed while it is open is replaced, and nothing goes into the old one', async (t) => {
  const path = newPath()
  const { ledger, events } = open(t, path)
  record(ledger, 1)
  await until(() => statSync(ballastOf(path), { throwIfNoEntry: false }) !== undefined, 'the ballast')
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  record(ledger, 2)
  await ledger.stop()

  assert.equal(count(path), 2)
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['ledger_set_aside'],
  )
})

test('where a file is in the place of the directory rows wait until it is gone', async (t) => {
  const folder = dirname(newPath())
  const directory = join(folder, 'state')
  writeFileSync(directory, '')
  const path = join(directory, 'usage.db')
  const { ledger } = open(t, path)
  record(ledger, 1)
  await until(isWaiting(ledger), 'the ledger to wait')
  renameSync(directory, `${directory}.old`)
  mkdirSync(directory)
  await until(() => ledger.state().waitingRows === 0, 'the row to be written')

  assert.equal(count(path), 1)
})

test('a file of a later version turns it off, and calls cost nothing any more', async (t) => {
  const path = newPath()
  const database = new DatabaseSync(path)
  database.exec('PRAGMA application_id = 1818717233; PRAGMA user_version = 99; CREATE TABLE later(x)')
  database.close()
  const { ledger, events } = open(t, path)
  record(ledger, 1)
  await until(() => ledger.state().state === 'off', 'the ledger to be off')
  record(ledger, 1000)
  await ledger.stop()

  assert.equal(ledger.state().waitingRows, 0)
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['ledger_off'],
  )
})

test('a ledger that waited and is then turned off does not write again', async (t) => {
  const path = newPath()
  const database = new DatabaseSync(path)
  database.exec('BEGIN EXCLUSIVE')
  database.exec('PRAGMA application_id = 1818717233; PRAGMA user_version = 99; CREATE TABLE later(x)')
  const { ledger, events } = open(t, path)
  record(ledger, 1)
  await until(isWaiting(ledger), 'the ledger to wait')
  database.exec('COMMIT')
  database.close()
  await until(() => ledger.state().state === 'off', 'the ledger to be off')
  // The thread ends after all that it has to say.
  await ledger.stop()

  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['ledger_waiting', 'ledger_off'],
  )
})
