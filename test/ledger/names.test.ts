// Names and their numbers.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Names } from '../../src/ledger/names.ts'
import { migrations } from '../../src/ledger/schema.ts'

function emptyLedger(): DatabaseSync {
  const database = new DatabaseSync(':memory:')
  database.exec(migrations[0]!)
  return database
}

test('further names than are kept share a number', () => {
  const names = new Names(emptyLedger(), 3)
  const ids = ['a', 'b', 'c', 'd', 'e', 'a'].map((name) => names.idOf('model', name))
  assert.equal(new Set(ids.slice(0, 3)).size, 3)
  assert.equal(ids[3], ids[4])
  assert.equal(ids[5], ids[0])
})

test('names of one kind do not push out those of another', () => {
  const database = emptyLedger()
  const names = new Names(database, 3)
  const id = names.idOf('client', 'ann')
  database.exec('DELETE FROM names')
  for (let index = 0; index < 20; index += 1) names.idOf('model', `model-${index}`)
  // Known without a look into the table, which does not have it any more.
  assert.equal(names.idOf('client', 'ann'), id)
  const { count } = database.prepare("SELECT COUNT(*) AS count FROM names WHERE kind = 'client'").get()!
  assert.equal(count, 0)
})
