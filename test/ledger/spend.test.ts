// What is spent of budgets, in memory and in the ledger: the same, whatever happens to either.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'

import {
  type BudgetHold,
  type BudgetScope,
  type BudgetSettings,
  usualBudgetSettings,
} from '../../src/admission/budget.ts'
import { BudgetBook } from '../../src/admission/budget-book.ts'
import type { SavedBudgets } from '../../src/admission/spent-windows.ts'
import { type LedgerFile, openLedgerFile } from '../../src/ledger/ledger-file.ts'
import { SpendNews } from '../../src/ledger/spend-news.ts'
import { verifyLedger } from '../../src/ledger/verify.ts'
import { fc } from '../support/properties.ts'
import { spendingCall as call } from '../support/spending-call.ts'
import { newPath } from './ended-call.ts'

const hourMs = 3_600_000
const own = (name: string): BudgetScope => ({
  name,
  entry: name,
  budgets: (['day', 'week', 'month', 'total'] as const).map((per) => ({ unit: 'usd', limit: 1_000, per })),
})
const [a, b, total] = [own('key:a'), own('client:user:ann'), own('total')] as const
const groups = [[a, total], [b, total], [a]]
const zones = ['UTC', 'Pacific/Auckland', 'America/Los_Angeles']
const used = { kind: 'used', tokens: 0 } as const

/** A process: its memory, its news, its ledger. */
class Gateway {
  readonly news = new SpendNews(() => {}, 10)
  readonly book: BudgetBook
  readonly open: { hold: BudgetHold; scopes: readonly BudgetScope[] }[] = []
  file: LedgerFile
  #seq = 0
  readonly #clock: { ms: number }

  constructor(path: string, clock: { ms: number }, settings: BudgetSettings, copy?: SavedBudgets) {
    this.#clock = clock
    this.book = new BudgetBook({ wallNow: () => clock.ms, journal: this.news })
    this.news.follow(this.book)
    this.file = openAt(path, clock.ms)
    this.book.follow(settings)
    const saved = copy && new BudgetBook({ wallNow: () => clock.ms })
    if (copy !== undefined) saved!.restore(copy)
    saved?.follow(settings)
    const found = this.file.restoreSpend({
      spans: this.book.windows(),
      copy: saved && { revision: copy.revision, balances: saved.balance() },
      nowMs: clock.ms,
    })
    if (found.kind !== 'found') return
    this.news.settled()
    const accounts = found.spent.map((each) => ({ ...each, nano: 0, tokens: 0 }))
    this.book.restore({ timeZone: settings.timeZone, revision: found.revision, accounts })
  }

  write(): void {
    const spend = this.news.take(this.#clock.ms)
    this.file.write({ seq: ++this.#seq, rows: [], lostSums: [], spend })
  }

  fail(): void {
    const spend = this.news.take(this.#clock.ms)
    if (spend !== undefined) this.news.giveBack(spend)
  }
}

function openAt(path: string, nowMs: number): LedgerFile {
  const opened = openLedgerFile({ path, nowMs, busyTimeoutMs: 100 })
  assert.ok(opened.kind === 'open')
  return opened.file
}

function sumOfRows(file: LedgerFile, scope: string, startMs: number, endMs: number): number {
  const sql = `SELECT COALESCE(SUM(nano), 0) AS sum FROM charges JOIN scopes s ON s.id = scope
    WHERE s.name = ? AND at_ms >= ? AND at_ms < ?`
  const end = Math.min(endMs, Number.MAX_SAFE_INTEGER)
  return file.database.prepare(sql).get(scope, startMs, end)!['sum'] as number
}

type Step =
  | { readonly kind: 'take'; readonly amount: number; readonly which: number }
  | { readonly kind: 'grow' | 'settle'; readonly amount: number; readonly index: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'zone'; readonly which: number }
  | { readonly kind: 'write' | 'fail' | 'save' | 'crash' | 'lose the file' | 'lose the ledger' | 'replace' }

const amount = fc.integer({ min: 0, max: 60 })
const plain = <Kind extends Step['kind']>(kind: Kind, weight: number) => ({
  weight,
  arbitrary: fc.record({ kind: fc.constant(kind) }),
})
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('take' as const), amount, which: fc.nat(2) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('settle' as const), amount, index: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('grow' as const), amount, index: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(50 * hourMs) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('zone' as const), which: fc.nat(2) }) },
  plain('write', 5),
  plain('fail', 4),
  plain('save', 2),
  plain('crash', 2),
  plain('lose the file', 1),
  plain('lose the ledger', 1),
  plain('replace', 1),
)

test('what is spent is the sum of the rows of its window, through crashes, lost files and other time zones', () => {
  fc.assert(
    fc.property(fc.array(aStep, { minLength: 30, maxLength: 60, size: 'max' }), (steps) => {
      const clock = { ms: Date.parse('2026-11-27T12:00:00Z') }
      const path = newPath()
      let settings: BudgetSettings = usualBudgetSettings
      let gateway = new Gateway(path, clock, settings)
      let copy: SavedBudgets | undefined
      const isExact = () => {
        for (const { per, startMs, endMs } of gateway.book.windows()) {
          for (const scope of [a, b, total]) {
            const account = gateway.book.describeAll().find(({ name }) => name === scope.name)
            const window = account?.windows.find((each) => each[0] === per && each[1] === startMs)
            if (window === undefined) continue
            assert.equal(
              sumOfRows(gateway.file, scope.name, startMs, endMs),
              window[2],
              `${scope.name} ${per}`,
            )
          }
        }
      }
      const restart = () => {
        gateway.file.close()
        gateway = new Gateway(path, clock, settings, copy)
        isExact()
      }
      for (const step of steps) {
        switch (step.kind) {
          case 'take': {
            const scopes = groups[step.which]!
            const nano = step.amount
            const rates = { input: 1_000, output: 1_000, request: 0 }
            const hold = gateway.book.take({ scopes, rates, nano, tokens: nano, promptTokens: 0, call })
            if (hold.kind === 'held') gateway.open.push({ hold, scopes })
            break
          }
          case 'grow': {
            const held = gateway.open[step.index]
            if (held !== undefined) gateway.book.grow(held.hold, step.amount)
            break
          }
          case 'settle': {
            const [held] = gateway.open.splice(step.index, 1)
            if (held !== undefined)
              gateway.book.settle(held.hold, used, { nano: step.amount, tokens: step.amount })
            break
          }
          case 'advance':
            clock.ms += step.ms
            break
          case 'zone':
            settings = { ...settings, timeZone: zones[step.which]! }
            gateway.book.follow(settings)
            break
          case 'write':
            gateway.write()
            isExact()
            break
          case 'fail':
            gateway.fail()
            break
          case 'save':
            copy = structuredClone(gateway.book.dump())
            break
          case 'crash': {
            const before = copy
            // What was written, or saved later, is not less afterwards.
            const inFile = sumOfRows(gateway.file, 'total', 0, Infinity)
            const isCopyLater = (before?.revision ?? 0) > revisionOf(gateway.file)
            const account = before?.accounts.find(({ name }) => name === 'total')
            const saved = account?.windows.find(([per]) => per === 'total')?.[2] ?? 0
            restart()
            const after = gateway.book.describe([total]).at(-1)!.spent
            assert.ok(after >= (isCopyLater ? saved + (account?.nano ?? 0) : inFile))
            break
          }
          case 'lose the file':
            gateway.write()
            copy = undefined
            restart()
            break
          case 'lose the ledger':
            copy = structuredClone(gateway.book.dump())
            gateway.file.close()
            for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
            gateway = new Gateway(path, clock, settings, copy)
            isExact()
            break
          case 'replace':
            // While it runs, as a damaged one is.
            gateway.file.close()
            for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
            gateway.file = openAt(path, clock.ms)
            gateway.news.rebased()
            break
          default:
            step satisfies never
        }
        for (const { name, nano } of gateway.book.describeAll()) {
          const reserved = gateway.open.filter(({ scopes }) => scopes.some((scope) => scope.name === name))
          assert.equal(
            nano,
            reserved.reduce((sum, { hold }) => sum + hold.nano, 0),
          )
        }
      }
      for (const { hold } of gateway.open) gateway.book.settle(hold, used, { nano: 1, tokens: 1 })
      assert.ok(gateway.book.describeAll().every(({ nano, tokens }) => nano === 0 && tokens === 0))
      gateway.write()
      isExact()
      const { damages, wrongSums } = verifyLedger(gateway.file.database)
      assert.deepEqual([damages, wrongSums], [[], 0])
      assert.equal(
        gateway.file.database.prepare('SELECT COUNT(*) AS count FROM holds WHERE charged = 0').get()![
          'count'
        ],
        0,
      )
      gateway.file.close()
    }),
    { numRuns: 15, endOnFailure: true },
  )
})

function revisionOf({ database }: LedgerFile): number {
  return (database.prepare('SELECT revision FROM budgets').get()?.['revision'] as number | undefined) ?? 0
}

test('charges of any number of clients that wait for the disk are added up in a number of steps like theirs', () => {
  const news = new SpendNews(() => {}, 100)
  let reads = 0
  const clients = 5_000
  for (let id = 0; id < clients; id++) {
    const scope = {
      get name() {
        reads += 1
        return `client:ip:${id}`
      },
      entry: 'ip:*',
    }
    const demand = { scopes: [scope], promptTokens: 0, call }
    const spending = { id, sinceMs: 0, nano: 1, tokens: 1, demand }
    news.charged(spending, [{ atMs: 0, scope, requestId: 'r', nano: 1, tokens: 1 }])
  }
  assert.ok(reads < 4 * clients, String(reads))
  news.follow({ revision: 1, balance: () => [] })
  assert.equal(news.take(0)!.charges.length, clients)
})
