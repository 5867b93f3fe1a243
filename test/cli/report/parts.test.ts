// The parts of a report that are pure: periods, windows of minutes, lines of a stream.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { CallTally } from '../../../src/cli/report/call-tally.ts'
import { MinuteCounts, NamedCounts } from '../../../src/cli/report/counts.ts'
import { forEachLine } from '../../../src/cli/report/lines.ts'
import { lastPeriod, type PeriodName } from '../../../src/cli/report/period.ts'
import { fc } from '../../support/properties.ts'
import { nowMs, report, sceneOf } from './scene.ts'

const hourMs = 3_600_000

suite('the last period', () => {
  const cases: readonly (readonly [PeriodName, now: string, zone: string, since: string, until: string])[] = [
    ['daily', '2026-11-24T10:00Z', 'UTC', '2026-11-23T00:00Z', '2026-11-24T00:00Z'],
    ['daily', '2026-11-24T20:00Z', 'Asia/Kolkata', '2026-11-23T18:30Z', '2026-11-24T18:30Z'],
    ['daily', '2026-11-24T11:00Z', 'Pacific/Chatham', '2026-11-23T10:15Z', '2026-11-24T10:15Z'],
    ['weekly', '2026-11-24T10:00Z', 'UTC', '2026-11-16T00:00Z', '2026-11-23T00:00Z'],
    // On a Sunday, the week of it is not over; on a Monday it is.
    ['weekly', '2026-11-22T23:00Z', 'UTC', '2026-11-09T00:00Z', '2026-11-16T00:00Z'],
    ['weekly', '2026-11-23T00:00Z', 'UTC', '2026-11-16T00:00Z', '2026-11-23T00:00Z'],
    ['monthly', '2026-01-31T10:00Z', 'UTC', '2025-12-01T00:00Z', '2026-01-01T00:00Z'],
    ['monthly', '2026-03-31T10:00Z', 'UTC', '2026-02-01T00:00Z', '2026-03-01T00:00Z'],
    // The clocks change within it.
    ['daily', '2026-10-26T12:00Z', 'Europe/Berlin', '2026-10-24T22:00Z', '2026-10-25T23:00Z'],
    ['daily', '2026-03-30T12:00Z', 'Europe/Berlin', '2026-03-28T23:00Z', '2026-03-29T22:00Z'],
  ]
  for (const [name, now, zone, since, until] of cases) {
    test(`${name} at ${now} in ${zone}`, () => {
      const period = lastPeriod(name, Date.parse(now), zone)
      assert.deepEqual([period.sinceMs, period.untilMs], [Date.parse(since), Date.parse(until)])
      assert.equal(period.before.untilMs, period.sinceMs)
    })
  }

  test('is compared with the period before it, however long that was', () => {
    const { before } = lastPeriod('monthly', Date.parse('2026-03-31T10:00Z'), 'UTC')
    assert.equal(new Date(before.sinceMs).toISOString(), '2026-01-01T00:00:00.000Z')
    assert.equal(before.untilMs - before.sinceMs, 31 * 24 * hourMs)
  })
})

test('windows of minutes have the sums that looking at each event finds', () => {
  const events = fc.array(fc.integer({ min: 0, max: 3 * hourMs }), { maxLength: 60 })
  const windows = fc.property(events, fc.integer({ min: 1, max: 30 }), (times, minutes) => {
    const counts = new MinuteCounts()
    for (const atMs of times) counts.add('a', atMs)
    for (const { atMs, count } of counts.windows('a', minutes)) {
      const [first, last] = [atMs - (minutes - 1) * 60_000, atMs + 60_000]
      assert.equal(count, times.filter((each) => first <= each && each < last).length)
      assert.equal(count, counts.within('a', atMs, minutes))
    }
  })
  fc.assert(windows)
})

test('names beyond the bound are counted together', () => {
  const counts = new NamedCounts()
  for (let index = 0; index < 10_050; index += 1) counts.add(`ip:${index}`)
  assert.deepEqual([counts.size, counts.total, counts.of('others')], [10_001, 10_050, 50])
})

test('lines are the same however a stream is cut, and those beyond the bound are one each', async () => {
  const text = `a\n\nlong${'x'.repeat(70_000)}\nb\né\nlong${'y'.repeat(140_000)}\nlast`
  for (const size of [1, 7, 4_096, 65_536, 1_000_000]) {
    const bytes = Buffer.from(text)
    const lines: (string | undefined)[] = []
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    await forEachLine(chunks(), (line) => lines.push(line))
    assert.deepEqual(lines, ['a', '', undefined, 'b', 'é', undefined, 'last'])
  }
})

test('names and reasons of others cannot move the cursor', async () => {
  const model = 'a\u001b[2Jb\u202ec'
  const call = {
    at: new Date(nowMs - hourMs).toJSON(),
    model,
    status: 502,
    code: 'provider_error',
    reason: model,
  }
  const { stdout } = await report(sceneOf({ calls: [call], lines: [] }), { since: '1d' })
  assert.match(stdout, /a\\u001b\[2Jb\\u202ec/)
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(stdout, /[\u001b\u202e]/)
})

test('failures of providers that make up codes are counted together beyond a bound', () => {
  const tally = new CallTally()
  const outcomes = ['provider_error', 'provider_limited'] as const
  for (let index = 0; index < 3_000; index++) {
    tally.add({
      atMs: index,
      client: 'user:ann',
      model: 'm',
      fallback: null,
      provider: 'hostile',
      outcome: outcomes[index % 2]!,
      code: `code-${index}`,
      reason: null,
      isStream: false,
      waitMs: 0,
      firstMs: null,
      durationMs: 1,
      outputTokens: 0,
    })
  }
  const groups = tally.failureGroups()
  assert.equal(groups.length, 1_002)
  assert.equal(
    groups.reduce((sum, { count }) => sum + count, 0),
    3_000,
  )
  assert.deepEqual(
    groups.slice(0, 2).map(({ code, provider, count }) => [code, provider, count]),
    [
      ['others', null, 1_000],
      ['others', null, 1_000],
    ],
  )
})
