import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ConfiguredServices } from '../../../src/systemd/starter/configured-services.ts'
import { UnitLooks } from '../../../src/systemd/starter/unit-looks.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const names = ['a.service', 'b.service']
const shown = names
  .map((name) => `Id=${name}\nNames=${name}\nLoadState=loaded\nActiveState=active\nSubState=running\n`)
  .join('\n')

test('a look whose systemctl was killed in the middle of its text reports nothing', async () => {
  const services = names.map((unit) => ({ service: unit[0]!, unit }))
  const file = {
    version: () => '1',
    read: () => ({ kind: 'read', list: { manager: 'user', services } }) as const,
  }
  let finished: { status: number | undefined; stdout: string; stderr: string }
  finished = { status: 0, stdout: shown, stderr: '' }
  const log: string[] = []
  let reported: string[] = []
  const looks = new UnitLooks({
    configured: new ConfiguredServices(file, (message) => void log.push(message)),
    run: () => Promise.resolve(finished),
    clock: new FakeClock(),
    bootedAtMs: 0,
    onUnusable: () => {},
    onReports: (changed) =>
      void reported.push(...changed.map(({ service, active }) => `${service} ${active}`)),
    log: (message) => void log.push(message),
  })
  looks.start()
  assert.ok(await looks.look())
  assert.deepEqual(reported, ['a active', 'b active'])
  reported = []

  for (const cut of [shown.lastIndexOf('ActiveState'), shown.lastIndexOf('SubState'), shown.length - 3]) {
    finished = { status: undefined, stdout: shown.slice(0, cut), stderr: 'killed' }
    assert.ok(!(await looks.look()))
  }
  looks.stop()

  assert.deepEqual([reported, log], [[], ['the service manager does not respond: killed']])
})
