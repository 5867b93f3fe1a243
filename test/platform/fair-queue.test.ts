import assert from 'node:assert/strict'
import { test } from 'node:test'

import { FairQueue } from '../../src/platform/fair-queue.ts'

function queueOf(...items: readonly (readonly [client: string, item: string, program?: number])[]) {
  const queue = new FairQueue<string>()
  for (const [client, item, program] of items) queue.add(client, item, program)
  return queue
}

test('the items in turn are those that would be first one after the other', () => {
  const items = [
    ['a', 'a1', 1],
    ['a', 'a2', 1],
    ['a', 'a3', 2],
    ['b', 'b1'],
    ['b', 'b2'],
    ['c', 'c1'],
  ] as const
  const queue = queueOf(...items)
  const inTurn = [...queue.inTurn()]
  assert.deepEqual(inTurn, ['a1', 'b1', 'c1', 'a3', 'b2', 'a2'])
  const clientOf = new Map(items.map(([client, item]) => [item as string, client]))
  const served: string[] = []
  for (let first = queue.first(); first !== undefined; first = queue.first()) {
    served.push(first)
    queue.passTurn()
    queue.remove(clientOf.get(first)!, first)
  }
  assert.deepEqual(served, inTurn)
})

test('an item that is served before its turn costs its client the next one', () => {
  const queue = queueOf(['a', 'a1'], ['b', 'b1', 1], ['b', 'b2', 2], ['c', 'c1'])
  queue.passTurnOf('b', 'b1')
  queue.remove('b', 'b1')
  assert.deepEqual([...queue.inTurn()], ['a1', 'c1', 'b2'])
})
