// The owner, asked in its own thread.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testServices } from '../contracts/coordinator-services.ts'
import { request, startOwner, testCoordinator } from '../contracts/coordinator.ts'
import { spendingOf } from '../support/spending-call.ts'

testCoordinator('local', (owner) => owner)
testServices('local', (owner) => owner)

test('nothing is awaited where nothing has to wait', () => {
  const { owner } = startOwner({ rpm: 1 })
  assert.deepEqual(
    [0, 1].map(() => (owner.admit(request()) as { kind?: string }).kind),
    ['admitted', 'limited'],
  )
})

test('a bug in what is learned from a call leaves no slot taken, and nothing of a budget held', async (t) => {
  const { owner } = startOwner({ maxParallelRequests: 1 })
  const spending = spendingOf('key:k_1')
  const result = await owner.admit(request({ spending }))
  assert.ok(result.kind === 'admitted')
  const fail = () => {
    throw new Error('a bug')
  }
  t.mock.method(owner.health, 'recordNothing', fail)
  assert.throws(() => result.hold.settle({ kind: 'unsent' }), { message: 'a bug' })
  const [[report], [budget]] = await Promise.all([
    owner.describe(['m']),
    owner.describeBudgets(spending.scopes),
  ])
  assert.deepEqual([report!.used.parallel, budget!.reserved], [0, 0])
})
