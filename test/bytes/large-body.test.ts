import assert from 'node:assert/strict'
import { test } from 'node:test'

import { BodyMemory, LargeBody } from '../../src/bytes/large-body.ts'
import { FakeClock } from '../support/fake-clock.ts'

const noShare = { release() {} }

function memory(): { memory: BodyMemory; clock: FakeClock } {
  const clock = new FakeClock()
  return { memory: new BodyMemory(clock.setTimer), clock }
}

test('a body is gone once its call needs it no longer and the last reader has left', () => {
  const { memory: own } = memory()
  const body = new LargeBody(own.allocate(100_000), undefined, own, noShare)
  body.retain()
  body.retain()
  body.dispose()
  body.release()
  assert.equal(body.bytes.length, 100_000)

  body.release()
  assert.throws(() => body.bytes, /gone/)
  assert.throws(() => body.retain(), /gone/)
})

test('a body whose readers have left stays while its call may need it again', () => {
  const { memory: own } = memory()
  const body = new LargeBody(own.allocate(100_000), undefined, own, noShare)
  body.retain()
  body.release()
  assert.equal(body.bytes.length, 100_000)

  body.dispose()
  assert.throws(() => body.bytes, /gone/)
})

test('what one call has given back another one takes, and no third', () => {
  const { memory: own } = memory()
  const first = new LargeBody(own.allocate(100_000), undefined, own, noShare)
  first.bytes.fill('a')
  first.dispose()
  first.dispose()

  const [second, third] = [own.allocate(90_000), own.allocate(90_000)]
  assert.equal(second.length, 90_000)
  assert.equal(second.toString('latin1', 0, 3), 'aaa')
  assert.notEqual(second.buffer, third.buffer)
  assert.throws(() => first.bytes, /gone/)
})

test('a spare that nobody takes is freed after a minute or two', () => {
  const { memory: own, clock } = memory()
  own.release(own.allocate(1_000_000))
  clock.advance(61_000)
  own.release(own.allocate(900_000))
  clock.advance(59_500)
  const spare = own.allocate(900_000)
  assert.equal(spare.buffer.byteLength, 1_000_000)
  own.release(spare)

  clock.advance(180_000)
  assert.equal(own.allocate(900_000).buffer.byteLength, 900_000)
})
