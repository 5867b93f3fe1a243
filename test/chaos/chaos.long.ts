import assert from 'node:assert/strict'
import { test } from 'node:test'

import { longRun } from '../support/long-run.ts'
import { chaos } from './chaos.ts'

const { seed, count = 64, seconds } = longRun()

test(`calls end in one of the allowed ways while everything around them breaks, seed ${seed}`, async (t) => {
  const options = { seed, seconds: Math.min(seconds, 180), connections: count, leastCalls: 60 }
  const { ends, counts, steady, sockets, memory, findings } = await chaos(t, options)

  for (const [end, times] of ends) t.diagnostic(`${times} ${end}`)
  t.diagnostic(JSON.stringify({ ...counts, steady, sockets }))
  for (const { atMs, calls, heapUsed, external } of memory.filter((_, index) => index % 6 === 5)) {
    t.diagnostic(
      `${Math.round(atMs / 1_000)} s, ${calls} calls: ${heapUsed} bytes in the heap, ${external} beside`,
    )
  }
  assert.deepEqual(findings, [])
  // It would prove nothing if nobody had been answered, or nothing had happened.
  const names = [...ends.keys()].join()
  for (const end of ['whole', 'streamed', 'left']) assert.ok(names.includes(end), names)
  assert.ok(counts.kills > 0 && counts.reloads > 1, `${counts.kills} killed, ${counts.reloads} reloads`)
})
