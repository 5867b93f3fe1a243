import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/properties.ts'
import { formatGoDuration, parseDurationMs } from '../../src/http/duration.ts'

const nowMs = Date.parse('2026-11-02T10:00:00.250Z')
const parse = (text: string) => parseDurationMs(text, { nowMs })

describe('formatGoDuration', () => {
  it('writes durations as OpenAI and Groq do', () => {
    const cases: [number, string][] = [
      [0, '0s'],
      [1, '1ms'],
      [12, '12ms'],
      [999, '999ms'],
      [1000, '1s'],
      [1500, '1.5s'],
      [7660, '7.66s'],
      [59_999, '59.999s'],
      [60_000, '1m0s'],
      [179_560, '2m59.56s'],
      [360_000, '6m0s'],
      [3_600_000, '1h0m0s'],
      [90_061_001, '25h1m1.001s'],
    ]
    for (const [ms, text] of cases) assert.equal(formatGoDuration(ms), text)
  })

  it('rounds up to whole milliseconds', () => {
    assert.equal(formatGoDuration(0.001), '1ms')
    assert.equal(formatGoDuration(999.2), '1s')
    assert.equal(formatGoDuration(59_999.5), '1m0s')
  })

  it('reads what is below zero as zero', () => {
    assert.equal(formatGoDuration(-5), '0s')
    assert.equal(formatGoDuration(-0), '0s')
  })

  it('writes what Go parses, and parseDurationMs reads back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (ms) => {
        const text = formatGoDuration(ms)
        assert.match(text, /^(?:0s|\d+ms|(?:(?:\d+h)?\d{1,2}m)?\d{1,2}(?:\.\d{0,2}[1-9])?s)$/)
        assert.equal(parse(text), ms)
      }),
      { numRuns: 5000 },
    )
  })
})

describe('parseDurationMs', () => {
  it('reads Go durations', () => {
    const cases = {
      '0s': 0,
      '12ms': 12,
      '1.5s': 1500,
      '.5s': 500,
      '6m0s': 360_000,
      '1h2m3.5s': 3_723_500,
      '1s.5s': 1500,
      '5h': 18_000_000,
    }
    for (const [text, ms] of Object.entries(cases)) assert.equal(parse(text), ms, text)
  })

  it('rounds up to whole milliseconds', () => {
    for (const text of ['1ns', '10us', '10µs', '10μs', '0.2ms', '0.0001s', '0.0001'])
      assert.equal(parse(text), 1, text)
  })

  it('reads plain numbers in the unit of the header', () => {
    assert.equal(parse('20'), 20_000)
    assert.equal(parse(' 1.5 '), 1500)
    assert.equal(parse('0'), 0)
    assert.equal(parseDurationMs('174.2', { nowMs, plainUnit: 'ms' }), 175)
  })

  it('reads points in time, relative to now', () => {
    assert.equal(parse('Mon, 02 Nov 2026 10:00:30 GMT'), 29_750)
    assert.equal(parse('2026-11-02T10:00:01Z'), 750)
    assert.equal(parse('2026-11-02T11:00:01.5+01:00'), 1250)
    assert.equal(parse('Mon, 02 Nov 2026 09:00:00 GMT'), 0)
  })

  it('is the largest whole number for a time beyond all counting', () => {
    for (const text of ['99999999999999', '9'.repeat(30), `${'9'.repeat(40)}h`]) {
      assert.equal(parse(text), Number.MAX_SAFE_INTEGER, text)
    }
  })

  it('is undefined for anything else', () => {
    const odd = [
      '',
      ' ',
      '-1',
      '-1s',
      '+1s',
      '1e3',
      'NaN',
      'Infinity',
      '1 s',
      '1s 2',
      's',
      '.',
      '.s',
      '1.2.3s',
      '1d',
      '1S',
      '0x10',
      '1,5s',
      'tomorrow',
      '2026-11-02',
      '2026-13-45T99:00:00Z',
      'Mon, 99 Nov 2026 10:00:30 GMT',
      '1s'.repeat(40),
    ]
    for (const text of odd) assert.equal(parse(text), undefined, text)
  })

  it('is undefined or a whole number that is not negative, whatever comes', () => {
    const part = fc.constantFrom('1', '0', '.', 's', 'ms', 'h', '-', ':', 'T', 'Z', '2026')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part).map((parts) => parts.join('')),
        ),
        (text) => {
          const ms = parse(text)
          assert.ok(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0))
        },
      ),
    )
  })
})
