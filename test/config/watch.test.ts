import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { fileVersion, watchForChanges } from '../../src/config/watch.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { soon } from '../support/deadline.ts'

interface Watched {
  readonly path: string
  /** Resolves at the next change that is told. */
  readonly changed: () => Promise<void>
  /** Changes told so far. */
  readonly count: () => number
}

function watched(t: TestContext, path: string, since = fileVersion(path)): Watched {
  let count = 0
  let next = Promise.withResolvers<void>()
  const stop = watchForChanges(
    path,
    since,
    () => {
      count += 1
      next.resolve()
      next = Promise.withResolvers()
    },
    1,
  )
  t.after(stop)
  return { path, count: () => count, changed: () => soon(next.promise, () => `a change of ${path}`) }
}

function fileOf(t: TestContext): string {
  const path = join(scratchDirectory(t), 'llm-gateway.yaml')
  writeFileSync(path, 'one')
  return path
}

test('a change in place is told', async (t) => {
  const { path, changed } = watched(t, fileOf(t))
  const told = changed()
  writeFileSync(path, 'two!')
  await told
})

test('another file in its place is told, of the same size and time', async (t) => {
  const { path, changed } = watched(t, fileOf(t))
  const told = changed()
  writeFileSync(`${path}.new`, 'two')
  utimesSync(`${path}.new`, 1, 1)
  utimesSync(path, 1, 1)
  renameSync(`${path}.new`, path)
  await told
})

test('a file that is gone for a while is told of when it is back', async (t) => {
  const { path, changed } = watched(t, fileOf(t))
  const told = changed()
  rmSync(path)
  writeFileSync(path, 'one')
  await told
})

test('a symbolic link that is turned to another directory is told', async (t) => {
  const folder = scratchDirectory(t)
  for (const name of ['a', 'b']) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'llm-gateway.yaml'), 'same')
  }
  symlinkSync('a', join(folder, 'current'))
  const { changed } = watched(t, join(folder, 'current', 'llm-gateway.yaml'))
  const told = changed()
  symlinkSync('b', join(folder, 'next'))
  renameSync(join(folder, 'next'), join(folder, 'current'))
  await told
})

test('a change between the reading of the file and the watching of it is told', async (t) => {
  const path = fileOf(t)
  const read = fileVersion(path)
  writeFileSync(path, 'changed meanwhile')
  await watched(t, path, read).changed()
})

test('a file that stays as it is is not told of again', async (t) => {
  const { path, changed, count } = watched(t, fileOf(t))
  const told = changed()
  writeFileSync(path, 'two!')
  await told
  const other = watched(t, fileOf(t))
  for (let number = 1; number <= 5; number++) {
    const toldOfOther = other.changed()
    writeFileSync(other.path, 'x'.repeat(number + 3))
    await toldOfOther
  }
  assert.equal(count(), 1)
})
