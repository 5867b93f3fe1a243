// Reports are read from digests of quarters of an hour; what they say must be what the rows say.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { fc } from '../support/properties.ts'

import type { EndedCall } from '../../src/ledger/call-row.ts'
import { CallTimes } from '../../src/ledger/call-times.ts'
import type { LedgerFile } from '../../src/ledger/ledger-file.ts'
import { quarterMs } from '../../src/ledger/quarter-sums.ts'
import { readCalls } from '../../src/ledger/read-calls.ts'
import { repairLedger } from '../../src/ledger/repair.ts'
import { verifyLedger } from '../../src/ledger/verify.ts'
import { newPath, novemberMs, openFile, rowsOf } from './ended-call.ts'

const laterMs = novemberMs + 24 * 60 * 60_000

/** All that a report can be made of. */
function found(database: DatabaseSync, sinceMs = 0, untilMs = laterMs): object[] {
  const ends = new Map<string, { calls: number; lastMs: number; minutes: number[][]; times: CallTimes }>()
  for (const { startMs, calls, lastMs, minutes, times, ...end } of readCalls(database, sinceMs, untilMs)) {
    const key = JSON.stringify(end)
    const sum = ends.get(key) ?? { calls: 0, lastMs: 0, minutes: [], times: new CallTimes() }
    ends.set(key, sum)
    sum.calls += calls
    sum.lastMs = Math.max(sum.lastMs, lastMs)
    for (let at = 0; at < minutes.length; at += 2)
      sum.minutes.push([startMs / 60_000 + minutes[at]!, minutes[at + 1]!])
    if (times.length > 0) sum.times.addEncoded(times)
  }
  const shares = [0.01, 0.25, 0.5, 0.9, 0.95, 1]
  return [...ends]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([end, { times, ...sum }]) => ({
      end,
      ...sum,
      times: shares.map((share) => [times.waitMs(share), times.firstMs(share), times.tokensPerSecond(share)]),
    }))
}

function digestAll(file: LedgerFile, nowMs = laterMs): void {
  while (file.digestPiece(nowMs));
}

const countOf = (database: DatabaseSync, table: 'calls' | 'digests') =>
  database.prepare(`SELECT COUNT(*) AS count FROM ${table}`).get()!['count'] as number

let lastSeq = 0
const write = (file: LedgerFile, call: Partial<EndedCall>, endedMs: number) =>
  file.write({ seq: (lastSeq += 1), rows: rowsOf([call], endedMs), lostSums: [] })

const anyCall = fc.record({
  atMs: fc.nat({ max: 4 * quarterMs }),
  call: fc.record({
    client: fc.constantFrom('user:ann', 'user:bob'),
    model: fc.constantFrom('qwen', 'gpt', undefined),
    fallback_model: fc.constantFrom(undefined, undefined, 'qwen'),
    provider: fc.constantFrom('local', 'openai', undefined),
    status: fc.constantFrom(200, 200, 200, 0, 429, 499, 502),
    code: fc.constantFrom(undefined, undefined, undefined, 'rate_limit_exceeded', 'provider_bad_response'),
    provider_status: fc.constantFrom(undefined, 200, 402, 500),
    trouble: fc.constantFrom(undefined, undefined, 'billing'),
    stream: fc.boolean(),
    completion_tokens: fc.nat({ max: 300 }),
    wait_ms: fc.constantFrom(0, 0, 250, 90_000),
    start_ms: fc.constantFrom(undefined, 200),
    first_byte_ms: fc.option(fc.nat({ max: 2_000 }), { nil: undefined }),
    first_token_ms: fc.option(fc.nat({ max: 200_000 }), { nil: undefined }),
    duration_ms: fc.nat({ max: 300_000 }),
  }),
})

describe('a digest of a quarter of an hour', () => {
  const both = (
    calls: readonly { atMs: number; call: Partial<EndedCall> }[],
    t: TestContext,
    isLive: boolean,
  ) => {
    const path = newPath()
    let file = openFile(t, path)
    for (const { atMs, call } of calls) write(file, call, novemberMs + atMs)
    const expected = found(file.database)
    assert.equal(countOf(file.database, 'digests'), 0)
    if (!isLive) {
      file.close()
      file = openFile(t, path)
    }
    digestAll(file)
    const digested = file.database.prepare('SELECT SUM(calls) AS sum FROM digests').get()!['sum']
    assert.equal(digested, calls.length)
    assert.deepEqual(found(file.database), expected)
    const part = [novemberMs + 0.5 * quarterMs, novemberMs + 2.5 * quarterMs] as const
    const ofPart = found(file.database, ...part)
    file.database.exec('DELETE FROM digests')
    assert.deepEqual(found(file.database), expected)
    assert.deepEqual(ofPart, found(file.database, ...part))
    file.close()
  }

  for (const [how, isLive] of [
    ['while they were written', true],
    ['from the rows after a start', false],
  ] as const) {
    test(`says of calls what their rows say, made ${how}`, (t) => {
      fc.assert(
        fc.property(fc.array(anyCall, { minLength: 1, maxLength: 40 }), (calls) => both(calls, t, isLive)),
        { numRuns: 25 },
      )
    })
  }

  test('of more rows than a piece has all of them', (t) => {
    const path = newPath()
    const rows = rowsOf(Array.from({ length: 4_500 }, (_, at) => ({ duration_ms: at })))
    const file = openFile(t, path)
    file.write({ seq: (lastSeq += 1), rows, lostSums: [] })
    file.close()
    const again = openFile(t, path)
    digestAll(again)
    assert.deepEqual(
      { ...again.database.prepare('SELECT * FROM digests').get(), groups: undefined },
      {
        quarter: novemberMs / quarterMs,
        calls: 4_500,
        groups: undefined,
      },
    )
  })

  test('is made a minute after its end, and not before', (t) => {
    const file = openFile(t, newPath())
    write(file, {}, novemberMs)
    digestAll(file, novemberMs + quarterMs + 59_999)
    assert.equal(countOf(file.database, 'digests'), 0)
    digestAll(file, novemberMs + quarterMs + 60_000)
    assert.equal(countOf(file.database, 'digests'), 1)
  })

  for (const isRestarted of [false, true]) {
    test(`has a row that comes late${isRestarted ? ', after another start' : ''}`, (t) => {
      const path = newPath()
      let file = openFile(t, path)
      write(file, {}, novemberMs)
      write(file, {}, novemberMs + quarterMs)
      digestAll(file)
      if (isRestarted) {
        file.close()
        file = openFile(t, path)
        digestAll(file)
      }
      write(file, { status: 502 }, novemberMs + 1)
      assert.equal(countOf(file.database, 'digests'), 1)
      const expected = found(file.database)
      assert.match(JSON.stringify(expected), /502/)
      digestAll(file)
      assert.equal(countOf(file.database, 'digests'), 2)
      assert.deepEqual(found(file.database), expected)
    })
  }

  test('has no row of a batch that failed', (t) => {
    const file = openFile(t, newPath())
    write(file, {}, novemberMs)
    const seq = (lastSeq += 1)
    const broken = rowsOf([{}, { status: 'x' as unknown as number }])
    assert.throws(() => file.write({ seq, rows: broken, lostSums: [] }))
    file.write({ seq, rows: rowsOf([{}]), lostSums: [] })
    digestAll(file)
    assert.equal(file.database.prepare('SELECT calls FROM digests').get()!['calls'], 2)
  })

  test('is made again where another process removes rows meanwhile', (t) => {
    const path = newPath()
    const file = openFile(t, path)
    for (let at = 0; at < 10; at += 1) write(file, {}, novemberMs + at)
    const other = new DatabaseSync(path)
    other.exec('DELETE FROM calls WHERE id > 4')
    other.close()
    digestAll(file)
    assert.equal(file.database.prepare('SELECT calls FROM digests').get()!['calls'], 4)
  })

  test('goes with the first of its rows', (t) => {
    const file = openFile(t, newPath())
    for (const at of [0, 1, 2]) write(file, {}, novemberMs + at * quarterMs)
    digestAll(file)
    const before = novemberMs + 1.5 * quarterMs
    while (file.prunePiece(before, 0, laterMs));
    assert.equal(countOf(file.database, 'calls'), 1)
    assert.equal(countOf(file.database, 'digests'), 1)
    assert.deepEqual(found(file.database).length, 1)
  })

  test('of another form is as none', (t) => {
    const file = openFile(t, newPath())
    write(file, {}, novemberMs)
    digestAll(file)
    const expected = found(file.database)
    file.database.exec("UPDATE digests SET groups = x'7f0102'")
    assert.deepEqual(found(file.database), expected)
  })

  test('that differs from its rows is found and goes', (t) => {
    const path = newPath()
    const file = openFile(t, path)
    write(file, {}, novemberMs)
    digestAll(file)
    assert.equal(verifyLedger(file.database).wrongSums, 0)
    file.database.exec('UPDATE digests SET calls = 7')
    assert.equal(verifyLedger(file.database).wrongSums, 1)
    file.close()
    assert.deepEqual(repairLedger(path, laterMs), { kind: 'recounted', sums: 1 })
    const again = openFile(t, path)
    assert.equal(countOf(again.database, 'digests'), 0)
    assert.equal(verifyLedger(again.database).wrongSums, 0)
  })
})
