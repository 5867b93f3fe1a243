import assert from 'node:assert/strict'
import { test } from 'node:test'

import { timeSpanMs } from '../../src/systemd/time-span.ts'

test('spans of time are read as systemctl prints them', () => {
  for (const [text, ms] of [
    ['1min 30s', 90_000],
    ['30s', 30_000],
    ['500ms', 500],
    ['1h 2min 3.500s', 3_723_500],
    ['1d', 86_400_000],
    ['infinity', Infinity],
    ['', undefined],
    ['0', undefined],
    ['3 s', undefined],
  ] as const) {
    assert.equal(timeSpanMs(text), ms, text)
  }
})
