// Memory that threads share: its lock and its room. What many threads do to it is in admission/shared-threads.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedMemory } from '../src/shared-memory.ts'

test('what is handed out is empty, aligned and nobody else has it', () => {
  const memory = new SharedMemory(SharedMemory.create(), 0)
  const blocks = [1, 100, 4096, 300_000].map((bytes) => ({ bytes, offset: memory.allocate(bytes)! }))
  for (const { bytes, offset } of blocks) {
    const block = new Uint8Array(memory.buffer, offset, bytes)
    assert.equal(offset % 8, 0)
    assert.ok(block.every((byte) => byte === 0))
    block.fill(255)
  }
})

test('what was given back is handed out again, empty', () => {
  const memory = new SharedMemory(SharedMemory.create(), 0)
  const offset = memory.allocate(1000)!
  new Uint8Array(memory.buffer, offset, 1000).fill(255)
  memory.free(offset, 1000)
  assert.equal(memory.allocate(900), offset)
  assert.ok(new Uint8Array(memory.buffer, offset, 1000).every((byte) => byte === 0))
  assert.notEqual(memory.allocate(900), offset)
})

test('what does not fit is not handed out', () => {
  const memory = new SharedMemory(SharedMemory.create(65_536), 0)
  assert.equal(memory.allocate(65_536), undefined)
  assert.notEqual(memory.allocate(32_768), undefined)
  assert.equal(memory.allocate(32_768), undefined)
})

test('a thread that waits for its time in vain is told who has the lock', () => {
  const buffer = SharedMemory.create()
  new SharedMemory(buffer, 3).lock()
  assert.throws(() => new SharedMemory(buffer, 0, 1).lock(), /worker 3/)
})

test('the lock of a thread that has ended is opened, and nobody else’s', () => {
  const buffer = SharedMemory.create()
  const coordinator = new SharedMemory(buffer, 0, 1)
  new SharedMemory(buffer, 3).lock()
  assert.equal(coordinator.takeOver(2), false)
  assert.throws(() => coordinator.lock())
  assert.equal(coordinator.takeOver(3), true)
  coordinator.lock()
})
