// What is spent of budgets, where the clock of the machine is wrong for a while.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { pruneLedger } from '../../src/ledger/upkeep.ts'
import { startGateway } from '../support/app.ts'
import { whole } from '../support/chat-content.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at, type Setup } from '../support/gateway-config.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'

const dayMs = 86_400_000
/** `FakeClock` begins at this. The ledger removes old rows by the clock of the machine, which it has to agree with. */
const beginsAtMs = new FakeClock(0).wallNow()

function clockOf(aheadMs = 0): FakeClock {
  return new FakeClock(Date.now() + aheadMs - beginsAtMs)
}

async function statusOfCall(t: TestContext, url: string): Promise<number> {
  const body = '{"model":"plain","messages":[]}'
  const { status } = await exchange(t, url, rawRequest('POST /v1/chat/completions', {}, body))
  return status
}

/** A gateway has spent the budget of a day, and was stopped. */
async function spentBudget(t: TestContext, setup: Setup): Promise<{ stateDirectory: string; setup: Setup }> {
  const stateDirectory = scratchDirectory(t)
  const budgets = { total: [{ tokens: 12, per: 'day' as const }] }
  const chosen: Setup = { models: { plain: { provider: 'scripted' } }, budgets, ...setup }
  const { gateway, upstream } = await startGateway(t, chosen, { stateDirectory, clock: clockOf() })
  upstream.respondAlways(whole())
  assert.equal(await statusOfCall(t, gateway.url), 200)
  await gateway.stop()
  return { stateDirectory, setup: { ...chosen, providers: { scripted: at(upstream) } } }
}

suite('a budget that is spent', () => {
  for (const enabled of [true, false]) {
    test(`is so after a start by a clock that is set right afterwards, ${enabled ? 'with' : 'without'} a ledger`, async (t) => {
      const { stateDirectory, setup } = await spentBudget(t, { usage: { enabled } })
      const clock = clockOf(-40 * dayMs)
      const { gateway } = await startGateway(t, setup, { stateDirectory, clock })
      clock.setWall(40 * dayMs)
      assert.equal(await statusOfCall(t, gateway.url), 429)
    })
  }

  test('is so where a clock that was a year ahead has had the ledger pruned', async (t) => {
    const { stateDirectory, setup } = await spentBudget(t, {})
    const path = join(stateDirectory, 'usage.db')
    const pruned = pruneLedger(path, {
      keepCallsDays: 90,
      keepHoursDays: 400,
      nowMs: Date.now() + 365 * dayMs,
    })
    assert.equal(pruned.kind, 'pruned')
    const { gateway } = await startGateway(t, setup, { stateDirectory, clock: clockOf() })
    assert.equal(await statusOfCall(t, gateway.url), 429)
  })
})
