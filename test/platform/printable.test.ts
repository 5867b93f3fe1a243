import assert from 'node:assert/strict'
import { test } from 'node:test'

import { printable, printableJson } from '../../src/platform/printable.ts'

test('what could steer a terminal is shown as an escape', () => {
  assert.equal(
    printable('a\u001b[2J\r\n\u0007\u007f\u0080\u009b\u009f\u202e\u2066\u061c\u200e\u200f\u2028\tb é'),
    'a\\u001b[2J\\u000d\\u000a\\u0007\\u007f\\u0080\\u009b\\u009f\\u202e\\u2066\\u061c\\u200e\\u200f\\u2028\tb é',
  )
})

test('JSON keeps its lines and its meaning', () => {
  const value = { a: '\u009b\u202e\n\u2029', b: 'é漢🦙' }
  const json = JSON.stringify(value, undefined, 2)
  const shown = printableJson(json)
  assert.deepEqual(JSON.parse(shown), value)
  assert.equal(
    shown,
    json.replace('\u009b', '\\u009b').replace('\u202e', '\\u202e').replace('\u2029', '\\u2029'),
  )
})
