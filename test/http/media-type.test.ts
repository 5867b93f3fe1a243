import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseMediaType } from '../../src/http/media-type.ts'

describe('parseMediaType', () => {
  it('reads the essence in lower case', () => {
    assert.deepEqual(parseMediaType('application/json'), { essence: 'application/json' })
    assert.deepEqual(parseMediaType(' Application/JSON \t'), { essence: 'application/json' })
    assert.deepEqual(parseMediaType('application/vnd.api+json'), { essence: 'application/vnd.api+json' })
  })

  it('reads charset in lower case and boundary as it is', () => {
    const boundary = '----WebKitFormBoundaryAbC'
    assert.deepEqual(parseMediaType('application/json; charset=UTF-8'), {
      essence: 'application/json',
      charset: 'utf-8',
    })
    assert.deepEqual(parseMediaType(`multipart/form-data; boundary=${boundary}`), {
      essence: 'multipart/form-data',
      boundary,
    })
    assert.deepEqual(parseMediaType('multipart/form-data;BOUNDARY="a b:c;d"'), {
      essence: 'multipart/form-data',
      boundary: 'a b:c;d',
    })
  })

  it('passes over other and empty parameters', () => {
    assert.deepEqual(parseMediaType('text/plain;; format=flowed; x="a\\"; charset=b" ;'), {
      essence: 'text/plain',
    })
  })

  it('is undefined for what is no media type', () => {
    const odd = [
      undefined,
      '',
      ' ',
      'json',
      'application/',
      '/json',
      'a/b/c',
      'a/b c',
      'a b/c',
      'a/b, c/d',
      'a/b; x',
      'a/b; x=',
      'a/b; =y',
      'a/b; x = y',
      'a/b; x="y',
      'a/b; x="y"z',
      'a/b; x="\u0001"',
      'a/b; x="\u0100"',
      'é/b',
      'a/b;\u00a0x=y',
      'a/b; boundary="a\\b"',
      'a/b; charset="utf\\-8"',
    ]
    for (const header of odd) assert.equal(parseMediaType(header), undefined, String(header))
  })

  it('is undefined when a parameter stands twice', () => {
    assert.equal(parseMediaType('multipart/form-data; boundary=a; Boundary=b'), undefined)
    assert.equal(parseMediaType('application/json; charset=utf-8; charset=utf-8'), undefined)
  })

  it('reads back any quoted boundary', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w'()+,\-./:=? ;]{1,70}$/), (boundary) => {
        assert.equal(parseMediaType(`multipart/form-data; boundary="${boundary}"`)?.boundary, boundary)
      }),
    )
  })

  it('never throws', () => {
    const part = fc.constantFrom('a/b', ';', '=', '"', '\\', ' ', 'charset', ',', '\n', 'é')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part).map((parts) => parts.join('')),
        ),
        (header) => {
          const type = parseMediaType(header)
          if (type !== undefined) assert.match(type.essence, /^[^A-Z\s;]+\/[^A-Z\s;]+$/)
        },
      ),
    )
  })
})
