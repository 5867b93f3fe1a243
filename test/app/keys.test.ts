// What a command is answered that has the key file loaded, and what is in force at the start.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import type { AppliedKeys } from '../../src/app/key-application.ts'
import { KeyFileWatch } from '../../src/app/keys.ts'
import { formatKeyFile } from '../../src/clients/keys/key-file.ts'
import type { KeyFile } from '../../src/clients/keys/key-record.ts'
import type { GatewayEvent } from '../../src/observe/events.ts'
import { KeyFileOnDisk, testKey } from '../support/client-keys.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'

test('of two versions in a row, both commands are answered once the later one is in force', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'keys-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'keys.json')
  const write = (generation: number) => writeFileSync(path, formatKeyFile({ generation, keys: [] }))
  const applied: ((applied: AppliedKeys) => void)[] = []
  const clock = new FakeClock()
  const watch = new KeyFileWatch({
    path,
    events: { emit: () => {} },
    clock: { setTimer: clock.setTimer, wallNow: () => 0 },
    stateDirectory: undefined,
    apply: () => new Promise((resolve) => applied.push(resolve)),
  })
  write(1)
  watch.load()
  watch.start(1)
  t.after(() => watch.stop())

  write(2)
  const first = watch.reload()
  write(30)
  const second = watch.reload()
  await settled()
  assert.equal(applied.length, 2)
  for (const resolve of applied) {
    resolve({ threads: 2, ended: 1 })
    await settled()
  }
  const inForce = { generation: 30, threads: 2, ended: 2, refused: undefined }
  assert.deepEqual([await first, await second], [inForce, inForce])
})

test('a key that is revoked while the gateway starts is refused from the start on', async (t) => {
  const file = new KeyFileOnDisk(t)
  file.write({ ci: { keys: [testKey()] } })
  const applied: number[] = []
  const watch = new KeyFileWatch({
    path: file.path,
    events: { emit: () => {} },
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

test('a key file that was never there is usual where keys are optional, and its removal is not', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'keys-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'keys.json')
  const missing: GatewayEvent[] = []
  const watch = new KeyFileWatch({
    path,
    isOptional: true,
    events: {
      emit(event) {
        if (event.kind === 'keys_missing') missing.push(event)
      },
    },
    clock: new FakeClock(),
    stateDirectory: undefined,
    apply: () => ({ threads: 1, ended: 0 }),
  })
  watch.load()
  watch.start(1)
  t.after(() => watch.stop())
  assert.deepEqual(missing, [{ kind: 'keys_missing', file: path, is_usual: true }])
  writeFileSync(path, formatKeyFile({ generation: 1, keys: [] }))
  await watch.reload()
  rmSync(path)
  await watch.reload()
  assert.deepEqual(missing[1], { kind: 'keys_missing', file: path })
})

test('a missing key file is reported at once, then each minute until it is there', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'keys-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'keys.json')
  const clock = new FakeClock()
  const missing: GatewayEvent[] = []
  const watch = new KeyFileWatch({
    path,
    events: {
      emit(event) {
        if (event.kind === 'keys_missing') missing.push(event)
      },
    },
    clock,
    stateDirectory: undefined,
    apply: () => ({ threads: 1, ended: 0 }),
  })
  watch.load()
  watch.start(1)
  t.after(() => watch.stop())
  assert.deepEqual(missing, [{ kind: 'keys_missing', file: path }])
  await clock.run(60_000)
  assert.equal(missing.length, 2)
  writeFileSync(path, formatKeyFile({ generation: 1, keys: [] }))
  await watch.reload()
  await clock.run(120_000)
  assert.equal(missing.length, 2)
  rmSync(path)
  await watch.reload()
  assert.equal(missing.length, 3)
})
