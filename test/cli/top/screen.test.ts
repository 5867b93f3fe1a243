// What `top` draws, and what its keys do.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { displayWidth } from '../../../src/cli/output.ts'
import { type Choice, noChoice, pressKey, readKeys } from '../../../src/cli/top/keys.ts'
import { readTopReport, type TopReport } from '../../../src/cli/top/report.ts'
import { drawOnce, drawScreen } from '../../../src/cli/top/screen.ts'
import { fc } from '../../support/properties.ts'

const now = '2026-11-28T12:00:00.000Z'

function callOf(id: string, more: object = {}) {
  return {
    id,
    model: 'qwen',
    client: 'user:ann',
    provider: 'local',
    phase: 'streaming',
    age_ms: 65_000,
    attempt: 1,
    tokens: 412,
    tokens_per_second: 38.25,
    first_token_ms: 840,
    ...more,
  }
}

function reportOf(more: object = {}): TopReport {
  return readTopReport({
    version: '1.2.3',
    now,
    started_at: '2026-11-28T09:00:00.000Z',
    attention: [],
    calls: [
      callOf('req_1'),
      callOf('req_2', { phase: 'in_line', wait_ms: 3_000, attempt: 0, provider: null }),
    ],
    providers: [],
    ...more,
  })
}

function screenOf(report: TopReport, choice: Choice = noChoice, size = { columns: 100, rows: 24 }): string[] {
  return drawScreen({ report, choice, trouble: undefined }, size).map(({ text }) => text.trimEnd())
}

suite('the screen', () => {
  test('shows calls, the first one selected', () => {
    const lines = screenOf(reportOf())
    assert.equal(lines.length, 24)
    assert.equal(lines[0], 'llm-gateway 1.2.3 · up 3 h · 2 calls under way, 1 in line')
    assert.equal(lines[2], 'Calls under way')
    assert.match(lines[4]!, /^> req_1 {2}qwen {3}user:ann {2}local {5}streaming +1m05s +0\.8s +412 +38\.3$/)
    assert.match(lines[5]!, /^ {2}req_2 {2}qwen {3}user:ann {2}- {9}in line 3\.0s/)
    assert.match(lines[23]!, /^q quit/)
  })

  test('shows which server a call waits for', () => {
    const waiting = { phase: 'starting', wait_ms: 3_000, start_ms: 2_500, attempt: 0, provider: 'qwen' }
    const lines = screenOf(reportOf({ calls: [callOf('req_1', waiting)] }))
    assert.match(lines[0]!, / · 1 call under way, 1 waiting for a server$/)
    assert.match(lines[4]!, /waiting for qwen to start 2\.5s/)
    const inTurn = { ...waiting, turn: { group: 'gpu0', running: ['gemma'] } }
    assert.match(
      screenOf(reportOf({ calls: [callOf('req_1', inTurn)] }))[4]!,
      /waiting for its turn in gpu0 \(gemma runs\) 2\.5s/,
    )
  })

  test('shows the servers that the gateway starts, on one line', () => {
    const services = [
      { provider: 'gemma', state: 'stopped', waiting: 2 },
      { provider: 'qwen', state: 'ready', waiting: 0 },
    ]
    assert.ok(screenOf(reportOf({ services })).includes('Services: gemma stopped (2 waiting), qwen ready'))
    assert.ok(!screenOf(reportOf()).some((line) => line.startsWith('Services')))
  })

  test('shows the last failed call before what needs attention', () => {
    const last = {
      severity: 'critical',
      at: '2026-11-28T11:58:00.000Z',
      what: 'safe → coder: no provider works',
      why: 'w.',
      fix: 'f.',
    }
    const lines = screenOf(reportOf({ last_failure: last }))
    assert.deepEqual(lines.slice(2, 5), [
      'Needs attention',
      '  last failed call 2 min ago: safe → coder: no provider works. w. f.',
      '',
    ])
    const alone = screenOf(reportOf({ last_failure: { ...last, why: null, fix: null } }))
    assert.equal(alone[3], '  last failed call 2 min ago: safe → coder: no provider works.')
  })

  test('shows what needs attention and the providers', () => {
    const attention = [
      {
        severity: 'critical',
        state: 'firing',
        since: '2026-11-28T11:58:00.000Z',
        what: 'w.',
        why: 'y.',
        fix: 'f.',
      },
      ...Array.from({ length: 5 }, () => ({ severity: 'warning', state: 'pending', what: 'x.' })),
    ]
    const provider = {
      name: 'cloud',
      state: 'cooling',
      trouble: 'missing_model',
      reason: 'status 401',
      until: '2026-11-28T12:00:30.000Z',
      in_flight: 1,
      max_parallel: 4,
      first_token_p50_ms: 500,
      tokens_per_second: 60,
    }
    const past = {
      name: 'local',
      state: 'ok',
      trouble: null,
      reason: 'status 500',
      reason_at: '2026-11-28T11:59:00.000Z',
    }
    const report = reportOf({ attention, providers: [provider, past] })
    const size = { columns: 100, rows: 19 }
    const text = screenOf(report, noChoice, size).join('\n')
    assert.match(text, /^ {2}critical for 2 min: w\. y\. f\.$/m)
    assert.match(text, /^ {2}warning \(pending\): x\.$/m)
    assert.match(text, /^ {2}and 2 more$/m)
    assert.match(
      text,
      /^ {2}cloud {2}cooling {2}1\/4 +0\.5s +60\.0 +missing model, for 30 s more: status 401$/m,
    )
    assert.match(text, /^ {2}local {2}ok .* last failure 1 min ago: status 500$/m)
  })

  test('tells all conditions in full where there is room', () => {
    const long = 'words that go on and on '.repeat(6).trim()
    const entry = { severity: 'warning', state: 'firing', what: long, fix: 'Do this.' }
    const attention = [entry, ...Array.from({ length: 6 }, () => ({ ...entry, what: 'short.' }))]
    const lines = screenOf(reportOf({ attention, calls: [] }), noChoice, { columns: 80, rows: 24 })
    assert.equal(lines.filter((line) => line === '  warning: short. Do this.').length, 6)
    assert.equal(
      lines
        .slice(3, 6)
        .map((line) => line.trim())
        .join(' '),
      `warning: ${long} Do this.`,
    )
    assert.ok(!lines.some((line) => line.includes('…') || line.endsWith(' more')))
    const small = screenOf(reportOf({ attention, calls: [] }), noChoice, { columns: 80, rows: 14 })
    assert.match(small[3]!, /^ {2}warning: words .*…$/)
    assert.ok(small.includes('  and 2 more'))
  })

  test('keeps the selected call in sight', () => {
    const calls = Array.from({ length: 50 }, (_, index) => callOf(`req_${index}`))
    const lines = screenOf(
      reportOf({ calls }),
      { ...noChoice, selected: 'req_30' },
      { columns: 80, rows: 12 },
    )
    assert.equal(lines.length, 12)
    assert.ok(lines.some((line) => line.startsWith('> req_30')))
    assert.ok(lines.some((line) => /and \d+ more/.test(line)))
  })

  test('never is larger than the terminal, nor does it send what others have written as it is', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 })
    const call = fc.record({
      id: text,
      model: text,
      client: text,
      provider: text,
      phase: text,
      age_ms: fc.double(),
    })
    const report = fc.record({
      version: text,
      calls: fc.array(call, { maxLength: 30 }),
      attention: fc.array(fc.record({ severity: text, what: text, fix: text }), { maxLength: 6 }),
      providers: fc.array(fc.record({ name: text, state: text, trouble: text, reason: text }), {
        maxLength: 8,
      }),
    })
    const size = fc.record({
      columns: fc.integer({ min: 1, max: 120 }),
      rows: fc.integer({ min: 1, max: 40 }),
    })
    fc.assert(
      fc.property(report, size, (body, { columns, rows }) => {
        const read = readTopReport(body)
        const [first] = read.calls
        const choices: Choice[] = [
          noChoice,
          { ...noChoice, mode: 'help' },
          ...(first ? [{ ...noChoice, mode: { call: first } }] : []),
        ]
        for (const choice of choices) {
          const lines = drawScreen({ report: read, choice, trouble: undefined }, { columns, rows })
          assert.equal(lines.length, rows)
          for (const line of lines) {
            assert.ok(displayWidth(line.text) <= columns, `${line.text} in ${columns}`)
            assert.doesNotMatch(line.text, /[\p{Cc}\u2028\u2029\p{Bidi_Control}]/v)
          }
        }
      }),
    )
  })

  test('printed once, it has all calls and no selection', () => {
    const calls = Array.from({ length: 50 }, (_, index) => callOf(`req_${index}`))
    const lines = drawOnce(reportOf({ calls }), Infinity).map(({ text }) => text)
    assert.equal(lines.filter((line) => /^ {2}req_\d+ /.test(line)).length, 50)
    assert.ok(!lines.some((line) => line.includes('quit') || line.startsWith('>')))
  })

  test('of a gateway that reports calls alone has nothing else', () => {
    const lines = drawOnce(readTopReport({ calls: [] }), 80).map(({ text }) => text)
    assert.deepEqual(lines, ['llm-gateway · 0 calls under way', '', 'Calls under way', '  none', ''])
  })

  test('says so when it is not up to date', () => {
    const lines = drawScreen(
      { report: reportOf(), choice: noChoice, trouble: 'gone' },
      { columns: 80, rows: 10 },
    )
    assert.match(lines[0]!.text, /not up to date$/)
    assert.equal(lines.at(-1)!.text, 'gone')
  })
})

suite('keys', () => {
  test('are read from what terminals send', () => {
    assert.deepEqual(readKeys('\u001b[A\u001bOBkjgG'), ['up', 'down', 'up', 'down', 'first', 'last'])
    assert.deepEqual(readKeys('cy?q\u0003'), ['cancel', 'yes', 'help', 'quit', 'interrupt'])
    // Other keys with sequences are one key each: no letter of them counts.
    assert.deepEqual(readKeys('\u001b[5~\u001b[1;5C\u001b[15~q'), ['other', 'other', 'other', 'quit'])
    assert.deepEqual(readKeys('\u001b'), ['other'])
    assert.deepEqual(readKeys('é😀\n'), ['other', 'other', 'other'])
  })

  const { calls } = reportOf({ calls: ['a', 'b', 'c'].map((id) => callOf(id)) })
  const press = (keys: string, from: Choice = noChoice) =>
    readKeys(keys).reduce((result, key) => pressKey(key, result.choice, calls), {
      choice: from,
      action: undefined,
    } as ReturnType<typeof pressKey>)

  test('select, and stop at both ends', () => {
    assert.equal(press('j').choice.selected, 'b')
    assert.equal(press('jjjj').choice.selected, 'c')
    assert.equal(press('jjkkk').choice.selected, 'a')
    assert.equal(press('G').choice.selected, 'c')
    assert.equal(press('Gg').choice.selected, 'a')
  })

  test('cancel the selected call, and only after y', () => {
    assert.equal(press('jc').action, undefined)
    assert.deepEqual(press('jcy').action, { kind: 'cancel', id: 'b' })
    for (const other of ['n', 'q', 'c', '\u001b', '\r']) {
      const { choice, action } = press(`jc${other}`)
      assert.deepEqual([choice.mode, choice.notice, action], ['calls', 'Nothing was cancelled.', undefined])
    }
  })

  test('the call that is confirmed stays the one that was asked about, though the list changes', () => {
    const { choice } = press('jc')
    const { action } = pressKey('yes', choice, [])
    assert.deepEqual(action, { kind: 'cancel', id: 'b' })
  })

  test('quit', () => {
    for (const keys of ['q', '\u0003', '?q', 'c\u0003'])
      assert.deepEqual(press(keys).action, { kind: 'quit' }, keys)
    assert.equal(press('?').choice.mode, 'help')
    assert.equal(press('?x').choice.mode, 'calls')
  })

  test('with no calls there is nothing to cancel', () => {
    const { choice, action } = pressKey('cancel', noChoice, [])
    assert.deepEqual([choice.mode, choice.notice, action], ['calls', 'No call is under way.', undefined])
  })
})
