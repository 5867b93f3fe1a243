// Which machines do not count together, and how that is reported.
import assert from 'node:assert/strict'
import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { type Conflict, conflictsOf, ConflictWatch } from '../../../src/app/machines/conflicts.ts'
import { placeOf } from '../../../src/app/machines/machine-id.ts'
import type { Member } from '../../../src/app/machines/members.ts'
import type { GatewayEvent } from '../../../src/observe/events.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'

function member(machine: string, host: string, more: Partial<Member> = {}): Member {
  const at = { sinceMs: 0, seenMs: 0, version: '1', uses: [], place: host, timeZone: undefined }
  return { id: `${machine}.${host}`, machine, host, state: 'here', ...at, ...more }
}

const cases: readonly (readonly [string, readonly Member[], readonly RegExp[]])[] = [
  ['machines of their own', [member('m1', 'a'), member('m2', 'b')], []],
  [
    'a state directory that was copied to another machine',
    [member('m1', 'a'), member('m1', 'b'), member('m2', 'c')],
    [/^2 gateways have the same machine id, m1 \(a, b\)/],
  ],
  [
    'a state directory that was copied on one machine',
    [member('m1', 'a'), member('m1', 'a', { place: 'other' })],
    [/^2 gateways have the same machine id, m1 \(a\)/],
  ],
  [
    'a machine that has another name, and its process of before',
    [member('m1', 'a', { state: 'left' }), member('m1', 'b'), member('m1', 'c', { state: 'silent' })],
    [],
  ],
  [
    'two processes of a restart, of which one is older and does not say its place',
    [member('m1', 'a'), member('m1', 'a', { place: undefined })],
    [],
  ],
  [
    'days of budgets that begin at different times',
    [
      member('m1', 'a', { timeZone: 'UTC' }),
      member('m2', 'b', { timeZone: 'Europe/Berlin' }),
      member('m3', 'c', { timeZone: 'UTC' }),
    ],
    [/Europe\/Berlin \(b\), UTC \(a, c\)/],
  ],
  [
    'one time zone, and a machine without budgets',
    [member('m1', 'a', { timeZone: 'UTC' }), member('m2', 'b')],
    [],
  ],
]

for (const [what, members, messages] of cases) {
  test(`${what}: ${messages.length === 0 ? 'no conflict' : 'a conflict'}`, () => {
    const found = conflictsOf(members, ({ host }) => host)
    assert.equal(found.length, messages.length, JSON.stringify(found))
    for (const [index, pattern] of messages.entries()) assert.match(found[index]!.message, pattern)
  })
}

test('a copy of a state directory has another place, and the directory keeps its own', (t) => {
  const [one, other] = ['one', 'other'].map((name) => join(scratchDirectory(t), name)) as [string, string]
  mkdirSync(one)
  mkdirSync(other)
  const place = placeOf(one)
  assert.equal(placeOf(one), place)
  assert.notEqual(placeOf(other), place)
  renameSync(one, `${one}.old`)
  assert.equal(placeOf(one), undefined)
  assert.equal(placeOf(undefined), undefined)
})

test('a conflict is reported once, and its end', async () => {
  const clock = new FakeClock(0)
  const connection = { isUp: true }
  const emitted: GatewayEvent[] = []
  let found: readonly Conflict[] | Error = []
  const watch = new ConflictWatch({
    connection,
    events: { emit: (event: GatewayEvent) => void emitted.push(event) },
    setTimer: clock.setTimer,
    look: async () => {
      if (found instanceof Error) throw found
      return found
    },
  })
  const run = async (next: readonly Conflict[] | Error, isUp = true) => {
    found = next
    connection.isUp = isUp
    clock.advance(10_000)
    await new Promise(setImmediate)
    return emitted.splice(0)
  }
  const one = [{ of: 'time_zone', message: 'zones' }] as const
  assert.deepEqual(await run([]), [])
  assert.deepEqual(await run(one), [{ kind: 'machines_in_conflict', reason: 'zones' }])
  assert.deepEqual(await run(one), [])
  assert.deepEqual(await run(new Error('away')), [])
  assert.deepEqual(await run([], false), [])
  assert.deepEqual(await run([]), [{ kind: 'machines_agree' }])
  watch.stop()
  assert.deepEqual(await run(one), [])
})
