import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/properties.ts'
import { parseMediaType, soleParameter } from '../../src/http/media-type.ts'

describe('parseMediaType', () => {
  it('reads the essence in lower case', () => {
    for (const header of ['application/json', ' Application/JSON \t', 'application/JSON;charset=utf-8']) {
      assert.equal(parseMediaType(header)?.essence, 'application/json')
    }
  })

  it('is undefined for what is not a media type', () => {
    for (const header of [undefined, '', ' ', 'json', 'application/', '/json', 'a/b c', 'a b/c', 'é/b']) {
      assert.equal(parseMediaType(header), undefined, String(header))
    }
  })
})

describe('soleParameter', () => {
  it('reads a value that is plain, in quotes or not, among others', () => {
    for (const [header, boundary] of [
      ['multipart/form-data; boundary=----WebKitFormBoundaryAbC', '----WebKitFormBoundaryAbC'],
      ['multipart/form-data;BOUNDARY="a b:c"', 'a b:c'],
      ['multipart/form-data; charset=utf-8; boundary=b ; x=y', 'b'],
    ] as const) {
      assert.equal(soleParameter(header, 'boundary'), boundary)
    }
    assert.equal(soleParameter('text/plain; charset=UTF-8', 'charset'), 'UTF-8')
  })

  it('reads back any quoted boundary that does not end in a space', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w'()+,\-./:=? ]{0,69}[\w'()+,\-./:=?]$/), (boundary) => {
        const found = soleParameter(`multipart/form-data; boundary="${boundary}"`, 'boundary')
        assert.equal(found, /boundary *=/i.test(boundary) ? undefined : boundary)
      }),
    )
  })

  it('never throws', () => {
    const part = fc.constantFrom('a/b', ';', '=', '"', '\\', ' ', 'boundary', 'x', ',', '\n', 'é')
    const header = fc.oneof(
      fc.string(),
      fc.array(part).map((parts) => parts.join('')),
    )
    fc.assert(fc.property(header, (text) => void soleParameter(text, 'boundary')))
  })
})
