import assert from 'node:assert/strict'
import { test } from 'node:test'

import { longRun } from '../support/long-run.ts'
import { fuzz } from './fuzz.ts'

const { seed, first, count = 100_000, isOver } = longRun()

test(`spoiled requests bring the gateway to no failure of its own, seed ${seed}`, async (t) => {
  const report = await fuzz(t, { seed, count, first, isOver, onProgress: (done) => t.diagnostic(`${done}`) })

  const { findings, served, statuses, warmBytes, endBytes } = report
  t.diagnostic(
    `${report.made} inputs, ${served} served; memory ${warmBytes} bytes warm, ${endBytes} at the end`,
  )
  assert.deepEqual(findings, [])
  if (report.made < 3_000) return
  // It would prove nothing if all of them were spoiled beyond use, or none.
  assert.ok(served > report.made / 10, `${served} served`)
  for (const status of [200, 400, 403, 404, 405, 413, 415, 429]) {
    assert.ok(statuses.get(status), `a response of ${status}`)
  }
})
