// When a gateway looks at what other machines change.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { Looks } from '../../../src/app/machines/looks.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'

/** Looks that end when the test says so. */
function looksOf() {
  const clock = new FakeClock(0)
  const open: (() => void)[] = []
  const begunMs: number[] = []
  const looks = new Looks(() => {
    begunMs.push(clock.now())
    return new Promise((resolve) => open.push(resolve))
  }, clock.setTimer)
  const end = async () => {
    open.shift()?.()
    await settled()
  }
  return { clock, looks, begunMs, open, end }
}

suite('looks', () => {
  test('are made one after the other: whatever asks during one has the next, together', async () => {
    const { looks, begunMs, end } = looksOf()
    const ended: string[] = []
    void looks.now().then(() => ended.push('first'))
    for (const name of ['second', 'third']) void looks.now().then(() => ended.push(name))
    assert.equal(begunMs.length, 1)
    await end()
    assert.deepEqual([begunMs.length, ended], [2, []])
    await end()
    assert.deepEqual([begunMs.length, ended], [2, ['first', 'second', 'third']])
  })

  test('are made for what asks at the very end of one', async () => {
    // The promises that wait for the end are settled one after the other.
    for (let promises = 0; promises < 8; promises++) {
      const ending = Promise.withResolvers<void>()
      let begun = 0
      const looks = new Looks(() => {
        begun += 1
        return begun === 1 ? ending.promise : Promise.resolve()
      }, new FakeClock().setTimer)
      void looks.now()
      let after = ending.promise
      for (let count = 0; count < promises; count++) after = after.then(() => {})
      let begunAtEnd = 0
      void after.then(async () => {
        await looks.now()
        begunAtEnd = begun
      })
      ending.resolve()
      await settled()
      assert.equal(begunAtEnd, 2, `${promises} promises later`)
    }
  })

  test('are made each second from the start on', async () => {
    const { clock, looks, begunMs, end } = looksOf()
    looks.start()
    await end()
    for (let count = 0; count < 3; count++) {
      await clock.run(1_000)
      await end()
    }
    assert.deepEqual(begunMs, [0, 1_000, 2_000, 3_000])
  })

  test('are made at once after a message, and ten times a second while many come', async () => {
    const { clock, looks, begunMs, end } = looksOf()
    for (let atMs = 0; atMs < 300; atMs += 10) {
      looks.soon()
      await end()
      await clock.run(10)
    }
    await end()
    assert.deepEqual(begunMs, [0, 100, 200, 300])
    await clock.run(10_000)
    assert.equal(begunMs.length, 4)
  })

  test('are not made once they are stopped, which waits for the last one', async () => {
    const { clock, looks, begunMs, open, end } = looksOf()
    looks.start()
    let hasStopped = false
    void looks.stop().then(() => (hasStopped = true))
    looks.soon()
    await settled()
    assert.deepEqual([open.length, hasStopped], [1, false])
    await end()
    assert.equal(hasStopped, true)
    await looks.now()
    await clock.run(10_000)
    assert.deepEqual([begunMs, clock.pendingTimers], [[0], 0])
  })
})
