import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineFiles } from '../../../src/cli/doctor/files.ts'
import { ownAccounts, scratchDirectory } from '../../support/config-file.ts'

/** No group is anybody's own. */
const accounts = { ...ownAccounts, isPrivateGroup: () => false }

function scene(t: TestContext) {
  const folder = scratchDirectory(t)
  const place = (name: string, mode: number) => {
    writeFileSync(join(folder, name), '')
    chmodSync(join(folder, name), mode)
    return join(folder, name)
  }
  const directory = (name: string, mode: number) => {
    mkdirSync(join(folder, name))
    chmodSync(join(folder, name), mode)
    return join(folder, name)
  }
  const config = place('gateway.yaml', 0o600)
  const examine = (more: Partial<Parameters<typeof examineFiles>[0]> = {}) => {
    const files = {
      config,
      secrets: [],
      credentialsDirectory: join(folder, 'none'),
      stateDirectory: undefined,
      ...more,
    }
    return examineFiles(files, accounts).map(({ subject, state, detail, fix }) => {
      return `${state} ${subject}: ${[detail, fix].filter(Boolean).join(' → ').replaceAll(folder, 'D')}`
    })
  }
  return { folder, config, place, directory, examine }
}

test('what only its owner can write is well', (t) => {
  const owner = process.getuid!() === 0 ? "root's" : 'own'
  assert.deepEqual(scene(t).examine(), [
    `ok configuration: D/gateway.yaml (mode 600, ${owner})`,
    `ok configuration's directory: D (mode 700, ${owner})`,
  ])
})

test('a configuration and a directory that others can write are mended with chmod', (t) => {
  const { config, folder, examine } = scene(t)
  chmodSync(config, 0o666)
  chmodSync(folder, 0o770)
  assert.deepEqual(examine(), [
    'fail configuration: D/gateway.yaml is writable by everybody (mode 666) → chmod go-w D/gateway.yaml',
    "fail configuration's directory: D is writable by its group (mode 770) → chmod go-w D",
  ])
})

test('a key that others can read is mended, in a file of its own and in the store', (t) => {
  const { place, directory, examine } = scene(t)
  const secret = place("it's key", 0o644)
  const store = directory('store', 0o755)
  writeFileSync(join(store, 'k'), '', { mode: 0o600 })
  chmodSync(join(store, 'k'), 0o640)
  const found = examine({ secrets: [secret], credentialsDirectory: store }).slice(2)
  assert.deepEqual(found, [
    String.raw`fail key file: D/it's key is readable by others (mode 644) → chmod 600 'D/it'\''s key'`,
    'fail credential store: D/store is readable by others (mode 755) → chmod 700 D/store',
    'fail stored key: D/store/k is readable by others (mode 640) → chmod 600 D/store/k',
  ])
})

test('what is not there is passed over, but for the state directory, which is made', (t) => {
  const { folder, examine } = scene(t)
  const found = examine({ secrets: [join(folder, 'no')], stateDirectory: join(folder, 'state') })
  assert.deepEqual(found.slice(2), ['ok state directory: D/state is made when the gateway starts'])
})

test('a file of another user is given back', (t) => {
  const { config } = scene(t)
  const stranger = { ...accounts, uid: process.getuid!() + 1 }
  const files = { config, secrets: [], credentialsDirectory: '/none', stateDirectory: undefined }
  if (process.getuid!() === 0)
    return assert.equal(examineFiles(files, stranger)[0]?.state, 'ok', "root's files are well")
  assert.equal(examineFiles(files, stranger)[0]?.fix, `sudo chown ${stranger.uid} ${config}`)
})
