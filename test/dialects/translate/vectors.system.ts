// Every stream of the translations that are files, cut in two at every byte.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkStream, vectors } from './check-vector.ts'

const streams = vectors.flatMap((vector) => {
  const stream = vector.file('response.sse')
  return stream === undefined ? [] : [{ vector, bytes: Buffer.from(stream) }]
})

describe('translations of a stream in two pieces', () => {
  test('there are streams', () => assert.ok(streams.length > 30))

  for (const { vector, bytes } of streams) {
    test(vector.name, () => {
      for (let at = 1; at < bytes.length; at += 1) {
        checkStream(vector, [bytes.subarray(0, at), bytes.subarray(at)])
      }
    })
  }
})
