// Events of a gateway while another one still writes the audit log.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { openAudit } from '../../src/app/open-audit.ts'
import { holdLock } from '../../src/platform/process-lock.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'

test('what is more than can be held back is counted as lost in the log', async (t) => {
  const directory = scratchDirectory(t)
  const held = holdLock(join(directory, 'audit.lock'))
  assert.ok(held.kind === 'held')
  const clock = new FakeClock()
  const reasons: string[] = []
  const audit = openAudit(
    { enabled: true, keepDays: 1 },
    {
      clock,
      emit: (event) => event.kind === 'audit_unavailable' && reasons.push(event.reason),
      stateDirectory: directory,
      key: { kind: 'none' },
      pseudonyms: undefined,
    },
  )
  assert.ok(audit !== undefined)
  for (let count = 0; count < 10_007; count++) audit.sink.receive({ kind: 'keys_missing', file: 'keys.yaml' })
  await until(() => reasons.length === 1, 'the report that another process writes the log')
  held.lock.release()
  clock.advance(1_000)
  const lines = () =>
    readdirSync(directory)
      .filter((name) => name.endsWith('.jsonl'))
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n'))
  await until(() => lines().length >= 10_001, 'the events that were held back')
  const gap = lines().find((line) => line.includes('llm_gateway.audit.gap')) ?? assert.fail()
  assert.match(gap, /"lost":7\b/)
  await audit.close()
})
