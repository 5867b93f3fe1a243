import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'

import { BodyMemory, LargeBody } from '../../src/bytes/large-body.ts'
import { spliceParts } from '../../src/bytes/splice.ts'
import { bodySlices } from '../../src/upstream/body-slices.ts'

function bodyOf(length: number): LargeBody {
  const memory = new BodyMemory(() => {})
  const bytes = memory.allocate(length)
  for (let at = 0; at < length; at += 1) bytes[at] = at % 251
  return new LargeBody(bytes, undefined, memory, { release() {} })
}

test('slices are the body with its edits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 900_000 }), fc.nat(), async (length, place) => {
      const of = bodyOf(length)
      const at = place % length
      const parts = spliceParts(of.bytes, [{ at: { start: at, end: at + 1 }, bytes: 'name' }])
      const expected = Buffer.concat(parts)
      const slices: Buffer[] = []
      for await (const slice of bodySlices({ of, parts })) slices.push(slice)
      assert.ok(expected.equals(Buffer.concat(slices)))
    }),
    { numRuns: 15 },
  )
})

test("the body's own memory goes out in slices that a socket says of when they are gone", async () => {
  const of = bodyOf(700_000)
  for await (const slice of bodySlices({ of, parts: [of.bytes] })) {
    if (slice.buffer === of.bytes.buffer) assert.ok(slice.length > 65_536)
  }
})

test('a body that is being sent outlives its call, and ends with the sending', async () => {
  const of = bodyOf(700_000)
  const slices = bodySlices({ of, parts: [of.bytes] })
  await slices.next()
  of.dispose()
  assert.equal(of.bytes.length, 700_000)

  await slices.return(undefined)
  assert.throws(() => of.bytes, /gone/)
})
