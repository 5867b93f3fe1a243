import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from '../../src/admission/slots.ts'

test('a slot that is released is free again', () => {
  const slots = new Slots()
  slots.take('p')
  assert.equal(slots.isFree('p', 1), false)
  slots.release('p', 100)
  assert.equal(slots.isFree('p', 1), true)
})

test('names count apart, and no limit never fills up', () => {
  const slots = new Slots()
  for (let count = 0; count < 10; count++) slots.take('p')
  assert.equal(slots.isFree('q', 1), true)
  assert.equal(slots.isFree('p', undefined), true)
})

test('releasing what nobody holds is a defect, not a negative count', () => {
  assert.throws(() => new Slots().release('p', 0), RangeError)
})

test('the next free slot is expected within 1 to 60 seconds', () => {
  const slots = new Slots()
  assert.equal(slots.expectedFreeMs('p'), 1000)
  for (const heldMs of [10, 10_000_000]) {
    slots.take('p')
    slots.take('p')
    slots.release('p', heldMs)
    const expected = slots.expectedFreeMs('p')
    assert.ok(expected >= 1000 && expected <= 60_000)
  }
})
