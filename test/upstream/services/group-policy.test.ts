import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { planGroup, type Member } from '../../../src/upstream/services/group-policy.ts'

const limits = { running: 2, minRunMs: 30_000, maxRunMs: 300_000 }
const nowMs = 1_000_000
const stopped: Member = {
  name: '',
  isKept: false,
  holdsPlace: false,
  isLeaving: false,
  drainsForOthers: false,
  readySinceMs: undefined,
  visits: 0,
  lastCallEndedMs: undefined,
  mayStopAtMs: -Infinity,
}
const ready = (name: string, ranMs: number, more: Partial<Member> = {}): Member => ({
  ...stopped,
  name,
  holdsPlace: true,
  readySinceMs: nowMs - ranMs,
  ...more,
})
const leaving = (name: string, more: Partial<Member> = {}): Member => ({
  ...stopped,
  name,
  holdsPlace: true,
  isLeaving: true,
  ...more,
})
const wants = (...names: readonly string[]) => names.map((name) => ({ name, canStart: true }))
const nothing = { starts: [], stops: [], drains: [], resumes: [], nextMs: Infinity }

suite('a group', () => {
  test('starts as many as it has places for, in the order of turns', () => {
    const plan = planGroup(limits, [ready('a', 1, { visits: 1 })], wants('b', 'c'), nowMs)
    assert.deepEqual(plan.starts, ['b'])
    assert.equal(plan.nextMs, nowMs + 299_999)
  })

  test('stops the one that has run longest of those without callers', () => {
    const members = [ready('a', 50_000), ready('b', 60_000)]
    assert.deepEqual(planGroup(limits, members, wants('c'), nowMs), { ...nothing, stops: ['b'] })
  })

  test('stops one without visits before it drains one that has run for too long', () => {
    const members = [ready('a', 400_000, { visits: 1 }), ready('b', 100)]
    assert.deepEqual(planGroup(limits, members, wants('c'), nowMs), { ...nothing, stops: ['b'] })
  })

  test('waits for a place that becomes free by itself, once for each who wants one', () => {
    const members = [leaving('a'), ready('b', 100)]
    assert.deepEqual(planGroup(limits, members, wants('c'), nowMs), nothing)
    assert.deepEqual(planGroup(limits, members, wants('c', 'd'), nowMs), { ...nothing, stops: ['b'] })
  })

  test('starts the next one in turn where the first is still stopping', () => {
    const members = [leaving('a')]
    const wanted = [{ name: 'a', canStart: false }, ...wants('b')]
    assert.deepEqual(planGroup(limits, members, wanted, nowMs), { ...nothing, starts: ['b'] })
  })

  test('with more members than places frees as many as it takes', () => {
    const members = [ready('a', 100), ready('b', 200), ready('c', 300)]
    assert.deepEqual(planGroup(limits, members, wants('d'), nowMs), { ...nothing, stops: ['c', 'b'] })
    assert.deepEqual(planGroup(limits, members, [], nowMs), { ...nothing, stops: ['c'] })
  })

  test('with more members than places frees them as those of a full group, though nobody waits', () => {
    const busy = { visits: 1 }
    const members = [ready('a', 10_000, busy), ready('b', 5000, busy), ready('c', 200_000, busy)]
    const plan = planGroup(limits, members, [], nowMs)
    assert.deepEqual(plan, { ...nothing, nextMs: nowMs + 100_000 })
    assert.deepEqual(planGroup(limits, members, [], plan.nextMs).drains, ['c'])
  })

  test('lets the youngest go on that drains when its place is not wanted any more', () => {
    const draining = { isLeaving: true, drainsForOthers: true, visits: 1 }
    const members = [ready('a', 400_000, draining), ready('b', 500_000, draining)]
    assert.deepEqual(planGroup(limits, members, wants('c'), nowMs).resumes, ['a'])
    assert.deepEqual(planGroup(limits, members, [], nowMs).resumes, ['a', 'b'])
    assert.deepEqual(planGroup(limits, members, wants('c', 'd'), nowMs).resumes, [])
  })

  test('is looked at again when one may go: its last call is a second ago, or min_run_ms is over', () => {
    const one = { ...limits, running: 1 }
    const next = (member: Member) => planGroup(one, [member], wants('b'), nowMs).nextMs - nowMs
    assert.equal(next(ready('a', 10_000, { lastCallEndedMs: nowMs - 400 })), 600)
    assert.equal(next(ready('a', 29_900, { lastCallEndedMs: nowMs - 400 })), 100)
    assert.equal(next(ready('a', 29_900, { visits: 2 })), 270_100)
    assert.equal(next(ready('a', 400_000, { mayStopAtMs: nowMs + 5000 })), 5000)
    assert.equal(next(ready('a', 400_000, { isKept: true })), Infinity)
  })
})
