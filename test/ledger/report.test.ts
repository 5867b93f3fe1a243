import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../support/properties.ts'
import { periodsOf } from '../../src/ledger/periods.ts'
import { quarterMs } from '../../src/ledger/quarter-sums.ts'
import { readQuestion } from '../../src/ledger/question.ts'
import { formatUsd } from '../../src/ledger/render.ts'
import { type Dimension, readReport, readReports, type UsageQuestion } from '../../src/ledger/report.ts'
import { startOfDay, wallClock } from '../../src/platform/time-zone.ts'
import { newPath, novemberMs, openFile, rowsOf } from './ended-call.ts'

const hourMs = 60 * 60_000
const dayMs = 24 * hourMs
const zones = Intl.supportedValuesOf('timeZone')

/** Any quarter of an hour of 30 years. */
const anyQuarter = fc.integer({ min: Date.UTC(2010, 0) / quarterMs, max: Date.UTC(2040, 0) / quarterMs })

suite('periods', () => {
  for (const unit of ['hour', 'day', 'month'] as const) {
    test(`of a ${unit} in every zone cover a span once, and begin where the zone's do`, () => {
      const span = { hour: 8 * 96, day: 60 * 96, month: 100 * 96 }[unit]
      fc.assert(
        fc.property(
          fc.constantFrom(...zones),
          anyQuarter,
          fc.integer({ min: 1, max: span }),
          (zone, start, length) => {
            const at = wallClock(zone)
            const periods = periodsOf(start, start + length, zone, unit)
            const cut = { hour: 13, day: 10, month: 7 }[unit]
            const labelAt = (quarter: number) => {
              const { day, hour } = at(quarter * quarterMs)
              return `${day}T${String(hour).padStart(2, '0')}`.slice(0, cut)
            }
            let next = start
            for (const { label, start: from, end } of periods) {
              assert.equal(from, next)
              assert.ok(end > from)
              next = end
              for (const quarter of [from, Math.floor((from + end) / 2), end - 1])
                assert.equal(labelAt(quarter), label.slice(0, cut))
            }
            assert.equal(next, start + length)
            const labels = periods.map(({ label }) => label)
            assert.equal(new Set(labels).size, labels.length)
          },
        ),
        { numRuns: 60 },
      )
    })
  }

  test('on the days when clocks change have 23 and 25 hours', () => {
    const hoursOf = (day: string, next: string) =>
      (startOfDay(next, 'Europe/Berlin') - startOfDay(day, 'Europe/Berlin')) / hourMs
    assert.equal(hoursOf('2026-03-29', '2026-03-30'), 23)
    assert.equal(hoursOf('2026-10-25', '2026-10-26'), 25)
    const start = startOfDay('2026-10-25', 'Europe/Berlin') / quarterMs
    const hours = periodsOf(start, start + 4 * 25, 'Europe/Berlin', 'hour').map(({ label }) => label)
    assert.deepEqual(hours.slice(1, 5), [
      '2026-10-25T01:00+02:00',
      '2026-10-25T02:00+02:00',
      '2026-10-25T02:00+01:00',
      '2026-10-25T03:00+01:00',
    ])
  })

  test('begin at the zone’s midnight also where the offset is no whole hour', () => {
    assert.equal(startOfDay('2026-11-01', 'Asia/Kathmandu'), Date.parse('2026-11-01T00:00:00+05:45'))
    assert.equal(startOfDay('2026-11-01', 'Pacific/Kiritimati'), Date.parse('2026-11-01T00:00:00+14:00'))
    assert.equal(startOfDay('2026-11-01', 'Pacific/Pago_Pago'), Date.parse('2026-11-01T00:00:00-11:00'))
  })
})

suite('a report', () => {
  const question = (more: Partial<UsageQuestion> = {}): UsageQuestion => ({
    by: [],
    sinceMs: novemberMs - dayMs,
    untilMs: novemberMs + 2 * dayMs,
    zone: 'UTC',
    ...more,
  })

  test('adds up by what is asked for, the dearest first', (t) => {
    const file = openFile(t, newPath())
    const calls = [
      { model: 'small', cost_nano: 5 },
      { model: 'large', cost_nano: 100, key: 'ci' },
      { model: 'small', cost_nano: 6, status: 502, code: 'provider_unreachable' },
      { model: 'free', fallback_model: 'small', cost_nano: 7 },
    ]
    file.write({ seq: 1, rows: rowsOf(calls), lostSums: [] })
    const { rows, total } = readReport(file.database, question({ by: ['model', 'key'] }))

    assert.deepEqual(
      rows.map(({ model, key, calls: count, failed, cost_nano: cost }) => [model, key, count, failed, cost]),
      [
        ['large', 'ci', 1, 0, 100],
        ['small', null, 3, 1, 18],
      ],
    )
    assert.equal(total.cost_nano, 118)
    assert.equal(total.prompt_tokens, 400)
  })

  test("of a zone's days takes their quarters of an hour", (t) => {
    const file = openFile(t, newPath())
    const ends = [
      '2026-10-31T18:14:59Z',
      '2026-10-31T18:15:00Z',
      '2026-11-01T18:14:59Z',
      '2026-11-01T18:15:00Z',
    ]
    for (const [index, end] of ends.entries())
      file.write({ seq: index + 1, rows: rowsOf([{}], Date.parse(end)), lostSums: [] })
    const { rows } = readReport(file.database, question({ by: ['day'], zone: 'Asia/Kathmandu' }))

    assert.deepEqual(
      rows.map(({ day, calls }) => [day, calls]),
      [
        ['2026-10-31', 1],
        ['2026-11-01', 2],
        ['2026-11-02', 1],
      ],
    )
  })

  test('by what only rows know reads the rows', (t) => {
    const file = openFile(t, newPath())
    const calls = [{ key_secret: 'old' }, { key_secret: 'new' }, { key_secret: 'new', status: 499 }, {}]
    file.write({ seq: 1, rows: rowsOf(calls), lostSums: [] })
    const { rows } = readReport(file.database, question({ by: ['secret', 'status'] }))

    assert.deepEqual(
      new Set(
        rows.map(({ secret, status, calls: count, failed }) => `${secret} ${status} ${count} ${failed}`),
      ),
      new Set(['new 200 1 0', 'new 499 1 0', 'old 200 1 0', 'null 200 1 0']),
    )
  })

  test('of two centuries reads no more than there are calls', (t) => {
    const file = openFile(t, newPath())
    file.write({ seq: 1, rows: rowsOf([{}, {}]), lostSums: [] })
    file.write({ seq: 2, rows: rowsOf([{}], novemberMs + dayMs), lostSums: [] })
    let reads = 0
    const { database } = file
    const prepare = database.prepare.bind(database)
    database.prepare = (sql) => {
      const statement = prepare(sql)
      const iterate = statement.iterate.bind(statement) as (...args: never[]) => never
      return Object.assign(statement, { iterate: (...args: never[]) => ((reads += 1), iterate(...args)) })
    }
    const centuries = { sinceMs: Date.UTC(2020, 0), untilMs: Date.UTC(2200, 0) }
    for (const by of [['day'], ['month'], [], ['day', 'status']] as const) {
      const report = readReport(database, question({ ...centuries, by, zone: 'Asia/Kathmandu' }))
      assert.equal(report.total.calls, 3)
      assert.deepEqual([report.sinceMs, report.untilMs], [centuries.sinceMs, centuries.untilMs])
    }
    assert.ok(reads <= 12, `${reads}`)
  })

  test('of costs beyond exact numbers can be read, like the others', (t) => {
    const file = openFile(t, newPath())
    const absurd = { model: 'absurd', cost_nano: 1e15 }
    const calls = [...Array.from({ length: 12 }, () => absurd), { model: 'plain', cost_nano: 3 }]
    file.write({ seq: 1, rows: rowsOf(calls), lostSums: [] })
    for (const by of [['model'], ['model', 'status']] as const) {
      const { rows } = readReport(file.database, question({ by }))
      assert.deepEqual(
        rows.map(({ model, cost_nano: nano }) => [model, nano]),
        [
          ['absurd', Number.MAX_SAFE_INTEGER],
          ['plain', 3],
        ],
      )
    }
  })

  test('of a ledger without calls is empty', (t) => {
    const file = openFile(t, newPath())
    for (const by of [['day'], [], ['status']] as const) {
      const { rows, total } = readReport(file.database, question({ by }))
      assert.deepEqual([rows, total.calls], [[], 0])
    }
  })

  test('of one client knows nothing of the others, and of none nothing at all', (t) => {
    const file = openFile(t, newPath())
    file.write({ seq: 1, rows: rowsOf([{}, { client: 'user:bob' }]), lostSums: [] })
    const callsOf = (client: string) => readReport(file.database, question({ client })).total.calls

    assert.deepEqual([callsOf('user:ann'), callsOf('user:bob'), callsOf('user:eve')], [1, 1, 0])
  })

  test('from sums and from rows is the same', (t) => {
    const call = fc.record({
      model: fc.constantFrom('one', 'two', undefined),
      client: fc.constantFrom('user:ann', 'user:bob'),
      status: fc.constantFrom(200, 429, 499, 502),
      prompt_tokens: fc.option(fc.nat(1e8), { nil: undefined }),
      completion_tokens: fc.option(fc.nat(1e8), { nil: undefined }),
      cached_tokens: fc.option(fc.nat(1e8), { nil: undefined }),
      reasoning_tokens: fc.option(fc.nat(1e8), { nil: undefined }),
      cost_nano: fc.option(fc.nat(2 ** 40), { nil: undefined }),
      estimated: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 30 }), (calls) => {
        const file = openFile(t, newPath())
        file.write({ seq: 1, rows: rowsOf(calls), lostSums: [] })
        const [fromSums, fromRows] = [[], ['status'] as const].map(
          (by) => readReport(file.database, question({ by })).total,
        )
        file.close()
        assert.deepEqual(fromSums, fromRows)
      }),
      { numRuns: 20 },
    )
  })
})

suite('a question', () => {
  const context = { nowMs: Date.parse('2026-11-28T12:00:00Z'), defaultZone: 'Europe/Berlin' }
  const read = (written: Parameters<typeof readQuestion>[0]) => readQuestion(written, context)

  test('has the last seven days by default', () => {
    assert.deepEqual(read({}), {
      kind: 'question',
      question: {
        by: [],
        sinceMs: context.nowMs - 7 * dayMs,
        untilMs: context.nowMs,
        zone: 'Europe/Berlin',
      },
    })
  })

  for (const [since, expected] of [
    ['90m', '2026-11-28T10:30:00Z'],
    ['24h', '2026-11-27T12:00:00Z'],
    ['4w', '2026-10-31T12:00:00Z'],
    ['2026-11-01', '2026-11-01T00:00:00+01:00'],
    ['2026-11-01T10:00:00+05:45', '2026-11-01T10:00:00+05:45'],
  ] as const) {
    test(`since ${since}`, () => {
      const answer = read({ since })
      assert.equal(answer.kind === 'question' && answer.question.sinceMs, Date.parse(expected))
    })
  }

  for (const [written, param] of [
    [{ by: 'model,colour' }, 'by'],
    [{ since: 'yesterday' }, 'since'],
    [{ since: '2026-02-30' }, 'since'],
    [{ since: '7d', until: '8d' }, 'until'],
    [{ zone: 'Mars/Base' }, 'zone'],
    [{ by: 'hour', since: '200d' }, 'since'],
  ] as const) {
    test(`${JSON.stringify(written)} is refused for its ${param}`, () => {
      const answer = read(written)
      assert.equal(answer.kind === 'fault' && answer.param, param)
    })
  }
})

test('money is written with all its digits', () => {
  assert.deepEqual([0, 1, 1_250_000_000, 10_000_000, 123_456_789_012].map(formatUsd), [
    '0.00',
    '0.000000001',
    '1.25',
    '0.01',
    '123.456789012',
  ])
})

test('reports by several sets of dimensions are those that each set has by itself', (t) => {
  const file = openFile(t, newPath())
  const calls = ['ann', 'bob', 'eve'].flatMap((client) =>
    ['qwen', 'gpt', undefined].flatMap((model) =>
      ['local', undefined].map((provider) => ({ client, model, provider, cost_nano: client.length * 1_000 })),
    ),
  )
  for (const [at, call] of [...calls, ...calls.slice(3)].entries())
    file.write({ seq: at + 1, rows: rowsOf([call], novemberMs + at * hourMs), lostSums: [] })
  const span = { sinceMs: novemberMs, untilMs: novemberMs + 20 * hourMs, zone: 'UTC' }
  const sets: readonly (readonly Dimension[])[] = [
    [],
    ['model'],
    ['client'],
    ['provider', 'client'],
    ['key'],
    ['day', 'client'],
    ['status', 'model'],
  ]
  const found = readReports(file.database, span, sets)
  assert.equal(found[0]!.total.calls, 20)
  assert.deepEqual(
    found,
    sets.map((by) => readReport(file.database, { ...span, by })),
  )
})
