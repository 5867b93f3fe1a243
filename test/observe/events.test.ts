import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createEvents, type GatewayEvent, type Sink } from '../../src/observe/events.ts'

function recorder(name: string): Sink & { readonly events: GatewayEvent[] } {
  const events: GatewayEvent[] = []
  return { name, events, receive: (event) => void events.push(event) }
}

const stopped = { kind: 'stopped' } as const

test('every sink receives the very same event', () => {
  const [one, two] = [recorder('one'), recorder('two')]
  createEvents([one, two]).emit(stopped)
  assert.equal(one.events[0], stopped)
  assert.equal(two.events[0], stopped)
})

test('a sink that throws hurts no other, and is reported once until it works again', () => {
  const error = new Error('full')
  let isBroken = true
  const broken: Sink = {
    name: 'ledger',
    receive() {
      if (isBroken) throw error
    },
  }
  const [before, after] = [recorder('before'), recorder('after')]
  const events = createEvents([before, broken, after])
  const report = { kind: 'internal_error', error, where: 'the ledger sink' }
  events.emit(stopped)
  events.emit(stopped)
  assert.deepEqual(before.events, [stopped, report, stopped])
  assert.deepEqual(after.events, [report, stopped, stopped])
  isBroken = false
  events.emit(stopped)
  isBroken = true
  events.emit(stopped)
  assert.equal(after.events.filter(({ kind }) => kind === 'internal_error').length, 2)
})

test('when every sink throws, a warning says so, and emit returns', async () => {
  const throwing = (name: string): Sink => ({
    name,
    receive() {
      throw new Error(name)
    },
  })
  const warning = new Promise<Error>((resolve) => process.once('warning', resolve))
  createEvents([throwing('one'), throwing('two')]).emit(stopped)
  assert.equal((await warning).message, 'two')
})

test('a sink receives the kinds that it wants, and is asked once for each', () => {
  const asked: string[] = []
  const picky = {
    ...recorder('picky'),
    wants(kind: GatewayEvent['kind']) {
      asked.push(kind)
      return kind === 'stopped'
    },
  }
  const events = createEvents([picky])
  const stopping = { kind: 'stopping', reason: 'SIGTERM', open_calls: 0 } as const
  for (const event of [stopping, stopped, stopping, stopped]) events.emit(event)
  assert.deepEqual(picky.events, [stopped, stopped])
  assert.deepEqual(asked, ['stopping', 'stopped'])
})
