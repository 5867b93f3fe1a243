import assert from 'node:assert/strict'
import { test } from 'node:test'

import { loadText, problemsOf } from '../support/config-file.ts'

const base = 'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'

test('amounts of USD are whole nano-USD, as numbers and as text', (t) => {
  const text = `${base}clients: { default: { budgets: [{ tokens: 7, per: total }] } }
budgets:
  time_zone: Europe/Berlin
  reserve: worst_case
  when_exhausted: cut
  total: [{ usd: 2.5, per: day }, { usd: "0.000000001", per: week }, { usd: 9000000, per: month }]
`
  const loaded = loadText(t, text)
  assert.ok(loaded.ok)
  const { budgets, clients } = loaded.config
  assert.deepEqual(budgets, {
    timeZone: 'Europe/Berlin',
    reserve: 'worst_case',
    whenExhausted: 'cut',
    total: [
      { unit: 'usd', limit: 2_500_000_000, per: 'day' },
      { unit: 'usd', limit: 1, per: 'week' },
      { unit: 'usd', limit: 9_000_000_000_000_000, per: 'month' },
    ],
  })
  assert.deepEqual(clients.default?.budgets, [{ unit: 'tokens', limit: 7, per: 'total' }])
})

const faults: readonly (readonly [what: string, text: string, problem: RegExp])[] = [
  ['an unknown zone', 'budgets: { time_zone: Berlin }', /"Berlin" is not the name of a time zone/],
  ['neither unit', 'budgets: { total: [{ per: day }] }', /must have either "usd" or "tokens"/],
  [
    'both units',
    'budgets: { total: [{ usd: 1, tokens: 1, per: day }] }',
    /must have either "usd" or "tokens"/,
  ],
  ['no period', 'budgets: { total: [{ usd: 1 }] }', /per/],
  ['a year', 'budgets: { total: [{ usd: 1, per: year }] }', /must be one of|day/],
  ['a negative amount', 'budgets: { total: [{ usd: -1, per: day }] }', /usd/],
  ['too many decimals', 'budgets: { total: [{ usd: 0.0000000001, per: day }] }', /at most 9 decimals/],
  ['words', 'budgets: { total: [{ usd: five, per: day }] }', /must be an amount of USD such as 5/],
  ['a fraction of a token', 'budgets: { total: [{ tokens: 0.5, per: day }] }', /tokens/],
]
for (const [what, text, problem] of faults) {
  test(`a problem is reported for ${what}`, (t) => {
    const problems = problemsOf(t, `${base}${text}\n`)
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0]!, problem)
  })
}
