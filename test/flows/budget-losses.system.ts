// What was spent of budgets after kill -9, whichever file is lost with it.
import assert from 'node:assert/strict'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test, type TestContext } from 'node:test'

import { verifyLedger } from '../../src/ledger/verify.ts'
import { startGateway } from '../support/app.ts'
import { bearer, KeyFileOnDisk, type TestKey, testKey } from '../support/client-keys.ts'
import { delta, whole } from '../support/chat-content.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { at, type Setup } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { runCommand } from '../support/run-command.ts'
import { chunk, hang, streamHead } from '../support/upstream-script.ts'

const models = { plain: { provider: 'scripted', price: { input: 100, output: 100 } } }
/** Of `whole`. */
const tokensPerCall = 12
const limit = 10_000

interface Killed {
  readonly directory: string
  /** What calls that ended have spent, and what one under way had reserved, in tokens. */
  readonly spent: number
  readonly reserved: number
  /** Starts it again, as it was. */
  readonly again: () => Promise<Served>
  readonly keys: readonly [TestKey, TestKey]
}

interface Served {
  readonly budget: () => Promise<{ spent: number; reserved: number }>
  readonly call: (key: TestKey) => Promise<{ status: number; code: string | undefined }>
  readonly stop: () => Promise<unknown>
  readonly says: (pattern: RegExp) => Promise<string>
}

/** Two calls, and a third one under way when the process is killed, all in both files. */
async function killWithBudgets(t: TestContext): Promise<Killed> {
  const directory = scratchDirectory(t)
  const file = new KeyFileOnDisk(t)
  const keys = [testKey(), testKey()] as const
  const budgets = [{ unit: 'tokens', limit, per: 'month' } as const]
  file.write({ ci: { keys: [keys[0]], terms: { budgets } }, free: { keys: [keys[1]] } })
  const setup: Setup = { models, keys: file.setup }
  const { gateway, upstream } = await startGatewayProcess(t, setup, { STATE_DIRECTORY: directory })
  upstream.respondAlways(whole())
  const first = servedBy(t, gateway, keys[0])
  for (let count = 0; count < 2; count++) assert.equal((await first.call(keys[0])).status, 200)
  upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
  const client = await connectRaw(t, gateway.url)
  const body = '{"model":"plain","messages":[],"stream":true}'
  client.send(rawRequest('POST /v1/chat/completions', bearer(keys[0]), body))
  await client.seen('first')
  const { spent, reserved } = await first.budget()
  assert.equal(spent, 2 * tokensPerCall)
  assert.ok(reserved > 0)
  await until(() => hasBoth(directory, reserved), 'both files')
  assert.equal(await gateway.stop('SIGKILL'), 'SIGKILL')
  const again = async () => {
    const restarted = { ...setup, providers: { scripted: at(upstream) } }
    const { gateway: next } = await startGatewayProcess(t, restarted, { STATE_DIRECTORY: directory })
    return servedBy(t, next, keys[0])
  }
  return { directory, spent, reserved, again, keys }
}

function servedBy(
  t: TestContext,
  {
    url,
    stop,
    says,
  }: { url: string; stop: () => Promise<unknown>; says: (pattern: RegExp) => Promise<string> },
  own: TestKey,
): Served {
  const ask = async (head: `${string} ${string}`, key: TestKey, body?: string) => {
    const response = await exchange(t, url, rawRequest(head, bearer(key), body))
    return { status: response.status, json: JSON.parse(response.body().toString()) }
  }
  return {
    budget: async () => (await ask('GET /v1/limits', own)).json.budgets[0],
    async call(key) {
      const { status, json } = await ask('POST /v1/chat/completions', key, '{"model":"plain","messages":[]}')
      return { status, code: json.error?.code }
    },
    stop,
    says,
  }
}

function hasBoth(directory: string, reserved: number): boolean {
  try {
    const [account] = JSON.parse(readFileSync(join(directory, 'budgets.json'), 'utf8')).accounts
    const inLedger = query(directory, 'SELECT SUM(tokens) AS sum FROM holds')
    const charged = query(directory, 'SELECT SUM(tokens) AS sum FROM charges')
    return account.tokens === reserved && inLedger === reserved && charged === 2 * tokensPerCall
  } catch {
    return false
  }
}

function query(directory: string, sql: string): number {
  const database = new DatabaseSync(join(directory, 'usage.db'), { readOnly: true })
  try {
    return database.prepare(sql).get()!['sum'] as number
  } finally {
    database.close()
  }
}

function remove(directory: string, ...names: readonly string[]): void {
  for (const name of names) rmSync(join(directory, name), { force: true })
}

const copies = ['budgets.json', 'budgets.copy.json']
const ledger = ['usage.db', 'usage.db-wal', 'usage.db-shm']

suite('what was spent, after kill -9,', () => {
  test('is the sum of the rows, those of calls under way among them', async (t) => {
    const { directory, spent, reserved, again } = await killWithBudgets(t)
    const next = await again()
    assert.deepEqual(pick(await next.budget()), [spent + reserved, 0])
    await next.stop()
    assert.equal(query(directory, 'SELECT SUM(prompt + completion) AS sum FROM calls'), spent + reserved)
    assert.equal(query(directory, 'SELECT SUM(tokens) AS sum FROM charges'), spent + reserved)
    const unfinished =
      "SELECT COUNT(*) AS sum FROM calls WHERE status = 0 AND estimated = 1 AND request_id <> ''"
    assert.equal(query(directory, unfinished), 1)
    const database = new DatabaseSync(join(directory, 'usage.db'))
    const { damages, wrongSums } = verifyLedger(database)
    database.close()
    assert.deepEqual([damages, wrongSums], [[], 0])
  })

  const losses: Readonly<Record<string, (directory: string) => void>> = {
    'the ledger, where budgets.json is lost': (directory) => remove(directory, ...copies),
    'the ledger, where budgets.json and its copy are damaged': (directory) => {
      for (const name of copies) writeFileSync(join(directory, name), '{"version":1,"acc')
    },
    'budgets.json, where the ledger is lost': (directory) => remove(directory, ...ledger),
    'budgets.json, where the ledger is damaged': (directory) =>
      writeFileSync(join(directory, 'usage.db'), 'not a database at all'.repeat(1_000)),
  }
  for (const [what, lose] of Object.entries(losses)) {
    test(`is known from ${what}, and the other one has it afterwards`, async (t) => {
      const { directory, spent, reserved, again, keys } = await killWithBudgets(t)
      lose(directory)
      const next = await again()
      assert.deepEqual(pick(await next.budget()), [spent + reserved, 0])
      assert.equal((await next.call(keys[0])).status, 200)
      await next.stop()
      const after = spent + reserved + tokensPerCall
      assert.equal(query(directory, 'SELECT SUM(tokens) AS sum FROM spend'), after)
      const [account] = JSON.parse(readFileSync(join(directory, 'budgets.json'), 'utf8')).accounts
      assert.deepEqual(
        account.windows.map((window: number[]) => window[3]),
        [after, after, after, after],
      )
    })
  }

  test('is in an older copy of the ledger, too, that is put in its place meanwhile', async (t) => {
    const directory = scratchDirectory(t)
    const budgets = { total: [{ tokens: limit, per: 'month' as const }] }
    const { gateway, upstream } = await startGateway(t, { models, budgets }, { stateDirectory: directory })
    upstream.respondAlways(whole())
    const spent = () => {
      try {
        return query(directory, 'SELECT SUM(tokens) AS sum FROM spend')
      } catch {
        return undefined
      }
    }
    const call = async (calls: number) => {
      const body = '{"model":"plain","messages":[]}'
      await exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, body))
      await until(() => spent() === calls * tokensPerCall, `${calls} calls in the ledger`)
    }
    await call(1)
    const path = join(directory, 'usage.db')
    const database = new DatabaseSync(path)
    database.prepare('VACUUM INTO ?').run(`${path}.old`)
    database.close()
    await call(2)
    remove(directory, ...ledger)
    renameSync(`${path}.old`, path)
    await call(3)
  })

  test('is not known where both are lost: calls with a budget are refused until the operator accepts it', async (t) => {
    const { directory, again, keys } = await killWithBudgets(t)
    remove(directory, ...copies, ...ledger)
    const next = await again()
    assert.deepEqual(await next.call(keys[0]), { status: 503, code: 'budget_state_lost' })
    assert.equal((await next.call(keys[1])).status, 200)
    const env = { STATE_DIRECTORY: directory, HOME: directory }
    const repair = () => runCommand(['usage', 'repair', '--accept-loss'], { env })
    const early = await repair()
    assert.equal(early.status, 1)
    assert.match(early.stderr, /stop the gateway first/)
    await next.stop()
    const still = await again()
    assert.equal((await still.call(keys[0])).status, 503)
    await still.stop()
    assert.equal((await repair()).status, 0)
    const last = await again()
    assert.equal((await last.call(keys[0])).status, 200)
    assert.deepEqual(pick(await last.budget()), [tokensPerCall, 0])
  })
})

function pick({ spent, reserved }: { spent: number; reserved: number }): number[] {
  return [spent, reserved]
}
