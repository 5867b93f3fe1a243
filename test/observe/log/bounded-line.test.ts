import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { maxLineBytes } from '../../../src/observe/log/bounded-line.ts'
import { createLog } from '../../../src/observe/log/log.ts'
import { logSink } from '../../../src/observe/sinks/log.ts'
import { failedCall } from '../../examples/failed-call.ts'

type Facts = Readonly<Record<string, unknown>>

function lineOf(facts: Facts): { readonly text: string; readonly facts: Facts } {
  let text = ''
  createLog('info', { write: (line) => (text += line) }).info(facts)
  return { text, facts: JSON.parse(text) as Facts }
}

suite('a line is shorter than 8 KiB', () => {
  const long = 'x'.repeat(100_000)
  const cases: Readonly<Record<string, Facts>> = {
    'with a long reason': { reason: long },
    'with many problems': {
      problems: Array.from({ length: 5_000 }, (_, index) => `${index}: ${long.slice(0, 500)}`),
    },
    'with long names in several members': {
      model: long,
      asked: long,
      client: long,
      key: long,
      target_model: long,
    },
    'with names that take six characters each to be printable': {
      model: '\u0085'.repeat(3_000),
      asked: '\u202e'.repeat(3_000),
    },
    'with characters of four bytes': { reason: '😀'.repeat(3_000) },
    'with members of members': {
      fact: Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`n${index}`, long])),
    },
  }
  for (const [name, extra] of Object.entries(cases)) {
    test(name, () => {
      const { text, facts } = lineOf({
        event: 'call',
        request_id: 'req_1',
        status: 502,
        stream: true,
        ...extra,
      })
      assert.ok(Buffer.byteLength(text) <= maxLineBytes + 1, String(Buffer.byteLength(text)))
      assert.equal(text.indexOf('\n'), text.length - 1)
      assert.ok(text.isWellFormed())
      assert.deepEqual(
        [facts['request_id'], facts['status'], facts['stream'], facts['is_cut']],
        ['req_1', 502, true, true],
      )
      for (const [member, value] of Object.entries(extra)) {
        assert.equal(typeof facts[member], typeof value)
        assert.equal(Array.isArray(facts[member]), Array.isArray(value))
      }
    })
  }

  test('also of the worst call', () => {
    let text = ''
    const log = createLog('info', { write: (line) => (text += line) })
    const worst = {
      ...failedCall,
      client: `mail:${'a'.repeat(500)}`,
      model: '\u0085'.repeat(500),
      reason: long,
      passed_over: Array.from({ length: 60 }, () => long.slice(0, 700)),
      dropped: Array.from({ length: 200 }, () => long.slice(0, 200)),
      earlier_ways: Array.from({ length: 60 }, () => 'messages_chat'),
    }
    logSink(log).receive({ kind: 'call_ended', call: worst })
    assert.ok(Buffer.byteLength(text) <= maxLineBytes + 1)
  })
})

test('a line that is short enough stays as it is, up to its last byte', () => {
  const empty = Buffer.byteLength(lineOf({ event: 'e', reason: '' }).text) - 1
  const longest = lineOf({ event: 'e', reason: 'x'.repeat(maxLineBytes - empty - 1) })
  assert.equal(longest.facts['is_cut'], undefined)
  assert.equal(Buffer.byteLength(longest.text), maxLineBytes)
  assert.equal(lineOf({ event: 'e', reason: 'x'.repeat(maxLineBytes - empty) }).facts['is_cut'], true)
})
