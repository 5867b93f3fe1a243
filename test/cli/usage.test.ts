// `llm-gateway usage` and its upkeep, on ledgers as the gateway leaves them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Writable } from 'node:stream'
import { suite, test } from 'node:test'
import { createProgram } from '../../src/cli/program.ts'
import { packagedConfigFile } from '../../src/config/find.ts'
import { openLedgerFile } from '../../src/ledger/ledger-file.ts'
import type { EndedCall } from '../../src/ledger/call-row.ts'
import { newDirectory, newPath, openFile, rowsOf } from '../ledger/ended-call.ts'

const nowMs = Date.now()

/** The packaged configuration, unless told otherwise. */
const usualEnv = { HOME: '/nonexistent', LLM_GATEWAY_CONFIG: packagedConfigFile() }

async function run(...args: readonly string[]) {
  return runWith(usualEnv, ...args)
}

async function runWith(env: NodeJS.ProcessEnv, ...args: readonly string[]) {
  const written = { stdout: '', stderr: '' }
  const streamOf = (name: keyof typeof written) =>
    new Writable({
      write(chunk, _, done) {
        written[name] += String(chunk)
        done()
      },
    })
  const io = { stdout: streamOf('stdout'), stderr: streamOf('stderr'), env }
  return { status: await createProgram(io).run(args), ...written }
}

/** A ledger with these calls, of now, that no gateway has open. */
function ledgerOf(calls: readonly Partial<EndedCall>[], endedMs = nowMs): string {
  const path = newPath()
  const opened = openLedgerFile({ path, nowMs, busyTimeoutMs: 100 })
  assert.ok(opened.kind === 'open')
  opened.file.write({ seq: 1, rows: rowsOf(calls, endedMs), lostSums: [] })
  opened.file.end(nowMs)
  opened.file.close()
  return path
}

const calls = [
  { model: 'gpt', key: 'ci', cost_nano: 1_234_567_890 },
  { model: 'gpt', key: 'ci', cost_nano: 1, estimated: true },
  { model: 'qwen', client: 'user:bob' },
  { model: '=cmd("x"),y', client: 'user:bob', status: 502, code: 'provider_unreachable' },
]

suite('usage', () => {
  test('prints what calls used as a table, with what is not known of it', async () => {
    const { status, stdout, stderr } = await run(
      'usage',
      '--db',
      ledgerOf(calls),
      '--by',
      'model,key',
      '--zone',
      'UTC',
    )

    assert.deepEqual([status, stderr], [0, ''])
    const lines = stdout.split('\n')
    assert.match(lines[0]!, /^model +key +calls +failed +prompt +cached +output +reasoning +USD$/)
    assert.match(lines[1]!, /^gpt +ci +2 +0 +200 +0 +40 +0 +1\.2346$/)
    assert.match(lines[2]!, /^=cmd\("x"\),y +- +1 +1 +100 .* unknown$/)
    assert.match(lines[3]!, /^qwen +- +1 +0 +100 .* unknown$/)
    assert.match(lines[4]!, /^total +4 +1 +400 +0 +80 +0 +1\.2346\+$/)
    assert.match(stdout, /^from .* to .*, UTC$/m)
    assert.match(stdout, /^2 calls without a known price$/m)
    assert.match(stdout, /^1 call with estimated tokens$/m)
  })

  test('prints JSON with exact costs', async () => {
    const { stdout } = await run('usage', '--db', ledgerOf(calls), '--by', 'key', '--format', 'json')
    const { data, total } = JSON.parse(stdout) as {
      data: Record<string, unknown>[]
      total: Record<string, unknown>
    }

    assert.deepEqual(
      data.map(({ key, cost_nano: nano, cost_usd: usd }) => [key, nano, usd]),
      [
        ['ci', 1_234_567_891, '1.234567891'],
        [null, 0, '0.00'],
      ],
    )
    assert.deepEqual([total['calls'], total['unpriced']], [4, 2])
  })

  test('prints CSV that a spreadsheet takes for text', async () => {
    const { stdout } = await run('usage', '--db', ledgerOf(calls), '--by', 'model', '--format', 'csv')
    const lines = stdout.split('\r\n')

    assert.equal(
      lines[0],
      'model,calls,failed,prompt_tokens,cached_tokens,cache_write_tokens,completion_tokens,reasoning_tokens,cost_usd,unpriced,estimated,lost',
    )
    assert.match(lines[2]!, /^"'=cmd\(""x""\),y",1,1,100,/)
    assert.deepEqual([lines.length, lines.at(-1)], [5, ''])
  })

  test('prints CSV that no separator or white space turns into a formula', async () => {
    const names = ['x;=1+1', '\t=1+1', ' @sum', '＝1+1', 'a-b=c']
    const path = ledgerOf(names.map((model) => ({ model })))
    const { stdout } = await run('usage', '--db', path, '--by', 'model', '--format', 'csv')
    const cells = stdout.split('\r\n').slice(1, -1)

    assert.deepEqual(
      cells.map((line) => line.replace(/,1,0,100,.*$/, '')).toSorted(),
      ['"x;\'=1+1"', '"\t\'=1+1"', " '@sum", "'＝1+1", 'a-b=c'].toSorted(),
    )
  })

  test('reads while the gateway writes', async (t) => {
    const path = newPath()
    const file = openFile(t, path, { nowMs })
    file.write({ seq: 1, rows: rowsOf([{}], nowMs), lostSums: [] })
    const { status, stdout } = await run('usage', '--db', path, '--format', 'json')

    assert.equal(status, 0)
    assert.match(stdout, /"calls": 1,/)
  })

  for (const [what, args, message] of [
    ['an unknown dimension', ['--by', 'colour'], /--by: "colour" is not one of hour, day/],
    ['an unknown zone', ['--zone', 'Mars/Base'], /--zone: "Mars\/Base" is not a time zone/],
    ['an unknown format', ['--format', 'xml'], /Write table, json, csv/],
  ] as const) {
    test(`with ${what} is wrong usage`, async () => {
      const { status, stderr } = await run('usage', '--db', ledgerOf([{}]), ...args)
      assert.equal(status, 2)
      assert.match(stderr, message)
    })
  }

  test('says where it looked when there is no ledger, and what helps when it is damaged', async () => {
    const absent = await run('usage', '--db', join(newDirectory(), 'usage.db'))
    assert.deepEqual([absent.status, absent.stdout], [1, ''])
    assert.match(absent.stderr, /no calls are recorded in .*usage\.db/)
    const path = ledgerOf([{}])
    writeFileSync(path, 'x'.repeat(10_000))
    const damaged = await run('usage', '--db', path)
    assert.equal(damaged.status, 1)
    assert.match(damaged.stderr, /cannot be read: .*usage repair/)
  })

  test('without --db finds the ledger in the state directory', async () => {
    const path = ledgerOf([{}])
    const { status, stdout } = await runWith({ STATE_DIRECTORY: dirname(path) }, 'usage', '--format', 'json')
    assert.equal(status, 0)
    assert.match(stdout, /"calls": 1,/)
  })
})

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

suite('usage verify and repair', () => {
  const old = Array.from({ length: 5_000 }, (_, index) => ({
    request_id: `req-${index}`,
    model: `m${index % 7}`,
  }))
  /** With an older row, because the sums of the oldest row's quarter are not compared. */
  function twoQuarters(): string {
    const path = ledgerOf([{}], nowMs - 3_600_000)
    const opened = openLedgerFile({ path, nowMs, busyTimeoutMs: 100 })
    assert.ok(opened.kind === 'open')
    opened.file.write({ seq: 1, rows: rowsOf(old, nowMs), lostSums: [] })
    opened.file.end(nowMs)
    opened.file.close()
    return path
  }

  test('find nothing in a ledger that is whole', async () => {
    const path = twoQuarters()
    const verified = await run('usage', 'verify', '--db', path)
    assert.deepEqual([verified.status, verified.stderr], [0, ''])
    assert.match(verified.stdout, /whole, 5001 calls/)
    const before = readFileSync(path)
    assert.match((await run('usage', 'repair', '--db', path)).stdout, /whole; nothing was changed/)
    assert.ok(readFileSync(path).equals(before))
  })

  for (const [what, sql] of [
    [
      'a sum that was changed',
      "UPDATE quarters SET prompt = prompt + 1 WHERE calls > 1 AND model = (SELECT id FROM names WHERE name = 'm3')",
    ],
    [
      'a sum that was removed',
      "DELETE FROM quarters WHERE calls > 1 AND model = (SELECT id FROM names WHERE name = 'm3')",
    ],
    ['rows that were removed', "DELETE FROM calls WHERE model = (SELECT id FROM names WHERE name = 'm3')"],
  ] as const) {
    test(`find ${what}, and make the sum anew`, async () => {
      const path = twoQuarters()
      change(path, sql)
      const found = await run('usage', 'verify', '--db', path)
      assert.equal(found.status, 1)
      assert.match(found.stderr, /1 sum differ from their rows; run llm-gateway usage repair/)

      assert.match((await run('usage', 'repair', '--db', path)).stdout, /1 sum made anew/)
      assert.equal((await run('usage', 'verify', '--db', path)).status, 0)
    })
  }

  test('rescue what can be read of a file with a damaged page', async () => {
    const path = twoQuarters()
    const bytes = readFileSync(path)
    bytes.fill(0xff, 4096 * 40, 4096 * 41)
    writeFileSync(path, bytes)
    assert.equal((await run('usage', 'verify', '--db', path)).status, 1)
    const { status, stdout } = await run('usage', 'repair', '--db', path)

    assert.equal(status, 0)
    const rescued = Number(/(\d+) calls could be read/.exec(stdout)?.[1])
    assert.ok(rescued > 4_500 && rescued <= 5_001, stdout)
    const aside = /is now (.*)$/m.exec(stdout)![1]!
    assert.ok(readFileSync(aside).equals(bytes))
    assert.match((await run('usage', '--db', path, '--format', 'json')).stdout, /"calls": 5001,/)
  })

  test(
    'repair leaves a ledger alone that a gateway has open',
    { skip: !existsSync('/proc/locks') },
    async (t) => {
      const path = twoQuarters()
      const holder = spawn(process.execPath, [
        '-e',
        `const { DatabaseSync } = require('node:sqlite')
        const database = new DatabaseSync(process.argv[1])
        database.prepare('SELECT COUNT(*) FROM calls').get()
        console.log('open')
        setInterval(() => database.isOpen, 1000)`,
        path,
      ])
      t.after(() => holder.kill())
      await once(holder.stdout, 'data')
      const { status, stderr } = await run('usage', 'repair', '--db', path)

      assert.equal(status, 1)
      assert.match(stderr, new RegExp(`process ${holder.pid} has .* open; stop the gateway first`))
    },
  )
})

suite('usage backup', () => {
  test('copies all, also what the gateway has not moved into the main file, for the owner only', async (t) => {
    const path = newPath()
    const file = openFile(t, path, { nowMs })
    file.write({ seq: 1, rows: rowsOf([{}, {}], nowMs), lostSums: [] })
    const copy = join(newDirectory(), 'copy.db')
    const { status, stderr } = await run('usage', 'backup', copy, '--db', path)

    assert.deepEqual([status, stderr], [0, ''])
    assert.equal(statSync(copy).mode & 0o777, 0o600)
    assert.match((await run('usage', '--db', copy, '--format', 'json')).stdout, /"calls": 2,/)
  })

  test('overwrites nothing', async () => {
    const copy = join(newDirectory(), 'copy.db')
    writeFileSync(copy, 'mine')
    const { status } = await run('usage', 'backup', copy, '--db', ledgerOf([{}]))

    assert.equal(status, 1)
    assert.equal(readFileSync(copy, 'utf8'), 'mine')
  })
})

test('usage prune removes what is older than it is kept', async () => {
  const path = ledgerOf([{}, {}], nowMs - 100 * 24 * 3_600_000)
  assert.match((await run('usage', 'prune', '--db', path)).stdout, /removed 2 rows of calls and 0 sums/)
  assert.match(
    (await run('usage', 'prune', '--db', path, '--hours', '50')).stdout,
    /removed 0 rows of calls and 1 sum/,
  )
})

test('usage erase overwrites a name everywhere and keeps the sums', async () => {
  const path = ledgerOf([
    { client: 'mail:ann@example.org' },
    { client: 'user:bob', via: 'mail:ann@example.org' },
  ])
  const { status, stdout } = await run('usage', 'erase', 'mail:ann@example.org', '--db', path)

  assert.equal(status, 0)
  assert.match(stdout, /^mail:ann@example\.org is now erased-\d+, erased-\d+ in all rows/)
  for (const file of [path, `${path}-wal`])
    if (existsSync(file)) assert.equal(readFileSync(file).includes('ann@example.org'), false, file)
  const { data } = JSON.parse(
    (await run('usage', '--db', path, '--by', 'client', '--format', 'json')).stdout,
  ) as {
    data: { client: string; calls: number }[]
  }
  assert.equal(data.length, 2)
  assert.match(data.map(({ client }) => client).join(), /erased-\d+/)
  assert.equal((await run('usage', 'erase', 'user:nobody', '--db', path)).status, 1)
})
