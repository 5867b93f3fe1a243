import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/properties.ts'
import { scanJson } from '../../src/bytes/json/scan.ts'
import { MemberNames } from '../../src/bytes/json/member-names.ts'
import { splice } from '../../src/bytes/splice.ts'

describe('splice', () => {
  it('returns the identical buffer when there is nothing to change', () => {
    const body = Buffer.from('{}')
    assert.equal(splice(body, []), body)
  })

  it('keeps every byte outside of the edits, in whatever order they come', () => {
    const edit = fc.record({
      skip: fc.nat(5),
      length: fc.nat(5),
      bytes: fc.uint8Array({ maxLength: 6 }),
      rank: fc.nat(),
    })
    fc.assert(
      fc.property(
        fc.array(edit, { maxLength: 6 }),
        fc.uint8Array({ minLength: 70, maxLength: 90 }),
        (plan, bytes) => {
          const body = Buffer.from(bytes)
          const expected: number[] = []
          let at = 0
          const edits = plan.map(({ skip, length, bytes, rank }) => {
            const start = at + skip + 1
            expected.push(...body.subarray(at, start), ...bytes)
            at = start + length
            return { rank, at: { start, end: at }, bytes: Buffer.from(bytes) }
          })
          expected.push(...body.subarray(at))
          const shuffled = edits.toSorted((a, b) => a.rank - b.rank)
          assert.deepEqual([...splice(body, shuffled)], expected)
        },
      ),
    )
  })

  it('replaces a model name and inserts a member; odd numbers and invalid UTF-8 survive', () => {
    const before = String.raw`{"seed":12345678901234567890,"t":1.0,"u":1e2,"model":"alias","messages":["`
    const body = Buffer.concat([Buffer.from(before), Buffer.from([0xff, 0xc3]), Buffer.from('"]}')])
    const outcome = scanJson(body, new MemberNames(['model']))
    assert.ok(outcome.ok)
    const { insertAt, members } = outcome.scan
    const spliced = splice(body, [
      { at: members.get('model')!.value, bytes: JSON.stringify('real/ñame') },
      { at: { start: insertAt, end: insertAt }, bytes: '"stream_options":{"include_usage":true},' },
    ])
    const latin1 = body.toString('latin1')
    const expected = latin1
      .replace('"alias"', Buffer.from('"real/ñame"').toString('latin1'))
      .replace('{', '{"stream_options":{"include_usage":true},')
    assert.equal(spliced.toString('latin1'), expected)
  })

  it('throws on edits that overlap or leave the body', () => {
    const body = Buffer.from('0123456789')
    const edit = (start: number, end: number) => ({ at: { start, end }, bytes: '' })
    assert.throws(() => splice(body, [edit(4, 8), edit(2, 5)]), RangeError)
    assert.throws(() => splice(body, [edit(9, 11)]), RangeError)
    assert.throws(() => splice(body, [edit(5, 4)]), RangeError)
    assert.equal(splice(body, [edit(5, 8), edit(2, 5)]).toString(), '0189')
  })
})
