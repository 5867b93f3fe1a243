// Eight clients on two models of one group for a minute, beside what `services.system.ts` does for seconds: no call fails or is cut,
// never more than `running` units are active, and each runs for `min_run_ms`. Needs root, as all tests of units do.
import assert from 'node:assert/strict'
import { longRun } from '../support/long-run.ts'
import { noUserManager } from '../support/user-manager.ts'
import { loadServices } from '../support/installed-services.ts'

const reason = noUserManager()
if (reason === false) {
  const ends: (() => unknown)[] = []
  try {
    const seen = await loadServices(
      { after: (end) => void ends.push(end) },
      { seconds: Math.min(60, longRun().seconds), minRunMs: 3_000, maxRunMs: 6_000 },
    )
    process.stdout.write(`services: ${JSON.stringify({ ...seen, changes: seen.changes.length })}\n`)
    assert.ok(seen.changes.length >= 6, 'they took turns')
  } finally {
    for (const end of ends.toReversed()) await end()
  }
} else if (process.env['REQUIRE_SYSTEM_TESTS'] === '1') throw new Error(reason)
else process.stdout.write(`services: skipped, ${reason}\n`)
