// Which model another spelling of a bounded name belongs to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedNames } from '../../src/platform/bounded-names.ts'

test('of several bounded models with one spelling, the one with the narrowest boundary has it', () => {
  const names = new BoundedNames(
    new Map([
      ['Notes', { boundary: 'private' as const }],
      ['notes', { boundary: 'local' as const }],
      ['NOTES', {}],
    ]),
  )
  assert.equal(names.ownerOf('nOTES:latest'), 'notes')
})

test('spellings of unbounded models belong to nobody', () => {
  const names = new BoundedNames(
    new Map([
      ['free', {}],
      ['any', { boundary: 'any' as const }],
      ['bounded', { boundary: 'local' as const }],
      ['free-*', {}],
    ]),
  )
  for (const name of ['Free', 'ANY', 'bounded:7b', 'me/bounded']) assert.equal(names.ownerOf(name), undefined)
  assert.equal(names.wildcardOf('Free-x', undefined, 0), undefined)
})

test('a name belongs to a bounded model that its rules lead to, over others and in circles', () => {
  const names = new BoundedNames(
    new Map([
      ['a', { use: 'b' }],
      ['b', { when: [{ use: 'k/x' }], use: 'a' }],
      ['k/*', { boundary: 'local' as const }],
      ['c', { use: 'free' }],
      ['free', {}],
    ]),
  )
  assert.deepEqual(
    ['A', 'B', 'C'].map((name) => names.ownerOf(name)),
    ['a', 'b', undefined],
  )
})

test('a bounded wildcard has other spellings of what it matches, unless another matches as much of them', () => {
  const names = new BoundedNames(new Map([['my-*', { boundary: 'local' as const }]]))
  assert.deepEqual(names.wildcardOf('library/My-Notes', '*', 0), { name: 'my-*', rest: 'Notes' })
  assert.deepEqual(names.wildcardOf('library/My-Notes', 'library/*', 0), { name: 'my-*', rest: 'Notes' })
  assert.equal(names.wildcardOf('My-Notes', 'My-*', 0), undefined)
  assert.equal(names.wildcardOf('My-', undefined, 0), undefined)
  assert.equal(names.wildcardOf('my-/x', undefined, 4), undefined)
})
