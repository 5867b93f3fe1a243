import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../../support/properties.ts'
import { readJson, readString, scanJson } from '../../../src/bytes/json/scan.ts'
import type {
  JsonPosition,
  JsonScan,
  JsonVisitor,
  Refusal,
  ScanOutcome,
} from '../../../src/bytes/json/types.ts'
import { JsonScanner } from '../../../src/bytes/json/scanner.ts'
import { MemberNames } from '../../../src/bytes/json/member-names.ts'

const wantedNames = ['kind', 'max_tokens', 'model', 'n', 'stream', 'stream_options']
const wanted = new MemberNames(wantedNames, ['messages', 'tools'])

/** Writes down what it sees. */
class Recorder implements JsonVisitor {
  readonly seen: string[] = []

  member(name: string): boolean {
    this.seen.push(`member ${name}`)
    return name === 'messages' || name === 'tools'
  }

  key({ bytes, keyStart, keyEnd }: JsonPosition): void {
    this.seen.push(`key ${bytes.toString('latin1', keyStart, keyEnd)}`)
  }

  container({ open }: JsonPosition): void {
    this.seen.push(`container in ${String.fromCharCode(...open)}`)
  }

  scalar({ bytes, keyStart, keyEnd }: JsonPosition, start: number, end: number): void {
    const key = bytes.toString('latin1', keyStart, keyEnd)
    this.seen.push(`scalar ${key}: ${bytes.toString('latin1', start, end)}`)
  }
}

function visit(body: Buffer): ScanOutcome {
  return scanJson(body, wanted, new Recorder())
}

function accept(body: Buffer | string): JsonScan {
  const outcome = scanJson(Buffer.from(body), wanted)
  assert.ok(outcome.ok, JSON.stringify(outcome))
  return outcome.scan
}

function refuse(body: Buffer | string): Refusal {
  const outcome = scanJson(Buffer.from(body), wanted)
  assert.ok(!outcome.ok, 'was accepted')
  return outcome
}

function modelOf(body: string): string | undefined {
  const member = accept(body).members.get('model')
  return member && readString(Buffer.from(body), member)
}

/** The bytes at an odd offset of a larger buffer, as they come out of a pool. */
function shifted(body: Buffer, by: number): Buffer {
  const pool = Buffer.alloc(body.length + by + 8, '"')
  body.copy(pool, by)
  return pool.subarray(by, by + body.length)
}

function parses(body: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 })
const character = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).map((text) => JSON.stringify(text).slice(1, -1)),
  fc.constantFrom(
    '\\u0065',
    '\\uD83D\\uDE00',
    '\\ud800',
    '\\/',
    '\\n',
    '\\"',
    '\\\\',
    'é',
    '漢',
    '😀',
    '\u2028',
  ),
  fc.constantFrom('x'.repeat(40), 'QUJD'.repeat(20), '漢字'.repeat(20)),
)
const quoted = fc.array(character, { maxLength: 12 }).map((characters) => `"${characters.join('')}"`)
const scalar = fc.oneof(
  quoted,
  fc.constantFrom(
    '1.0',
    '1e2',
    '-0',
    '12345678901234567890',
    '0.1E-7',
    '1E+5',
    'true',
    'false',
    'null',
    '""',
  ),
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
)
const { value } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, tie('list'), tie('object')),
  list: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
    .map((items) => `[${items.map((item) => item.join('')).join(',') || ' '}]`),
  object: fc
    .array(fc.tuple(space, fc.oneof(quoted, fc.constant('"model"')), space, tie('value'), space), {
      maxLength: 4,
    })
    .map((items) => `{${items.map(([a, key, b, item, c]) => `${a}${key}${b}:${b}${item}${c}`).join(',')}}`),
}))
const wantedKey = fc.tuple(fc.constantFrom(...wantedNames), fc.nat()).map(([name, at]) => {
  const i = at % (name.length + 3)
  const escaped = name.charCodeAt(i).toString(16).padStart(4, '0')
  return `"${i < name.length ? `${name.slice(0, i)}\\u${escaped}${name.slice(i + 1)}` : name}"`
})
const otherKey = fc
  .oneof(quoted, fc.constantFrom('"messages"', '"tools"', '"prompt"', '"input"'))
  .filter((key) => !wantedNames.includes((JSON.parse(key) as string).toLowerCase().replaceAll('ſ', 's')))
const document = fc
  .uniqueArray(fc.tuple(space, fc.oneof(wantedKey, otherKey), space, value), {
    maxLength: 8,
    selector: ([, key]) => JSON.parse(key) as string,
  })
  .map((members) => members.map(([a, key, b, item]) => `${a}${key}${b}:${b}${item}${a}`).join(','))
  .chain((inner) => fc.tuple(space, space).map(([before, after]) => `${before}{${inner}}${after}`))

describe('scanJson against JSON.parse', () => {
  it('finds the same members with the same values in any document', () => {
    fc.assert(
      fc.property(document, fc.nat(7), (text, offset) => {
        const body = shifted(Buffer.from(text), offset)
        const outcome = scanJson(body, wanted)
        assert.ok(outcome.ok, JSON.stringify(outcome))
        const expected = JSON.parse(text) as Record<string, unknown>
        const names = Object.keys(expected).filter((name) => wantedNames.includes(name))
        assert.deepEqual(new Set(outcome.scan.members.keys()), new Set(names))
        assert.equal(outcome.scan.isEmpty, Object.keys(expected).length === 0)
        for (const [name, member] of outcome.scan.members) {
          assert.deepEqual(readJson(body, member), expected[name])
          const kind =
            expected[name] === null || typeof expected[name] === 'boolean'
              ? String(expected[name])
              : undefined
          assert.equal(member.kind, kind ?? (Array.isArray(expected[name]) ? 'array' : typeof expected[name]))
        }
      }),
      { numRuns: 1500 },
    )
  })

  it('accepts exactly what JSON.parse accepts, bytes flipped or cut off', () => {
    const odd = fc.constantFrom(...Buffer.from('"\\{}[]:,0123-+.eEu \n\t\0\x1f\x7f/tfn'), 0x80, 0xc3, 0xff)
    const change = fc.record({ at: fc.nat(), byte: fc.option(odd), length: fc.option(fc.nat(), { freq: 4 }) })
    fc.assert(
      fc.property(
        document,
        fc.array(change, { maxLength: 3, minLength: 1 }),
        fc.nat(7),
        (text, changes, offset) => {
          let body = Buffer.from(text)
          for (const { at, byte, length } of changes) {
            if (byte === null)
              body = Buffer.concat([
                body.subarray(0, at % body.length),
                body.subarray((at % body.length) + 1),
              ])
            else body[at % body.length] = byte
            if (length !== null) body = body.subarray(0, length % (body.length + 1))
            if (body.length === 0) return
          }
          const outcome = scanJson(shifted(body, offset), wanted)
          if (outcome.ok || outcome.param === undefined)
            assert.equal(outcome.ok, parses(body), body.toString())
        },
      ),
      { numRuns: 4000 },
    )
  })

  it('checks every byte of a long string', () => {
    const length = 40_000
    fc.assert(
      fc.property(fc.nat(length - 1), fc.nat(255), fc.nat(3), fc.boolean(), (at, byte, offset, isWide) => {
        const content = Buffer.alloc(length, isWide ? '漢' : 'QUJD')
        content[at] = byte
        const body = shifted(Buffer.concat([Buffer.from('{"x":"'), content, Buffer.from('"}')]), offset)
        const outcome = scanJson(body, wanted)
        assert.equal(outcome.ok, parses(body))
        if (!outcome.ok && byte < 0x20) assert.equal(outcome.offset, at + 6)
      }),
      { numRuns: 1000 },
    )
  })

  it('sees every control character, quote and backslash at every place in a word', () => {
    for (const byte of [...Array.from({ length: 0x20 }, (_, i) => i), 0x22, 0x5c]) {
      for (let at = 0; at < 80; at++) {
        const content = Buffer.alloc(80, 'z')
        content[at] = byte
        const body = Buffer.concat([Buffer.from('{"x":"'), content, Buffer.from('"}')])
        assert.equal(scanJson(body, wanted).ok, parses(body), `byte ${byte} at ${at}`)
      }
    }
  })
})

/** Scans `body` as it arrives: first up to the first of `ends`, and so on. What has not come yet is `noise`. */
function scanArriving(body: Buffer, ends: readonly number[], noise: number): ScanOutcome {
  const arriving = Buffer.alloc(body.length, noise)
  const scanner = new JsonScanner(arriving, wanted, new Recorder())
  let from = 0
  for (const end of [
    ...ends.map((each) => each % (body.length + 1)).toSorted((a, b) => a - b),
    body.length,
  ]) {
    body.copy(arriving, from, from, end)
    from = end
    const outcome = scanner.readTo(end)
    if (outcome !== undefined) return outcome
  }
  throw new Error('came to no end')
}

describe('JsonScanner', () => {
  const ends = fc.array(fc.nat(), { maxLength: 12 })
  const noise = fc.constantFrom(...Buffer.from('"\\{}[]:,01-eu \0x'), 0xff)

  it('finds the same wherever the body is cut into pieces, bytes flipped or not', () => {
    const flip = fc.option(
      fc.record({ at: fc.nat(), byte: fc.constantFrom(...Buffer.from('"\\{}[]:,0-.eu \n\0x')) }),
    )
    fc.assert(
      fc.property(document, flip, ends, noise, (text, change, cuts, filler) => {
        const body = Buffer.from(text)
        if (change !== null && body.length > 0) body[change.at % body.length] = change.byte
        assert.deepEqual(scanArriving(body, cuts, filler), visit(body))
      }),
      { numRuns: 3000 },
    )
  })

  it('finds the same when each byte comes alone', () => {
    fc.assert(
      fc.property(document, noise, (text, filler) => {
        const body = Buffer.from(text)
        assert.deepEqual(scanArriving(body, [...body.keys()], filler), visit(body))
      }),
      { numRuns: 200 },
    )
  })

  it('goes on within a long string, wherever it was cut', () => {
    const length = 40_000
    const special = fc.constantFrom('\\u00e9', '\\n', '\\\\', '\\x', '"', '\n', '')
    fc.assert(
      fc.property(fc.nat(length), special, ends, (at, odd, cuts) => {
        const content = `${'QUJD'.repeat(at / 4)}${odd}${'QUJD'.repeat((length - at) / 4)}`
        const body = Buffer.from(`{"messages":["${content}"],"model":"a"}`)
        assert.deepEqual(scanArriving(body, [...cuts, at + 15, at + 17], 0x22), visit(body))
      }),
      { numRuns: 300 },
    )
  })

  it('tells of a refusal before the body is whole', () => {
    const body = Buffer.from('{"model":1,,                ')
    assert.equal(new JsonScanner(body, wanted).readTo(10), undefined)
    assert.deepEqual(new JsonScanner(body, wanted).readTo(12)?.ok, false)
  })

  it('reads nothing twice', () => {
    const body = Buffer.from(
      `{"messages":["${'QUJD'.repeat(500_000)}"],"x":"${'\\n'.repeat(500_000)}","y":[${'1,'.repeat(500_000)}1]${' '.repeat(500_000)}}`,
    )
    const scanner = new JsonScanner(body, wanted)
    let outcome: ScanOutcome | undefined
    // Byte by byte: quadratic work would take minutes.
    for (let end = 1; end <= body.length; end++) outcome = scanner.readTo(end)
    assert.deepEqual(outcome, scanJson(body, wanted))
  })
})

describe("scanJson's visitor", () => {
  function seenIn(body: string): readonly string[] {
    const recorder = new Recorder()
    assert.ok(scanJson(Buffer.from(body), wanted, recorder).ok)
    return recorder.seen
  }

  it('sees the values of the members that it enters, in the order of the bytes', () => {
    assert.deepEqual(seenIn('{"messages":[{"a":"x","b":[1]},true],"n":{"c":2},"tools":"y"}'), [
      'member messages',
      'container in {',
      'container in {[',
      'key a',
      'scalar a: "x"',
      'key b',
      'container in {[{',
      'scalar b: 1',
      'scalar : true',
      'member n',
      'member tools',
      'scalar tools: "y"',
    ])
  })

  it('sees no member of another name, nor the same name further in', () => {
    assert.deepEqual(seenIn('{"x":{"messages":[1]},"messages":{"tools":2}}'), [
      'member messages',
      'container in {',
      'key tools',
      'scalar tools: 2',
    ])
  })
})

describe('scanJson members', () => {
  it('takes a name for what it decodes to', () => {
    assert.equal(modelOf('{"mod\\u0065l":"a"}'), 'a')
    assert.equal(modelOf(String.raw`{"\u006d\u006f\u0064\u0065\u006c":"a"}`), 'a')
  })

  it('ignores the same name in nested objects', () => {
    const body =
      '{"metadata":{"model":"b","MODEL":1},"tools":[{"model":"c"},{"model":"d"}],"model":"a","x":{"model":2}}'
    assert.equal(modelOf(body), 'a')
  })

  it('has no member for an absent name', () => {
    assert.equal(accept('{"messages":[{"model":"b"}]}').members.size, 0)
    assert.equal(accept('{}').members.size, 0)
  })

  it('tells the kind of each value', () => {
    for (const [text, kind] of Object.entries({
      '1': 'number',
      '-1': 'number',
      null: 'null',
      '{}': 'object',
      '[]': 'array',
    })) {
      const member = accept(`{"model":${text}}`).members.get('model')
      assert.equal(member?.kind, kind)
      assert.equal(readString(Buffer.from(`{"model":${text}}`), member), undefined)
    }
  })

  it('reads an empty string', () => {
    assert.equal(modelOf('{"model":""}'), '')
  })

  it('tells where a member can be inserted', () => {
    assert.deepEqual([accept(' {"a":1}').insertAt, accept(' {"a":1}').isEmpty], [2, false])
    assert.deepEqual([accept('{ }').insertAt, accept('{ }').isEmpty], [1, true])
  })

  it('does not stumble over __proto__ and constructor', () => {
    assert.equal(modelOf('{"__proto__":{"model":"x"},"constructor":1,"model":"a"}'), 'a')
  })
})

describe('scanJson refuses what decoders read differently', () => {
  it('a wanted name twice, escaped or not', () => {
    for (const second of ['model', 'mod\\u0065l', '\\u006dodel']) {
      const refusal = refuse(`{"model":"cheap","${second}":"dear"}`)
      assert.deepEqual([refusal.problem, refusal.param], ['duplicate key "model"', 'model'])
      assert.equal(refusal.offset, 17)
    }
  })

  it('a name that Go folds onto a wanted one', () => {
    for (const variant of ['MODEL', 'Model', 'moDel', '\\u004dodel', 'mode\\u004c']) {
      const refusal = refuse(`{"model":"cheap","${variant}":"dear"}`)
      assert.match(refusal.problem, /^key "\w+" differs from "model" only in case$/)
      assert.equal(refusal.param, 'model')
    }
    for (const variant of ['ſtream', '\\u017ftream', '\\u017FTREAM'])
      assert.equal(refuse(`{"${variant}":1}`).param, 'stream')
    for (const variant of ['\u212aind', '\\u212aIND', 'max_to\u212aenſ'])
      assert.ok(refuse(`{"${variant}":1}`).param)
  })

  it('such a name even when the exact one is absent', () => {
    assert.equal(refuse('{"MODEL":"dear"}').problem, 'key "MODEL" differs from "model" only in case')
  })

  it('but not names that no decoder takes for a wanted one', () => {
    accept(
      '{"model":"a","models":1,"mode":2,"m0del":3,"modèl":4,"MODEL ":5,"µodel":6,"other":7,"OTHER":8,"other":9}',
    )
  })
})

describe('scanJson refuses what is no JSON object', () => {
  const cases: Record<string, string | Buffer> = {
    'an empty body': '',
    'white space only': ' \n',
    'an array': '[]',
    'a string': '"model"',
    'a byte order mark': '\ufeff{"model":"a"}',
    'UTF-16': Buffer.from('{"model":"a"}', 'utf16le'),
    'a no-break space': '{\u00a0}',
    'trailing garbage': '{"model":"a"} x',
    'a second object': '{"model":"a"}{"model":"b"}',
    'a trailing comma': '{"model":"a",}',
    'a trailing comma in an array': '{"a":[1,]}',
    'a leading zero': '{"a":01}',
    'a bare minus': '{"a":-}',
    'a number without fraction digits': '{"a":1.}',
    'a number without exponent digits': '{"a":1e+}',
    'a leading plus': '{"a":+1}',
    NaN: '{"a":NaN}',
    'a comment': '{"a":1/**/}',
    'single quotes': "{'a':1}",
    'a bare name': '{a:1}',
    'an unknown escape': String.raw`{"a":"\x41"}`,
    'a short escape': String.raw`{"a":"\u12"}`,
    'a raw line feed': '{"a":"\n"}',
    'a raw control character in a name': '{"a\u0001":1}',
    'brackets that do not match': '{"a":[1}',
    'a missing colon': '{"a" 1}',
    'a missing comma': '{"a":1 "b":2}',
    'a half word': '{"a":tru}',
    'a word that goes on': '{"a":truex}',
  }
  for (const [name, body] of Object.entries(cases)) {
    it(name, () => {
      const refusal = refuse(body)
      assert.ok(refusal.offset >= 0 && refusal.offset <= Buffer.from(body).length)
      assert.ok(refusal.problem.length > 0)
    })
  }

  it('a document cut off at any place', () => {
    const body = '{"model":"a\\u00e9","x":[1.5e3,{"y":null}],"z":true}'
    for (let length = 1; length < body.length; length++) {
      assert.deepEqual(
        refuse(body.slice(0, length)).problem,
        'the JSON ends too early',
        body.slice(0, length),
      )
    }
  })

  it('nesting beyond the cap, without overflowing the stack', () => {
    assert.equal(
      refuse(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`).problem,
      'values are nested deeper than 10000',
    )
    assert.equal(refuse('{"a":'.repeat(100_000)).problem, 'values are nested deeper than 10000')
    accept(`{"a":${'['.repeat(9_999)}${']'.repeat(9_999)}}`)
  })

  it('numbers longer than any request has', () => {
    accept(`{"a":[${'1'.repeat(1000)},-${'1'.repeat(1000)}.${'1'.repeat(1000)}e+${'1'.repeat(1000)}]}`)
    for (const number of ['1', '1.1', '1e1', '1e-1']) {
      const refusal = refuse(`{"a":${number}${'1'.repeat(1000)}}`)
      assert.deepEqual(
        [refusal.problem, refusal.offset],
        ['a number has more than 1,000 digits', 1004 + number.length],
      )
    }
  })

  it('more members than any request has', () => {
    const members = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(',')}}`
    accept(members(1000))
    assert.equal(refuse(members(1001)).problem, 'the object has more than 1000 members')
  })
})

describe('readString', () => {
  const read = (body: Buffer) => readString(body, accept(body).members.get('model')!)

  it('refuses bytes that are no UTF-8', () => {
    assert.equal(read(Buffer.from('{"model":"a\xff"}', 'latin1')), undefined)
  })

  it('refuses half a surrogate pair', () => {
    assert.equal(read(Buffer.from(String.raw`{"model":"\ud83d"}`)), undefined)
    assert.equal(read(Buffer.from(String.raw`{"model":"\ud83d\ude00"}`)), '😀')
  })

  it('leaves invalid UTF-8 elsewhere to the provider', () => {
    assert.equal(read(Buffer.from('{"messages":["\xff\xfe"],"model":"a"}', 'latin1')), 'a')
  })
})
