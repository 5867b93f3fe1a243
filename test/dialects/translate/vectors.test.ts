// Translations as files, every stream of them whole and byte by byte; vectors.system.ts cuts them everywhere.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkErrorBody, checkRequest, checkStream, checkWhole, vectors } from './check-vector.ts'

/** What a vector is compared with. */
const results = [
  'sent.json',
  'refused.json',
  'returned.json',
  'returned.sse',
  'returned.ndjson',
  'failed.json',
]

describe('translations', () => {
  test('there are vectors, and each has a result', () => {
    assert.ok(vectors.length > 60)
    for (const { name, file, keeps, dropped } of vectors) {
      const isCompared = results.some((result) => file(result) !== undefined)
      assert.ok(isCompared || keeps !== undefined || dropped !== undefined, name)
    }
  })

  for (const vector of vectors) {
    test(vector.name, () => {
      checkRequest(vector)
      const [whole, stream, error] = ['response.json', 'response.sse', 'error.json'].map(vector.file)
      if (whole !== undefined) checkWhole(vector, Buffer.from(whole))
      if (error !== undefined) checkErrorBody(vector, error)
      if (stream === undefined) return
      const bytes = Buffer.from(stream)
      checkStream(vector, [bytes])
      checkStream(
        vector,
        Array.from(bytes, (byte) => Buffer.from([byte])),
      )
    })
  }
})
