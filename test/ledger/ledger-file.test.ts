import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { ballastOf, keepBallast } from '../../src/ledger/ballast.ts'
import { openLedgerFile } from '../../src/ledger/ledger-file.ts'
import { openDatabase } from '../../src/ledger/open-database.ts'
import { QuarterSums, quarterMs } from '../../src/ledger/quarter-sums.ts'
import { migrations } from '../../src/ledger/schema.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { newPath, novemberMs, openFile, rowsOf } from './ended-call.ts'

const batch = (seq: number, rows: ReturnType<typeof rowsOf>) => ({ seq, rows, lostSums: [] })

function read(path: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(path, { readOnly: true })
  const rows = database.prepare(sql).all()
  database.close()
  return rows.map((row) => ({ ...row }))
}

suite('a batch', () => {
  test('becomes rows with names, and sums of its quarters of an hour', (t) => {
    const path = newPath()
    const file = openFile(t, path)
    const paid = {
      cost_nano: 12,
      price: 'list',
      key: 'ci',
      key_secret: 'a1B2',
      cached_tokens: 60,
      reasoning_tokens: 5,
    }
    file.write(batch(1, [...rowsOf([paid, { ...paid, status: 429, code: 'rate_limit_exceeded' }, {}])]))
    file.write(batch(2, rowsOf([{ stream: true }], novemberMs + quarterMs)))
    file.close()

    assert.deepEqual(
      read(
        path,
        `SELECT quarter, k.name AS key, c.name AS client, m.name AS model, calls, failed, prompt, cached, completion,
          reasoning, cost_nano, unpriced, lost FROM quarters LEFT JOIN names k ON k.id = key
          JOIN names c ON c.id = client JOIN names m ON m.id = model ORDER BY quarter, key`,
      ),
      [
        { quarter: novemberMs / quarterMs, key: null, calls: 1, failed: 0, prompt: 100, cached: 0 },
        { quarter: novemberMs / quarterMs, key: 'ci', calls: 2, failed: 1, prompt: 200, cached: 120 },
        { quarter: novemberMs / quarterMs + 1, key: null, calls: 1, failed: 0, prompt: 100, cached: 0 },
      ].map((row) => ({
        quarter: row.quarter,
        key: row.key,
        client: 'user:ann',
        model: 'qwen',
        calls: row.calls,
        failed: row.failed,
        prompt: row.prompt,
        cached: row.cached,
        completion: row.prompt / 5,
        reasoning: row.key === 'ci' ? 10 : 0,
        cost_nano: row.key === 'ci' ? 24 : 0,
        unpriced: row.key === 'ci' ? 0 : 1,
        lost: 0,
      })),
    )
    assert.deepEqual(
      read(
        path,
        `SELECT status, first_ms, duration_ms, stream, cost_nano, p.source AS price, s.name AS secret FROM calls
          LEFT JOIN prices p ON p.id = price LEFT JOIN names s ON s.id = secret ORDER BY calls.id`,
      ).map((row) => Object.values(row)),
      [
        [200, 12, 57, 0, 12, 'list', 'a1B2'],
        [429, 12, 57, 0, 12, 'list', 'a1B2'],
        [200, 12, 57, 0, null, null, null],
        [200, 12, 57, 1, null, null, null],
      ],
    )
    assert.deepEqual(
      read(path, 'SELECT n.name, first_used_ms FROM key_state JOIN names n ON n.id = secret'),
      [{ name: 'a1B2', first_used_ms: novemberMs }],
    )
  })

  test('that was written is not written again, also by another thread of the process', (t) => {
    const path = newPath()
    const file = openFile(t, path)
    const { run } = file
    file.write(batch(1, rowsOf([{}])))
    file.write(batch(1, rowsOf([{}])))
    file.close()
    const again = openLedgerFile({ path, nowMs: novemberMs, busyTimeoutMs: 100, run })
    assert.ok(again.kind === 'open')
    again.file.write(batch(1, rowsOf([{}])))
    again.file.write(batch(2, rowsOf([{}])))
    again.file.close()

    assert.deepEqual(read(path, 'SELECT COUNT(*) AS calls FROM calls'), [{ calls: 2 }])
    assert.deepEqual(read(path, 'SELECT seq, lost_rows FROM runs'), [{ seq: 2, lost_rows: 0 }])
  })

  test('that fails leaves nothing, and is written when it is tried again', (t) => {
    const path = newPath()
    const file = openFile(t, path)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    assert.throws(() => file.write(batch(1, rowsOf([{}]))), { errcode: 5 })
    other.exec('ROLLBACK')
    other.close()
    file.write(batch(1, rowsOf([{}])))
    file.close()

    assert.deepEqual(read(path, 'SELECT SUM(calls) AS calls FROM quarters'), [{ calls: 1 }])
  })

  test('keeps the sums of rows that were given up, and counts them', (t) => {
    const path = newPath()
    const file = openFile(t, path)
    const lost = new QuarterSums()
    lost.addRows(rowsOf([{}, {}]), true)
    file.write({ seq: 1, rows: rowsOf([{}]), lostSums: [...lost.values()] })
    file.close()

    assert.deepEqual(read(path, 'SELECT calls, prompt, lost FROM quarters'), [
      { calls: 3, prompt: 300, lost: 2 },
    ])
    assert.deepEqual(read(path, 'SELECT lost_rows FROM runs'), [{ lost_rows: 2 }])
  })

  test('of parts that exceed their totals keeps the totals', (t) => {
    const path = newPath()
    const file = openFile(t, path)
    file.write(batch(1, rowsOf([{ cached_tokens: 90, cache_write_tokens: 90, reasoning_tokens: 500 }])))
    file.close()

    assert.deepEqual(read(path, 'SELECT prompt, cached, cache_write, completion, reasoning FROM calls'), [
      { prompt: 100, cached: 90, cache_write: 10, completion: 20, reasoning: 20 },
    ])
  })

  test('follows a name that another process has overwritten meanwhile', (t) => {
    const path = newPath()
    const file = openFile(t, path)
    file.write(batch(1, rowsOf([{}])))
    const other = new DatabaseSync(path)
    other.exec("UPDATE names SET name = 'erased-1' WHERE name = 'user:ann'")
    other.close()
    file.write(batch(2, rowsOf([{}])))
    file.close()

    const names = read(path, "SELECT name FROM names WHERE kind = 'client' ORDER BY id")
    assert.deepEqual(
      names.map(({ name }) => name),
      ['erased-1', 'user:ann'],
    )
  })
})

test('a run of another file with the same number is not this one', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  const { run } = file
  file.write(batch(5, rowsOf([{}])))
  file.close()
  const opened = openLedgerFile({
    path,
    nowMs: novemberMs + 1,
    busyTimeoutMs: 100,
    run: { ...run, startedMs: run.startedMs + 7 },
  })
  assert.ok(opened.kind === 'open')
  opened.file.write(batch(3, rowsOf([{}])))
  opened.file.close()

  assert.deepEqual(read(path, 'SELECT COUNT(*) AS calls FROM calls'), [{ calls: 2 }])
})

test('the model that a client names is kept only if there is one, and no kind has names without end', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  file.write(batch(1, rowsOf([{ model: 'any text', code: 'model_not_found', status: 404 }])))
  file.close()

  assert.deepEqual(read(path, "SELECT name FROM names WHERE kind = 'model'"), [])
})

test('old rows go piece by piece, then old sums, and the file shrinks', (t) => {
  const path = newPath()
  const file = openFile(t, path, { now: () => 0 })
  const dayMs = 24 * 60 * 60_000
  const many = Array.from({ length: 2_500 }, () => ({}))
  file.write(batch(1, rowsOf(many, novemberMs - 100 * dayMs)))
  file.write(batch(2, rowsOf([{}], novemberMs - 500 * dayMs)))
  file.write(batch(3, rowsOf([{}], novemberMs)))
  let pieces = 0
  while (file.prunePiece(novemberMs - 90 * dayMs, novemberMs - 400 * dayMs, novemberMs)) pieces += 1
  file.close()

  assert.equal(pieces, 4)
  assert.deepEqual(read(path, 'SELECT ended_ms FROM calls'), [{ ended_ms: novemberMs }])
  assert.deepEqual(read(path, 'SELECT calls FROM quarters ORDER BY quarter'), [{ calls: 2500 }, { calls: 1 }])
})

test('a piece of removing is smaller where the one before took long, and larger where it did not', (t) => {
  const path = newPath()
  let nowMs = 0
  let pieceMs = 60
  const file = openFile(t, path, { now: () => (nowMs += pieceMs / 2) })
  const clients = Array.from({ length: 6_000 }, (_, index) => ({ client: `user:${index}` }))
  file.write(batch(1, rowsOf(clients, novemberMs - 1)))
  const count = (table: string) =>
    Number(file.database.prepare(`SELECT COUNT(*) AS n FROM ${table}`).get()!['n'])
  const removed = (table: string, pieces: number) =>
    Array.from({ length: pieces }, () => {
      const before = count(table)
      assert.ok(file.prunePiece(novemberMs, novemberMs + 15 * 60_000, novemberMs))
      return before - count(table)
    })
  assert.deepEqual(removed('calls', 6), [500, 250, 125, 62, 50, 50])
  pieceMs = 2
  assert.deepEqual(removed('calls', 6), [50, 100, 200, 400, 800, 1600])
  pieceMs = 16
  assert.deepEqual(removed('calls', 1), [1813])
  assert.deepEqual([count('calls'), count('quarters')], [0, 6_000])
  // The sums of one quarter may be many.
  pieceMs = 12
  assert.deepEqual(removed('quarters', 3), [2000, 2000, 2000])
})

test('a reader that keeps its transaction open does not make the log grow for ever', (t) => {
  const path = newPath()
  const file = openFile(t, path)
  const reader = new DatabaseSync(path, { readOnly: true })
  file.write(batch(1, rowsOf([{}])))
  reader.exec('BEGIN')
  assert.deepEqual({ ...reader.prepare('SELECT COUNT(*) AS calls FROM calls').get() }, { calls: 1 })
  const many = Array.from({ length: 2_000 }, () => ({}))
  for (let seq = 2; seq < 60; seq++) file.write(batch(seq, rowsOf(many)))
  const grown = statSync(`${path}-wal`).size
  assert.ok(grown > 8 * 2 ** 20, `${grown} bytes`)
  reader.exec('COMMIT')
  reader.close()
  // The first resets the log after its checkpoint, the second begins it again.
  for (let seq = 60; seq < 63; seq++) file.write(batch(seq, rowsOf(many)))

  assert.ok(statSync(`${path}-wal`).size <= 8 * 2 ** 20)
})

suite('a file', () => {
  test('and all that belongs to it are readable by their owner only, whatever the umask', (t) => {
    const before = process.umask(0)
    t.after(() => process.umask(before))
    const path = newPath()
    const file = openFile(t, path)
    file.write(batch(1, rowsOf([{}])))
    keepBallast(path)

    const names = readdirSync(dirname(path))
    assert.deepEqual(names.toSorted(), ['usage.ballast', 'usage.db', 'usage.db-shm', 'usage.db-wal'])
    for (const name of names) assert.equal(statSync(`${dirname(path)}/${name}`).mode & 0o777, 0o600, name)
  })

  /** With 20,000 rows. */
  function filled(t: Cleanup): string {
    const path = newPath()
    const file = openFile(t, path)
    file.write(
      batch(1, rowsOf(Array.from({ length: 20_000 }, (_, index) => ({ request_id: `req-${index}` })))),
    )
    file.close()
    return path
  }

  const damages: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    'whose head is overwritten': (bytes) => bytes.fill(0x41, 0, 100),
    'that is text': () => Buffer.from('not a database at all'.repeat(100)),
    'that is cut in half': (bytes) => bytes.subarray(0, bytes.length / 2),
    'with a page in the middle overwritten': (bytes) =>
      bytes.fill(0xff, 4096 * Math.floor(bytes.length / 8192), 4096 * Math.floor(bytes.length / 8192) + 4096),
  }
  for (const [what, damage] of Object.entries(damages)) {
    test(`${what} is set aside as it is, and a new one begun`, (t) => {
      const path = filled(t)
      const damaged = damage(readFileSync(path))
      writeFileSync(path, damaged)

      const opened = openLedgerFile({ path, nowMs: novemberMs, busyTimeoutMs: 100 })
      assert.ok(opened.kind === 'open')
      opened.file.write(batch(1, rowsOf([{}])))
      opened.file.close()

      assert.equal(opened.setAside?.file, `${path}.corrupt-2026-11-01T000000000Z`)
      assert.ok(readFileSync(opened.setAside.file).equals(damaged))
      assert.deepEqual(read(path, 'SELECT COUNT(*) AS calls FROM calls'), [{ calls: 1 }])
    })
  }

  test('with rubbish in its write-ahead log is whole', (t) => {
    const path = filled(t)
    writeFileSync(`${path}-wal`, 'rubbish'.repeat(1000))
    const opened = openLedgerFile({ path, nowMs: novemberMs, busyTimeoutMs: 100 })
    assert.ok(opened.kind === 'open')
    opened.file.close()

    assert.equal(opened.setAside, undefined)
    assert.deepEqual(read(path, 'SELECT COUNT(*) AS calls FROM calls'), [{ calls: 20_000 }])
  })

  for (const [what, lose] of [
    ['cut to nothing', (path: string) => truncateSync(path, 0)],
    ['removed', (path: string) => rmSync(path)],
  ] as const) {
    test(`that was ${what} does not begin again without a word`, (t) => {
      const path = filled(t)
      keepBallast(path)
      lose(path)
      const opened = openLedgerFile({ path, nowMs: novemberMs, busyTimeoutMs: 100 })
      assert.ok(opened.kind === 'open')
      opened.file.close()

      assert.match(opened.setAside?.reason ?? '', /missing or empty/)
    })
  }

  test('that is replaced while it is open is noticed', (t) => {
    const path = filled(t)
    const file = openFile(t, path)
    assert.equal(file.isReplaced, false)
    rmSync(path)
    assert.equal(file.isReplaced, true)
    writeFileSync(path, '')
    assert.equal(file.isReplaced, true)
  })

  test('of a later version is left alone', (t) => {
    const path = filled(t)
    const database = new DatabaseSync(path)
    database.exec('PRAGMA user_version = 99')
    database.close()
    const before = readFileSync(path)

    const opened = openLedgerFile({ path, nowMs: novemberMs, busyTimeoutMs: 100 })

    assert.ok(opened.kind === 'unusable')
    assert.match(opened.reason, /later version.*schema 99; this one knows 7/)
    assert.ok(readFileSync(path).equals(before))
  })

  test('of another program is left alone', () => {
    const path = newPath()
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE theirs(x)')
    database.close()

    const opened = openLedgerFile({ path, nowMs: novemberMs, busyTimeoutMs: 100 })

    assert.ok(opened.kind === 'unusable')
    assert.match(opened.reason, /another program/)
  })

  test('of an earlier version takes the steps that it lacks, and a copy of it stays', (t) => {
    const path = newPath()
    const first = openDatabase({
      path,
      nowMs: novemberMs,
      busyTimeoutMs: 100,
      migrations: migrations.slice(0, 1),
    })
    assert.ok(first.kind === 'open')
    first.database.exec(`INSERT INTO names(kind, name) VALUES('client', 'user:ann'), ('dialect', 'chat');
      INSERT INTO calls(ended_ms, request_id, client, dialect, status, stream, prompt, cached, cache_write, completion,
        reasoning, estimated, attempts, wait_ms, duration_ms) VALUES(1, 'old', 1, 2, 200, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1)`)
    first.database.close()
    const file = openFile(t, path)
    file.write(batch(1, rowsOf([{ scope: 'key:k_1', wait_ms: 5_200, start_ms: 5_000 }])))
    file.close()

    assert.deepEqual(
      read(
        path,
        'SELECT request_id, name, start_ms FROM calls LEFT JOIN names n ON n.id = calls.scope ORDER BY calls.id',
      ),
      [
        { request_id: 'old', name: null, start_ms: null },
        { request_id: 'req-1', name: 'key:k_1', start_ms: 5_000 },
      ],
    )
    assert.deepEqual(read(`${path}.v1`, 'SELECT request_id FROM calls'), [{ request_id: 'old' }])
    assert.equal(statSync(`${path}.v1`).mode & 0o777, 0o600)
  })

  test('keeps a copy of its own for each migration, and none of one that failed or was cut', () => {
    const path = newPath()
    const old = migrations.slice(0, 1)
    const make = (name: string) => {
      const opened = openDatabase({ path, nowMs: novemberMs, busyTimeoutMs: 100, migrations: old })
      assert.ok(opened.kind === 'open')
      opened.database.exec(`INSERT INTO names(kind, name) VALUES('client', '${name}')`)
      opened.database.close()
    }
    const migrated = (steps: readonly string[]) => {
      const opened = openDatabase({ path, nowMs: novemberMs, busyTimeoutMs: 100, migrations: steps })
      assert.ok(opened.kind === 'open')
      opened.database.close()
    }
    const copies = () =>
      readdirSync(dirname(path))
        .filter((name) => name.startsWith(`${basename(path)}.v`))
        .toSorted()
    const clients = (file: string) => read(file, "SELECT name FROM names WHERE kind = 'client'")
    make('first')
    // A process that was killed while it copied.
    writeFileSync(`${path}.v1.new`, 'half a copy')
    migrated(migrations)
    assert.deepEqual(copies(), [`${basename(path)}.v1`])

    // Back to the earlier release, with the copy in its place, and forward again.
    const later = read(path, 'PRAGMA user_version')
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    copyFileSync(`${path}.v1`, path)
    make('second')
    assert.throws(() => migrated([...old, 'CREATE TABLE calls(x)']))
    migrated(migrations)
    assert.deepEqual(read(path, 'PRAGMA user_version'), later)
    assert.deepEqual(copies(), [`${basename(path)}.v1`, `${basename(path)}.v1.2`])
    assert.deepEqual(clients(`${path}.v1`), [{ name: 'first' }])
    assert.deepEqual(clients(`${path}.v1.2`), [{ name: 'first' }, { name: 'second' }])

    // The one that its process could not name any more.
    renameSync(`${path}.v1.2`, `${path}.v1.new`)
    migrated(migrations)
    assert.deepEqual(copies(), [`${basename(path)}.v1`, `${basename(path)}.v1.2`])
    assert.equal(statSync(`${path}.v1.2`).mode & 0o777, 0o600)

    const behind = openDatabase({ path, nowMs: novemberMs, busyTimeoutMs: 100, migrations: old })
    assert.ok(behind.kind === 'unusable')
    assert.ok(behind.reason.endsWith(`or move it away and put ${path}.v1.2 in its place`), behind.reason)
  })

  test('whose step fails stays as it was', (t) => {
    const path = filled(t)
    const broken = [...migrations, 'CREATE TABLE added(x INTEGER) STRICT; CREATE TABLE calls(x)']
    assert.throws(() => openDatabase({ path, nowMs: novemberMs, busyTimeoutMs: 100, migrations: broken }))

    assert.deepEqual(read(path, "SELECT name FROM sqlite_schema WHERE name = 'added'"), [])
    assert.deepEqual(read(path, 'PRAGMA user_version'), [{ user_version: migrations.length }])
    const file = openFile(t, path)
    file.write(batch(1, rowsOf([{}])))
    assert.equal(existsSync(ballastOf(path)), false)
  })
})
