// Which events begin and end that a part of the gateway does not work.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { EventFacts } from '../../../src/observe/alerts/event-facts.ts'
import type { GatewayEvent } from '../../../src/observe/events.ts'
import { Scene } from './scene.ts'

const hourMs = 3_600_000
const full = new Error('ENOSPC')

const cases: readonly (readonly [what: string, events: readonly GatewayEvent[], parts: readonly string[]])[] =
  [
    ['nothing', [{ kind: 'listening', addresses: [], config: 'x' }], []],
    [
      'a ledger that waits',
      [{ kind: 'ledger_waiting', reason: 'x', waiting_rows: 1, lost_rows: 0 }],
      ['warning ledger'],
    ],
    [
      'a ledger that is written again',
      [
        { kind: 'ledger_waiting', reason: 'x', waiting_rows: 1, lost_rows: 0 },
        { kind: 'ledger_writing', lost_rows: 0 },
      ],
      [],
    ],
    ['a starter that is lost', [{ kind: 'starter_lost' }], ['warning model servers']],
    ['a starter that is found again', [{ kind: 'starter_lost' }, { kind: 'starter_found' }], []],
    [
      'a list of keys that the store does not take',
      [{ kind: 'keys_not_stored', generation: 2, reason: 'x' }],
      ['warning shared keys'],
    ],
    [
      'a list of keys that the store takes after all',
      [{ kind: 'keys_not_stored', generation: 2, reason: 'x' }, { kind: 'keys_stored' }],
      [],
    ],
    [
      'a store of limits that is down',
      [{ kind: 'limits_store_down', reason: 'x', when_unavailable: 'share' }],
      ['warning limits store'],
    ],
    [
      'a store of limits that is back',
      [
        { kind: 'limits_store_down', reason: 'x', when_unavailable: 'share' },
        { kind: 'limits_store_up', server: 'x', members: 1 },
      ],
      [],
    ],
    ['a ledger that is usually off', [{ kind: 'ledger_off', reason: 'x', is_usual: true }], []],
    ['a ledger that is off', [{ kind: 'ledger_off', reason: 'x' }], ['warning ledger']],
    [
      'an audit log that cannot be written',
      [{ kind: 'audit_unavailable', reason: 'x' }],
      ['warning audit log'],
    ],
    [
      'an audit log that is written again',
      [
        { kind: 'audit_unavailable', reason: 'x' },
        { kind: 'audit_head', seq: 1, mac: 'x' },
      ],
      [],
    ],
    ['keys that are gone', [{ kind: 'keys_missing', file: 'x' }], ['critical keys']],
    ['keys that nobody needs', [{ kind: 'keys_missing', file: 'x', is_usual: true }], ['info keys']],
    [
      'keys that are back',
      [
        { kind: 'keys_missing', file: 'x' },
        { kind: 'keys_loaded', generation: 2, keys: 1 },
      ],
      [],
    ],
    [
      'files that cannot be written',
      [
        { kind: 'limits_not_saved', cause: full },
        { kind: 'budgets_not_saved', cause: full },
      ],
      ['info state directory'],
    ],
    [
      'a service that fails',
      [{ kind: 'notification_failed', sink: 'team', reason: 'status 500', retry_in_ms: 60_000 }],
      ['info notify.sinks.team'],
    ],
    [
      'a service that works again',
      [
        { kind: 'notification_failed', sink: 'team', reason: 'status 500', retry_in_ms: 60_000 },
        { kind: 'notification_sent', sink: 'team', notices: 1 },
      ],
      [],
    ],
  ]
for (const [what, events, parts] of cases) {
  test(`after ${what}: ${parts.join(', ') || 'nothing'}`, () => {
    const facts = new EventFacts(() => 0)
    for (const event of events) facts.receive(event)
    assert.deepEqual(
      facts.degraded(0).map(({ severity, part }) => `${severity} ${part}`),
      parts,
    )
  })
}

test('what nothing ends is over after an hour without another event', () => {
  const facts = new EventFacts(() => 0)
  facts.receive({ kind: 'limits_not_saved', cause: full })
  facts.receive({ kind: 'keys_missing', file: 'x' })
  assert.equal(facts.degraded(hourMs - 1).length, 2)
  assert.deepEqual(
    facts.degraded(hourMs).map(({ part }) => part),
    ['keys'],
  )
})

test('a card says nothing of a log that has nothing more, and is text without markup', () => {
  const facts = new EventFacts(() => 0)
  facts.receive({ kind: 'keys_missing', file: 'x', is_usual: true })
  facts.receive({ kind: 'audit_unavailable', reason: 'x' })
  const scene = new Scene()
  scene.with({ degraded: facts.degraded(0) })
  scene.pass(2 * 60_000)
  assert.deepEqual(
    scene.conditions.attention(scene).map(({ subject, severity, why }) => [subject, severity, why]),
    [
      ['audit log', 'warning', 'x'],
      ['keys', 'info', ''],
    ],
  )
  const texts = JSON.stringify(scene.notices)
  assert.match(texts, /Create a key with llm-gateway key create/)
  assert.doesNotMatch(texts, /`/)
})

test('the reason is that of the log', () => {
  const facts = new EventFacts(() => 0)
  const reason = 'another process listens at /run/user/1000/llm-gateway/control.sock'
  facts.receive({ kind: 'control_unavailable', reason })
  facts.receive({ kind: 'notification_failed', sink: 'phone', reason: 'status 403', retry_in_ms: 1 })
  facts.receive({ kind: 'keys_missing', file: 'x' })
  assert.deepEqual(
    facts.degraded(0).map(({ part, detail }) => [part, detail]),
    [
      ['commands', reason],
      ['notify.sinks.phone', 'status 403'],
      ['keys', undefined],
    ],
  )
})
