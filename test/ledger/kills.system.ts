import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newDirectory } from './ended-call.ts'
import { killOnce } from './kills.ts'

test('a gateway that is killed under load loses no row that was acknowledged, and its ledger is whole', async (t) => {
  const directory = newDirectory()
  let rows = 0
  for (const [acknowledgedAfter, killedAfter] of [
    [1, 2],
    [150, 151],
    [300, 700],
  ] as const) {
    const now = await killOnce(t, directory, { acknowledgedAfter, killedAfter })
    assert.ok(now > rows)
    rows = now
  }
})
