import assert from 'node:assert/strict'
import { fstatSync } from 'node:fs'
import { test } from 'node:test'

import { asErrors, isJournal } from '../../src/systemd/journal.ts'

test('output goes to the journal only when the stream is the one that is named', () => {
  const { dev, ino } = fstatSync(1)
  assert.equal(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, 1), true)
  assert.equal(isJournal({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, 1), false)
  assert.equal(isJournal({}, 1), false)
  assert.equal(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, 9999), false)
})

test('each line of an error gets its priority, and empty ones none', () => {
  assert.equal(asErrors('one\n\ntwo\n'), '<3>one\n\n<3>two\n')
})
