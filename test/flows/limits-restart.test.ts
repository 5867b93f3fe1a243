// The counters and what was learnt outlive the process.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type Limits, startLimited } from './limited.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { chat, report, used } from '../support/calls.ts'

const limits = { limits: { small: { rpm: 3, tpm: 5000 } } }

/** A gateway that served three calls and stopped, and one more start on the same state. */
async function restarted(
  t: TestContext,
  options: { pauseMs: number; limits?: Limits; between?: (file: string) => void },
) {
  const stateDirectory = scratchDirectory(t)
  const { gateway, clock } = await startLimited(t, limits, {}, { stateDirectory })
  for (let call = 0; call < 3; call++) await chat(gateway, 'small')
  await gateway.stop()
  options.between?.(join(stateDirectory, 'limits.json'))
  clock.advance(options.pauseMs)
  const second = await startLimited(t, options.limits ?? limits, {}, { clock, stateDirectory })
  return { clock, second: second.gateway }
}

test('a restart keeps the counts, and so what is refused', async (t) => {
  const { clock, second } = await restarted(t, { pauseMs: 5000 })

  assert.deepEqual(await used(second), { requests: 3, tokens: 36, parallel: 0 })
  const refused = await chat(second, 'small')
  assert.equal(refused.status, 429)
  const waitMs = Number(refused.headers.get('retry-after-ms'))
  assert.ok(waitMs === 55_000 || waitMs === 55_001, `${waitMs} ms`)
  clock.advance(waitMs)
  assert.equal((await chat(second, 'small')).status, 200)
  await second.logged({ event: 'limits_loaded', kind: 'restored', models: 1 })
})

test('after a minute the counts are gone, and what was learnt is not', async (t) => {
  const { second } = await restarted(t, { pauseMs: 60_001 })

  const { used, calibration } = await report(second)

  assert.deepEqual(used, { requests: 0, tokens: 0, parallel: 0 })
  assert.equal(calibration[0]?.['samples'], 3)
})

test('a start with other limits keeps the counts', async (t) => {
  const { second } = await restarted(t, { pauseMs: 0, limits: { limits: { small: { rpm: 4 } } } })

  const statuses = [(await chat(second, 'small')).status, (await chat(second, 'small')).status]

  assert.deepEqual(statuses, [200, 429])
})

test('a torn file starts the gateway all the same, and is reported', async (t) => {
  const { second } = await restarted(t, {
    pauseMs: 0,
    between: (file) => writeFileSync(file, readFileSync(file, 'utf8').slice(0, 40)),
  })

  assert.equal((await chat(second, 'small')).status, 200)
  const line = await second.logged({ event: 'limits_loaded', kind: 'unreadable' })
  assert.equal(line['level'], 'WARN')
})
