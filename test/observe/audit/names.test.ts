// The list of names beside the audit log.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { AuditNames } from '../../../src/observe/audit/names.ts'

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'names-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function namesIn(directory: string, wallMs = 1_000): AuditNames {
  const names = AuditNames.read(directory, wallMs)
  assert.ok(names instanceof AuditNames)
  return names
}

suite('names of the audit log', () => {
  test('keep their numbers over a restart, and an erased one is nobody', async (t) => {
    const directory = scratch(t)
    const names = namesIn(directory)
    assert.deepEqual([names.numberOf('user:ann'), names.numberOf('user:bob')], [0, 1])
    assert.equal(names.erase('user:ann'), 'erased-0')
    await names.save()
    const later = namesIn(directory)
    assert.deepEqual(
      [later.nameOf(0), later.nameOf(1), later.numberOf('user:ann')],
      ['erased-0', 'user:bob', 2],
    )
  })

  test('that were lost are not given to others: numbers of the log that is there come to mean nobody', async (t) => {
    const directory = scratch(t)
    writeFileSync(join(directory, 'audit-2026-11.jsonl'), 'a line about name 0\n')
    const names = namesIn(directory, 5_000)
    assert.equal(names.numberOf('user:bob'), 5_000)
    assert.equal(names.nameOf(0), undefined)
    await names.save()
    const later = namesIn(directory, 9_000)
    assert.deepEqual([later.nameOf(5_000), later.numberOf('user:eve')], ['user:bob', 5_001])
  })

  test('beyond 100,000 are one number', (t) => {
    const names = namesIn(scratch(t))
    for (let count = 0; count < 100_000; count++) names.numberOf(`ip:${count}`)
    assert.deepEqual([names.numberOf('user:ann'), names.numberOf('user:bob')], [100_000, 100_000])
    assert.equal(names.nameOf(100_000), 'others')
  })

  for (const text of [
    '',
    '{"version":1,"names":["user:ann"',
    '{"version":0,"names":[]}',
    '{"version":1,"names":[7]}',
  ])
    test(`that are damaged stay as they are: ${text}`, (t) => {
      const directory = scratch(t)
      writeFileSync(join(directory, 'audit-names.json'), text)
      const names = AuditNames.read(directory, 1_000)
      assert.ok('fault' in names)
      assert.match(names.fault, /audit-names\.json is damaged; restore it, or remove it/)
    })

  test('of a later release are refused, with what to do', (t) => {
    const directory = scratch(t)
    writeFileSync(join(directory, 'audit-names.json'), '{"version":2,"names":["user:ann"]}')
    const names = AuditNames.read(directory, 1_000)
    assert.ok('fault' in names)
    assert.match(names.fault, /is of a later release .*version 2.* Run that release again/)
  })
})
