import assert from 'node:assert/strict'
import { test } from 'node:test'

import { chaos } from './chaos.ts'

// A short run; `npm run chaos` makes the long one, from a new seed each time.
test('calls end in one of the allowed ways while everything around them breaks', async (t) => {
  const report = await chaos(t, { seed: 8, seconds: 2, connections: 32, leastCalls: 60 })

  assert.deepEqual(report.findings, [])
  // It would prove nothing if nobody had been answered, or nothing had happened.
  const { ends, counts } = report
  assert.ok((ends.get('whole') ?? 0) + (ends.get('streamed') ?? 0) > 0, `ends: ${[...ends].join(' ')}`)
  assert.ok(ends.get('left'))
  assert.ok(counts.kills > 0 && counts.reloads > 1, `${counts.kills} killed, ${counts.reloads} reloads`)
})
