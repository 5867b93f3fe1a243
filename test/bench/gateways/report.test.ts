import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { drawChart } from '../../../bench/gateways/chart.ts'
import { describeFaults, type Figure, Ledger, type Sample } from '../../../bench/gateways/figure.ts'
import { type Account, writeReport } from '../../../bench/gateways/report.ts'

const figures: readonly Figure[] = [{ id: 'call_cpu', title: 'CPU per <call>', unit: 'µs', digits: 0 }]
const samples: readonly Sample[] = [
  ...[100, 90, 120].map((value, round) => ({
    figure: 'call_cpu',
    contender: 'ours',
    round,
    value,
    failed: 0,
  })),
  ...[200, 180, 120].map((value, round) => ({
    figure: 'call_cpu',
    contender: 'Caddy',
    round,
    value,
    failed: round,
  })),
]
const account: Account = {
  command: 'npm run bench -- gateways',
  date: '2026-01-02',
  machine: ['one core'],
  rounds: 3,
  seed: 1,
  contenders: ['ours', 'Caddy'].map((name) => ({ name, version: '1.0', setup: 'a | b' })),
  leftOut: [{ name: 'Olla', reason: 'not on the PATH' }],
  figures,
  samples,
  notes: [],
  profiles: [
    { of: 'plain chat call', us: { undici: 3000, 'llm-gateway: call': 6990, rest: 10 }, count: 100 },
  ],
  faults: new Map([['Caddy, call_cpu', new Map([['status 500', 3]])]]),
}

suite('the report', () => {
  const lines = writeReport(account, 'ours').split('\n')

  test('gives least, median and most, and the ratio by round', () => {
    assert.ok(lines.includes('| Caddy | 120 | 180 | 200 | 0.50 | 0.50 | 1.00 | 3 |'))
    assert.ok(lines.includes('| ours | 90 | 100 | 120 |  |  |  |  |'))
  })

  test('says where too few rounds were made', () => {
    assert.ok(lines.some((line) => line.startsWith('- Fewer than 5 rounds: ')))
    assert.doesNotMatch(writeReport({ ...account, rounds: 5 }, 'ours'), /Fewer than/)
  })

  test('holds ours against the targets, unless calls failed', () => {
    const judged = (report: readonly string[]) =>
      report.find((each) => each.startsWith('| CPU per plain chat call, relative to Caddy'))
    const row = '| CPU per plain chat call, relative to Caddy | ≤ 1.00 | ≤ 0.75 | 0.50 (0.50 to 1.00)'
    const whole = samples.map((sample) => ({ ...sample, failed: 0 }))
    const report = writeReport({ ...account, samples: whole }, 'ours')
    assert.equal(judged(report.split('\n')), `${row} | stretch goal met |`)
    assert.equal(judged(lines), `${row} | not judged: calls failed |`)
  })

  test('marks a measurement in which calls failed, and says why', () => {
    assert.ok(lines.includes('| CPU per <call>, µs | 100 | 180 ✗ |'))
    const from = lines.indexOf('## Failed calls')
    assert.ok(lines.indexOf('- Caddy, CPU per <call>: 3 × status 500.') > from && from > 0)
  })

  test('says so where no call failed', () => {
    const good = samples.map((sample) => ({ ...sample, failed: 0 }))
    const report = writeReport({ ...account, samples: good, faults: new Map() }, 'ours')
    assert.match(report, /^No call failed\.$/m)
    assert.doesNotMatch(report, /✗|failed-calls/)
  })

  test('lists a figure in the order of the contenders, whatever was measured first, and last the calls without one', () => {
    const direct = samples.slice(0, 3).map((sample) => ({ ...sample, contender: 'direct' }))
    const report = writeReport({ ...account, samples: [...direct, ...samples.toReversed()] }, 'ours')
    const table = report.split('### CPU per <call>')[1]?.split('\n') ?? []
    const names = table.flatMap((line) => /^\| (\w+) \| \d/.exec(line)?.[1] ?? [])
    assert.deepEqual(names, ['ours', 'Caddy', 'direct'])
  })

  test('has no ratios of what says nothing of who is better', () => {
    const report = writeReport({ ...account, figures: [{ ...figures[0]!, isContext: true }] }, 'ours')
    assert.ok(report.split('\n').includes('| Caddy | 120 | 180 | 200 |  |  |  | 3 |'))
  })

  test('says by which fault of its own a contender fails calls', () => {
    const [first, ...others] = account.contenders
    const contenders = [{ ...first!, knownFault: 'it loses answers' }, ...others]
    assert.match(
      writeReport({ ...account, contenders }, 'ours'),
      /^- ours fails some calls: it loses answers\.$/m,
    )
  })

  test('names who was left out, and why', () => {
    assert.ok(lines.includes('- Olla was left out: not on the PATH.'))
  })

  test('says where the time of a call goes, the most first, without what hardly counts', () => {
    const from = lines.indexOf('## Where the time of a plain chat call goes')
    const table = lines.slice(from, from + 9).filter((line) => line.startsWith('|'))
    assert.deepEqual(table.slice(2), [
      '| llm-gateway: call | 69.9 | 70 % |',
      '| undici | 30.0 | 30 % |',
      '| all | 100.0 |  |',
    ])
  })

  test('keeps bars in texts from ending a cell', () => {
    assert.ok(lines.includes('| Caddy | 1.0 | a \\| b |'))
  })
})

suite('the list of who is ahead', () => {
  const sample = (figure: string, contender: string, values: readonly number[]): Sample[] =>
    values.map((value, round) => ({ figure, contender, round, value, failed: 0 }))
  const lines = writeReport(
    {
      ...account,
      figures: [
        { id: 'cost', title: 'cost', unit: 'µs', digits: 0 },
        { id: 'speed', title: 'speed', unit: 'calls/s', digits: 0, isMoreBetter: true },
        { id: 'delay', title: 'delay', unit: 'µs', digits: 0 },
        { id: 'even', title: 'even', unit: 'µs', digits: 0 },
        { id: 'broken', title: 'broken', unit: 'µs', digits: 0 },
        { id: 'lossy', title: 'lossy', unit: 'µs', digits: 0 },
        { id: 'lateness', title: 'lateness', unit: 'µs', digits: 0, isContext: true },
        { id: 'alone', title: 'alone', unit: 'ms', digits: 0 },
      ],
      leftOut: [
        { name: 'Olla', reason: 'not on the PATH', isRival: true },
        { name: 'HAProxy', reason: 'not on the PATH', isRival: false },
        { name: 'Bifrost', reason: 'answers wrong', isRival: true },
      ],
      contenders: ['ours', 'nginx', 'Slow', 'Quick'].map((name) => ({
        name,
        version: '1.0',
        setup: '',
        isRival: name === 'Slow' || name === 'Quick',
      })),
      samples: [
        ...sample('cost', 'ours', [10, 20, 30]),
        ...sample('cost', 'nginx', [1, 1, 1]),
        ...sample('cost', 'Slow', [80, 80, 80]),
        ...sample('cost', 'Quick', [40, 40, 45]),
        ...sample('speed', 'ours', [100, 100, 100]),
        ...sample('speed', 'Quick', [200, 250, 400]),
        ...sample('delay', 'ours', [-1, 5, 6]),
        ...sample('delay', 'Slow', [7, 7, 7]),
        ...sample('even', 'ours', [10, 10, 10]),
        ...sample('even', 'Slow', [9, 12, 12]),
        ...sample('broken', 'ours', [10, 10, 10]),
        ...sample('broken', 'Quick', [1, 1, 1]).map((each) => ({ ...each, failed: 4 })),
        ...sample('broken', 'Slow', [20, 20, 20]),
        ...sample('lossy', 'ours', [1, 1, 1]).map((each) => ({ ...each, failed: 4 })),
        ...sample('lossy', 'Slow', [20, 20, 20]),
        ...sample('lateness', 'ours', [1]),
        ...sample('lateness', 'Quick', [2]),
        ...sample('alone', 'ours', [1]),
      ],
    },
    'ours',
  ).split('\n')
  const table = lines.slice(lines.indexOf('## Compared with other LLM gateways'), lines.indexOf('## Medians'))

  test('names the best of the rivals, no proxy, and how many times as good ours is', () => {
    assert.ok(table.includes('| cost, µs | 20 | 40, Quick | ours | 2.00 (1.50 to 4.00) |'))
  })

  test('reads figures the other way round where more is better', () => {
    assert.ok(
      table.includes('| speed, calls/s (more is better) | 100 | 250, Quick | Quick | 0.40 (0.25 to 0.50) |'),
    )
  })

  test('names nobody where each was better in some round', () => {
    assert.ok(table.includes('| even, µs | 10 | 12, Slow | nobody | 1.20 (0.90 to 1.20) |'))
  })

  test('passes over a rival whose calls failed', () => {
    assert.ok(table.includes('| broken, µs | 10 | 20, Slow | ours | 2.00 (2.00 to 2.00) |'))
  })

  test('puts ours behind where calls of it failed', () => {
    assert.ok(table.includes('| lossy, µs | 1 ✗ | 20, Slow | Slow | 20.0 (20.0 to 20.0) |'))
  })

  test('gives no ratio where a value is not above 0', () => {
    assert.ok(table.includes('| delay, µs | 5 | 7, Slow | ours | – |'))
  })

  test('leaves out what ours alone has, and what says nothing of who is better', () => {
    assert.ok(!table.some((line) => /lateness|alone/.test(line)))
  })

  test('names the rivals that it says nothing of', () => {
    assert.ok(table.includes('Not measured, though people pick them too: Olla, Bifrost.'))
  })

  test('sums up where ours is behind', () => {
    assert.ok(table.includes('ours is ahead in 3 of 6 figures, level in 1, behind in 2: speed; lossy.'))
  })

  test('is missing where no rival was measured', () => {
    assert.doesNotMatch(writeReport(account, 'ours'), /^## Compared with other/m)
  })
})

suite('the table of an earlier build', () => {
  const earlier = samples
    .filter(({ contender }) => contender === 'ours')
    .map((sample) => ({ ...sample, contender: 'baseline', value: sample.value * 2 }))
  const contenders = [...account.contenders, { name: 'baseline', version: '1.0 (abc)', setup: '' }]
  const report = writeReport({ ...account, contenders, samples: [...samples, ...earlier] }, 'ours')

  test('holds after against before in the same round', () => {
    assert.ok(report.includes('Before is 1.0 (abc), after is 1.0, both measured in this run.'))
    assert.ok(report.includes('| CPU per <call>, µs | 200 | 100 | 0.50 (0.50 to 0.50) |'))
  })

  test('is missing where none was measured', () => {
    assert.doesNotMatch(writeReport(account, 'ours'), /^## Before and after/m)
  })
})

suite('the medians', () => {
  const figureOf = (id: string): Figure => ({ id, title: id, unit: 'µs', digits: 0 })
  const sample = (figure: string, contender: string): Sample => {
    return { figure, contender, round: 0, value: 7, failed: 0 }
  }
  const report = (contenders: readonly { name: string; isVariant?: boolean }[]) =>
    writeReport(
      {
        ...account,
        figures: ['cost', 'stall'].map(figureOf),
        contenders: contenders.map((each) => ({ ...each, version: '1.0', setup: '' })),
        samples: [...contenders.map(({ name }) => sample('cost', name)), sample('stall', 'ours')],
      },
      'ours',
    ).split('\n')

  test('have ours beside the others, and beside its variants in a table of their own', () => {
    const lines = report([{ name: 'ours' }, { name: 'with keys', isVariant: true }, { name: 'nginx' }])
    const [first, second] = lines.filter((line) => line.startsWith('| median |'))
    assert.deepEqual([first, second], ['| median | ours | nginx |', '| median | ours | with keys |'])
    assert.ok(lines.includes('| stall, µs | 7 |  |'))
  })

  test('have what is measured of ours alone in a table of its own', () => {
    const lines = report([{ name: 'ours' }, { name: 'nginx' }])
    assert.ok(lines.includes('| cost, µs | 7 | 7 |'))
    assert.ok(lines.includes('### Only ours'))
    assert.ok(lines.includes('| stall, µs | 7 |'))
  })

  test('have every figure once where ours is measured alone', () => {
    const lines = report([{ name: 'ours' }])
    assert.equal(lines.filter((line) => line === '| cost, µs | 7 |').length, 1)
  })
})

suite('what is gathered', () => {
  test('has each reason of all rounds, and a value that is no number as one', () => {
    const ledger = new Ledger()
    const where = { figure: 'cost', contender: 'ours' }
    ledger.add({ ...where, round: 0, value: 1 }, { failed: 2, faults: { late: 2 } })
    ledger.add({ ...where, round: 1, value: NaN }, { failed: 1, faults: { late: 1 } })
    ledger.add({ ...where, round: 2, value: 3 })
    assert.deepEqual(
      ledger.samples.map(({ value }) => value),
      [1, 3],
    )
    assert.equal(describeFaults(ledger.faults.get('ours, cost')!), '3 × late, 1 × no value')
  })
})

suite('the chart', () => {
  const chart = (input: Partial<Parameters<typeof drawChart>[0]> = {}) =>
    drawChart({ figures, samples, contenders: ['ours', 'Caddy'], own: 'ours', caption: '"a" & b', ...input })

  test('shows texts as they are, not as markup', () => {
    assert.ok(chart().includes('>CPU per &lt;call&gt;</text>'))
    assert.ok(chart().includes('aria-label="&quot;a&quot; &amp; b"'))
  })

  test('marks a value of which calls failed', () => {
    assert.match(chart(), />180 µs ✗<\/text>/)
    assert.match(chart(), />100 µs<\/text>/)
  })

  test('draws a longer bar for more', () => {
    const lengths = [...chart().matchAll(/class="bar"[^>]* width="([\d.]+)"/g)].map((match) =>
      Number(match[1]),
    )
    assert.equal(lengths.length, 2)
    assert.ok(lengths[0]! < lengths[1]!)
  })

  test('has colours of its own for dark pages', () => {
    assert.match(chart(), /@media \(prefers-color-scheme: dark\)/)
  })

  test('leaves out what has no place on a logarithmic scale', () => {
    const negative = samples.map((sample) => ({ ...sample, value: sample.value - 100 }))
    assert.doesNotMatch(chart({ samples: negative }), /NaN|Infinity/)
  })
})
