import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { streamEnd, streamEvent } from '../../../bench/gateways/formats.ts'
import { fc } from '../../support/properties.ts'
import {
  chatBody,
  readScript,
  requestBytes,
  type Script,
  StreamCheck,
  writeScript,
} from '../../../bench/gateways/wire.ts'

suite('a script', () => {
  test('is read as it was written', () => {
    const scripts: readonly Script[] = [
      { kind: 'plain' },
      { kind: 'late', delayMs: 40 },
      { kind: 'big', bytes: 1000 },
      { kind: 'stream', events: 20, gapMs: 25 },
      { kind: 'hold', events: 2 },
      { kind: 'refuse', status: 404 },
      { kind: 'digest' },
    ]
    for (const script of scripts) assert.deepEqual(readScript(writeScript(script)), script)
  })

  test('is not made of other text', () => {
    for (const text of ['', 'someone', 'stream', 'stream-0-1', 'refuse-200'])
      assert.equal(readScript(text), undefined)
  })
})

test('an image has the size that was asked for', () => {
  const [small, large] = [0, 100_000].map((bytes) => chatBody('m', { kind: 'plain' }, bytes).length)
  assert.ok(large! - small! >= 100_000 && large! - small! < 100_200)
})

test('a request states the length of its body', () => {
  const bytes = requestBytes({ port: 1, path: '/v1/x', headers: { 'x-a': 'b' } }, '{"ü":1}').toString()
  assert.match(bytes, /^POST \/v1\/x HTTP\/1\.1\r\nhost: 127\.0\.0\.1:1\r\n/)
  assert.match(bytes, /\r\nx-a: b\r\ncontent-length: 8\r\n\r\n\{"ü":1\}$/)
})

suite('StreamCheck', () => {
  const events = Array.from({ length: 12 }, (_, index) => streamEvent(index))

  test('counts the events of a stream however it is cut', () => {
    const bytes = events.join('') + streamEnd(true)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: bytes.length - 1 })), (cuts) => {
        const check = new StreamCheck()
        let counted = 0
        const ends = [...new Set(cuts), bytes.length].toSorted((a, b) => a - b)
        for (const [index, end] of ends.entries()) {
          counted += check.take(Buffer.from(bytes.slice(ends[index - 1] ?? 0, end)))
        }
        assert.equal(counted, 12)
        assert.deepEqual([check.events, check.isDone, check.isWrong], [12, true, false])
      }),
    )
  })

  test('sees that an event is missing', () => {
    const check = new StreamCheck()
    check.take(Buffer.from(events.toSpliced(3, 1).join('')))
    assert.ok(check.isWrong)
  })

  test('sees that a stream has not ended', () => {
    const check = new StreamCheck()
    check.take(Buffer.from(events.join('')))
    assert.ok(!check.isDone)
  })
})
