import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { UsageReport } from '../../src/ledger/report.ts'
import { lastDays, usageOf, usageQuestions } from '../../src/status/usage.ts'

const counts = {
  calls: 2,
  failed: 1,
  prompt_tokens: 10,
  cached_tokens: 4,
  cache_write_tokens: 0,
  completion_tokens: 5,
  reasoning_tokens: 0,
  cost_nano: 1_250_000_000,
  unpriced: 0,
  estimated: 0,
  lost: 0,
}

const reportOf = (rows: UsageReport['rows']): UsageReport => ({
  ledgerId: '',
  sinceMs: 0,
  untilMs: 0,
  zone: 'UTC',
  rows,
  total: counts,
  isCut: false,
})

suite('days of the viewer', () => {
  // 23:50 UTC: Berlin has gone on to the next day, New York is behind.
  const nowMs = Date.parse('2026-10-25T23:50:00Z')

  for (const [zone, last, sinceHour] of [
    ['UTC', '2026-10-25', '2026-10-25T00:00:00.000Z'],
    ['Europe/Berlin', '2026-10-26', '2026-10-25T23:00:00.000Z'],
    ['America/New_York', '2026-10-25', '2026-10-25T04:00:00.000Z'],
    ['Asia/Kathmandu', '2026-10-26', '2026-10-25T18:15:00.000Z'],
  ] as const) {
    test(`in ${zone}`, () => {
      const days = lastDays(30, nowMs, zone)
      assert.equal(days.length, 30)
      assert.equal(new Set(days).size, 30)
      assert.equal(days.at(-1), last)
      const [byDay, byModel] = usageQuestions({ zone, days: 1, client: undefined }, nowMs)
      assert.deepEqual(byDay!.by, ['day'])
      assert.deepEqual(byModel!.by, ['model'])
      assert.equal(new Date(byModel!.sinceMs).toISOString(), sinceHour)
      assert.equal(byModel!.untilMs, nowMs)
    })
  }
})

suite('usage', () => {
  const nowMs = Date.parse('2026-11-28T12:00:00Z')
  const view = { zone: 'UTC', days: 7, client: undefined } as const

  test('has all days, and names in the order of their cost', () => {
    const days = reportOf([{ day: '2026-11-28', ...counts }])
    const models = reportOf([
      { model: 'free', ...counts, cost_nano: 0 },
      { model: null, ...counts },
      { model: 'dear', ...counts },
      { model: 'unknown', ...counts, cost_nano: 0, unpriced: 1 },
    ])
    const usage = usageOf([days, models, reportOf([]), reportOf([])], view, nowMs)!
    assert.equal(usage.days.length, 30)
    assert.deepEqual(usage.days.at(-1), {
      name: '2026-11-28',
      calls: 2,
      failed: 1,
      prompt_tokens: 10,
      completion_tokens: 5,
      cached_tokens: 4,
      cost_usd: '1.25',
      unpriced_calls: 0,
    })
    assert.equal(usage.days[0]!.calls, 0)
    assert.deepEqual(
      usage.models.map(({ name, cost_usd }) => [name, cost_usd]),
      [
        ['dear', '1.25'],
        ['free', '0'],
        ['unknown', null],
        ['(none)', '1.25'],
      ],
    )
  })

  test('is null where the ledger cannot be read', () => {
    assert.equal(usageOf([reportOf([]), undefined, reportOf([]), reportOf([])], view, nowMs), null)
  })
})
