import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationText } from '../../src/platform/duration.ts'

test('durations have at most two units, and neither is a full one of the next', () => {
  const cases: [number, string][] = [
    [-1, '0 ms'],
    [0.4, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1 s'],
    [1_250, '1.3 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min'],
    [200_000, '3 min 20 s'],
    [3_599_700, '1 h'],
    [11_100_000, '3 h 5 min'],
    [86_399_900, '1 d'],
    [270_000_000, '3 d 3 h'],
  ]
  for (const [ms, words] of cases) assert.equal(durationText(ms), words)
})
