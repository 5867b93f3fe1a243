// Admission over a store that answers later, as one on another machine does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStore } from '../../../src/admission/stores/memory.ts'
import type { AdmissionStore } from '../../../src/admission/stores/store.ts'
import { testAdmissionStore } from '../../contracts/admission-store.ts'
import { settled } from '../../support/fake-clock.ts'
import { Scene } from '../scene.ts'

/** Decides at once and answers when `arrival` resolves. */
function distant(arrival: () => Promise<void> = () => Promise.resolve()): AdmissionStore {
  const store = new MemoryStore()
  const later = async <T>(answer: T): Promise<T> => {
    await arrival()
    return answer
  }
  return {
    reserve: (...args) => later(store.reserve(...args)),
    probe: (...args) => later(store.probe(...args)),
    grow: (...args) => later(store.grow(...args)),
    settle: (...args) => later(store.settle(...args)),
    move: (...args) => later(store.move(...args)),
    use: (...args) => later(store.use(...args)),
    set onFreed(listener: () => void) {
      store.onFreed = listener
    },
  }
}

testAdmissionStore('distant', distant)

test('the line is served in the same order as at once', async () => {
  const scene = new Scene({ maxParallelRequests: 1 }, distant())
  for (const name of ['a0', 'a1', 'a2', 'b1']) {
    scene.call(name)
    await settled()
  }
  for (const name of ['a0', 'a1', 'b1', 'a2']) await scene.finish(name)
  assert.deepEqual(scene.admitted, ['a0', 'a1', 'b1', 'a2'])
})

test('what is admitted for a client that has left meanwhile is given back', async () => {
  const scene = new Scene({ maxParallelRequests: 1 }, distant())
  for (const name of ['a1', 'b1', 'c1']) {
    scene.call(name)
    await settled()
  }
  scene.hold('a1').settle({ kind: 'used', tokens: 10 })
  scene.leave('b1')
  await settled()
  assert.deepEqual([scene.outcome('b1'), scene.outcome('c1')], ['gone', 'admitted'])
  const [report] = await scene.admission.describe(['m'])
  assert.deepEqual([report?.used.requests, report?.used.parallel], [2, 1])
})

test('a call whose client leaves before its first answer costs nothing', async () => {
  const scene = new Scene({ rpm: 5 }, distant())
  scene.call('a1')
  scene.leave('a1')
  await settled()
  assert.equal(scene.outcome('a1'), 'gone')
  const [report] = await scene.admission.describe(['m'])
  assert.deepEqual([report?.used.requests, report?.used.parallel], [0, 0])
})

test('a stop while a refusal is on its way leaves nobody waiting', async () => {
  const scene = new Scene({ rpm: 1 }, distant())
  scene.call('a1')
  scene.call('b1')
  scene.admission.close()
  await settled()
  assert.equal(scene.outcome('b1'), 'shutting_down')
  assert.equal(scene.clock.pendingTimers, 0)
})

test('what gets free between a refusal and its arrival is not missed', async () => {
  const open: (() => void)[] = []
  let isSlow = false
  const scene = new Scene(
    { maxParallelRequests: 1 },
    distant(() => new Promise((resolve) => void (isSlow ? open.push(resolve) : resolve()))),
  )
  scene.call('a1')
  await settled()
  scene.call('b1')
  isSlow = true
  await settled()
  scene.hold('a1').settle({ kind: 'used', tokens: 10 })
  isSlow = false
  for (const arrive of open) arrive()
  await settled()
  assert.equal(scene.outcome('b1'), 'admitted')
})
