import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fuzz } from './fuzz.ts'

// A short run; `npm run fuzz` makes the long one, from a new seed each time.
test('spoiled requests bring the gateway to no failure of its own', async (t) => {
  const report = await fuzz(t, { seed: 7, count: 3_000, first: 0 })

  assert.deepEqual(report.findings, [])
  // It would prove nothing if all of them were spoiled beyond use, or none.
  assert.ok(report.served > 300, `${report.served} served`)
  for (const status of [200, 400, 403, 404, 405, 413, 415, 429]) {
    assert.ok(report.statuses.get(status), `an answer of ${status}`)
  }
})
