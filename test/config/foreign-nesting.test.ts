import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readForeignDocument } from '../../src/config/foreign-document.ts'

test('brackets that open without an end are refused before anything is parsed', () => {
  for (const text of ['['.repeat(400_000), '{ '.repeat(65), '[\n'.repeat(65)]) {
    const read = readForeignDocument(text)
    assert.deepEqual([read.kind, read.problems[0]?.message], ['unreadable', 'is nested too deeply'])
  }
  assert.equal(readForeignDocument('[[[1]]]').kind, 'read')
})
