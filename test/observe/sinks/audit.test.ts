// Which events reach the audit log, and how many lines refusals make.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { AuditEvent } from '../../../src/observe/audit/chain.ts'
import type { GatewayEvent } from '../../../src/observe/events.ts'
import { auditSink } from '../../../src/observe/sinks/audit.ts'
import { callFacts } from '../../support/call-facts.ts'

/** A sink with a minute that ends when a test says so. */
function start() {
  const lines: AuditEvent[] = []
  const names: string[] = []
  let endMinute = () => {}
  const sink = auditSink({
    add: (event) => lines.push(event),
    numberOf: (name) => (names.includes(name) ? names.indexOf(name) : names.push(name) - 1),
    digestOf: () => 'ab12',
    setTimer: (run) => {
      endMinute = run
      return () => {}
    },
  })
  return { sink, lines, names, endMinute: () => endMinute() }
}

function refused(client: string, code = 'host_not_allowed', unlogged = 0): GatewayEvent {
  const reason = 'a header'
  return { kind: 'refused', client, method: 'GET', code, status: 403, reason, unlogged }
}

suite('a refusal', () => {
  test('is recorded with a number in the place of the client', () => {
    const { sink, lines, names } = start()
    sink.receive(refused('user:ann'))
    assert.deepEqual(names, ['user:ann'])
    const [{ name, outcome, attributes } = assert.fail()] = lines
    assert.deepEqual([name, outcome], ['llm_gateway.request.refused', 'failure'])
    assert.deepEqual(attributes, { client: 0, code: 'host_not_allowed' })
    assert.doesNotMatch(JSON.stringify(lines), /ann|a header/)
  })

  test('of a call that would have left its boundary is recorded', () => {
    const { sink, lines } = start()
    sink.receive({ kind: 'call_ended', call: callFacts({ event: 'outside_boundary', status: 403 }) })
    assert.equal(lines[0]?.attributes['code'], 'outside_boundary')
  })

  test('is counted for a minute when it is repeated, and recorded anew after that', () => {
    const { sink, lines, endMinute } = start()
    for (let count = 0; count < 5; count++) sink.receive(refused('user:ann', undefined, count === 4 ? 10 : 0))
    assert.equal(lines.length, 1)
    endMinute()
    assert.deepEqual(lines[1]!.attributes, { client: 0, code: 'host_not_allowed', repeated: 14 })
    sink.receive(refused('user:ann'))
    assert.equal(lines.length, 3)
  })

  test('of one of a hundred thousand clients makes few lines a minute', () => {
    const { sink, lines, names, endMinute } = start()
    for (let count = 0; count < 100_000; count++)
      sink.receive(refused(`ip:10.0.${count >> 8}.${count & 255}`))
    assert.equal(lines.length, 30)
    endMinute()
    assert.equal(lines.length, 31)
    assert.deepEqual(lines[30]!.attributes, { code: 'others', repeated: 99_970 })
    assert.equal(names.length, 29)
  })

  test('of a hundred thousand a minute makes sixty lines in any minute at most', () => {
    const { sink, lines, endMinute } = start()
    let minute = 0
    for (let round = 0; round < 3; round++) {
      const before = lines.length
      for (let count = 0; count < 100_000; count++) sink.receive(refused(`ip:10.0.0.${count % 200}`))
      endMinute()
      // What the end of one minute writes may fall together with the beginning of the next.
      minute = lines.length - before
      assert.ok(minute <= 60, String(minute))
    }
    assert.equal(minute, 60)
    const total = lines.reduce((sum, { attributes }) => sum + 1 * Number(attributes['repeated'] ?? 1), 0)
    assert.equal(total, 300_000)
  })
})

const budget = {
  scope: 'client:user:ann',
  of: 'user:ann',
  budget: '5 usd/day',
  spent: '4.1',
  resets_at: '2026-11-29T00:00:00.000Z',
} as const

const stateLines = [
  [{ kind: 'budget_nearly_spent', ...budget }, 'budget.nearly_spent', 'warn'],
  [{ kind: 'budget_exhausted', ...budget }, 'budget.exhausted', 'warn'],
  [{ kind: 'budget_window_begun', ...budget }, 'budget.window_begun', 'info'],
  [{ kind: 'budget_events_unlogged', count: 7 }, 'budget.events_unlogged', 'warn'],
  [{ kind: 'call_cancelled', request_id: 'r', client: 'key:ann', by: 'user:bob' }, 'call.cancelled', 'info'],
  [
    { kind: 'service_commanded', provider: 'qwen', unit: 'qwen.service', verb: 'stop', by: 'user:ann' },
    'service.stop_requested',
    'info',
  ],
  [{ kind: 'clock_jumped', forward_ms: 7_200_000 }, 'clock.jumped', 'warn'],
] as const satisfies readonly (readonly [GatewayEvent, string, string])[]

for (const [event, name, severity] of stateLines) {
  test(`${event.kind} is recorded, without the name of a client`, () => {
    const { sink, lines } = start()
    sink.receive(event)
    assert.deepEqual(
      lines.map((line) => [line.name, line.severity]),
      [[`llm_gateway.${name}`, severity]],
    )
    assert.doesNotMatch(JSON.stringify(lines), /ann/)
  })
}

test('the configuration is recorded by its digest', () => {
  const { sink, lines } = start()
  const config = '/home/ann/llm-gateway.yaml'
  sink.receive({ kind: 'listening', addresses: ['http://127.0.0.1:4000'], config })
  sink.receive({ kind: 'reload_refused', config, problems: ['models.m: unknown'] })
  assert.deepEqual(
    lines.map(({ name, severity, attributes }) => [name, severity, attributes['config.sha256']]),
    [
      ['llm_gateway.gateway.started', 'info', 'ab12'],
      ['llm_gateway.config.refused', 'error', 'ab12'],
    ],
  )
  assert.doesNotMatch(JSON.stringify(lines), /ann/)
})
