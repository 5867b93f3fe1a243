import assert from 'node:assert/strict'
import { test } from 'node:test'

import { longRun } from '../support/long-run.ts'
import { chaosOfKeys } from './keys/run.ts'

const { seed, count = 32, seconds } = longRun()

test(`keys and budgets hold while all changes and the gateway is killed, seed ${seed}`, async (t) => {
  const options = { seed, seconds: Math.min(seconds, 60), connections: count }
  const { ends, fates, commands, lives, reloads, findings } = await chaosOfKeys(t, options)

  for (const [end, times] of ends) t.diagnostic(`${times} ${end}`)
  for (const [fate, times] of fates) t.diagnostic(`${times} with a key: ${fate}`)
  t.diagnostic(JSON.stringify({ lives, reloads, ...Object.fromEntries(commands) }))
  assert.deepEqual(findings, [])
  // It would prove nothing if nobody had been answered, or nothing had happened.
  assert.ok((fates.get('served') ?? 0) > 0 && (fates.get('invalid_api_key') ?? 0) > 0, `${fates.size} fates`)
  assert.ok(lives > 1, `${lives} processes`)
})
