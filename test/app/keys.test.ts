import assert from 'node:assert/strict'
import { test } from 'node:test'

import { KeyFileWatch } from '../../src/app/keys.ts'
import type { KeyFile } from '../../src/clients/keys/key-record.ts'
import { createEvents } from '../../src/observe/events.ts'
import { KeyFileOnDisk, testKey } from '../support/client-keys.ts'
import { FakeClock } from '../support/fake-clock.ts'

test('a key that is revoked while the gateway starts is refused from the start on', async (t) => {
  const file = new KeyFileOnDisk(t)
  file.write({ ci: { keys: [testKey()] } })
  const applied: number[] = []
  const watch = new KeyFileWatch({
    path: file.path,
    events: createEvents([]),
    clock: new FakeClock(),
    stateDirectory: undefined,
    apply({ generation }: KeyFile) {
      applied.push(generation)
      return { threads: 1, ended: 0 }
    },
  })
  assert.equal(watch.load().generation, 1)
  file.write({ ci: { keys: [] } })
  watch.start(1)
  assert.deepEqual(applied, [2])
  await watch.stop()
})
