import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newPath, openFile, rowsOf } from '../ledger/ended-call.ts'
import { faultsOfLedger } from './ledger.ts'

test('a row too many, one that lacks and another outcome are found', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  const rows = rowsOf([
    { request_id: 'right' },
    { request_id: 'unlogged' },
    { request_id: 'other', status: 502, code: 'provider_unreachable' },
    { request_id: 'twice' },
    { request_id: 'twice' },
  ])
  file.write({ seq: 1, rows, lostSums: [] })
  file.close()
  const line = (status: number, isCall = true) => [{ status, isCall }]
  const lines = new Map([
    ['right', line(200)],
    ['other', line(200)],
    ['twice', line(200)],
    ['missing', line(200)],
    ['refused', line(403, false)],
  ])

  assert.deepEqual(
    [...faultsOfLedger(path, lines)],
    [
      'unlogged has 1 rows in the ledger, and no line in the log',
      'other has status 200 in the log and 502 in the ledger',
      'twice has status 200 in the log and 200,200 in the ledger',
      'missing has status 200 in the log and no row in the ledger',
    ],
  )
})
