import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fc } from '../support/properties.ts'

import { closestName, likelyName, nameThatBegins } from '../../src/platform/did-you-mean.ts'

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

test('the beginning of a name means the first that continues it', () => {
  assert.equal(nameThatBegins('Qwen3', ['qwen', 'qwen3:8b', 'qwen3:4b']), 'qwen3:8b')
  for (const name of ['qw', 'qwen3:8bb', 'q'.repeat(200)])
    assert.equal(nameThatBegins(name, ['qwen3:8b', 'q'.repeat(300)]), undefined, name)
})

test('the likely name is the nearest one, else the one that continues it', () => {
  const likely = (name: string) => likelyName(name, () => ['qwen3-coder:30b', 'qwen2'])
  assert.deepEqual(['qwen3', 'Qwen3-c', 'llama'].map(likely), ['qwen2', 'qwen3-coder:30b', undefined])
})

test('a name of any length costs little', () => {
  assert.equal(closestName('a'.repeat(1e6), ['a'.repeat(1e6)]), undefined)
})

test('a name is compared with no more long ones than take a moment', () => {
  let compared = 0
  function* candidates() {
    for (let index = 0; index < 2_000; index += 1) {
      compared += 1
      yield `b${'ab'.repeat(45)}${String(index).padStart(4, '0')}b`
    }
  }
  assert.equal(closestName(`a${'ab'.repeat(45)}wxyza`, candidates()), undefined)
  assert.ok(compared <= 100, `${compared} names of 96 letters`)
})

test('of a thousand names of the usual kind all are compared', () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `vendor-${index % 40}/model-${index}-instruct`)
  assert.equal(closestName('vendor-39/model-999-instrcut', names), 'vendor-39/model-999-instruct')
})

test('a candidate that is longer in lower case is no harm', () => {
  assert.equal(closestName('i'.repeat(100), ['\u0130'.repeat(100)]), undefined)
})

test('the answer is that of counting every edit', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 })
  fc.assert(
    fc.property(letters, fc.array(letters, { maxLength: 6 }), (name, candidates) => {
      const limit = Math.min(3, Math.max(1, Math.floor(name.length / 3)))
      const distances = candidates.map((candidate) => editsBetween(name, candidate))
      const least = Math.min(...distances)
      const expected = least > limit ? undefined : candidates[distances.indexOf(least)]
      assert.equal(closestName(name, candidates), expected)
    }),
  )
})

/** Optimal string alignment, as it is defined. */
function editsBetween(a: string, b: string): number {
  const known = new Map<string, number>()
  const edits = (i: number, j: number): number => {
    if (i === 0 || j === 0) return i + j
    const key = `${i} ${j}`
    const before = known.get(key)
    if (before !== undefined) return before
    const change = a[i - 1] === b[j - 1] ? 0 : 1
    let least = Math.min(edits(i - 1, j) + 1, edits(i, j - 1) + 1, edits(i - 1, j - 1) + change)
    if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
      least = Math.min(least, edits(i - 2, j - 2) + 1)
    }
    known.set(key, least)
    return least
  }
  return edits(a.length, b.length)
}
