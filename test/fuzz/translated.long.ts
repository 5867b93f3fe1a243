import assert from 'node:assert/strict'
import { test } from 'node:test'

import { longRun } from '../support/long-run.ts'
import { fuzzTranslated } from './translated.ts'

const { seed, first, count = 30_000, isOver } = longRun()

test(`spoiled requests and responses are translated by the rules over HTTP, seed ${seed}`, async (t) => {
  const report = await fuzzTranslated(t, { seed, count, first, isOver })

  const { findings, made, ends, warmBytes, endBytes } = report
  for (const [end, times] of ends) t.diagnostic(`${times} ${end}`)
  t.diagnostic(`${made} inputs; memory ${warmBytes} bytes warm, ${endBytes} at the end`)
  assert.deepEqual(findings, [])
  if (made < 1_000) return
  // It would prove nothing if all of them were spoiled beyond use, or none.
  for (const dialect of ['chat', 'messages', 'ollama_chat', 'response']) {
    for (const end of ['streamed', 'broken', 'whole'])
      assert.ok(ends.get(`${dialect} ${end}`), `${dialect} ${end}`)
  }
})
