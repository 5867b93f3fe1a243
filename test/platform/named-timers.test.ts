import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { NamedTimers } from '../../src/platform/named-timers.ts'
import { FakeClock } from '../support/fake-clock.ts'

function timersOf() {
  const clock = new FakeClock(0)
  const timers = new NamedTimers<'look' | 'quiet'>(clock.setTimer)
  const fired: string[] = []
  const set = (name: 'look' | 'quiet', what: string, delayMs: number) =>
    timers.set(name, () => void fired.push(`${what} at ${clock.now()}`), delayMs)
  return { clock, timers, fired, set }
}

suite('named timers', () => {
  test('fire once, the last that was set of each name', () => {
    const { clock, timers, fired, set } = timersOf()
    set('quiet', 'first', 10)
    set('look', 'look', 15)
    clock.advance(5)
    set('quiet', 'second', 10)
    assert.equal(timers.isPending('quiet'), true)
    clock.advance(100)
    assert.equal(timers.isPending('quiet'), false)
    assert.deepEqual(fired, ['look at 15', 'second at 15'])
    assert.equal(clock.pendingTimers, 0)
  })

  test('may be set again when they fire', () => {
    const { clock, timers, fired } = timersOf()
    const look = () => {
      fired.push(`at ${clock.now()}`)
      timers.set('look', look, 10)
    }
    look()
    clock.advance(25)
    assert.deepEqual(fired, ['at 0', 'at 10', 'at 20'])
    timers.cancel('look')
    clock.advance(100)
    assert.equal(fired.length, 3)
  })

  test('fire no more once they are stopped, nor are they set', () => {
    const { clock, timers, fired, set } = timersOf()
    set('quiet', 'quiet', 10)
    set('look', 'look', 20)
    timers.stop()
    set('look', 'late', 10)
    assert.equal(clock.pendingTimers, 0)
    clock.advance(100)
    assert.deepEqual(fired, [])
  })
})
