// A gateway under load that is killed at a random moment, again and again, and what its ledger has then.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { verifyLedger } from '../../src/ledger/verify.ts'
import { soon } from '../support/deadline.ts'
import { echo, type Setup } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

const setup: Setup<'echo'> = {
  ...echo,
  models: { echo: { provider: 'echo' } },
  budgets: { total: [{ tokens: 1_000_000_000, per: 'total' }] },
}
const body = JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: 'x' }] })

/** When to kill it: after so many calls were answered, of which the ledger has acknowledged a part. */
export interface Moment {
  readonly acknowledgedAfter: number
  readonly killedAfter: number
}

/**
 * Kills the gateway under load. Then the ledger must be whole, with sums that equal its rows, and have the row of each call
 * that was answered before an answer of `GET /v1/usage` counted it, and what it has spent of a budget.
 * @returns the rows in the file.
 */
export async function killOnce(t: Cleanup, directory: string, moment: Moment): Promise<number> {
  const { gateway } = await startGatewayProcess(t, setup, { STATE_DIRECTORY: directory })
  const answered: string[] = []
  let onAnswer: (() => void) | undefined
  const load = { isOver: false }
  const client = async () => {
    while (!load.isOver) {
      try {
        const response = await fetch(`${gateway.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        })
        await response.arrayBuffer()
        answered.push(response.headers.get('x-request-id')!)
        onAnswer?.()
      } catch {
        // The kill.
      }
    }
  }
  const answers = (count: number) =>
    soon(
      new Promise<void>((resolve) => {
        onAnswer = () => {
          if (answered.length >= count) resolve()
        }
      }),
      () => `${count} answers`,
    )
  const clients = Array.from({ length: 8 }, client)
  await answers(moment.acknowledgedAfter)
  const before = [...answered]
  const usage = (await (await fetch(`${gateway.url}/v1/usage?since=1h`)).json()) as {
    total: { calls: number }
  }
  await answers(Math.max(answered.length + 1, moment.killedAfter))
  load.isOver = true
  await gateway.stop('SIGKILL')
  await Promise.all(clients)

  const database = new DatabaseSync(`${directory}/usage.db`)
  try {
    const { damages, wrongSums, calls } = verifyLedger(database)
    assert.deepEqual([damages, wrongSums], [[], 0])
    assert.equal(database.prepare('SELECT SUM(calls) AS calls FROM quarters').get()?.['calls'], calls)
    assert.ok(calls >= usage.total.calls, `${calls} rows, ${usage.total.calls} acknowledged`)
    // Calls that were under way at a kill have their reservation in their rows (status 0). Where budgets.json has seen more of
    // them, what is spent was corrected to that at the next start.
    const sumOf = (sql: string) => database.prepare(sql).get()!['sum'] as number
    const spent = sumOf('SELECT SUM(tokens) AS sum FROM charges')
    const ended = sumOf('SELECT SUM(prompt + completion) AS sum FROM calls WHERE status > 0')
    assert.ok(spent >= ended, `${spent} tokens are spent, ${ended} by calls that have ended`)
    const find = database.prepare('SELECT COUNT(*) AS count FROM calls WHERE request_id = ?')
    for (const id of before) assert.equal(find.get(id)?.['count'], 1, `the row of ${id}`)
    return calls
  } finally {
    database.close()
  }
}
