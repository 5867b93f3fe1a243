// Counters under real threads that use them at the same time.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createSharedStore, SharedStore, type SharedStorePlace } from '../../src/admission/shared-store.ts'
import { threadClock } from '../../src/platform/clock.ts'
import type { ModelLimits } from '../../src/domain.ts'
import { SharedMemory } from '../../src/shared-memory.ts'
import { type StoreThread, startStoreThread } from '../support/store-threads.ts'

const unlimited: ModelLimits = { whenLimited: 'reject', maxWaitMs: 0 }
const { now } = threadClock

interface Scene {
  readonly store: SharedStore
  readonly threads: readonly StoreThread[]
}

async function startThreads(t: TestContext, limits: ModelLimits, count = 3): Promise<Scene> {
  const place: SharedStorePlace = createSharedStore(count + 1)
  const store = new SharedStore(new SharedMemory(place.buffer, 0, 1000), place)
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  const threads = await Promise.all(numbers.map((thread) => startStoreThread(t, { place, thread, limits })))
  return { store, threads }
}

async function hammered(
  threads: readonly StoreThread[],
  times: number,
): Promise<{ admitted: number; charged: number }> {
  for (const thread of threads) thread.tell({ kind: 'hammer', model: 'm', times, tokens: 20 })
  const results = (await Promise.all(threads.map((thread) => thread.next()))) as {
    admitted: number
    charged: number
  }[]
  return {
    admitted: results.reduce((sum, { admitted }) => sum + admitted, 0),
    charged: results.reduce((sum, { charged }) => sum + charged, 0),
  }
}

test('threads that ask at once never get more than the limit, and the sums are exact', async (t) => {
  const limits = { ...unlimited, rpm: 5000, tpm: 60_000 }
  const { store, threads } = await startThreads(t, limits)

  const { admitted, charged } = await hammered(threads, 8000)

  const use = store.use('m', limits, now())
  assert.deepEqual([use.requests, use.tokens, use.parallel], [admitted, charged, 0])
  // Over-use of single calls is debt: at most what the calls under way took beyond their reservations.
  assert.ok(admitted <= 5000 && charged <= 60_000 + 3 * 20, `${admitted} ${charged}`)
  assert.ok(admitted === 5000 || charged > 60_000 - 20, `${admitted} ${charged}`)
})

test('no call of many threads is lost, where nothing limits them', async (t) => {
  const { store, threads } = await startThreads(t, unlimited)

  const { admitted, charged } = await hammered(threads, 10_000)

  const use = store.use('m', unlimited, now())
  assert.equal(admitted, 24_000)
  assert.deepEqual([use.requests, use.tokens, use.parallel], [admitted, charged, 0])
})

test('slots of a thread that ended are free again, and its charges stay', async (t) => {
  const limits = { ...unlimited, rpm: 100, maxParallelRequests: 2 }
  const { store, threads } = await startThreads(t, limits)
  for (const isLocked of [false, false, false]) {
    threads[0]!.tell({ kind: 'hold', isLocked })
  }
  assert.deepEqual(
    [await threads[0]!.next(), await threads[0]!.next(), await threads[0]!.next()],
    ['admitted', 'admitted', 'limited'],
  )

  await threads[0]!.end()
  store.forget(1)

  const use = store.use('m', limits, now())
  assert.deepEqual([use.requests, use.parallel], [2, 0])
  threads[1]!.tell({ kind: 'hold', isLocked: false })
  assert.equal(await threads[1]!.next(), 'admitted')
})

test('a thread that ends with the lock stops the others only until its end is seen', async (t) => {
  const limits = { ...unlimited, maxParallelRequests: 2 }
  const { store, threads } = await startThreads(t, limits)
  threads[0]!.tell({ kind: 'hold', isLocked: true })
  await threads[0]!.next()
  threads[1]!.tell({ kind: 'hold', isLocked: false })

  await threads[0]!.end()
  store.forget(1)

  assert.equal(await threads[1]!.next(), 'admitted')
  assert.equal(store.use('m', limits, now()).parallel, 1)
})

test('a thread that is ended at any moment leaves sums that are true', async (t) => {
  const { store, threads } = await startThreads(t, unlimited)
  for (const thread of threads) thread.tell({ kind: 'hammer', model: 'm', times: 1e9, tokens: 20 })
  while (store.use('m', unlimited, now()).requests < 2000) await new Promise(setImmediate)

  for (const [index, thread] of threads.entries()) {
    await thread.end()
    store.forget(index + 1)
  }

  const use = store.use('m', unlimited, now())
  const entries = store.dump(now())[0]!.entries
  assert.equal(use.parallel, 0)
  assert.equal(
    use.requests,
    entries.reduce((sum, [, requests]) => sum + requests, 0),
  )
  assert.equal(
    use.tokens,
    entries.reduce((sum, [, , tokens]) => sum + tokens, 0),
  )
})

test('what one thread frees wakes who waits in another', async (t) => {
  const limits: ModelLimits = { whenLimited: 'wait', maxWaitMs: 60_000, maxParallelRequests: 1 }
  const { store, threads } = await startThreads(t, limits)
  const verdict = store.reserve(call(1), limits, now())
  threads[0]!.tell({ kind: 'wait', client: 'a', tokens: 1 })
  await threads[0]!.next()
  assert.equal(store.lines.waiting('m'), 1)

  assert.ok(verdict.kind === 'admitted')
  store.settle(verdict.reservation, { requests: 1, tokens: 1 }, now())

  const { kind } = (await threads[0]!.next()) as { kind: string }
  assert.equal(kind, 'admitted')
  assert.equal(store.lines.waiting('m'), 0)
})

test('calls that wait in several threads are served in the order of their arrival', async (t) => {
  const limits: ModelLimits = { whenLimited: 'wait', maxWaitMs: 60_000, maxParallelRequests: 1 }
  const { store, threads } = await startThreads(t, limits)
  const verdict = store.reserve(call(1), limits, now())
  for (const [index, thread] of [2, 0, 1].map((thread) => threads[thread]!).entries()) {
    thread.tell({ kind: 'wait', client: `c${index}`, tokens: 1 })
    await thread.next()
  }

  assert.ok(verdict.kind === 'admitted')
  store.settle(verdict.reservation, { requests: 1, tokens: 1 }, now())

  const ends = (await Promise.all(threads.map((thread) => thread.next()))) as {
    client: string
    atMs: number
  }[]
  const order = ends.toSorted((one, other) => one.atMs - other.atMs).map(({ client }) => client)
  assert.deepEqual(order, ['c0', 'c1', 'c2'])
})

test('a large call that waits in one thread is not overtaken by small ones of another', async (t) => {
  const limits: ModelLimits = { whenLimited: 'wait', maxWaitMs: 60_000, tpm: 100 }
  const { store, threads } = await startThreads(t, limits)
  const verdict = store.reserve(call(60), limits, now())
  threads[0]!.tell({ kind: 'wait', client: 'large', tokens: 90 })
  await threads[0]!.next()
  threads[1]!.tell({ kind: 'wait', client: 'small', tokens: 20 })
  await threads[1]!.next()

  assert.equal(store.lines.waiting('m'), 2)
  assert.equal(store.reserve(call(1), limits, now()).kind, 'limited')
  assert.ok(verdict.kind === 'admitted')
  store.settle(verdict.reservation, { requests: 1, tokens: 0 }, now())

  // There is room for one of the two.
  assert.deepEqual(((await threads[0]!.next()) as { client: string }).client, 'large')
  assert.equal(store.lines.waiting('m'), 1)
})

test('who waits behind the line of a thread that ended moves up', async (t) => {
  const limits: ModelLimits = { whenLimited: 'wait', maxWaitMs: 60_000, tpm: 100 }
  const { store, threads } = await startThreads(t, limits)
  store.reserve(call(60), limits, now())
  threads[0]!.tell({ kind: 'wait', client: 'large', tokens: 90 })
  await threads[0]!.next()
  threads[1]!.tell({ kind: 'wait', client: 'small', tokens: 10 })
  await threads[1]!.next()

  await threads[0]!.end()
  store.forget(1)

  assert.equal(((await threads[1]!.next()) as { kind: string }).kind, 'admitted')
})

function call(tokens: number) {
  return { model: 'm', tokens, minTokens: 0, providers: [] }
}
