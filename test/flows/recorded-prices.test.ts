// The price of each call in the ledger: a bill can be computed again from it, and a changed cost shows.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'

import { newDirectory } from '../ledger/ended-call.ts'
import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { runCommand } from '../support/run-command.ts'
import { bytes, end, head } from '../support/upstream-script.ts'

const price = {
  input: 2,
  cached_input: 0.5,
  output: 8,
  reasoning: 9,
  above: [{ input_tokens: 1_000, input: 4, output: 16 }],
  service_tiers: { flex: { input: 1, output: 4 } },
}

const counted = (prompt: number, completion: number, more: object = {}) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  prompt_tokens_details: { cached_tokens: 10 },
  completion_tokens_details: { reasoning_tokens: 7 },
  ...more,
})

for (const workers of [1, 2]) {
  test(`a row has the rates that it was charged by, with ${workers} threads`, async (t) => {
    const stateDirectory = newDirectory()
    const targets = [
      { provider: 'scripted', model: 'a' },
      { provider: 'scripted', model: 'b', tier: 2 },
    ]
    const { gateway, upstream } = await startGateway(
      t,
      {
        server: { workers },
        models: { m: { targets, price }, free: { provider: 'scripted', price: 'free' } },
      },
      { stateDirectory },
    )
    const answers = [
      whole(counted(100, 20)),
      whole(counted(2_000, 20)),
      whole(counted(100, 20)),
      // Reasoning beside the output: what it cost is not in the counts of a row.
      whole({ ...counted(32, 9), total_tokens: 135, completion_tokens_details: { reasoning_tokens: 94 } }),
    ]
    for (const answer of answers) {
      upstream.respond(answer)
      assert.equal((await chat(gateway, 'm')).status, 200)
    }
    upstream.respond(whole(counted(100, 20)))
    await chat(gateway, 'free')
    // Two attempts that cost something: no price of one call.
    upstream.respond([
      head(200, { 'content-type': 'application/json', 'content-length': '500' }),
      bytes('{"id":'),
      end,
    ])
    upstream.respond(whole(counted(100, 20)))
    await chat(gateway, 'm')
    await gateway.stop()

    const path = join(stateDirectory, 'usage.db')
    const database = new DatabaseSync(path)
    const rows = database
      .prepare(
        'SELECT c.price, c.cost_nano, p.source, p.json FROM calls c LEFT JOIN prices p ON p.id = c.price ORDER BY c.id',
      )
      .all()
    const text = String(rows[0]!['json'])
    const { rates, above } = JSON.parse(text) as {
      rates: Record<string, number>
      above: { inputTokens: number; rates: Record<string, number> }[]
    }
    assert.deepEqual([rates['input'], rates['cachedInput'], rates['output']], [2_000_000, 500_000, 8_000_000])
    assert.deepEqual([above[0]!.inputTokens, above[0]!.rates['input']], [1_000, 4_000_000])
    assert.deepEqual(
      rows.map(({ source, json }) => [source, json === text]),
      [
        ['model', true],
        ['model', true],
        ['model', true],
        ['model', false],
        ['free', false],
        ['model', false],
      ],
    )
    assert.equal(new Set(rows.slice(0, 3).map((row) => row['price'])).size, 1)
    for (const { json } of rows.slice(3)) assert.equal(json, '{}')
    assert.ok(!JSON.stringify(gateway.log()).includes('tariff'))

    assert.equal((await runCommand(['usage', 'verify', '--db', path])).status, 0)
    database.exec('UPDATE calls SET cost_nano = cost_nano + 1 WHERE id = 2')
    database.exec(
      'UPDATE quarters SET cost_nano = cost_nano + 1 WHERE model = (SELECT model FROM calls WHERE id = 2)',
    )
    const found = await runCommand(['usage', 'verify', '--db', path])
    assert.equal(found.status, 1)
    assert.match(found.stderr, /1 cost is not what the tokens of the call cost at its price/)
    database.exec('UPDATE calls SET cost_nano = cost_nano - 1 WHERE id = 2')
    database.exec(
      'UPDATE quarters SET cost_nano = cost_nano - 1 WHERE model = (SELECT model FROM calls WHERE id = 2)',
    )
    database.exec(`UPDATE prices SET json = '{"rates":{}}' WHERE id = ${Number(rows[0]!['price'])}`)
    assert.match((await runCommand(['usage', 'verify', '--db', path])).stderr, /3 costs are not what/)
    database.close()
  })
}
