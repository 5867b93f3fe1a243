// The grammar of trace headers: what is accepted, and that anything else counts as absent.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  formatTraceparent,
  isSampledById,
  joinTracestate,
  parseTraceparent,
  readTraceHeaders,
} from '../../../src/observe/tracing/traceparent.ts'
import { fc } from '../../support/properties.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const valid = `00-${traceId}-${spanId}-01`

describe('traceparent', () => {
  it('has a trace, a span and whether it is sampled', () => {
    assert.deepEqual(parseTraceparent(valid), { traceId, spanId, isSampled: true })
    assert.equal(parseTraceparent(`00-${traceId}-${spanId}-00`)?.isSampled, false)
    assert.equal(parseTraceparent(`00-${traceId}-${spanId}-02`)?.isSampled, false, 'another flag')
    assert.equal(parseTraceparent(`00-${traceId}-${spanId}-ff`)?.isSampled, true)
  })

  it('is read by its first four fields in later versions', () => {
    assert.deepEqual(parseTraceparent(`01-${traceId}-${spanId}-01-more`), {
      traceId,
      spanId,
      isSampled: true,
    })
    assert.deepEqual(parseTraceparent(`fe-${traceId}-${spanId}-01`), { traceId, spanId, isSampled: true })
  })

  const faults: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['version ff', `ff-${traceId}-${spanId}-01`],
    ['a fifth field in version 00', `${valid}-more`],
    ['an end in a hyphen in version 00', `${valid}-`],
    ['more digits in a later version', `01-${traceId}-${spanId}-011`],
    ['upper case', valid.toUpperCase()],
    ['one letter in upper case', `00-${traceId.replace('b', 'B')}-${spanId}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['a span of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['a short trace', `00-${traceId.slice(1)}-${spanId}-01`],
    ['no flags', `00-${traceId}-${spanId}`],
    ['a space before', ` ${valid}`],
    ['a space behind', `${valid} `],
    ['a line feed behind', `${valid}\n`],
    ['two of them', `${valid}, ${valid}`],
    ['other digits', `00-${traceId.replace('4', '٤')}-${spanId}-01`],
    ['a long one of a later version', `01-${traceId}-${spanId}-01-${'x'.repeat(600)}`],
  ]
  for (const [name, text] of faults) {
    it(`is invalid with ${name}`, () => assert.equal(parseTraceparent(text), undefined))
  }

  it('comes back from what was written of it', () => {
    const hex = (digits: number) =>
      fc
        .array(fc.constantFrom(...'0123456789abcdef'.split('')), { minLength: digits, maxLength: digits })
        .map((list) => list.join(''))
        .filter((text) => /[^0]/.test(text))
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (trace, span, isSampled) => {
        const context = { traceId: trace, spanId: span, isSampled }
        assert.deepEqual(parseTraceparent(formatTraceparent(context)), context)
      }),
    )
  })

  it('is rewritten in its own alphabet or not at all, whatever comes', () => {
    const near = fc
      .tuple(fc.nat(valid.length - 1), fc.string({ unit: 'binary', maxLength: 3 }), fc.nat(2))
      .map(([at, put, cut]) => valid.slice(0, at) + put + valid.slice(at + cut))
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: 'binary' })), (text) => {
        const parsed = parseTraceparent(text)
        if (parsed === undefined) return
        assert.match(formatTraceparent(parsed), /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
      }),
    )
  })
})

describe('tracestate', () => {
  const accepted: readonly (readonly [string, readonly string[], string])[] = [
    ['one member', ['rojo=00f067aa0ba902b7'], 'rojo=00f067aa0ba902b7'],
    ['several lines', ['rojo=1', 'congo=t61'], 'rojo=1,congo=t61'],
    ['a tenant', ['fw529a3039@dt=FfVPw'], 'fw529a3039@dt=FfVPw'],
    ['spaces and an empty member', ['a=1 , ,b=2'], 'a=1 , ,b=2'],
    ['spaces within a value', ['a=one two'], 'a=one two'],
  ]
  for (const [name, lines, joined] of accepted) {
    it(`goes on as it came: ${name}`, () => assert.equal(joinTracestate(lines), joined))
  }

  const dropped: readonly (readonly [string, readonly string[]])[] = [
    ['nothing', ['']],
    ['no equals sign', ['rojo']],
    ['an upper-case key', ['Rojo=1']],
    ['a key twice', ['a=1', 'a=2']],
    ['two tenants', ['a@b@c=1']],
    ['an equals sign in a value', ['a=1=2']],
    ['an empty value', ['a=']],
    ['a control character', ['a=1\u0001']],
    ['a letter outside ASCII', ['a=ä']],
    ['513 characters', [`a=${'x'.repeat(250)},b=${'x'.repeat(250)},c=${'x'.repeat(5)}`]],
    ['33 members', [Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(',')]],
  ]
  for (const [name, lines] of dropped) {
    it(`is dropped with ${name}`, () => assert.equal(joinTracestate(lines), undefined))
  }

  it('is visible ASCII of 512 characters at most, whatever comes', () => {
    const member = fc
      .tuple(fc.string({ maxLength: 20 }), fc.string({ maxLength: 40 }))
      .map((pair) => pair.join('='))
    fc.assert(
      fc.property(fc.array(fc.oneof(member, fc.string({ unit: 'binary' }))), (lines) => {
        const joined = joinTracestate(lines)
        if (joined !== undefined) assert.match(joined, /^[\t -~]{3,512}$/)
      }),
    )
  })
})

describe('the headers of a request', () => {
  it('are found in any case, and only together', () => {
    const parent = { traceId, spanId, isSampled: true }
    assert.deepEqual(
      readTraceHeaders(['Host', 'x', 'TraceParent', valid, 'TRACESTATE', 'a=1', 'tracestate', 'b=2']),
      {
        parent,
        state: 'a=1,b=2',
      },
    )
    assert.deepEqual(readTraceHeaders(['traceparent', valid]), { parent, state: undefined })
    assert.equal(readTraceHeaders(['tracestate', 'a=1']), undefined)
    assert.equal(readTraceHeaders(['traceparent', valid, 'traceparent', valid]), undefined, 'twice')
    assert.equal(readTraceHeaders(['traceparent', 'nonsense', 'tracestate', 'a=1']), undefined)
  })
})

describe('sampling', () => {
  it('keeps all, none, or about the ratio', () => {
    const ids = Array.from({ length: 4_000 }, () =>
      Buffer.from(Array.from({ length: 16 }, () => Math.floor(Math.random() * 256))).toString('hex'),
    )
    assert.ok(ids.every((id) => isSampledById(id, 1)))
    assert.ok(!ids.some((id) => isSampledById(id, 0)))
    const kept = ids.filter((id) => isSampledById(id, 0.25)).length
    assert.ok(kept > 800 && kept < 1_200, `${kept} of 4000`)
  })

  it('keeps the traces of a smaller ratio with a larger one', () => {
    fc.assert(
      fc.property(
        fc.bigInt(1n, 2n ** 128n - 1n),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (number, ratio) => {
          const id = number.toString(16).padStart(32, '0')
          if (isSampledById(id, ratio / 2)) assert.ok(isSampledById(id, ratio))
        },
      ),
    )
  })
})
