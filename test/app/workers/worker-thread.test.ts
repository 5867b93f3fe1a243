// One owner under real threads that ask it at the same time, and end in the middle of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAskingWorkers } from '../../support/asking-workers.ts'
import { request, startOwner } from '../../contracts/coordinator.ts'

const threads = [1, 2, 3, 4]

test('threads that ask at once get exactly what the limit says', async (t) => {
  const { owner } = startOwner({ rpm: 1000 })
  const workers = await startAskingWorkers(t, owner, threads.length)
  const command = { times: 1500, inFlight: 32, usedTokens: 20 }

  const counts = await Promise.all(threads.map((thread) => workers.hammer({ thread, ...command })))

  const [report] = await owner.describe(['m'])
  const [admitted, charged] = [sum(counts, 'admitted'), sum(counts, 'charged')]
  assert.deepEqual(report!.used, { requests: admitted, tokens: charged, parallel: 0 })
  assert.equal(admitted, 1000)
})

test('no call of many threads is lost, where nothing limits them', async (t) => {
  const { owner } = startOwner({ rpm: 1_000_000 })
  const workers = await startAskingWorkers(t, owner, threads.length)
  const command = { times: 3000, inFlight: 32, usedTokens: 20 }

  const counts = await Promise.all(threads.map((thread) => workers.hammer({ thread, ...command })))

  const [report] = await owner.describe(['m'])
  assert.equal(sum(counts, 'admitted'), 8000)
  assert.deepEqual(report!.used, { requests: 8000, tokens: 160_000, parallel: 0 })
  assert.equal(owner.load.of('a') + owner.load.of('b'), 0)
})

test('slots of a thread that ended are free again, and its calls stay charged as reserved', async (t) => {
  const { owner } = startOwner({ rpm: 100, maxParallelRequests: 2 })
  const workers = await startAskingWorkers(t, owner, 2)
  const held = await workers.hammer({ thread: 1, times: 3, inFlight: 3, usedTokens: undefined })
  assert.equal(held.admitted, 2)
  const [before] = await owner.describe(['m'])

  await workers.end(1)

  const [after] = await owner.describe(['m'])
  assert.deepEqual(after!.used, { ...before!.used, parallel: 0 })
  const next = await workers.hammer({ thread: 2, times: 3, inFlight: 3, usedTokens: undefined })
  assert.equal(next.admitted, 2)
})

test('threads that end at any moment leave no slot, no load and no waiting call', async (t) => {
  const { owner } = startOwner({ rpm: 1_000_000, maxParallelRequests: 20, whenLimited: 'wait' })
  const workers = await startAskingWorkers(t, owner, threads.length)
  for (const thread of threads) workers.begin({ thread, times: 1e9, inFlight: 16, usedTokens: 20 })
  while ((await owner.describe(['m']))[0]!.used.requests < 2000) await new Promise(setImmediate)

  for (const thread of threads) await workers.end(thread)

  const [report] = await owner.describe(['m'])
  assert.deepEqual([report!.used.parallel, report!.waiting], [0, 0])
  assert.equal(owner.load.of('a') + owner.load.of('b'), 0)
  assert.equal((await owner.admit(request())).kind, 'admitted')
})

test('a bug where a thread that ended is charged ends neither the process nor the release', async (t) => {
  const { owner } = startOwner({ rpm: 100, maxParallelRequests: 2 })
  const workers = await startAskingWorkers(t, owner, 1)
  const held = await workers.hammer({ thread: 1, times: 2, inFlight: 2, usedTokens: undefined })
  assert.equal(held.admitted, 2)
  const bug = new Error('a bug')
  const fail = () => {
    throw bug
  }
  t.mock.method(owner.health, 'recordNothing', fail, { times: 1 })

  await workers.end(1)

  assert.deepEqual(workers.bugs, [bug])
  const [report] = await owner.describe(['m'])
  assert.equal(report!.used.parallel, 0)
})

function sum<Key extends string>(counts: readonly Record<Key, number>[], key: Key): number {
  return counts.reduce((total, each) => total + each[key], 0)
}
