// How requests of a client are counted: by one thread for itself, and in memory that threads share.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientWindows } from '../../src/server/flood-limit.ts'
import {
  createSharedWindows,
  SharedWindows,
  type SharedWindowsPlace,
} from '../../src/server/shared-windows.ts'
import { SharedMemory } from '../../src/shared-memory.ts'
import { testFloodWindows } from '../contracts/flood-windows.ts'

interface At {
  readonly rpm: number
  readonly now: () => number
}

function windowsOf(place: SharedWindowsPlace, thread: number, at: At): SharedWindows {
  return new SharedWindows(new SharedMemory(place.buffer, thread), place, at)
}

testFloodWindows('own memory', (rpm, now) => new ClientWindows(rpm, now))
testFloodWindows('shared memory', (rpm, now) => windowsOf(createSharedWindows(), 0, { rpm, now }))
testFloodWindows('two threads', (rpm, now) => {
  const place = createSharedWindows()
  const ways = [0, 1].map((thread) => windowsOf(place, thread, { rpm, now }))
  let turn = 0
  return { take: (client) => ways[turn++ % 2]!.take(client) }
})

test('clients that were idle for a minute make room for others', () => {
  let nowMs = 0
  const windows = windowsOf(createSharedWindows(262_144), 0, { rpm: 2, now: () => nowMs })
  for (let client = 0; client < 100_000; client++) {
    nowMs += 600
    assert.equal(windows.take(`ip:${client}`), 0)
  }
})

test('when there is no room, the client that was idle for longest is forgotten', () => {
  const windows = windowsOf(createSharedWindows(65_536), 0, { rpm: 1, now: () => 0 })
  for (let client = 0; client < 1000; client++) windows.take(`ip:${client}`)
  assert.equal(windows.take('ip:999'), 60_000)
  assert.equal(windows.take('ip:0'), 0)
})

test('a thread that ended in the middle of a change stops nobody', () => {
  const place = createSharedWindows()
  const memory = new SharedMemory(place.buffer, 1)
  const windows = windowsOf(place, 0, { rpm: 1, now: () => 0 })
  windows.take('a')
  memory.lock()
  windows.forget(1)
  assert.equal(windows.take('a'), 0)
  assert.equal(windows.take('a'), 60_000)
})
