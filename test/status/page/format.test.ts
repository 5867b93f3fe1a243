import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  count,
  counted,
  duration,
  rate,
  readJson,
  shortDay,
  some,
  sum,
  time,
  usd,
} from '../../../src/status/page/format.ts'

test('a duration is in words, and a dash where it is not known', () => {
  assert.equal(duration(null), '–')
  assert.equal(duration(0.4), '0 ms')
  assert.equal(duration(270_000_000), '3 d 3 h')
})

test('amounts of money keep the digits that count', () => {
  const cases: [string | null, string][] = [
    [null, '–'],
    ['0', '$0'],
    ['0.000000004', '$0.000000004'],
    ['0.021470000', '$0.021'],
    ['0.999', '$1'],
    ['1234.5678', '$1,234.57'],
  ]
  for (const [text, shown] of cases) assert.equal(usd(text), shown)
})

test('what is not known is not 0', () => {
  assert.deepEqual(
    [count(null), count(0), rate(null), rate(41.23), rate(1234.5)],
    ['–', '0', '–', '41.2', '1,235'],
  )
  assert.deepEqual([some(null), some(0), some(3)], ['–', '–', '3'])
  assert.deepEqual([counted(1, 'call'), counted(2000, 'call')], ['1 call', '2,000 calls'])
})

test('text that hides or reorders other text is written out, wherever it stands', () => {
  const report = { a: ['gpt\u202e4\u0000', { b: '\u200bx\ud834\udd73', c: 3 }], d: 'plain: ä 日本 🙂' }
  assert.deepEqual(readJson(JSON.stringify(report)), {
    a: ['gpt\\u202e4\\u0000', { b: '\\u200bx\\u1d173', c: 3 }],
    d: 'plain: ä 日本 🙂',
  })
})

test('days of the calendar are short', () => {
  assert.deepEqual([shortDay('2026-11-28'), shortDay('not a day')], ['28 Nov', 'not a day'])
})

test('a time of another day has its date', () => {
  assert.match(time(new Date().toISOString()), /^\d\d:\d\d:\d\d$/)
  assert.match(time('2001-11-28T12:00:00Z'), /^2\d Nov, \d\d:\d\d:\d\d$/)
  assert.equal(time(null), '–')
})

test('sums are of numbers, decimal text and what is not known', () => {
  const rows = [{ of: '0.25' }, { of: null }, { of: 2 }]
  assert.equal(sum(rows, 'of'), 2.25)
})
