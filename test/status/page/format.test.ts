import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  count,
  counted,
  duration,
  isFailure,
  outcomeOf,
  rate,
  readJson,
  shortDay,
  usd,
} from '../../../src/status/page/format.ts'

test('durations have at most two units, and the second is never a full one', () => {
  const cases: [number | null, string][] = [
    [null, '–'],
    [0.4, '0 ms'],
    [999.4, '999 ms'],
    [1000, '1.0 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min 0 s'],
    [3_599_700, '1 h 0 min'],
    [86_399_900, '1 d 0 h'],
    [270_000_000, '3 d 3 h'],
  ]
  for (const [ms, words] of cases) assert.equal(duration(ms), words)
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
  assert.deepEqual([counted(1, 'call'), counted(2000, 'call')], ['1 call', '2,000 calls'])
})

test('text that hides or reorders other text is written out, wherever it stands', () => {
  const report = { a: ['gpt\u202e4\u0000', { b: '\u200bx\ud834\udd73', c: 3 }], d: 'plain: ä 日本 🙂' }
  assert.deepEqual(readJson(JSON.stringify(report)), {
    a: ['gpt\\u202e4\\u0000', { b: '\\u200bx\\u1d173', c: 3 }],
    d: 'plain: ä 日本 🙂',
  })
})

test('outcomes that are not known yet have words', () => {
  assert.deepEqual(outcomeOf('ok', null), { words: 'ok', tone: 'good' })
  assert.deepEqual(outcomeOf('provider_auth', 'provider_auth_failed'), { words: 'key refused', tone: 'bad' })
  assert.deepEqual(outcomeOf('provider_limited', null), { words: 'provider limited', tone: 'warn' })
  assert.deepEqual(outcomeOf('something_new', null), { words: 'something new', tone: 'warn' })
  assert.deepEqual(outcomeOf('refused', 'call_cancelled'), { words: 'cancelled', tone: 'calm' })
  assert.equal(isFailure({ outcome: 'refused', code: 'call_cancelled' }), false)
  assert.equal(isFailure({ outcome: 'refused', code: 'key_revoked' }), true)
})

test('days of the calendar are short', () => {
  assert.deepEqual([shortDay('2026-11-28'), shortDay('not a day')], ['28 Nov', 'not a day'])
})
