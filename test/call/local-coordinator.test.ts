// The owner, asked in its own thread.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testServices } from '../contracts/coordinator-services.ts'
import { request, startOwner, testCoordinator } from '../contracts/coordinator.ts'

testCoordinator('local', (owner) => owner)
testServices('local', (owner) => owner)

test('nothing is awaited where nothing has to wait', () => {
  const { owner } = startOwner({ rpm: 1 })
  assert.deepEqual(
    [0, 1].map(() => (owner.admit(request()) as { kind?: string }).kind),
    ['admitted', 'limited'],
  )
})
