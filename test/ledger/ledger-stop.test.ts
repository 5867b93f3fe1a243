// The ledger's end, with a writer that dies and refuses when the test says so: what is in no file then is reported, and nothing
// is written afterwards.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rowWidth } from '../../src/ledger/call-row.ts'
import type { LedgerEvent } from '../../src/ledger/ledger-event.ts'
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts'
import type { RowBatch, ToWriter } from '../../src/ledger/messages.ts'
import type { Writer, WriterOwner } from '../../src/ledger/writer-thread.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { endedCall } from './ended-call.ts'

class FakeWriter implements Writer {
  readonly batches: RowBatch[] = []
  isRunning = false
  /** What happens before it ends as it is told to. */
  beforeEnd = () => {}
  readonly #owner: WriterOwner

  constructor(owner: WriterOwner) {
    this.#owner = owner
  }

  post(message: ToWriter): void {
    this.isRunning = true
    if (message.kind === 'batch') this.batches.push(message.batch)
  }

  hold(): void {}

  release(): void {}

  async end(): Promise<void> {
    this.beforeEnd()
    if (this.isRunning) this.die()
  }

  /** Of the last batch. */
  write(): void {
    this.#owner.onMessage({ kind: 'written', seq: this.batches.at(-1)!.seq })
  }

  refuse(): void {
    this.#owner.onMessage({ kind: 'not_written', seq: this.batches.at(-1)!.seq, reason: 'it is locked' })
  }

  die(): void {
    this.isRunning = false
    this.#owner.onExit('out of memory')
  }
}

interface Scene {
  readonly ledger: Ledger
  readonly writer: FakeWriter
  readonly clock: FakeClock
  readonly events: LedgerEvent[]
}

/** @param stopMs how long a stop waits. The ledger's other times are the fake clock's. */
function scene(stopMs = 50): Scene {
  const clock = new FakeClock()
  const events: LedgerEvent[] = []
  let writer: FakeWriter | undefined
  const ledger = openLedger({
    path: '/nowhere/usage.db',
    keepCallsDays: 90,
    keepHoursDays: 400,
    clock,
    onEvent: (event) => events.push(event),
    bounds: { stopMs },
    openWriter: (owner) => (writer = new FakeWriter(owner)),
  })
  return { ledger, writer: writer!, clock, events }
}

/** Sends the row of a call to the writer. */
function send({ ledger, clock }: Scene): void {
  ledger.record(endedCall())
  clock.advance(200)
}

const lost = ({ events }: Scene) => events.filter(({ kind }) => kind === 'ledger_rows_lost')
const rowsIn = ({ batches }: FakeWriter) => batches.map(({ rows }) => rows.length / rowWidth)

test('a stop hands what a thread took along when it died to another one, and then what came since', async () => {
  const at = scene()
  send(at)
  at.writer.die()
  at.ledger.record(endedCall())
  at.ledger.record(endedCall())
  const stopped = at.ledger.stop()
  assert.deepEqual(at.writer.batches[1], at.writer.batches[0])
  at.writer.write()
  assert.deepEqual(rowsIn(at.writer), [1, 1, 2])
  at.writer.write()
  await stopped
  assert.deepEqual(lost(at), [])
})

test('a stop goes on where the thread dies meanwhile, and where a write fails', async () => {
  const at = scene(5_000)
  send(at)
  const stopped = at.ledger.stop()
  at.writer.die()
  at.clock.advance(1_000)
  assert.deepEqual(at.writer.batches[1], at.writer.batches[0])
  at.writer.refuse()
  at.clock.advance(1_000)
  assert.deepEqual(rowsIn(at.writer), [1, 1, 1])
  at.writer.write()
  await stopped
  assert.deepEqual(lost(at), [])
})

test('rows that are reported lost are not written afterwards', async () => {
  const at = scene()
  send(at)
  const stopped = at.ledger.stop()
  at.writer.refuse()
  await stopped
  assert.deepEqual(lost(at), [{ kind: 'ledger_rows_lost', rows: 1 }])
  at.clock.advance(60_000)
  assert.deepEqual(rowsIn(at.writer), [1])
  assert.equal(at.writer.isRunning, false)
})

test('a write that fails as the thread ends is no reason for another try', async () => {
  const at = scene()
  send(at)
  at.writer.beforeEnd = () => at.writer.refuse()
  await at.ledger.stop()
  assert.deepEqual(lost(at), [{ kind: 'ledger_rows_lost', rows: 1 }])
  at.clock.advance(60_000)
  assert.deepEqual(rowsIn(at.writer), [1])
})

test('rows that the thread writes before its end are not reported lost', async () => {
  const at = scene()
  send(at)
  at.writer.beforeEnd = () => at.writer.write()
  await at.ledger.stop()
  assert.deepEqual(lost(at), [])
  assert.equal(at.ledger.state().waitingRows, 0)
})
