// A file of the state directory: what a reader finds, whatever lies there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { StateFile } from '../../src/platform/state-file.ts'

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'state-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

suite('a state file', () => {
  test('is written for its user alone, in a directory that is made for it', async (t) => {
    const directory = join(scratch(t), 'deep/er')
    const file = new StateFile(directory, 'limits.json', { isSynced: true })
    assert.deepEqual(file.read(), { kind: 'absent' })
    await file.replace('one')
    assert.deepEqual(file.read(), { kind: 'read', text: 'one' })
    assert.deepEqual([statSync(file.path).mode & 0o777, statSync(directory).mode & 0o777], [0o600, 0o700])
    assert.deepEqual(readdirSync(directory), ['limits.json'])
  })

  test('has the text of the last replacement, and settles after it', async (t) => {
    const file = new StateFile(scratch(t), 'limits.json')
    for (let count = 0; count < 20; count++) void file.replace(String(count))
    await file.settled()
    assert.deepEqual(file.read(), { kind: 'read', text: '19' })
  })

  test('stays as it is where it cannot be replaced, and leaves no draft', async (t) => {
    const directory = scratch(t)
    mkdirSync(join(directory, 'limits.json'))
    const file = new StateFile(directory, 'limits.json')
    await assert.rejects(file.replace('one'), { code: 'EISDIR' })
    assert.deepEqual(readdirSync(directory), ['limits.json'])
    rmSync(file.path, { recursive: true })
    await file.replace('two')
    assert.equal(readFileSync(file.path, 'utf8'), 'two')
  })

  test('that is no file is not waited for', (t) => {
    const directory = scratch(t)
    execFileSync('mkfifo', [join(directory, 'pipe.json')])
    mkdirSync(join(directory, 'folder.json'))
    for (const name of ['pipe.json', 'folder.json']) {
      const read = new StateFile(directory, name).read()
      assert.deepEqual(read, { kind: 'unreadable', reason: 'is not a regular file' })
    }
    writeFileSync(join(directory, 'file'), '')
    const under = new StateFile(join(directory, 'file'), 'limits.json').read()
    assert.deepEqual(under, { kind: 'unreadable', reason: 'cannot be read (ENOTDIR)' })
  })

  test('is kept by one process, until another one accepts its offer', (t) => {
    const directory = scratch(t)
    const first = new StateFile(directory, 'limits.json')
    const second = new StateFile(directory, 'limits.json')
    assert.equal(first.claim(), undefined)
    assert.equal(second.claim(), process.pid)
    assert.deepEqual([first.isOfAnother, second.isOfAnother], [false, true])
    first.offer()
    assert.equal(second.claim(), undefined)
    second.release()
    assert.deepEqual(readdirSync(directory), [])
  })
})
