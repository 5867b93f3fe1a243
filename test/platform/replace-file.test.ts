import assert from 'node:assert/strict'
import fs, {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { replaceFile } from '../../src/platform/replace-file.ts'
import { scratchDirectory } from '../support/config-file.ts'

/** Runs `step` once, right after the text of the draft was written. */
function afterWriting(t: TestContext, step: () => void): void {
  const write = fs.writeFileSync
  t.mock.method(fs, 'writeFileSync', (...args: Parameters<typeof write>) => {
    write(...args)
    // oxlint-disable-next-line typescript/unbound-method -- it is a function
    fs.writeFileSync = write
    syncBuiltinESMExports()
    step()
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
}

test('mode, time and text are those that were asked for', (t) => {
  const directory = scratchDirectory(t)
  const path = join(directory, 'file')
  writeFileSync(path, 'old', { mode: 0o666 })
  replaceFile(path, 'new', { mode: 0o640, changedAtMs: 86_400_000 })
  const { mode, mtimeMs } = statSync(path)
  assert.deepEqual([mode & 0o777, mtimeMs, readFileSync(path, 'utf8')], [0o640, 86_400_000, 'new'])
  assert.deepEqual(readdirSync(directory), ['file'])
})

test('what a killed command has left is no obstacle, and a link in its place is not followed', (t) => {
  const directory = scratchDirectory(t)
  const [path, victim] = [join(directory, 'file'), join(directory, 'victim')]
  writeFileSync(victim, 'theirs', { mode: 0o600 })
  symlinkSync(victim, join(directory, '.file.new'))
  replaceFile(path, 'new', { mode: 0o644 })
  assert.deepEqual([readFileSync(victim, 'utf8'), statSync(victim).mode & 0o777], ['theirs', 0o600])
  assert.equal(readFileSync(path, 'utf8'), 'new')
})

test('a draft that is swapped for a link while it is written changes no other file, and is no replacement', (t) => {
  const directory = scratchDirectory(t)
  const [path, victim, draft] = ['file', 'victim', '.file.new'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(path, 'old')
  writeFileSync(victim, 'theirs')
  chmodSync(victim, 0o600)
  let isSwapped = false
  afterWriting(t, () => {
    fs.rmSync(draft)
    symlinkSync(victim, draft)
    isSwapped = true
  })
  assert.throws(
    () => replaceFile(path, 'new', { mode: 0o666, changedAtMs: 0 }),
    /was replaced while it was written/,
  )
  assert.ok(isSwapped)
  const { mode, mtimeMs } = statSync(victim)
  assert.deepEqual([mode & 0o777, mtimeMs > 0, readFileSync(victim, 'utf8')], [0o600, true, 'theirs'])
  assert.equal(readFileSync(path, 'utf8'), 'old')
  assert.ok(!existsSync(draft))
})

test('a draft that cannot be made leaves the file', (t) => {
  const directory = scratchDirectory(t)
  const path = join(directory, 'file')
  writeFileSync(path, 'old')
  mkdirSync(join(directory, '.file.new'))
  assert.throws(() => replaceFile(path, 'new', { mode: 0o600 }))
  assert.equal(readFileSync(path, 'utf8'), 'old')
})
