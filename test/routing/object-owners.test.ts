// Whose an object is, in memory and over a restart.
import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { MemoryObjectOwners, type OwnedObject } from '../../src/routing/object-owners.ts'
import { ObjectOwnersFile } from '../../src/routing/object-owners-file.ts'
import { scratchDirectory } from '../support/config-file.ts'

function object(id: string, client = 'user:ann', kind = 'file'): OwnedObject {
  return { id, kind, provider: 'p', client }
}

suite('in memory', () => {
  test('the first owner of an id stays its owner', () => {
    const owners = new MemoryObjectOwners()
    owners.remember([object('file-1'), object('file-1', 'user:bob')])
    assert.deepEqual(owners.ownersOf(['file-1', 'file-2']), [object('file-1'), undefined])
  })

  test('the oldest object of the client that has the most is forgotten first', () => {
    const owners = new MemoryObjectOwners(4)
    owners.remember([object('bob-1', 'user:bob')])
    for (const id of ['1', '2', '3', '4', '5']) owners.remember([object(id)])
    assert.equal(owners.size, 4)
    const found = owners.ownersOf(['bob-1', '1', '2', '3', '4', '5']).map((owner) => owner !== undefined)
    assert.deepEqual(found, [true, false, false, true, true, true])
  })

  test('a client has an object of a kind, or none', () => {
    const owners = new MemoryObjectOwners()
    owners.remember([object('file-1')])
    assert.equal(owners.hasAny('user:ann', 'file'), true)
    assert.equal(owners.hasAny('user:ann', 'batch'), false)
    assert.equal(owners.hasAny('user:bob', 'file'), false)
  })

  test('what can be no id is not remembered', () => {
    const owners = new MemoryObjectOwners()
    owners.remember([object(''), object('x'.repeat(257)), object('a b'), object('a\n')])
    assert.equal(owners.size, 0)
  })
})

suite('in the file', () => {
  /** A start of the gateway: what is to be written waits until the test says so. */
  async function start(directory: string, max?: number) {
    const owners = new MemoryObjectOwners(max)
    const faults: unknown[] = []
    const timers: (() => void)[] = []
    const file = new ObjectOwnersFile({
      directory,
      owners,
      setTimer: (fn) => {
        timers.push(fn)
        return () => void timers.splice(timers.indexOf(fn), 1)
      },
      onFault: (cause) => faults.push(cause),
    })
    file.load()
    return { owners, file, faults, timers }
  }

  const path = (directory: string) => join(directory, 'objects.jsonl')

  test('what was remembered is there after a restart, for this user alone', async (t: TestContext) => {
    const directory = join(scratchDirectory(t), 'state')
    const first = await start(directory)
    first.owners.remember([object('file-1'), object('resp_1', 'ip:1.2.3.4', 'response')])
    assert.equal(first.timers.length, 1)
    await first.file.stop()
    assert.equal(statSync(path(directory)).mode & 0o777, 0o600)
    const { owners, faults } = await start(directory)
    assert.deepEqual([...owners.all()], [object('file-1'), object('resp_1', 'ip:1.2.3.4', 'response')])
    assert.deepEqual(faults, [])
  })

  test('a line that is torn or foreign is skipped, and what follows it is kept', async (t) => {
    const directory = scratchDirectory(t)
    writeFileSync(
      path(directory),
      '["file-1","file","p","c"]\nnonsense\n{"a":1}\n["x"]\n["file-2","file","p","c"]\n["file-3',
    )
    const { owners, file } = await start(directory)
    assert.deepEqual(
      [...owners.all()].map(({ id }) => id),
      ['file-1', 'file-2'],
    )
    owners.remember([object('file-4')])
    await file.stop()
    const again = await start(directory)
    assert.deepEqual(
      [...again.owners.all()].map(({ id }) => id),
      ['file-1', 'file-2', 'file-4'],
    )
  })

  test('it is written anew once most of it was forgotten', async (t) => {
    const directory = scratchDirectory(t)
    const { owners, file } = await start(directory, 10)
    for (let count = 0; count < 1_200; count += 1) owners.remember([object(`file-${count}`)])
    await file.stop()
    assert.equal(readFileSync(path(directory), 'utf8').trim().split('\n').length, 1 + 10)
  })

  test('a file of an earlier release, without a version, is kept and comes forward', async (t) => {
    const directory = scratchDirectory(t)
    const before = '["file-1","file","p","c"]\n'
    writeFileSync(path(directory), before)
    const { owners, file, faults } = await start(directory)
    owners.remember([object('file-2')])
    await file.stop()
    assert.deepEqual(faults, [])
    assert.equal(readFileSync(`${path(directory)}.v0`, 'utf8'), before)
    const lines = readFileSync(path(directory), 'utf8').trim().split('\n')
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown).map((line) => (Array.isArray(line) ? line[0] : line)),
      [{ version: 1 }, 'file-1', 'file-2'],
    )
    const again = await start(directory)
    assert.equal(again.owners.size, 2)
  })

  test('a file of a later release is not read, and kept', async (t) => {
    const directory = scratchDirectory(t)
    writeFileSync(path(directory), '{"version":2}\n["file-1","file","p","c"]\n')
    const { owners, file, faults } = await start(directory)
    assert.equal(owners.size, 0)
    assert.match(String(faults[0]), /objects\.jsonl is of a later release/)
    owners.remember([object('file-2')])
    await file.stop()
    assert.match(readFileSync(`${path(directory)}.v2`, 'utf8'), /file-1/)
    assert.doesNotMatch(readFileSync(path(directory), 'utf8'), /file-1/)
  })

  test('a fault is reported once, and what is remembered stays', async (t) => {
    const directory = scratchDirectory(t)
    const { owners, file, faults, timers } = await start(join(directory, 'file', 'below'))
    appendFileSync(join(directory, 'file'), '')
    for (const id of ['file-1', 'file-2']) {
      owners.remember([object(id)])
      timers.splice(0).forEach((fire) => fire())
    }
    await file.stop()
    assert.equal(faults.length, 1)
    assert.equal(owners.size, 2)
  })

  test('one that cannot be read is reported, and the gateway starts', async (t) => {
    const directory = scratchDirectory(t)
    writeFileSync(path(directory), '')
    chmodSync(path(directory), 0o600)
    const { faults } = await start(path(directory))
    assert.equal(faults.length, 1)
  })
})
