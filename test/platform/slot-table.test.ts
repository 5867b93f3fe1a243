import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { fc } from '../support/properties.ts'

import { MirroredSlots, SlotTable } from '../../src/platform/slot-table.ts'

test('holds what a Map would, under ids that do not come again', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (steps) => {
      const table = new SlotTable<number>()
      const expected = new Map<number, number>()
      const given = new Set<number>()
      for (const [index, step] of steps.entries()) {
        const id = [...given][step]
        if (id === undefined) {
          const added = table.add(index)
          assert.ok(!given.has(added))
          given.add(added)
          expected.set(added, index)
        } else {
          assert.equal(table.take(id), expected.get(id))
          expected.delete(id)
        }
        for (const each of given) assert.equal(table.get(each), expected.get(each))
      }
      assert.deepEqual(new Set(table.values()), new Set(expected.values()))
    }),
  )
})

test('takes the ids of another table, in any order', () => {
  const own = new MirroredSlots<string>()
  const other = new SlotTable<string>()
  const [first, second] = [other.add('first'), other.add('second')]

  own.set(second, 'second')
  assert.equal(own.get(first), undefined)
  own.set(first, 'first')
  assert.equal(own.take(second), 'second')
  other.take(second)
  const third = other.add('third')
  own.set(third, 'third')

  assert.equal(own.get(second), undefined)
  assert.deepEqual(own.values(), ['first', 'third'])
})

test('holds nothing of what has come and gone, whichever table gave the ids', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heldBytes = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const own = new MirroredSlots<object>()
  const other = new SlotTable<object>()
  const value = {}
  const pass = (times: number) => {
    for (let count = 0; count < times; count++) {
      const id = other.add(value)
      own.set(id, value)
      assert.equal(own.take(id), value)
      assert.equal(other.take(id), value)
    }
  }
  pass(10_000)
  const before = heldBytes()
  pass(1_000_000)

  // A number for each would take 8 MB.
  assert.ok(heldBytes() - before < 2_000_000)
  assert.deepEqual([own.values(), other.values()], [[], []])
})
