import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { drawSoak } from '../../../bench/soak/chart.ts'
import { cycleOf, mixAt } from '../../../bench/soak/mix.ts'
import { type Options, readOptions } from '../../../bench/soak/options.ts'
import { type Account, isFlat, isFloorFlat, writeSoak } from '../../../bench/soak/report.ts'
import { coursesOf, type Sample } from '../../../bench/soak/samples.ts'

const mib = 2 ** 20
const mix = mixAt({ port: 1, path: '/', headers: {} })

function read(...args: string[]): Options {
  const options = readOptions(args, 'results')
  assert.notEqual(options, 'help')
  return options as Options
}

function samples(change: (index: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: 20 }, (_, index) => ({
    atMs: index * 1000,
    calls: 200,
    cpuPerCall: 500,
    upstreamCpuPerCall: 100,
    p50: 1,
    p99: 3,
    firstEventP50: 1,
    firstEventP99: 3,
    latenessP99: 0.1,
    rssBytes: 150 * mib,
    heapBytes: 40 * mib,
    externalBytes: 10 * mib,
    files: 60,
    handles: 30,
    openCalls: 20,
    ledgerBytes: (1 + index) * mib,
    walBytes: 4 * mib,
    load: 1,
    ...change(index),
  }))
}

const floors = [{ title: 'live heap', beforeBytes: 30 * mib, afterBytes: 30 * mib }]
function accountOf(measured: readonly Sample[]): Account {
  return {
    command: 'npm run bench -- soak',
    date: '2026-01-02',
    machine: ['one core'],
    version: '1.0',
    ratePerSecond: 200,
    mix,
    samples: measured,
    courses: coursesOf(measured),
    floors,
    calls: 4000,
    left: 7,
    faults: new Map(),
  }
}
const notFlat = (of: readonly Sample[]) =>
  coursesOf(of)
    .filter(({ verdict }) => verdict !== undefined && verdict !== 'flat')
    .map(({ measure, verdict }) => `${measure.id} ${verdict}`)

suite('the options of a soak', () => {
  test('of an hour write into the results, with a sample a minute', () => {
    const { out, minutes, intervalMs } = read()
    assert.deepEqual([out, minutes, intervalMs], ['results', 60, 60_000])
  })

  test('of a short run touch no results, unless they say so', () => {
    assert.equal(read('--minutes', '2').out, undefined)
    assert.equal(read('--quick').out, undefined)
    assert.equal(read('--minutes', '2', '--out', 'elsewhere').out, 'elsewhere')
  })

  test('refuse what they do not know', () => {
    assert.throws(() => read('--fast'), TypeError)
    for (const bad of [
      ['--minutes', '0'],
      ['--minutes', ''],
      ['--rate', 'many'],
      ['--rate', '100000'],
    ]) {
      assert.throws(() => read(...bad), RangeError)
    }
  })
})

suite('the mix', () => {
  test('has all formats, streamed and whole, and each kind as often as its weight says', () => {
    const formats = new Set(mix.map(({ calls }) => `${calls.format} ${calls.script.kind}`))
    for (const format of ['chat', 'completions', 'messages', 'responses', 'ollama_chat']) {
      assert.ok(formats.has(`${format} plain`) && formats.has(`${format} stream`), format)
    }
    assert.ok(formats.has('embeddings plain'))
    const cycle = cycleOf(mix)
    for (const [index, { weight }] of mix.entries()) {
      assert.equal(cycle.filter((each) => each === index).length, weight)
    }
  })

  test('times only calls that nothing is in the way of', () => {
    const timed = mix.filter(({ isTimed }) => isTimed)
    assert.ok(timed.length > 5)
    assert.ok(timed.every(({ statuses, leavesAfter }) => statuses === undefined && leavesAfter === undefined))
  })
})

suite('what a soak says', () => {
  test('is flat where only the ledger grows', () => {
    assert.deepEqual(notFlat(samples(() => ({}))), [])
  })

  test('names what leaks', () => {
    assert.deepEqual(notFlat(samples((index) => ({ rssBytes: (100 + 5 * index) * mib }))), ['rss rises'])
    assert.deepEqual(notFlat(samples((index) => ({ files: 60 + 2 * index }))), ['files rises'])
  })

  test('does not hold against the gateway what the machine does to the upstream, too', () => {
    const slower = samples((index) => ({
      cpuPerCall: 500 + 20 * index,
      upstreamCpuPerCall: 100 + 4 * index,
    }))
    assert.deepEqual(notFlat(slower), [])
    assert.deepEqual(notFlat(samples((index) => ({ cpuPerCall: 500 + 20 * index }))), ['cpu rises'])
  })

  test('is not flat where more is live at the end', () => {
    const leaked = { title: 'live heap', beforeBytes: 30 * mib, afterBytes: 33 * mib }
    assert.ok(!isFloorFlat(leaked))
    assert.ok(!isFlat({ courses: [], floors: [leaked] }))
    assert.ok(isFlat({ courses: [], floors }))
  })

  test('is told from what rises where it cannot be told from flat', () => {
    const noisy = samples((index) => ({ heapBytes: (40 + 3 * ((index * 9) % 20)) * mib }))
    assert.deepEqual(notFlat(noisy), ['heap unclear'])
    assert.match(writeSoak(accountOf(noisy)), /^## Nothing rises, but something is unclear$/m)
    const leaking = samples((index) => ({ rssBytes: (100 + 5 * index) * mib }))
    assert.match(writeSoak(accountOf(leaking)), /^## Not flat$/m)
    assert.match(writeSoak(accountOf(samples(() => ({})))), /^## Flat$/m)
  })

  test('stands in the report and the chart, with each fault', () => {
    const account = accountOf(samples(() => ({})))
    const report = writeSoak({ ...account, faults: new Map([['chat: status 500', 3]]) })
    const { courses } = account
    assert.match(report, /^## Flat, and calls failed$/m)
    assert.match(report, /^- ✗ 3 × chat: status 500$/m)
    assert.match(report, /^\| live heap \| 30\.0 → 30\.0 MiB \| 0\.0 % \|/m)
    const chart = drawSoak(courses, 'a & b')
    assert.match(chart, /<\/svg>\n$/)
    assert.match(chart, /a &amp; b/)
    assert.doesNotMatch(chart, /NaN|undefined/)
  })
})
