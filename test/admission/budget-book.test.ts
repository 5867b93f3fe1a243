import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../support/properties.ts'

import {
  type BudgetDemand,
  budgetDemandOf,
  type BudgetHold,
  type BudgetRefusal,
  type BudgetScope,
} from '../../src/admission/budget.ts'
import { BudgetBook } from '../../src/admission/budget-book.ts'
import type { Budget } from '../../src/domain.ts'
import { spendingCall as call } from '../support/spending-call.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000
const settings = { timeZone: 'UTC', reserve: 'predicted', whenExhausted: 'finish' } as const

function scopeOf(name: string, ...budgets: Budget[]): BudgetScope {
  return { name, entry: name, budgets }
}

const usd = (limit: number, per: Budget['per'] = 'day'): Budget => ({ unit: 'usd', limit, per })
const used = { kind: 'used', tokens: 0 } as const

/** A demand for tokens of output, each of which costs a nano-USD. */
function demand(tokens: number, ...scopes: BudgetScope[]): BudgetDemand {
  const rates = { input: 1000, output: 1000, request: 0 }
  return { scopes, rates, nano: tokens, tokens, promptTokens: 0, call }
}

function bookAt(clock = { ms: Date.parse('2026-11-28T12:00:00Z') }): BudgetBook {
  return new BudgetBook({ wallNow: () => clock.ms })
}

function held(taken: BudgetHold | BudgetRefusal): BudgetHold {
  assert.ok(taken.kind === 'held')
  return taken
}

suite('a budget', () => {
  test('admits what fits beside what is spent and reserved, to the last nano-USD', () => {
    const book = bookAt()
    const key = scopeOf('key:a', usd(100))
    const first = held(book.take(demand(60, key)))
    assert.equal(book.take(demand(41, key)).kind, 'budget_exceeded')
    const second = held(book.take(demand(40, key)))
    book.settle(first, used, { nano: 10, tokens: 1 })
    book.settle(first, used, { nano: 10, tokens: 1 })
    const [state] = book.describe([key])
    assert.deepEqual([state!.spent, state!.reserved], [10, 40])
    held(book.take(demand(50, key)))
    book.settle(second, used, { nano: 40, tokens: 1 })
    assert.deepEqual(book.describe([key])[0]!.spent, 50)
  })

  test('stands as it applied to calls since the start, also while it refuses them', () => {
    const book = bookAt()
    const standings = () =>
      book.standings().map(({ scope, budget, spent }) => [scope.name, budget.limit, spent])
    assert.deepEqual(standings(), [])
    const hold = held(book.take(demand(60, scopeOf('key:a', usd(100)), scopeOf('total', usd(500)))))
    book.settle(hold, used, { nano: 90, tokens: 1 })
    assert.deepEqual(standings(), [
      ['key:a', 100, 90],
      ['total', 500, 90],
    ])
    assert.equal(book.take(demand(60, scopeOf('key:a', usd(95)))).kind, 'held')
    assert.equal(book.take(demand(60, scopeOf('key:a', usd(80)))).kind, 'budget_exceeded')
    assert.deepEqual(standings()[0], ['key:a', 80, 90])
  })

  test('admits one call that is larger than what is left, as long as nothing is reserved', () => {
    const book = bookAt()
    const key = scopeOf('key:a', usd(100))
    const large = held(book.take(demand(500, key)))
    assert.equal(book.take(demand(1, key)).kind, 'budget_exceeded')
    book.settle(large, used, { nano: 99, tokens: 1 })
    const last = held(book.take(demand(500, key)))
    book.settle(last, used, { nano: 1, tokens: 1 })
    assert.equal(book.take(demand(1, key)).kind, 'budget_exceeded')
    held(book.take(demand(0, key)))
  })

  test('is of every scope or of none', () => {
    const book = bookAt()
    const key = scopeOf('key:a', usd(100))
    const total = scopeOf('total', usd(10))
    held(book.take(demand(10, total)))
    assert.equal(book.take(demand(5, key, total)).kind, 'budget_exceeded')
    assert.equal(book.describe([key])[0]!.reserved, 0)
  })

  test('is renewed by the calendar, and found again by a clock that is set back', () => {
    const clock = { ms: Date.parse('2026-11-28T12:00:00Z') }
    const book = bookAt(clock)
    const key = scopeOf('key:a', usd(100), usd(150, 'week'))
    book.settle(held(book.take(demand(100, key))), used, { nano: 100, tokens: 1 })
    clock.ms += dayMs
    book.settle(held(book.take(demand(50, key))), used, { nano: 50, tokens: 1 })
    const refused = book.take(demand(1, key))
    assert.ok(refused.kind === 'budget_exceeded')
    assert.equal(refused.budget.per, 'week')
    assert.equal(refused.resetsAtMs, Date.parse('2026-11-30T00:00:00Z'))
    clock.ms -= dayMs
    assert.equal(book.describe([key])[0]!.spent, 100)
  })

  test('stays spent in another time zone', () => {
    const clock = { ms: Date.parse('2026-11-28T12:00:00Z') }
    const book = bookAt(clock)
    const key = scopeOf('key:a', usd(100))
    book.settle(held(book.take(demand(100, key))), used, { nano: 100, tokens: 1 })
    book.follow({ ...settings, timeZone: 'Pacific/Auckland' })
    assert.equal(book.describe([key])[0]!.spent, 100)
    book.follow({ ...settings, timeZone: 'America/Los_Angeles' })
    assert.equal(book.describe([key])[0]!.spent, 100)
  })

  test('has spent as much in a day as in its week where another time zone begins both at once', () => {
    const clock = { ms: Date.parse('2026-11-27T12:00:00Z') }
    const book = bookAt(clock)
    const key = scopeOf('key:a', usd(100), usd(100, 'week'))
    book.settle(held(book.take(demand(40, key))), used, { nano: 40, tokens: 1 })
    clock.ms = Date.parse('2026-11-29T13:00:00Z')
    book.settle(held(book.take(demand(19, key))), used, { nano: 19, tokens: 1 })
    // It is Monday there.
    book.follow({ ...settings, timeZone: 'Pacific/Auckland' })
    assert.deepEqual(
      book.describe([key]).map(({ spent }) => spent),
      [59, 59],
    )
  })

  test('is charged what was reserved where nobody knows what a call has cost', () => {
    const book = bookAt()
    const key = scopeOf('key:a', usd(100))
    book.settle(held(book.take(demand(30, key))), { kind: 'cut', tokens: 0 }, undefined)
    book.settle(held(book.take(demand(30, key))), used, { nano: undefined, tokens: 5 })
    book.settle(held(book.take(demand(30, key))), { kind: 'refused' }, undefined)
    const [state] = book.describe([key])
    assert.deepEqual([state!.spent, state!.reserved], [60, 0])
  })

  test('counts what calls of a dead process had reserved as spent', () => {
    const key = scopeOf('key:a', usd(100))
    const before = bookAt()
    before.settle(held(before.take(demand(30, key))), used, { nano: 20, tokens: 1 })
    held(before.take(demand(50, key)))
    const after = bookAt()
    after.restore(structuredClone(before.dump()))
    const [state] = after.describe([key])
    assert.deepEqual([state!.spent, state!.reserved], [70, 0])
  })

  test('ends calls under way once it is spent, if it is to', () => {
    const book = bookAt()
    book.follow({ ...settings, whenExhausted: 'cut' })
    const key = scopeOf('key:a', usd(100))
    const errors: string[] = []
    const small = held(book.take(demand(10, key)))
    const grown = held(book.take(demand(10, key)))
    for (const hold of [small, grown])
      hold.interruptible = { interrupt: ({ code }) => void errors.push(code) }
    book.grow(grown, 100)
    assert.equal(errors.length, 0)
    book.grow(grown, 101)
    assert.equal(errors.length, 1)
    book.settle(grown, { kind: 'cut', tokens: 0 }, { nano: 100, tokens: 1 })
    assert.deepEqual(errors, ['budget_exceeded', 'budget_exceeded'])
  })
})

test('a clock that goes forward by more than an hour is reported, once', () => {
  const clock = { wallMs: Date.parse('2026-11-28T12:00:00Z'), ms: 0 }
  const jumps: number[] = []
  const book = new BudgetBook({
    wallNow: () => clock.wallMs,
    now: () => clock.ms,
    onNews: (news) => {
      if (news.kind === 'clock_jumped') jumps.push(news.forwardMs)
    },
  })
  const spend = () =>
    book.settle(held(book.take(demand(1, scopeOf('key:a', usd(100))))), used, { nano: 1, tokens: 1 })
  const go = (wallMs: number, ms: number) => {
    clock.wallMs += wallMs
    clock.ms += ms
    spend()
  }
  spend()
  go(5 * hourMs, 5 * hourMs)
  go(hourMs, 0)
  go(-3 * hourMs, 0)
  assert.deepEqual(jumps, [])
  go(2 * hourMs, 0)
  go(1, 1)
  assert.deepEqual(jumps, [2 * hourMs])
})

test('the worst case reserves the longest answers that a request allows', () => {
  const request = {
    scopes: [scopeOf('key:a', usd(1))],
    rates: { input: 2000, output: 3000, request: 500 },
    call,
  }
  const estimate = { promptTokens: 10, longOutputTokens: 256, isOutputKnown: true }
  const size = { maxOutputTokens: 1000, choices: 2, promptCount: 1 }
  const predicted = budgetDemandOf(request, estimate, size, 'predicted')
  assert.deepEqual([predicted.tokens, predicted.nano], [266, 20 + 768 + 1])
  const worst = budgetDemandOf(request, estimate, size, 'worst_case')
  assert.deepEqual([worst.tokens, worst.nano], [2010, 20 + 6000 + 1])
  // Nobody knows yet how long its answers are: 64 calls at once could spend several times what a guess reserves.
  assert.deepEqual(budgetDemandOf(request, { ...estimate, isOutputKnown: false }, size, 'predicted'), worst)
})

suite('whatever happens', () => {
  type Step =
    | { readonly kind: 'take'; readonly amount: number; readonly which: number }
    | { readonly kind: 'grow' | 'settle'; readonly amount: number; readonly index: number }
    | { readonly kind: 'advance'; readonly amount: number }
    | { readonly kind: 'restart' }
  const amount = fc.integer({ min: 0, max: 60 })
  const aStep: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), amount, which: fc.integer({ min: 0, max: 2 }) }),
    fc.record({ kind: fc.constantFrom('grow' as const, 'settle' as const), amount, index: fc.nat(5) }),
    fc.record({ kind: fc.constant('advance' as const), amount: fc.integer({ min: 0, max: 2 * dayMs }) }),
    fc.record({ kind: fc.constant('restart' as const) }),
  )

  test('amounts are exact, refusals change nothing, and a budget is exceeded only by what calls take beyond their holds', () => {
    fc.assert(
      fc.property(fc.array(aStep, { maxLength: 60 }), (steps) => {
        const clock = { ms: Date.parse('2026-11-28T12:00:00Z') }
        const a = scopeOf('key:a', usd(100), usd(200, 'total'))
        const b = scopeOf('key:b', { unit: 'tokens', limit: 100, per: 'month' })
        const total = scopeOf('total', usd(150))
        const groups = [[a, total], [b, total], [a]]
        let book = bookAt(clock)
        let open: { hold: BudgetHold; scopes: BudgetScope[] }[] = []
        const rows: { atMs: number; amount: number; scopes: BudgetScope[] }[] = []
        let beyond = 0
        for (const step of steps) {
          switch (step.kind) {
            case 'take': {
              const scopes = groups[step.which]!
              const before = book.describe([a, b, total])
              const taken = book.take(demand(step.amount, ...scopes))
              if (taken.kind === 'held') {
                open.push({ hold: taken, scopes })
                for (const { spent, reserved, budget } of book.describe(scopes)) {
                  const isWithin: boolean = spent + reserved <= budget.limit || step.amount === 0
                  const isFirst: boolean = reserved === step.amount && spent < budget.limit
                  assert.ok(isWithin || isFirst)
                  if (!isWithin) beyond += step.amount
                }
              } else assert.deepEqual(book.describe([a, b, total]), before)
              break
            }
            case 'grow': {
              const call = open[step.index]
              if (call !== undefined) book.grow(call.hold, step.amount)
              break
            }
            case 'settle': {
              const [call] = open.splice(step.index, 1)
              if (call === undefined) break
              beyond += Math.max(0, step.amount - call.hold.nano)
              book.settle(call.hold, used, { nano: step.amount, tokens: step.amount })
              rows.push({ atMs: clock.ms, amount: step.amount, scopes: call.scopes })
              break
            }
            case 'advance':
              clock.ms += step.amount
              break
            case 'restart': {
              for (const { hold, scopes } of open) rows.push({ atMs: clock.ms, amount: hold.nano, scopes })
              open = []
              const saved = structuredClone(book.dump())
              book = bookAt(clock)
              book.restore(saved)
              break
            }
            default:
              step satisfies never
          }
          for (const scope of [a, b, total]) {
            const ofScope = open.filter(({ scopes }) => scopes.includes(scope))
            const reserved = ofScope.reduce((sum, { hold }) => sum + hold.nano, 0)
            for (const state of book.describe([scope])) {
              assert.equal(state.reserved, reserved)
              const sinceMs = startOf(state.budget.per, clock.ms)
              const counted = rows.filter(({ atMs, scopes }) => atMs >= sinceMs && scopes.includes(scope))
              assert.equal(
                state.spent,
                counted.reduce((sum, row) => sum + row.amount, 0),
              )
            }
          }
        }
        const grown = 60 * steps.filter(({ kind }) => kind === 'grow').length
        for (const { spent, budget } of book.describe([a, b, total])) {
          assert.ok(spent <= budget.limit + beyond + grown)
        }
      }),
      { numRuns: 500 },
    )
  })
})

function startOf(per: Budget['per'], ms: number): number {
  if (per === 'total') return 0
  const now = new Date(ms)
  if (per === 'month') return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
  return ms - (ms % dayMs)
}
