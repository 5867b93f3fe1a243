// What the ledger keeps of budgets when rows are pruned, a file is damaged, two processes overlap, or a name is erased.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'

import type { Charge } from '../../src/domain.ts'
import type { LedgerFile } from '../../src/ledger/ledger-file.ts'
import { acceptSpend, repairLedger } from '../../src/ledger/repair.ts'
import type { SpendBatch } from '../../src/ledger/spend-news.ts'
import type { SpendFound } from '../../src/ledger/spend-question.ts'
import { eraseClient } from '../../src/ledger/upkeep.ts'
import { verifyLedger } from '../../src/ledger/verify.ts'
import { spendingCall as call } from '../support/spending-call.ts'
import { newPath, novemberMs, openFile, rowsOf } from './ended-call.ts'

const dayMs = 86_400_000
const scope = { name: 'client:user:ann', entry: 'user:*' }
const held = { id: 1, sinceMs: novemberMs, scopes: [scope], nano: 50, tokens: 40, promptTokens: 30, call }

function charge(atMs: number, nano: number, more: Partial<Charge> = {}): Charge {
  return { atMs, scope, requestId: 'req-1', nano, tokens: nano, ...more }
}

function batch(more: Partial<SpendBatch>): SpendBatch {
  const usual = { charges: [], holds: [], ended: [], balance: [], isBalanceComplete: false, revision: 1 }
  return { ...usual, takenMs: novemberMs, ...more }
}

function write(file: LedgerFile, seq: number, more: Partial<SpendBatch>): void {
  file.write({ seq, rows: [], lostSums: [], spend: batch(more) })
}

const allTime = [{ per: 'total', startMs: 0, endMs: Infinity }] as const

function restore(file: LedgerFile): SpendFound {
  return file.restoreSpend({ spans: allTime, copy: undefined, nowMs: novemberMs })
}

function totalOf(found: SpendFound): number | undefined {
  return found.kind === 'found' ? found.spent[0]?.windows[0]?.[2] : undefined
}

test('what was spent outlives its rows, and old sums become one', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  const charges = [400, 200, 100, 2, 1].map((days) => charge(novemberMs - days * dayMs, days))
  write(file, 1, { charges })
  while (file.prunePiece(novemberMs - 90 * dayMs, novemberMs - 400 * dayMs, novemberMs));
  const rows = (sql: string) =>
    file.database
      .prepare(sql)
      .all()
      .map((row) => Object.values(row))
  assert.deepEqual(rows('SELECT nano FROM charges ORDER BY at_ms'), [[2], [1]])
  assert.deepEqual(rows('SELECT quarter = 0, nano FROM spend ORDER BY quarter'), [
    [1, 600],
    [0, 100],
    [0, 2],
    [0, 1],
  ])
  // A correction of a time whose charges are gone is no reason to compare there.
  write(file, 2, {
    balance: [{ scope, windows: [[0, Infinity, 710, 710]] }],
    revision: 2,
  })
  assert.equal(totalOf(restore(file)), 710)
  assert.equal(verifyLedger(file.database).wrongSums, 0)
  file.close()
  assert.deepEqual(repairLedger(path, novemberMs), { kind: 'was_whole' })
})

test('sums that differ from their charges are made anew of them', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  write(file, 1, { charges: [charge(novemberMs - dayMs, 5), charge(novemberMs, 7)] })
  file.database.exec('UPDATE spend SET nano = 1')
  assert.equal(verifyLedger(file.database).wrongSums, 1)
  file.close()
  assert.deepEqual(repairLedger(path, novemberMs), { kind: 'recounted', sums: 1 })
  assert.equal(totalOf(restore(openFile(t, path))), 8)
})

suite('a call under way', () => {
  test('is charged once where the process that ends it overlaps with the one that has charged it', (t) => {
    const path = newPath()
    const before = openFile(t, path)
    write(before, 1, { holds: [held] })
    const after = openFile(t, path, { nowMs: novemberMs + 1 })
    const found = restore(after)
    assert.ok(found.kind === 'found')
    assert.deepEqual([found.unfinished, totalOf(found)], [1, 50])
    write(before, 2, { ended: [1], charges: [charge(novemberMs, 45, { hold: 1 })] })
    assert.equal(totalOf(restore(after)), 50)
    const [row] = after.database
      .prepare('SELECT status, prompt, completion, cost_nano, estimated FROM calls')
      .all()
    assert.deepEqual({ ...row }, { status: 0, prompt: 30, completion: 10, cost_nano: 50, estimated: 1 })
    assert.equal(verifyLedger(after.database).wrongSums, 0)
  })

  test('is not charged once more where a process began without the ledger, and counts it as spent', (t) => {
    const path = newPath()
    write(openFile(t, path), 1, { holds: [held] })
    const file = openFile(t, path, { nowMs: novemberMs + 1 })
    const windows = [[0, Infinity, held.nano, held.tokens]] as const
    write(file, 1, { balance: [{ scope, windows }], revision: 2 })
    const found = restore(openFile(t, path, { nowMs: novemberMs + 2 }))
    assert.ok(found.kind === 'found')
    assert.deepEqual([found.unfinished, totalOf(found)], [0, held.nano])
    assert.equal(file.database.prepare('SELECT COUNT(*) AS count FROM calls').get()!['count'], 1)
    assert.equal(verifyLedger(file.database).wrongSums, 0)
  })

  test('is charged by the process that ends it for what it takes beyond what the other one has charged', (t) => {
    const path = newPath()
    const before = openFile(t, path)
    write(before, 1, { holds: [held] })
    const after = openFile(t, path, { nowMs: novemberMs + 1 })
    restore(after)
    write(before, 2, { holds: [{ ...held, nano: 60, tokens: 60 }] })
    write(before, 3, { ended: [1], charges: [charge(novemberMs, 70, { hold: 1 })] })
    assert.equal(totalOf(restore(after)), 70)
    assert.equal(verifyLedger(after.database).wrongSums, 0)
  })

  test('is not charged by the process that it belongs to', (t) => {
    const file = openFile(t, newPath())
    write(file, 1, { holds: [held] })
    assert.equal(totalOf(restore(file)), undefined)
    write(file, 2, { ended: [1], charges: [charge(novemberMs, 45, { hold: 1 })] })
    assert.equal(totalOf(restore(file)), 45)
  })
})

test('a damaged file does not know what was spent, unless the operator accepts what can be read', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  write(file, 1, { charges: [charge(novemberMs, 5)] })
  for (let seq = 2; seq < 20; seq++) {
    file.write({ seq, rows: rowsOf(Array.from({ length: 500 }, () => ({}))), lostSums: [] })
  }
  file.close()
  const bytes = readFileSync(path)
  const page = 4096 * Math.floor(bytes.length / 8192)
  writeFileSync(path, bytes.fill(0xff, page, page + 4096))
  assert.equal(repairLedger(path, novemberMs).kind, 'rescued')
  const rescued = openFile(t, path, { nowMs: novemberMs + 1 })
  assert.deepEqual(restore(rescued), { kind: 'unknown' })
  rescued.close()
  assert.deepEqual(acceptSpend(path, novemberMs), { kind: 'accepted' })
  assert.deepEqual(acceptSpend(path, novemberMs), { kind: 'known' })
  assert.equal(totalOf(restore(openFile(t, path, { nowMs: novemberMs + 2 }))), 5)
})

test('of a ledger that does not know whether it has all, and a copy, the larger amount counts', (t) => {
  const windows = [[0, Infinity, 9, 5]] as const
  const charges = [charge(novemberMs, 5, { tokens: 9 })]
  const copy = { revision: 3, balances: [{ scope, windows }] }
  const question = { spans: allTime, copy, nowMs: novemberMs }
  const amounts = (found: SpendFound) => found.kind === 'found' && found.spent[0]?.windows[0]?.slice(2)
  const rescued = openFile(t, newPath())
  write(rescued, 1, { charges, balance: undefined })
  assert.deepEqual(amounts(rescued.restoreSpend(question)), [9, 9])
  const unread = openFile(t, newPath())
  write(unread, 1, { charges, balance: copy.balances, isBalanceComplete: false })
  assert.deepEqual(amounts(restore(unread)), [9, 9])
  const earlier = openFile(t, newPath())
  write(earlier, 1, { charges })
  assert.deepEqual(amounts(earlier.restoreSpend(question)), [9, 5])
})

test('the name of an erased client is not in its budget either', (t) => {
  const ofKey = { name: 'key:k_1', entry: 'bob' }
  const path = newPath()
  const file = openFile(t, path)
  file.write({
    seq: 1,
    rows: rowsOf([{ scope: scope.name }, { key: 'bob', client: 'key:bob', scope: ofKey.name }]),
    lostSums: [],
    spend: batch({ charges: [charge(1, 5), charge(1, 5, { scope: ofKey })] }),
  })
  file.close()
  for (const client of ['user:ann', 'key:bob'])
    assert.equal(eraseClient(path, [client], novemberMs).kind, 'erased')
  const database = new DatabaseSync(path, { readOnly: true })
  const sql = 'SELECT name FROM scopes UNION SELECT entry FROM scopes UNION SELECT name FROM names'
  const names = database.prepare(sql).all()
  database.close()
  assert.deepEqual(
    names.filter(({ name }) => /ann|bob/.test(String(name))),
    [],
  )
})
