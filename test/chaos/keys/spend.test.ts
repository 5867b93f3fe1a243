// That the judgement of spending sees an amount too much and too little, and knows what a killed process may leave.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import {
  faultOfOvershoot,
  faultsOfCharges,
  faultsOfSpend,
  type LifeSpend,
  type SpentCharge,
  type SpentRow,
} from './spend.ts'

const scope = 'key:k_1'
const charge = (atMs: number, nano: number): SpentCharge => ({
  requestId: `r${atMs}`,
  atMs,
  nano,
  tokens: 50,
  scope,
})
const charges = [charge(1_000, 300), charge(2_000, 500), charge(9_000, 700)]
const rows = charges.map(({ atMs, ...each }): SpentRow => ({ ...each, endedMs: atMs, isPriced: true }))

/** What the file has at its end. */
function life(
  endedBy: 'SIGTERM' | 'SIGKILL',
  [nano, tokens]: readonly [number, number],
  [reservedNano, reservedTokens]: readonly [number, number] = [0, 0],
): LifeSpend {
  return {
    life: { startedAtMs: 0, endedAtMs: 10_000, endedBy },
    closing: {
      atMs: 9_500,
      spent: new Map([[scope, { nano, tokens }]]),
      reserved: new Map([[scope, { nano: reservedNano, tokens: reservedTokens }]]),
    },
  }
}

const faults = (...of: Parameters<typeof life>) => [...faultsOfSpend([life(...of)], charges, 1)]

suite('what was spent', () => {
  test('is the sum of the charges where the process ended in order', () => {
    assert.deepEqual(faults('SIGTERM', [1_500, 150]), [])
    assert.match(
      faults('SIGTERM', [1_499, 150])[0]!,
      /1499 nano of key:k_1 are spent, and its charges are 1500/,
    )
    assert.match(faults('SIGTERM', [1_500, 200])[0]!, /200 tokens of key:k_1 are spent/)
    assert.match(faults('SIGTERM', [1_500, 150], [10, 0])[0]!, /10 still reserved/)
  })

  test('may lack what came last where it was killed, and no more', () => {
    assert.deepEqual(faults('SIGKILL', [800, 100], [700, 50]), [])
    assert.match(faults('SIGKILL', [799, 100])[0]!, /charges before the last writing are 800/)
    assert.match(faults('SIGKILL', [2_201, 150])[0]!, /all its charges are 1500/)
  })

  test('is charged for each call as its row has it, of its key and of all together', () => {
    const ofAll = charges.map((each) => ({ ...each, scope: 'total' }))
    const faultsOf = (of: readonly SpentCharge[]) => [...faultsOfCharges(rows, of)]
    assert.deepEqual(faultsOf([...charges, ...ofAll]), [])
    assert.match(faultsOf([...charges, ...ofAll.slice(1)])[0]!, /r1000 was charged 0 nano .* of total/)
    assert.match(
      faultsOf([...charges, ...ofAll, charges[2]!])[0]!,
      /r9000 was charged 1400 nano .* of key:k_1/,
    )
    const other = charges.map((each) => ({ ...each, nano: each.nano - 1 }))
    assert.match(faultsOf([...other, ...ofAll])[0]!, /charged 299 nano .* and its row has 300/)
  })
})

test('a budget is exceeded by no more than what calls at once take', () => {
  const of = (limit: number, atOnce: number) => faultOfOvershoot(rows, scope, { unit: 'nano', limit, atOnce })
  assert.equal(of(800, 1), undefined)
  assert.match(of(799, 1)!, /spent 1500 nano of 799/)
  assert.equal(of(300, 2), undefined)
})
