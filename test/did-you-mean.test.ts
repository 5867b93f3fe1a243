import assert from 'node:assert/strict'
import { test } from 'node:test'

import { closestName } from '../src/did-you-mean.ts'

test('a letter wrong, missing, too many, or two swapped are near', () => {
  for (const name of ['pork', 'prt', 'portt', 'prot', 'PORT'])
    assert.equal(closestName(name, ['hosts', 'port']), 'port', name)
})

test('a name that is nothing like it is not near', () => {
  for (const name of ['x', 'hostname', ''])
    assert.equal(closestName(name, ['port', 'models']), undefined, name)
})

test('the nearest wins, and the earlier one on a tie', () => {
  assert.equal(closestName('llama3.1', ['llama3.11b', 'llama3.2', 'llama3.3']), 'llama3.2')
})

test('a name of any length costs little', () => {
  assert.equal(closestName('a'.repeat(1e6), ['a'.repeat(1e6)]), undefined)
})
