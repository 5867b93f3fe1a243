// The ledger of a running gateway: one row for each call, and what clients can read of it.
import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { newDirectory } from '../ledger/ended-call.ts'
import { startGateway, type TestGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { bearer, KeyFileOnDisk, type TestKey, testKey } from '../support/client-keys.ts'
import { until } from '../support/deadline.ts'
import { echo } from '../support/gateway-config.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'

function rowsIn(directory: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(join(directory, 'usage.db'), { readOnly: true })
  const rows = database.prepare(sql).all()
  database.close()
  return rows.map((row) => ({ ...row }))
}

interface Usage {
  readonly sees: string
  readonly by: string[]
  readonly data: Record<string, unknown>[]
  readonly total: Record<string, unknown>
  readonly ledger: Record<string, unknown>
}

async function usage({ url }: Pick<TestGateway, 'url'>, query = '', headers = {}): Promise<Usage> {
  const response = await fetch(`${url}/v1/usage${query}`, { headers })
  assert.equal(response.status, 200)
  return (await response.json()) as Usage
}

suite('each call', () => {
  test('is a row, with what the log knows of it', async (t) => {
    const stateDirectory = newDirectory()
    const { gateway, upstream } = await startGateway(t, {}, { stateDirectory })
    upstream.respondAlways(whole())
    await chat(gateway, 'plain')
    await chat(gateway, 'short')
    await chat(gateway, 'no-such-model')
    await gateway.stop()

    const rows = rowsIn(
      stateDirectory,
      `SELECT request_id, status, c.name AS client, m.name AS model, p.name AS provider, prompt, completion, attempts,
        code.name AS code FROM calls JOIN names c ON c.id = client LEFT JOIN names m ON m.id = model
        LEFT JOIN names p ON p.id = provider LEFT JOIN names code ON code.id = calls.code ORDER BY calls.id`,
    )
    const lines = gateway.log().filter((line) => 'duration_ms' in line)
    assert.deepEqual(
      rows.map(({ request_id: id, status }) => [id, status]),
      lines.map((line) => [line['request_id'], line['status']]),
    )
    assert.deepEqual(
      rows.map(({ client, model, provider, prompt, code }) => [client, model, provider, prompt, code]),
      lines.map(({ client, model, provider, prompt_tokens: prompt = 0, code = null }) => [
        client,
        code === null ? model : null,
        provider ?? null,
        prompt,
        code,
      ]),
    )
  })

  test('of every thread is one', async (t) => {
    const stateDirectory = newDirectory()
    const { gateway } = await startGateway(
      t,
      { ...echo, server: { workers: 2 }, models: { echo: { provider: 'echo' } } },
      { stateDirectory },
    )
    await Promise.all(Array.from({ length: 40 }, () => chat(gateway, 'echo')))
    const { total } = await usage(gateway)
    await gateway.stop()

    assert.equal(total['calls'], 40)
    assert.deepEqual(rowsIn(stateDirectory, 'SELECT COUNT(DISTINCT request_id) AS calls FROM calls'), [
      { calls: 40 },
    ])
  })

  test('is in the file when the process ends by SIGTERM', async (t) => {
    const directory = newDirectory()
    const { gateway } = await startGatewayProcess(
      t,
      { ...echo, models: { echo: { provider: 'echo' } } },
      { STATE_DIRECTORY: directory },
    )
    await Promise.all(Array.from({ length: 30 }, () => chat(gateway, 'echo')))
    await gateway.stop()

    assert.deepEqual(rowsIn(directory, 'SELECT COUNT(*) AS calls FROM calls'), [{ calls: 30 }])
    assert.deepEqual(rowsIn(directory, 'SELECT COUNT(ended_ms) AS ended FROM runs'), [{ ended: 1 }])
  })
})

suite('GET /v1/usage', () => {
  const setup = { ...echo, models: { echo: { provider: 'echo' }, other: { provider: 'echo' } } } as const

  test("shows the gateway's own user all calls, by what is asked for", async (t) => {
    const { gateway } = await startGateway(t, setup, { stateDirectory: newDirectory() })
    for (const model of ['echo', 'echo', 'other']) await chat(gateway, model)
    const { sees, by, data, total, ledger } = await usage(gateway, '?by=model,client&since=1h')

    assert.deepEqual([sees, by], ['all', ['model', 'client']])
    const client = `user:${userInfo().username}`
    assert.deepEqual(
      data.map((row) => [row['model'], row['client'], row['calls'], row['cost_usd']]),
      [
        ['echo', client, 2, '0.00'],
        ['other', client, 1, '0.00'],
      ],
    )
    assert.equal(total['calls'], 3)
    assert.deepEqual(ledger, { state: 'writing', waiting_rows: 0, lost_rows: 0 })
  })

  test('shows others their own calls only, and those behind a proxy too', async (t) => {
    const stateDirectory = newDirectory()
    const first = await startGateway(t, setup, { stateDirectory })
    await chat(first.gateway, 'echo')
    const marks = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https', 'cdn-loop': 'a' }
    for (const [name, value] of Object.entries(marks)) {
      assert.equal((await usage(first.gateway, '', { [name]: value, connection: 'close' })).sees, 'own', name)
    }
    await first.gateway.stop()
    const anyone = { ...setup, access: { allowed_users: ['any'] } }
    const { gateway } = await startGateway(t, anyone, { stateDirectory })
    await chat(gateway, 'echo')
    const { sees, total } = await usage(gateway)

    assert.deepEqual([sees, total['calls']], ['own', 1])
  })

  test('no web page can read', async (t) => {
    const { gateway } = await startGateway(t, setup, { stateDirectory: newDirectory() })
    const response = await fetch(`${gateway.url}/v1/usage`, { headers: { origin: 'http://localhost:3000' } })

    assert.equal(response.headers.get('access-control-allow-origin'), null)
    const models = await fetch(`${gateway.url}/v1/models`, { headers: { origin: 'http://localhost:3000' } })
    assert.equal(models.headers.get('access-control-allow-origin'), 'http://localhost:3000')
  })

  for (const [query, param] of [
    ['?by=colour', 'by'],
    ['?since=never', 'since'],
    ['?zone=Mars/Base', 'zone'],
    ['?by=day&by=model', 'by'],
    ['?limit=5', 'limit'],
  ]) {
    test(`${query} is refused, and the error names what is wrong`, async (t) => {
      const { gateway } = await startGateway(t, setup, { stateDirectory: newDirectory() })
      const response = await fetch(`${gateway.url}/v1/usage${query}`)
      const { error } = (await response.json()) as { error: Record<string, unknown> }

      assert.deepEqual([response.status, error['code'], error['param']], [400, 'invalid_request', param])
    })
  }

  test('is unavailable where nothing is recorded, and the log says why', async (t) => {
    const { gateway } = await startGateway(t, setup)
    const response = await fetch(`${gateway.url}/v1/usage`)
    const { error } = (await response.json()) as { error: Record<string, unknown> }

    assert.deepEqual([response.status, error['code']], [503, 'usage_unavailable'])
    assert.deepEqual((await gateway.logged({ event: 'ledger_off' }))['reason'], 'there is no state directory')
  })

  test('is unavailable, without a line in the log, where the configuration turns it off', async (t) => {
    const stateDirectory = newDirectory()
    const { gateway } = await startGateway(t, { ...setup, usage: { enabled: false } }, { stateDirectory })
    await chat(gateway, 'echo')
    assert.equal((await fetch(`${gateway.url}/v1/usage`)).status, 503)
    await gateway.stop()

    assert.throws(() => rowsIn(stateDirectory, 'SELECT 1'))
    assert.equal(
      gateway.log().some((line) => line['event'] === 'ledger_off'),
      false,
    )
  })
})

test('a client with a key sees its own calls, and the master key those of all', async (t) => {
  const file = new KeyFileOnDisk(t)
  const [ann, ben, master] = [testKey(), testKey(), testKey()]
  file.write({ ann: { keys: [ann] }, ben: { keys: [ben] }, master: { keys: [master], role: 'master' } })
  const { gateway, upstream } = await startGateway(
    t,
    { keys: file.setup },
    { stateDirectory: newDirectory() },
  )
  upstream.respondAlways(whole())
  const body = JSON.stringify({ model: 'plain', messages: [] })
  for (const key of [ann, ben, ben]) {
    const { status } = await exchange(
      t,
      gateway.url,
      rawRequest('POST /v1/chat/completions', bearer(key), body),
    )
    assert.equal(status, 200)
  }
  const seen = async (key: TestKey) => {
    const { sees, data } = await usage(gateway, '?by=key', bearer(key))
    return [sees, data.map(({ key: name, calls }) => [name, calls])]
  }
  await until(
    async () => Number((await usage(gateway, '', bearer(master))).total['calls']) === 3,
    'three calls',
  )
  assert.deepEqual(await seen(ann), ['own', [['ann', 1]]])
  assert.deepEqual(await seen(master), [
    'all',
    [
      ['ben', 2],
      ['ann', 1],
    ],
  ])
})
