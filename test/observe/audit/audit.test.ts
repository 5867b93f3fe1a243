// The audit log on disk, and what a check of it finds.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { AuditLog, type AuditLogParts } from '../../../src/observe/audit/audit-log.ts'
import { type AuditEvent, type AuditHead, readLine } from '../../../src/observe/audit/chain.ts'
import { verifyAudit } from '../../../src/observe/audit/verify.ts'

const key = Buffer.alloc(32, 7)
const failed = (cause: unknown) => assert.fail(String(cause))
const november = Date.UTC(2026, 10, 28, 12)

function eventOf(count: number): AuditEvent {
  return { name: 'llm_gateway.key.created', severity: 'info', outcome: 'success', attributes: { count } }
}

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'audit-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function openLog(directory: string, own: Partial<AuditLogParts> = {}): Promise<AuditLog> {
  const parts = {
    directory,
    key,
    wallNow: () => november,
    prepare: async () => {},
    onFault: failed,
    ...own,
  }
  const log = await AuditLog.open(parts)
  assert.ok(log instanceof AuditLog)
  return log
}

/** A log of so many lines, which is closed. */
async function written(t: TestContext, lines: number): Promise<string> {
  const directory = scratch(t)
  const log = await openLog(directory)
  for (let count = 1; count <= lines; count++) log.add(eventOf(count))
  await log.close()
  return directory
}

function fileOf(directory: string): string {
  return join(
    directory,
    readdirSync(directory).find((name) => name.endsWith('.jsonl'))!,
  )
}

/** Replaces the lines of its file. */
function edit(directory: string, change: (lines: string[]) => string[]): void {
  const path = fileOf(directory)
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  writeFileSync(
    path,
    change(lines)
      .map((line) => `${line}\n`)
      .join(''),
  )
}

suite('an audit log', () => {
  test('goes on where it ended, and is for its user alone', async (t) => {
    const directory = await written(t, 3)
    const log = await openLog(directory)
    const { seq } = await log.addAndWait(eventOf(4))
    await log.close()
    assert.equal(seq, 4)
    assert.deepEqual(await verifyAudit(directory, key, []), {
      lines: 4,
      head: log.head,
      fault: undefined,
      anchoredTo: 4,
      keyedFrom: 1,
      lastOwnFault: undefined,
    })
    for (const name of readdirSync(directory))
      assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name)
  })

  test('has a second line of the same month, and a file for the next one', async (t) => {
    const directory = await written(t, 2)
    const log = await openLog(directory, { wallNow: () => Date.UTC(2026, 11, 1) })
    log.add(eventOf(3))
    await log.close()
    const files = readdirSync(directory).filter((name) => name.endsWith('.jsonl'))
    assert.deepEqual(files.toSorted(), ['audit-2026-11.jsonl', 'audit-2026-12.jsonl'])
    assert.equal((await verifyAudit(directory, key, [])).lines, 3)
  })

  test('is written by one process at a time', async (t) => {
    const directory = scratch(t)
    const log = await openLog(directory)
    t.after(() => log.close())
    const parts = {
      directory,
      key,
      wallNow: () => november,
      prepare: async () => {},
      onFault: failed,
    }
    assert.deepEqual(await AuditLog.open(parts), { pid: process.pid })
  })

  test('cuts the torn line of a crash off, and says so', async (t) => {
    const directory = await written(t, 2)
    appendFileSync(fileOf(directory), '{"seq":3,"time":"2026')
    await (await openLog(directory)).close()
    const text = readFileSync(fileOf(directory), 'utf8')
    assert.match(text, /"seq":3,.*llm_gateway\.audit\.torn".*"bytes":21/)
    assert.equal((await verifyAudit(directory, key, [])).fault, undefined)
  })

  test('records at its next start that its end was cut off', async (t) => {
    const directory = await written(t, 4)
    edit(directory, (lines) => lines.slice(0, 2))
    await (await openLog(directory)).close()
    assert.match(readFileSync(fileOf(directory), 'utf8'), /audit\.tail_missing".*"audit\.seq":4/)
  })

  test('loses no event while it cannot be written but those that were refused, and reports the fault once', async (t) => {
    const directory = scratch(t)
    let faults = 0
    const log = await openLog(directory, { onFault: () => (faults += 1) })
    const path = join(directory, 'audit-2026-11.jsonl')
    // A directory in its place can't be opened for writing.
    mkdirSync(path)
    log.add(eventOf(1))
    await assert.rejects(log.addAndWait(eventOf(2)), /EISDIR/)
    await assert.rejects(log.addAndWait(eventOf(3)), /EISDIR/)
    rmdirSync(path)
    await log.addAndWait(eventOf(4))
    await log.close()
    assert.equal(faults, 1)
    const { lines, fault } = await verifyAudit(directory, key, [])
    assert.deepEqual([lines, fault], [2, undefined])
    assert.match(readFileSync(path, 'utf8'), /"count":1[^]*"count":4/)
  })

  test('writes each event once, also where its last line cannot be kept beside it', async (t) => {
    const directory = scratch(t)
    let faults = 0
    const log = await openLog(directory, { onFault: () => (faults += 1) })
    mkdirSync(join(directory, 'audit.head'))
    for (const count of [1, 2, 3]) await log.addAndWait(eventOf(count))
    await log.close()
    const { lines, fault } = await verifyAudit(directory, key, [])
    assert.deepEqual([lines, fault, faults], [3, undefined, 1])
  })

  test('keeps ten thousand events while it cannot be written, and counts those that it gave up', async (t) => {
    const directory = scratch(t)
    const log = await openLog(directory, { onFault: () => {} })
    const path = join(directory, 'audit-2026-11.jsonl')
    mkdirSync(path)
    for (let count = 1; count <= 10_007; count++) log.add(eventOf(count))
    await assert.rejects(log.addAndWait(eventOf(0)), /EISDIR|too many/)
    rmdirSync(path)
    // Whatever comes next has the waiting ones written; it is itself given up, because they leave no room for it.
    log.add(eventOf(0))
    await log.close()
    const { lines, fault, lastOwnFault } = await verifyAudit(directory, key, [])
    assert.deepEqual([lines, fault, lastOwnFault?.name], [10_001, undefined, 'audit.gap'])
    assert.match(readFileSync(path, 'utf8'), /audit\.gap".*"lost":8\}/)
  })

  test('drops whole months, and the rest still verifies', async (t) => {
    const directory = await written(t, 3)
    const log = await openLog(directory, { wallNow: () => Date.UTC(2027, 0, 2) })
    await log.addAndWait(eventOf(4))
    await log.prune(Date.UTC(2026, 11, 5))
    await log.close()
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.endsWith('.jsonl')),
      ['audit-2027-01.jsonl'],
    )
    const { lines, fault, anchoredTo } = await verifyAudit(directory, key, [])
    assert.deepEqual([lines, fault, anchoredTo], [2, undefined, 5])
  })
})

suite('a key that appears later', () => {
  /** Two lines without a key, then one with it. */
  async function keyedLate(t: TestContext): Promise<string> {
    const directory = scratch(t)
    const unkeyed = await openLog(directory, { key: undefined })
    await unkeyed.addAndWait(eventOf(1))
    await unkeyed.addAndWait(eventOf(2))
    await unkeyed.close()
    const log = await openLog(directory)
    await log.addAndWait(eventOf(3))
    await log.close()
    return directory
  }

  test('is used from an event of its own on, and the lines before it stay as they are', async (t) => {
    const directory = await keyedLate(t)
    const { lines, fault, keyedFrom } = await verifyAudit(directory, key, [])
    assert.deepEqual([lines, fault, keyedFrom], [4, undefined, 3])
    assert.match(readFileSync(fileOf(directory), 'utf8').split('\n')[2]!, /llm_gateway\.audit\.keyed"/)
  })

  test('is needed to check the lines from there on', async (t) => {
    const directory = await keyedLate(t)
    const { lines, fault } = await verifyAudit(directory, undefined, [])
    assert.equal(lines, 2)
    assert.match(fault!, /:3: from here on lines have a key/)
  })

  test('cannot be left again without a fault', async (t) => {
    const directory = await keyedLate(t)
    const log = await openLog(directory, { key: undefined })
    await log.addAndWait(eventOf(5))
    await log.close()
    const { lines, fault } = await verifyAudit(directory, key, [])
    assert.equal(lines, 4)
    assert.match(fault!, /:5: the line was changed, or was written with another key or without it/)
    assert.match(readFileSync(fileOf(directory), 'utf8').split('\n')[4]!, /llm_gateway\.audit\.unkeyed"/)
  })
})

test('a line that lacks a member is not read', async (t) => {
  const [line] = readFileSync(fileOf(await written(t, 1)), 'utf8').split('\n')
  const members = JSON.parse(line!) as Record<string, unknown>
  assert.equal(readLine(line!)?.seq, 1)
  for (const name of Object.keys(members)) {
    const { [name]: _, ...rest } = members
    assert.equal(readLine(JSON.stringify(rest)), undefined, name)
  }
})

suite('a check finds', () => {
  const swap = ([a, b, c, d, e]: string[]) => [a!, c!, b!, d!, e!]
  const faults: readonly (readonly [string, (lines: string[]) => string[], RegExp])[] = [
    [
      'a changed line',
      (lines) => lines.with(2, lines[2]!.replace('"count":3', '"count":9')),
      /:3: .*changed/,
    ],
    ['a missing line', (lines) => lines.toSpliced(2, 1), /:3: line 3 is missing: 4 follows/],
    ['a repeated line', (lines) => lines.toSpliced(2, 0, lines[1]!), /:3: line 3 is missing/],
    ['swapped lines', swap, /:2: line 2 is missing/],
    ['a cut end', (lines) => lines.slice(0, 3), /ends with line 3, but line 5 was written/],
    ['a missing beginning', (lines) => lines.slice(2), /begins with line 3/],
    ['a torn line', (lines) => lines.with(4, lines[4]!.slice(0, 40)), /:5: .*torn/],
    ['an empty log', () => [], /ends with line 0, but line 5/],
  ]
  for (const [what, change, expected] of faults) {
    test(what, async (t) => {
      const directory = await written(t, 5)
      edit(directory, change)
      assert.match((await verifyAudit(directory, key, [])).fault ?? '', expected)
    })
  }

  test('a log that was written with another key, or without one', async (t) => {
    const directory = await written(t, 2)
    for (const other of [Buffer.alloc(32, 8), undefined]) {
      assert.match((await verifyAudit(directory, other, [])).fault ?? '', /:1: .*another key/)
    }
  })

  test('a log that was written anew, by an anchor from elsewhere', async (t) => {
    const directory = await written(t, 5)
    const anchor: AuditHead = { seq: 3, mac: 'f'.repeat(64) }
    assert.match((await verifyAudit(directory, key, [anchor])).fault ?? '', /line 3 is not the one/)
  })
})

test('a log of a later release is not continued, and not locked', async (t) => {
  const directory = await written(t, 2)
  const head = join(directory, 'audit.head')
  const { seq } = JSON.parse(readFileSync(head, 'utf8')) as { seq: number; version: number }
  assert.match(readFileSync(head, 'utf8'), /"version":1/)
  const before = readFileSync(fileOf(directory), 'utf8')
  writeFileSync(head, JSON.stringify({ version: 2, seq, mac: 'x' }))
  await assert.rejects(
    openLog(directory),
    /audit\.head is of a later release .*version 2.* Run that release again/,
  )
  assert.equal(readFileSync(fileOf(directory), 'utf8'), before)
  writeFileSync(head, JSON.stringify({ version: 1, seq, mac: 'x' }))
  await (await openLog(directory)).close()
})
