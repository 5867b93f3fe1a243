import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { BudgetNews } from '../../src/admission/budget.ts'
import { budgetReporter } from '../../src/app/budget-reporter.ts'
import type { GatewayEvent } from '../../src/observe/events.ts'
import { FakeClock } from '../support/fake-clock.ts'

test('events of budgets are bounded in a minute, and the others counted', () => {
  const clock = new FakeClock()
  const events: GatewayEvent[] = []
  const report = budgetReporter({ emit: (event) => events.push(event) }, clock.setTimer)
  const news: BudgetNews = {
    kind: 'exhausted',
    scope: { name: 'key:a', entry: 'a' },
    budget: { unit: 'usd', limit: 5_000_000_000, per: 'day' },
    spent: 5_000_000_001,
    reserved: 0,
    resetsAtMs: 0,
  }
  for (let count = 0; count < 1_000; count++) report(news)
  assert.equal(events.length, 50)
  assert.deepEqual(events[0], {
    kind: 'budget_exhausted',
    scope: 'key:a',
    of: 'a',
    budget: '5 usd/day',
    spent: '5.000000001',
    resets_at: '1970-01-01T00:00:00.000Z',
  })
  clock.advance(60_000)
  assert.deepEqual(events.slice(50), [{ kind: 'budget_events_unlogged', count: 950 }])
  report({ kind: 'clock_jumped', forwardMs: 7_200_000 })
  clock.advance(60_000)
  assert.deepEqual(events.slice(51), [{ kind: 'clock_jumped', forward_ms: 7_200_000 }])
  assert.equal(clock.pendingTimers, 0)
})
