import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chargeOf } from '../../src/admission/outcome.ts'
import type { Outcome } from '../../src/admission/outcome.ts'

const table: readonly (readonly [
  name: string,
  outcome: Outcome,
  charge: readonly [requests: number, tokens: number],
])[] = [
  ['a whole answer is charged what it used', { kind: 'used', tokens: 130 }, [1, 130]],
  ['a fraction of a token is a token', { kind: 'used', tokens: 1.2 }, [1, 2]],
  ['a cut answer is charged for prompt and output so far', { kind: 'cut', tokens: 70 }, [1, 70]],
  ['a cut answer of which nothing is known is charged as reserved', { kind: 'cut', tokens: 0 }, [1, 100]],
  ['a failure before the answer began costs the request', { kind: 'failed', tokens: 0 }, [1, 0]],
  ['a failure after the answer began costs the prompt too', { kind: 'failed', tokens: 40 }, [1, 40]],
  ['a refusal of the provider costs the request', { kind: 'refused' }, [1, 0]],
  ["a fault of the gateway's own key costs nothing", { kind: 'auth_failed' }, [0, 0]],
  ['no connection costs nothing', { kind: 'unreachable' }, [0, 0]],
  ['a call that was never sent costs nothing', { kind: 'unsent' }, [0, 0]],
]

for (const [name, outcome, [requests, tokens]] of table) {
  test(name, () => assert.deepEqual(chargeOf(outcome, 100), { requests, tokens }))
}

test('a count that cannot be true is replaced by what was reserved', () => {
  for (const tokens of [1e12, -5, NaN, Infinity]) {
    assert.deepEqual(chargeOf({ kind: 'used', tokens }, 100), { requests: 1, tokens: 100 })
  }
})
