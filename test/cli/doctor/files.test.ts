import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { examineFiles } from '../../../src/cli/doctor/files.ts'
import { ownAccounts, scratchDirectory } from '../../support/config-file.ts'

/** No group is private to a user. */
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
    return examineFiles(files, accounts).map(({ subject, state, fix }) => {
      return `${state} ${subject}${fix === undefined ? '' : ` → ${fix.replaceAll(folder, 'D')}`}`
    })
  }
  return { folder, config, place, directory, examine }
}

function stateOf(path: string) {
  return { path, owner: 'of the running gateway', uid: undefined }
}

test('files that only their owner can write are ok', (t) => {
  assert.deepEqual(scene(t).examine(), ['ok configuration', "ok configuration's directory"])
})

test('a configuration and a directory that others can write are fixed with chmod', (t) => {
  const { config, folder, examine } = scene(t)
  chmodSync(config, 0o666)
  chmodSync(folder, 0o770)
  assert.deepEqual(examine(), [
    'fail configuration → chmod go-w D/gateway.yaml',
    "fail configuration's directory → chmod go-w D",
  ])
})

test('a key that others can read is fixed with chmod, in a file of its own and in the store', (t) => {
  const { place, directory, examine } = scene(t)
  const secret = place("it's key", 0o644)
  const store = directory('store', 0o755)
  writeFileSync(join(store, 'k'), '', { mode: 0o600 })
  chmodSync(join(store, 'k'), 0o640)
  const found = examine({ secrets: [secret], credentialsDirectory: store }).slice(2)
  assert.deepEqual(found, [
    String.raw`fail key file → chmod 600 'D/it'\''s key'`,
    'fail credential store → chmod 700 D/store',
    'fail stored key → chmod 600 D/store/k',
  ])
})

test('missing files are skipped, except for the state directory, which will be created', (t) => {
  const { folder, examine } = scene(t)
  const found = examine({ secrets: [join(folder, 'no')], stateDirectory: stateOf(join(folder, 'state')) })
  assert.deepEqual(found.slice(2), ['ok state directory'])
})

test('the state directory is judged for the user of the gateway, and whose it is is printed', (t) => {
  const { config, directory } = scene(t)
  const path = directory('state', 0o700)
  const own = process.getuid!()
  const examine = (uid: number) => {
    const stateDirectory = { ...stateOf(path), uid }
    const files = { config, secrets: [], credentialsDirectory: '/none', stateDirectory }
    return examineFiles(files, accounts).at(-1)!
  }
  assert.equal(examine(own).state, 'ok')
  assert.match(examine(own).detail, /state, of the running gateway \(mode 700, owned by /)
  const of = examine(own + 1)
  assert.notEqual(of.state, 'ok')
  assert.equal(of.fix, `sudo chown ${own + 1} ${path}`)
})

test('a file of another user is fixed with chown', (t) => {
  const { config } = scene(t)
  const stranger = { ...accounts, uid: process.getuid!() + 1 }
  const files = { config, secrets: [], credentialsDirectory: '/none', stateDirectory: undefined }
  if (process.getuid!() === 0)
    return assert.equal(examineFiles(files, stranger)[0]?.state, 'ok', "root's files are trusted")
  assert.equal(examineFiles(files, stranger)[0]?.fix, `sudo chown ${stranger.uid} ${config}`)
})
