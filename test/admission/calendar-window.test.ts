import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../support/properties.ts'

import { type BudgetPeriod, Calendar } from '../../src/admission/calendar-window.ts'
import { wallClock } from '../../src/platform/time-zone.ts'

const hourMs = 3_600_000
const zones = [...Intl.supportedValuesOf('timeZone'), 'UTC']

function windowOf(per: BudgetPeriod, zone: string, at: string): [start: string, end: string] {
  const { startMs, endMs } = new Calendar(zone).windowAt(per, Date.parse(at))
  return [new Date(startMs).toISOString(), new Date(endMs).toISOString()]
}

suite('the window of a budget', () => {
  test('begins at midnight of its zone, where days of 23 and 25 hours are as long as they are', () => {
    const berlin = 'Europe/Berlin'
    assert.deepEqual(windowOf('day', berlin, '2026-03-29T12:00:00Z'), [
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
    ])
    assert.deepEqual(windowOf('day', berlin, '2026-10-25T12:00:00Z'), [
      '2026-10-24T22:00:00.000Z',
      '2026-10-25T23:00:00.000Z',
    ])
    assert.deepEqual(windowOf('day', 'Asia/Kathmandu', '2026-11-28T18:15:00Z')[0], '2026-11-28T18:15:00.000Z')
    assert.deepEqual(windowOf('day', 'Asia/Kathmandu', '2026-11-28T18:14:59Z')[0], '2026-11-27T18:15:00.000Z')
  })

  test('of a day without a midnight begins with its first instant', () => {
    // Clocks go from 24:00 to 01:00.
    assert.equal(windowOf('day', 'Africa/Cairo', '2026-04-24T12:00:00Z')[0], '2026-04-23T22:00:00.000Z')
  })

  test('of a week begins on Monday, of a month on its first day', () => {
    assert.deepEqual(windowOf('week', 'UTC', '2026-11-29T23:59:59Z'), [
      '2026-11-23T00:00:00.000Z',
      '2026-11-30T00:00:00.000Z',
    ])
    assert.equal(windowOf('week', 'UTC', '2026-11-30T00:00:00Z')[0], '2026-11-30T00:00:00.000Z')
    assert.deepEqual(windowOf('month', 'UTC', '2026-12-31T23:59:59Z'), [
      '2026-12-01T00:00:00.000Z',
      '2027-01-01T00:00:00.000Z',
    ])
    assert.deepEqual(windowOf('month', 'UTC', '2028-02-29T00:00:00Z')[1], '2028-03-01T00:00:00.000Z')
  })

  test('of all time has neither beginning nor end', () => {
    assert.deepEqual(new Calendar('UTC').windowAt('total', Date.now()), { startMs: 0, endMs: Infinity })
  })

  test('contains the instant, is bounded by midnights, and is the same for all of its instants, in every zone', () => {
    const anInstant = fc.integer({
      min: Date.parse('2024-01-01T00:00:00Z'),
      max: Date.parse('2037-12-31T00:00:00Z'),
    })
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom('day', 'week', 'month'),
        anInstant,
        (zone, per, nowMs) => {
          const calendar = new Calendar(zone)
          const window = calendar.windowAt(per, nowMs)
          const { startMs, endMs } = window
          assert.ok(startMs <= nowMs && nowMs < endMs)
          const days = (endMs - startMs) / (24 * hourMs)
          const [least, most] = { day: [1, 1], week: [7, 7], month: [28, 31] }[per] as [number, number]
          assert.ok(days > least - 0.1 && days < most + 0.1, `${days} days`)
          const at = wallClock(zone)
          assert.notEqual(at(startMs - 1).day, at(startMs).day)
          assert.notEqual(at(endMs - 1).day, at(endMs).day)
          for (const ms of [startMs, endMs - 1])
            assert.deepEqual(new Calendar(zone).windowAt(per, ms), window)
          assert.equal(new Calendar(zone).windowAt(per, endMs).startMs, endMs)
          assert.equal(calendar.windowAt(per, endMs).startMs, endMs)
          assert.deepEqual(calendar.windowAt(per, nowMs), window)
        },
      ),
      { numRuns: 300 },
    )
  })
})
