import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { Bag, type Bagged } from '../src/bag.ts'

interface Item extends Bagged {
  readonly name: number
}

function namesIn(bag: Bag<Item>): number[] {
  const names: number[] = []
  bag.forEach(({ name }) => names.push(name))
  return names.toSorted((one, other) => one - other)
}

test('a bag holds what came and did not leave, however they come and leave', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 100 })
  fc.assert(
    fc.property(steps, (moves) => {
      const bag = new Bag<Item>()
      const items = Array.from({ length: 10 }, (_, name): Item => ({ name, place: -1 }))
      const inside = new Set<number>()
      for (const [comes, name] of moves) {
        if (comes && !inside.has(name)) {
          bag.add(items[name]!)
          inside.add(name)
        } else if (!comes) {
          bag.delete(items[name]!)
          inside.delete(name)
        }
        assert.equal(bag.size, inside.size)
      }
      assert.deepEqual(
        namesIn(bag),
        [...inside].toSorted((one, other) => one - other),
      )
    }),
  )
})

test('each item that stays is visited, though others leave meanwhile', () => {
  const bag = new Bag<Item>()
  const items = Array.from({ length: 6 }, (_, name): Item => ({ name, place: -1 }))
  for (const item of items) bag.add(item)
  const visited = new Set<number>()
  bag.forEach((item) => {
    visited.add(item.name)
    if (item.name % 2 === 1) bag.delete(item)
    if (item.name === 5) bag.delete(items[0]!)
  })
  assert.deepEqual(namesIn(bag), [2, 4])
  for (const name of [1, 2, 3, 4, 5]) assert.ok(visited.has(name), String(name))
})
