// That the judgement of spending sees an amount too much and too little, and knows what a killed process may leave.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { faultOfOvershoot, faultsOfSpend, type LifeSpend, openingAfter, type SpentRow } from './spend.ts'

const scope = 'key:k_1'
const row = (endedMs: number, nano: number): SpentRow => ({
  requestId: `r${endedMs}`,
  endedMs,
  nano,
  tokens: 50,
  scope,
})
const rows = [row(1_000, 300), row(2_000, 500), row(9_000, 700)]

/** What the file has at its end, and 0 before. */
function life(
  endedBy: 'SIGTERM' | 'SIGKILL',
  [nano, tokens]: readonly [number, number],
  [reservedNano, reservedTokens]: readonly [number, number] = [0, 0],
): LifeSpend {
  return {
    life: { startedAtMs: 0, endedAtMs: 10_000, endedBy },
    opening: new Map(),
    closing: {
      atMs: 9_500,
      spent: new Map([[scope, { nano, tokens }]]),
      reserved: new Map([[scope, { nano: reservedNano, tokens: reservedTokens }]]),
    },
  }
}

const faults = (...of: Parameters<typeof life>) => [...faultsOfSpend([life(...of)], rows, 1)]

suite('what was spent', () => {
  test('is the sum of the rows where the process ended in order', () => {
    assert.deepEqual(faults('SIGTERM', [1_500, 150]), [])
    assert.match(faults('SIGTERM', [1_499, 150])[0]!, /spent 1499 nano of key:k_1, and its rows are 1500/)
    assert.match(faults('SIGTERM', [1_500, 200])[0]!, /spent 200 tokens/)
    assert.match(faults('SIGTERM', [1_500, 150], [10, 0])[0]!, /still has 10 reserved/)
  })

  test('may lack what came last where it was killed, and no more', () => {
    assert.deepEqual(faults('SIGKILL', [800, 100], [700, 50]), [])
    assert.match(faults('SIGKILL', [799, 100])[0]!, /rows before the last writing are 800/)
    assert.match(faults('SIGKILL', [2_201, 150])[0]!, /all its rows are 1500/)
  })

  test('is, for the next process, what was spent and reserved', () => {
    const { closing } = life('SIGKILL', [800, 100], [700, 50])
    assert.deepEqual(openingAfter(closing), new Map([[scope, { nano: 1_500, tokens: 150 }]]))
  })
})

test('a budget is exceeded by no more than what calls at once take', () => {
  const of = (limit: number, atOnce: number) => faultOfOvershoot(rows, scope, { unit: 'nano', limit, atOnce })
  assert.equal(of(800, 1), undefined)
  assert.match(of(799, 1)!, /spent 1500 nano of 799/)
  assert.equal(of(300, 2), undefined)
})
