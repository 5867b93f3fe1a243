import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import {
  deadlines,
  type DueSituation,
  type DueTerms,
} from '../../../src/upstream/services/service-deadlines.ts'
import { StopCommand } from '../../../src/upstream/services/stop-command.ts'

const report = {
  service: 'qwen',
  unit: 'qwen.service',
  load: 'loaded',
  active: 'active',
  sub: 'running',
  result: 'success',
  restarts: 0,
  invocation: '1',
}
const command = new StopCommand('failed', report)
const noStops = { command: undefined, mayBeginAtMs: -Infinity, downAtMs: Infinity, againAtMs: () => Infinity }
type Case = DueSituation & DueTerms

const stopped: Case = {
  state: 'stopped',
  isKnown: true,
  report: { ...report, active: 'inactive', sub: 'dead' },
  attempt: undefined,
  run: undefined,
  stops: noStops,
  mayStartAtMs: -Infinity,
  isAwaited: false,
  startTimeoutMs: 1000,
  stopAfterIdleMs: 5000,
}
const starting: Case = {
  ...stopped,
  state: 'starting',
  attempt: { endMs: (timeoutMs) => 100 + timeoutMs, refusedAtMs: () => 700 },
}
const ready: Case = { ...stopped, state: 'ready', report, run: { visits: 0, idleSinceMs: 2000 } }
const failed: Case = { ...stopped, state: 'failed', report, isAwaited: true, mayStartAtMs: 900 }

/** What is due ever, and when. */
const dueOf = (each: Case) =>
  Object.fromEntries(deadlines(each, each).flatMap(([atMs, due]) => (atMs === Infinity ? [] : [[due, atMs]])))

suite('what is due of a service', () => {
  const cases: readonly (readonly [what: string, situation: Case, due: Record<string, number>])[] = [
    ['that is stopped', stopped, {}],
    ['that starts', starting, { start_timeout: 1100, start_refused: 700 }],
    ['that starts while nothing is known of it', { ...starting, isKnown: false }, { start_timeout: 1100 }],
    ['that is idle', ready, { idle: 7000 }],
    [
      'that is idle and may not be stopped yet',
      { ...ready, stops: { ...noStops, mayBeginAtMs: 8000 } },
      { idle: 8000 },
    ],
    ['that is kept', { ...ready, stopAfterIdleMs: undefined }, {}],
    ['that is idle while nothing is known of it', { ...ready, isKnown: false }, {}],
    ['that drains', { ...ready, state: 'draining', run: { visits: 1, idleSinceMs: 2000 } }, {}],
    ['that has drained', { ...ready, state: 'draining' }, { drained: -Infinity }],
    [
      'that has drained while nothing is known of it',
      { ...ready, state: 'draining', isKnown: false },
      { drained: -Infinity },
    ],
    [
      'that stops',
      { ...stopped, state: 'stopping', stops: { ...noStops, downAtMs: 300, againAtMs: () => 400 } },
      { stop_done: 300, stop_again: 400 },
    ],
    ['that has failed and runs', failed, { left_running: 900 }],
    ['that has failed and runs, for which no call waits', { ...failed, isAwaited: false }, {}],
    ['that has failed and is being stopped', { ...failed, stops: { ...noStops, command } }, {}],
    ['that has failed and does not run', { ...failed, report: stopped.report }, {}],
  ]
  for (const [what, situation, due] of cases)
    test(what, () => {
      assert.deepEqual(dueOf(situation), due)
    })

  test('a start that takes too long goes before all others', () => {
    assert.deepEqual(
      deadlines(stopped, stopped).map(([, due]) => due),
      ['start_timeout', 'start_refused', 'stop_done', 'drained', 'idle', 'stop_again', 'left_running'],
    )
  })
})
