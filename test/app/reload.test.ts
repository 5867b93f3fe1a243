import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'

import { Reloader, type ReloadResult } from '../../src/app/reload.ts'
import { until } from '../support/deadline.ts'
import { writeScratch } from '../support/config-file.ts'
import { configText, echo } from '../support/gateway-config.ts'
import { configOf, KeptEvents } from './asked-provider.ts'

function start(t: TestContext, needsRestart: string[] = []) {
  const events = new KeptEvents()
  const configFile = writeScratch(t, configText(echo))
  const applied = Promise.withResolvers<void>()
  const results: ReloadResult[] = []
  const reload = t.mock.fn(() => applied.promise.then(() => needsRestart))
  const config = configOf(t, echo)
  const reloader = new Reloader({
    app: { events, reload },
    env: {},
    configFile,
    config,
    configVersion: undefined,
    secretFiles: [],
    onBegin() {},
    onRead() {},
    onResult: (result) => void results.push(result),
  })
  t.after(() => reloader.stop())
  return { events, configFile, reload, applied, results, reloader, config }
}

test('a file that is read is applied, and what needs a restart is named', async (t) => {
  const { events, applied, results, reloader, config, configFile } = start(t, ['server.port'])
  applied.resolve()
  await reloader.reload()
  assert.notEqual(reloader.config, config)
  assert.deepEqual(results, [{ kind: 'applied', needsRestart: ['server.port'] }])
  assert.deepEqual(events.all, [{ kind: 'reloaded', config: configFile, needs_restart: ['server.port'] }])
})

test('a file with problems is refused with all of them, and nothing is applied', async (t) => {
  const { events, configFile, reload, results, reloader, config } = start(t)
  writeFileSync(configFile, 'providers: { a: { kind: nothing } }\nmodels: { m: { provider: b } }\n')
  await reloader.reload()
  assert.equal(reload.mock.callCount(), 0)
  assert.equal(reloader.config, config)
  assert.equal(results[0]?.kind, 'refused')
  const [event] = events.all
  assert.ok(event?.kind === 'reload_refused' && event.problems.length > 0)
  for (const problem of event.problems) assert.ok(problem.startsWith(`${configFile}:`), problem)
})

test('a reload under way when it is stopped has no further effect, and a later one none at all', async (t) => {
  const { events, reload, applied, results, reloader, config } = start(t)
  const reloading = reloader.reload()
  await until(() => reload.mock.callCount() === 1, 'the reload of the app')
  reloader.stop()
  applied.resolve()
  await reloading
  await reloader.reload()
  assert.equal(reload.mock.callCount(), 1)
  assert.equal(reloader.config, config)
  assert.deepEqual([events.all, results], [[], []])
})
