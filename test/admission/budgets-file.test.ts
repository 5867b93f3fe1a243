import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { type BudgetDemand, usualBudgetSettings } from '../../src/admission/budget.ts'
import { BudgetBook } from '../../src/admission/budget-book.ts'
import { beginBudgets, BudgetsFile, readBudgetsFile } from '../../src/admission/budgets-file.ts'
import type { LockResult } from '../../src/platform/process-lock.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { spendingCall as call } from '../support/spending-call.ts'

const scope = { name: 'key:a', entry: 'a', budgets: [{ unit: 'tokens', limit: 100, per: 'total' } as const] }
const demand: BudgetDemand = { scopes: [scope], rates: undefined, nano: 0, tokens: 10, promptTokens: 5, call }

interface Scene {
  readonly book: BudgetBook
  readonly file: BudgetsFile
  readonly clock: FakeClock
  readonly path: string
  readonly copyPath: string
  readonly faults: unknown[]
  readonly losses: string[]
  /** A call of 10 tokens. */
  readonly spend: () => void
}

function open(
  t: TestContext,
  directory = scratchDirectory(t),
  lock: LockResult = { kind: 'unavailable' },
): Scene {
  const clock = new FakeClock()
  const faults: unknown[] = []
  const losses: string[] = []
  const book = new BudgetBook({ wallNow: clock.wallNow, onChange: () => file.touch() })
  const file = new BudgetsFile({
    directory,
    book,
    wallNow: clock.wallNow,
    now: clock.now,
    setTimer: clock.setTimer,
    hold: () => lock,
    onCopyUsed: (reason) => faults.push(reason),
    onLost: (reason) => losses.push(reason),
    onFault: (cause) => faults.push(cause),
  })
  const spend = () => {
    const hold = book.take(demand)
    assert.ok(hold.kind === 'held')
    book.settle(hold, { kind: 'used', tokens: 10 }, { nano: 0, tokens: 10 })
  }
  const path = join(directory, 'budgets.json')
  return { book, file, clock, path, copyPath: join(directory, 'budgets.copy.json'), faults, losses, spend }
}

async function spentIn(path: string): Promise<number | undefined> {
  const saved = await readBudgetsFile(path)
  assert.ok(typeof saved === 'object')
  return saved.accounts[0]?.windows.find(([per]) => per === 'total')?.[3]
}

suite('the file of budgets', () => {
  test('is only for its user, and holds all that was spent once the process has stopped', async (t) => {
    const { file, path, copyPath, spend } = open(t)
    await file.load(usualBudgetSettings, false)
    for (let count = 0; count < 3; count++) spend()
    await file.stop()
    for (const each of [path, copyPath]) {
      assert.equal(statSync(each).mode & 0o777, 0o600)
      assert.equal(await spentIn(each), 30)
    }
  })

  test('has what a process that was killed had reserved as spent, once it has been read', async (t) => {
    const directory = scratchDirectory(t)
    const killed = open(t, directory)
    await killed.file.load(usualBudgetSettings, false)
    assert.ok(killed.book.take(demand).kind === 'held')
    killed.clock.advance(1_000)
    await until(async () => (await readBudgetsFile(killed.path)) !== undefined, 'the hold on disk')
    assert.equal(await spentIn(killed.path), undefined)
    const next = open(t, directory)
    await next.file.load(usualBudgetSettings, false)
    next.clock.advance(1_000)
    await until(async () => (await spentIn(next.path)) === 10, 'what was reserved to be spent')
  })

  test('is not written any more after a stop that comes while it is written', async (t) => {
    const { file, clock, path, spend } = open(t)
    await file.load(usualBudgetSettings, false)
    spend()
    clock.advance(1_000)
    spend()
    await file.stop()
    assert.equal(clock.pendingTimers, 0)
    assert.equal(await spentIn(path), 20)
  })

  test('is not written where nothing has a budget', async (t) => {
    const { file, clock, path } = open(t)
    await file.load(usualBudgetSettings, false)
    await file.stop()
    assert.equal(clock.pendingTimers, 0)
    assert.equal(await readBudgetsFile(path), undefined)
  })

  test('is left alone while another process keeps it, and calls with a budget are refused', async (t) => {
    const first = open(t)
    await first.file.load(usualBudgetSettings, false)
    first.spend()
    await first.file.stop()
    const directory = join(first.path, '..')
    const { file, book, path } = open(t, directory, { kind: 'taken', pid: 4711 })
    await file.load(usualBudgetSettings, false)
    const refused = book.take(demand)
    assert.ok(refused.kind === 'budget_state_lost')
    assert.match(refused.reason, /process 4711/)
    await file.stop()
    assert.equal(await spentIn(path), 10)
  })

  test('that cannot be written is tried again and again, and reported once a minute', async (t) => {
    const { file, clock, path, faults, spend } = open(t)
    await file.load(usualBudgetSettings, false)
    mkdirSync(path)
    spend()
    const tries = async (count: number) => {
      for (let tried = 0; tried < count; tried++) {
        clock.advance(250)
        await until(() => clock.pendingTimers > 0, 'the next try')
      }
    }
    await tries(240)
    assert.equal(faults.length, 1)
    await tries(1)
    assert.equal(faults.length, 2)
    rmSync(path, { recursive: true })
    clock.advance(250)
    await until(() => existsSync(path), 'the file')
    await file.stop()
    assert.equal(await spentIn(path), 10)
  })

  test('that cannot be written is a fault, and what was spent is still counted', async (t) => {
    const directory = scratchDirectory(t)
    const { file, book, faults, spend } = open(t, join(directory, 'state'))
    await file.load(usualBudgetSettings, false)
    writeFileSync(join(directory, 'state'), 'a file in the place of the directory')
    spend()
    await file.stop()
    assert.equal(faults.length, 1)
    assert.equal(book.describe([scope])[0]!.spent, 10)
  })

  test('that cannot be replaced stays as it is, without a draft beside it', async (t) => {
    const { file, path, faults, spend } = open(t)
    await file.load(usualBudgetSettings, false)
    mkdirSync(path)
    spend()
    await file.stop()
    assert.equal(faults.length, 1)
    assert.deepEqual(readdirSync(join(path, '..')), ['budgets.json', 'budgets.used'])
  })

  test('is written beside the draft of a process that is being replaced', async (t) => {
    const { file, path, spend } = open(t)
    await file.load(usualBudgetSettings, false)
    execFileSync('mkfifo', [`${path}.tmp`])
    spend()
    await file.stop()
    assert.equal(await spentIn(path), 10)
  })

  const contents = [
    '',
    '{}',
    '{"version":2,"timeZone":"UTC","accounts":[]}',
    '{"version":1,"timeZone":"Mars","accounts":[]}',
    '{"version":1,"timeZone":"UTC","accounts":[{"name":"key:a","nano":-1,"tokens":0,"windows":[]}]}',
    '{"version":1,"timeZone":"UTC","accounts":[{"name":"key:a","nano":0,"tokens":0,"windows":[["year",0,0,0]]}]}',
    '{"version":1,"timeZone":"UTC","accounts":[{"name":"key:a","nano":0,"tokens":0.5,"windows":[]}]}',
  ]
  for (const text of contents) {
    test(`is damaged with ${text || 'nothing'} in it`, async (t) => {
      const { file, book, path, copyPath, losses, spend } = open(t)
      writeFileSync(path, text)
      await file.load(usualBudgetSettings, false)
      assert.equal(losses.length, 1)
      assert.equal(book.take(demand).kind, 'budget_state_lost')
      await file.stop()
      assert.equal(readFileSync(path, 'utf8'), text)
      assert.throws(spend)
      // The operator accepts the loss.
      rmSync(path)
      rmSync(copyPath, { force: true })
      const again = open(t, join(path, '..'))
      await again.file.load(usualBudgetSettings, false)
      again.spend()
      await again.file.stop()
      assert.equal(await spentIn(path), 10)
    })
  }
})

test('a file that begins anew belongs to the owner of its directory, and what was there stays beside it', async (t) => {
  const directory = scratchDirectory(t)
  const path = join(directory, 'budgets.json')
  writeFileSync(path, 'damaged')
  if (process.getuid?.() === 0) chownSync(directory, 65_534, 65_534)
  const { uid } = statSync(directory)
  await beginBudgets(directory)
  assert.deepEqual(await readBudgetsFile(path), { timeZone: 'UTC', revision: 0, accounts: [] })
  assert.deepEqual([statSync(path).uid, statSync(path).mode & 0o777], [uid, 0o600])
  assert.equal(readFileSync(`${path}.lost`, 'utf8'), 'damaged')
})

test('what cannot be written for a quarter of an hour refuses further calls, until it can be', async (t) => {
  const { book, clock, file, path, faults, losses, spend } = open(t)
  await file.load(usualBudgetSettings, false)
  mkdirSync(path)
  spend()
  clock.advance(1_000)
  await until(() => faults.length > 0, 'the first failure')
  const isRefused = () => {
    clock.advance(5_000)
    return book.probe(demand)?.kind === 'budget_state_lost'
  }
  await until(isRefused, 'the refusal')
  assert.ok(clock.now() >= 15 * 60_000)
  assert.match(String(losses), /could not be written for \d+ minutes/)
  rmSync(path, { recursive: true })
  await until(() => !isRefused(), 'calls to be admitted again')
  assert.ok(typeof (await readBudgetsFile(path)) === 'object')
})

test('a pipe in the place of the file is not waited for', async (t) => {
  const directory = scratchDirectory(t)
  execFileSync('mkfifo', [join(directory, 'budgets.json')])
  const read = await readBudgetsFile(join(directory, 'budgets.json'))
  assert.ok(typeof read === 'string')
  assert.match(read, /not a regular file/)
})
