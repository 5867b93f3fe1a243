import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { UnorderedList, type Indexed } from '../../src/platform/unordered-list.ts'

interface Item extends Indexed {
  readonly name: number
}

function namesIn(list: UnorderedList<Item>): number[] {
  const names: number[] = []
  list.forEach(({ name }) => names.push(name))
  return names.toSorted((one, other) => one - other)
}

test('a list holds what was added and not deleted, in whatever order', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 100 })
  fc.assert(
    fc.property(steps, (moves) => {
      const list = new UnorderedList<Item>()
      const items = Array.from({ length: 10 }, (_, name): Item => ({ name, index: -1 }))
      const inside = new Set<number>()
      for (const [comes, name] of moves) {
        if (comes && !inside.has(name)) {
          list.add(items[name]!)
          inside.add(name)
        } else if (!comes) {
          list.delete(items[name]!)
          inside.delete(name)
        }
        assert.equal(list.size, inside.size)
      }
      assert.deepEqual(
        namesIn(list),
        [...inside].toSorted((one, other) => one - other),
      )
    }),
  )
})

test('each item that stays is visited, although others are deleted meanwhile', () => {
  const list = new UnorderedList<Item>()
  const items = Array.from({ length: 6 }, (_, name): Item => ({ name, index: -1 }))
  for (const item of items) list.add(item)
  const visited = new Set<number>()
  list.forEach((item) => {
    visited.add(item.name)
    if (item.name % 2 === 1) list.delete(item)
    if (item.name === 5) list.delete(items[0]!)
  })
  assert.deepEqual(namesIn(list), [2, 4])
  for (const name of [1, 2, 3, 4, 5]) assert.ok(visited.has(name), String(name))
})
