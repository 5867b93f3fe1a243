import assert from 'node:assert/strict'
import { chmodSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { pathFault } from '../../src/platform/ownership.ts'
import { ownAccounts, scratchDirectory } from '../support/config-file.ts'

const notRoot = process.getuid!() !== 0 && 'only root can make files of another user'
const otherUid = 54_321

suite('a path is refused', () => {
  test('below a directory that everybody can write to', (t) => {
    const open = join(scratchDirectory(t), 'open')
    mkdirSync(join(open, 'own'), { recursive: true })
    chmodSync(open, 0o777)
    const fault = pathFault(join(open, 'own', 'file'), ownAccounts)
    assert.deepEqual(fault, {
      path: open,
      message: 'is writable by everybody (mode 777)',
      hint: `chmod go-w ${open}`,
    })
  })

  test('below a directory that its group can write to, unless the group is the user’s own', (t) => {
    const group = join(scratchDirectory(t), 'group')
    mkdirSync(group)
    chmodSync(group, 0o770)
    const file = join(group, 'file')
    const shared = { ...ownAccounts, isPrivateGroup: () => false }
    assert.match(pathFault(file, shared)?.message ?? '', /^is writable by its group/)
    assert.equal(pathFault(file, ownAccounts), undefined)
  })

  test('through a link into such a directory', (t) => {
    const directory = scratchDirectory(t)
    const open = join(directory, 'open')
    mkdirSync(open)
    writeFileSync(join(open, 'file'), '')
    chmodSync(open, 0o777)
    symlinkSync('open/../open/file', join(directory, 'link'))
    assert.equal(pathFault(join(directory, 'link'), ownAccounts)?.path, open)
  })

  test('through a link of another user', { skip: notRoot }, (t) => {
    const directory = scratchDirectory(t)
    const link = join(directory, 'link')
    mkdirSync(join(directory, 'own'))
    symlinkSync('own', link)
    lchownSync(link, otherUid, otherUid)
    const fault = pathFault(join(link, 'file'), ownAccounts)
    const message = `is a link of another user (uid ${otherUid})`
    assert.deepEqual(fault, { path: link, message, hint: 'name the path that it leads to' })
  })

  test('below a directory of another user', { skip: notRoot }, (t) => {
    const directory = join(scratchDirectory(t), 'theirs')
    mkdirSync(directory)
    lchownSync(directory, otherUid, otherUid)
    const fault = pathFault(join(directory, 'file'), ownAccounts)
    assert.deepEqual([fault?.path, fault?.message], [directory, `belongs to another user (uid ${otherUid})`])
  })
})

suite('a path is trusted', () => {
  test('below a sticky directory, where nobody can replace what is another’s', (t) => {
    const sticky = join(scratchDirectory(t), 'sticky')
    mkdirSync(join(sticky, 'own'), { recursive: true })
    chmodSync(sticky, 0o1777)
    assert.equal(pathFault(join(sticky, 'own', 'file'), ownAccounts), undefined)
  })

  test('where nothing is yet, and through own links', (t) => {
    const directory = scratchDirectory(t)
    symlinkSync(directory, join(directory, 'link'))
    assert.equal(pathFault(join(directory, 'link', 'link', 'new', 'file'), ownAccounts), undefined)
  })

  test('whatever its links lead round to', (t) => {
    const directory = scratchDirectory(t)
    symlinkSync('loop', join(directory, 'loop'))
    assert.equal(pathFault(join(directory, 'loop'), ownAccounts), undefined)
  })
})
