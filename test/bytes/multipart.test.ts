import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/properties.ts'
import { readField, scanMultipart } from '../../src/bytes/multipart.ts'
import type { MultipartScan } from '../../src/bytes/multipart.ts'
import { splice } from '../../src/bytes/splice.ts'

const wanted = new Set(['model', 'response_format', 'stream'])
const boundary = '----b0undary'

interface Part {
  readonly disposition: string
  readonly headers?: string
  readonly content: Buffer | string
}

function form(parts: readonly Part[], end = `--${boundary}--\r\n`): Buffer {
  const pieces = parts.flatMap(({ disposition, headers = '', content }) => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: ${disposition}\r\n${headers}\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...pieces, Buffer.from(end)])
}

const field = (name: string, content: Buffer | string): Part => ({
  disposition: `form-data; name="${name}"`,
  content,
})
const file = (content: Buffer | string): Part => ({
  disposition: 'form-data; name="file"; filename="a; name=\\"model\\".wav"',
  headers: 'Content-Type: audio/wav\r\n',
  content,
})

function accept(body: Buffer): MultipartScan {
  const outcome = scanMultipart(body, boundary, wanted)
  assert.ok(outcome.ok, JSON.stringify(outcome))
  return outcome.scan
}

function refuse(body: Buffer | string, withBoundary = boundary) {
  const outcome = scanMultipart(Buffer.from(body), withBoundary, wanted)
  assert.ok(!outcome.ok, 'was accepted')
  return outcome
}

function read(body: Buffer, name: string): string | undefined {
  const found = accept(body).fields.get(name)
  return found && readField(body, found)
}

describe('scanMultipart', () => {
  it('finds wanted fields before and after a large file', () => {
    const large = Buffer.alloc(5_000_000, '\r\n----b0undar')
    const body = form([
      field('stream', 'true'),
      file(large),
      field('model', 'whisper-1'),
      field('language', 'de'),
    ])
    assert.equal(read(body, 'model'), 'whisper-1')
    assert.equal(read(body, 'stream'), 'true')
    assert.equal(accept(body).fields.size, 2)
    assert.equal(accept(body).fileBytes, large.length)
  })

  it('finds every field in any order, whatever the contents', () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom('', '\r\n', '--', '\r\n--', '\n\r\n\r\n', 'é').map((text) => Buffer.from(text)),
    )
    const names = fc.uniqueArray(fc.constantFrom('model', 'stream', 'response_format', 'other', 'x y', 'é'), {
      minLength: 1,
    })
    fc.assert(
      fc.property(names, fc.array(content, { minLength: 6, maxLength: 6 }), (names, contents) => {
        const parts = names.map((name, i) => field(name, Buffer.from(contents[i]!)))
        const body = form(parts.flatMap((part, i) => [part, file(Buffer.from(contents[5 - i]!))]))
        const { fields, fileBytes } = accept(body)
        assert.deepEqual([...fields.keys()].sort(), names.filter((name) => wanted.has(name)).sort())
        for (const [name, { value }] of fields) {
          assert.deepEqual(
            body.subarray(value.start, value.end),
            Buffer.from(contents[names.findIndex((other) => other === name)]!),
          )
        }
        assert.equal(
          fileBytes,
          names.reduce((sum, _, i) => sum + contents[5 - i]!.length, 0),
        )
      }),
    )
  })

  it('reads names as tokens, parameter names in any case, and headers in any order', () => {
    const parts = [
      { disposition: 'FORM-DATA ;NAME=model', headers: 'Content-Type: text/plain\r\n', content: 'a' },
      { disposition: 'form-data; name="stream"; x="y"', content: 'b' },
    ]
    assert.equal(read(form(parts), 'model'), 'a')
    assert.equal(read(form(parts), 'stream'), 'b')
  })

  it('gives spans that splice replaces', () => {
    const body = form([field('model', 'alias'), file(Buffer.from([0xff, 0, 0x0d]))])
    const spliced = splice(body, [{ at: accept(body).fields.get('model')!.value, bytes: 'real/name' }])
    assert.deepEqual(spliced, form([field('model', 'real/name'), file(Buffer.from([0xff, 0, 0x0d]))]))
  })

  it('accepts a form without parts and one without a last line end', () => {
    assert.equal(accept(form([])).fields.size, 0)
    assert.equal(read(form([field('model', 'a')], `--${boundary}--`), 'model'), 'a')
  })

  it('refuses a wanted field twice, in another case, as a file or transfer-encoded', () => {
    const encoded = { ...field('model', 'b'), headers: 'Content-Transfer-Encoding: quoted-printable\r\n' }
    const upload = { disposition: 'form-data; name="model"; filename=""', content: 'b' }
    const extended = { disposition: 'form-data; name="model"; filename*=UTF-8\'\'x', content: 'b' }
    const cases: [Part[], string][] = [
      [[field('model', 'a'), field('model', 'b')], 'duplicate field "model"'],
      [[field('Model', 'a')], 'field "Model" differs from "model" only in case'],
      [[field('\u017ftream', 'a')], 'field "\u017ftream" differs from "stream" only in case'],
      [[upload], 'field "model" is a file'],
      [[extended], 'field "model" is a file'],
      [[encoded], 'field "model" has a content-transfer-encoding'],
    ]
    for (const [parts, problem] of cases) {
      const refusal = refuse(form(parts))
      assert.equal(refusal.problem, problem)
      assert.ok(refusal.param === 'model' || refusal.param === 'stream')
    }
  })

  it('refuses dispositions without one plain name', () => {
    const odd = [
      'form-data',
      'form-data; name=""',
      'form-data; name="a"; name="model"',
      'form-data; name="mo\\del"',
      'attachment; name="a"',
      "form-data; name*=UTF-8''model",
      'form-data; name="a"; name*0="model"',
      'form-data; name="a',
      'form-data; name="a" b',
      'form-data name="a"',
      'form-data; filename="x\\"; name="model"',
      '',
    ]
    for (const disposition of odd) {
      assert.match(refuse(form([{ disposition, content: 'x' }])).problem, /content-disposition/, disposition)
    }
  })

  it('accepts the file names that clients write', () => {
    const names = [
      'filename="a\\".wav"',
      'filename="a\\\\b.wav"',
      'filename="C:\\dir\\a.wav"',
      'filename="a%22.wav"',
      'filename="a; b.wav"',
      `filename="a.wav"; filename*=UTF-8''%c3%a4.wav`,
      'filename=""',
    ]
    for (const name of names) {
      const disposition = `form-data; name="file"; ${name}`
      assert.equal(accept(form([{ disposition, content: 'x' }])).fileBytes, 1, disposition)
    }
  })

  it('reads a wanted field with a content-type of text in UTF-8, and refuses it with another one', () => {
    const typed = (type: string) => form([{ ...field('model', 'a'), headers: `Content-Type: ${type}\r\n` }])
    for (const type of ['text/plain', 'text/plain;charset=UTF-8', 'application/json; charset=utf-8']) {
      assert.equal(read(typed(type), 'model'), 'a', type)
    }
    for (const type of ['text/plain; charset=utf-16le', 'application/octet-stream', 'multipart/mixed', 'x']) {
      assert.equal(refuse(typed(type)).problem, 'field "model" is not plain text in UTF-8', type)
    }
  })

  it('refuses part headers that parsers read differently', () => {
    const odd = [
      'Content-Disposition: form-data; name="model"\r\n',
      ' folded\r\n',
      'no colon\r\n',
      'X : y\r\n',
      'X: a\nY: b\r\n',
      'X: \0\r\n',
      ': x\r\n',
    ]
    for (const headers of odd) {
      assert.equal(
        refuse(form([{ ...field('a', 'x'), headers }])).problem,
        'a header of a part is malformed',
        headers,
      )
    }
  })

  it('refuses what is not framed by the boundary', () => {
    const start = `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\nx`
    const cases: [string, string][] = [
      ['', 'the body does not start with the boundary of its content-type'],
      [
        `preamble\r\n${start}\r\n--${boundary}--`,
        'the body does not start with the boundary of its content-type',
      ],
      [start, 'the closing boundary is missing'],
      [`${start}\r\n--${boundary}`, 'a boundary is not followed by a line break'],
      [`${start}\r\n--${boundary}-`, 'a boundary is not followed by a line break'],
      [`${start}\r\n--${boundary} \r\n`, 'a boundary is not followed by a line break'],
      [`${start}\r\n--${boundary}x\r\n--${boundary}--`, 'a boundary is not followed by a line break'],
      [`${start}\n--${boundary}--`, 'the boundary occurs inside a part'],
      [`${start}--${boundary}--`, 'the boundary occurs inside a part'],
      [`${start}\r\n--${boundary}--\r\nepilogue`, 'data follows the closing boundary'],
      [
        `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\nx\r\n--${boundary}--`,
        'a part has no blank line after at most 8192 bytes of headers',
      ],
    ]
    for (const [body, problem] of cases) assert.equal(refuse(body).problem, problem, body)
  })

  it('refuses boundaries that RFC 2046 does not allow', () => {
    for (const odd of ['', 'a ', 'a\r\nb', 'a"b', 'x'.repeat(71), 'é']) {
      assert.equal(refuse(`--${odd}--`, odd).problem, 'the boundary is malformed', odd)
    }
    assert.ok(scanMultipart(Buffer.from(`--${'x'.repeat(70)}--`), 'x'.repeat(70), wanted).ok)
  })

  it('takes no white space of Unicode off a header, as other readers do not', () => {
    const start = `--${boundary}\r\nContent-Disposition:`
    const end = `\r\n\r\nx\r\n--${boundary}--`
    for (const space of ['\xa0', '\x0b', '\x0c']) {
      const body = Buffer.from(`${start}${space}form-data; name="model"${end}`, 'latin1')
      assert.equal(refuse(body).problem, 'a part lacks a well-formed content-disposition with a name')
    }
    accept(Buffer.from(`${start}\t form-data; name="model" \t${end}`))
  })

  it('bounds the number of parts and the size of their headers', () => {
    const parts = (count: number) => Array.from({ length: count }, () => field('a', 'x'))
    accept(form(parts(100)))
    assert.equal(refuse(form(parts(101))).problem, 'the form has more than 100 parts')
    const headers = `X: ${'y'.repeat(8192)}\r\n`
    assert.match(refuse(form([{ ...field('a', 'x'), headers }])).problem, /no blank line/)
  })
})

describe('readField', () => {
  it('is undefined for bytes that are no UTF-8', () => {
    assert.equal(read(form([field('model', Buffer.from([0x61, 0xff]))]), 'model'), undefined)
    assert.equal(read(form([field('model', 'é')]), 'model'), 'é')
    assert.equal(read(form([field('model', '')]), 'model'), '')
  })
})
