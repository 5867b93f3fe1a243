// Rows that wait for the ledger's thread: none is lost on the way, and those that are too many are still counted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Cell, column, rowWidth } from '../../src/ledger/call-row.ts'
import { PendingRows } from '../../src/ledger/pending-rows.ts'
import { endedCall, novemberMs, rowsOf } from './ended-call.ts'

function add(pending: PendingRows, from: number, count: number): void {
  for (let index = from; index < from + count; index++)
    pending.add(endedCall({ request_id: `req-${index}` }), novemberMs)
}

/** The numbers of their requests, in order. */
function numbersOf(rows: readonly Cell[]): number[] {
  const ids = rows.filter((_cell, at) => at % rowWidth === column.requestId)
  return ids.map((id) => Number(String(id).slice('req-'.length)))
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

test('batches that have waited are taken together, in order, as many as one transaction takes', () => {
  const pending = new PendingRows(10_000)
  for (let from = 0; from < 2_500; from += 500) {
    add(pending, from, 500)
    pending.cut()
  }
  assert.deepEqual(numbersOf(pending.take().rows), numbers(0, 2_000))
  assert.equal(pending.count, 500)
  assert.deepEqual(numbersOf(pending.take().rows), numbers(2_000, 500))
  assert.equal(pending.hasBatch, false)
})

test('what is given back comes first again, before what was collected meanwhile', () => {
  const pending = new PendingRows(10_000)
  add(pending, 0, 3)
  pending.cut()
  const taken = pending.take()
  add(pending, 3, 2)
  pending.giveBack(taken)
  pending.cut()
  assert.equal(pending.count, 5)
  assert.deepEqual(numbersOf(pending.take().rows), numbers(0, 5))
})

test('the oldest rows are given up beyond the bound, and their sums taken with the rest, also a second time', () => {
  const pending = new PendingRows(4)
  for (let from = 0; from < 9; from += 3) {
    add(pending, from, 3)
    pending.cut()
  }
  assert.equal(pending.lostRows, 6)
  const taken = pending.take()
  assert.deepEqual(numbersOf(taken.rows), numbers(6, 3))
  const countsOf = (sums: typeof taken.lostSums) => sums.map(({ counts }) => [counts[0], counts.at(-1)])
  assert.deepEqual(countsOf(taken.lostSums), [[6, 6]])
  pending.giveBack(taken)
  assert.deepEqual(countsOf(pending.take().lostSums), [[6, 6]])
})

test('rows of another thread that are more than one transaction takes are taken as they came', () => {
  const pending = new PendingRows(10_000)
  pending.addRows(rowsOf(numbers(0, 3_000).map((index) => ({ request_id: `req-${index}` }))))
  pending.cut()
  add(pending, 3_000, 1)
  pending.cut()
  assert.deepEqual(numbersOf(pending.take().rows), numbers(0, 3_000))
  assert.deepEqual(numbersOf(pending.take().rows), [3_000])
  assert.equal(pending.hasBatch, false)
})
