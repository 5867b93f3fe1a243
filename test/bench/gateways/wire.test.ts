import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formats, streamEnd, streamEvent } from '../../../bench/gateways/formats.ts'
import { fc } from '../../support/properties.ts'
import {
  chatBody,
  expectedTurns,
  readScript,
  requestBytes,
  type Script,
  StreamCheck,
  turnsOf,
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
      { kind: 'turns' },
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

test('a call in any format says which answer it wants', () => {
  const script = { kind: 'stream', events: 3, gapMs: 25 } as const
  for (const format of ['messages', 'responses'] as const) {
    const body = formats[format].body('m', script)
    assert.match(body, /script=stream-3-25 /)
    assert.equal((JSON.parse(body) as { stream: boolean }).stream, true)
  }
  assert.match(formats.chat.body('m', script), /"user":"stream-3-25"/)
})

test('turns are the same however a translator writes them', () => {
  const [system, user] = expectedTurns({ kind: 'turns' })
  const texts = { whole: user!.text, parts: [{ type: 'text', text: user!.text }] }
  for (const role of ['system', 'developer']) {
    for (const content of [texts.whole, texts.parts]) {
      assert.deepEqual(
        turnsOf([
          { role, content: system!.text },
          { role: 'user', content },
        ]),
        [system, user],
      )
    }
  }
  assert.notDeepEqual(turnsOf([{ role: 'user', content: system!.text + user!.text }]), [system, user])
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

  test('knows the events of every format, with and without blanks', () => {
    const streams = {
      messages: [
        '{"type":"content_block_delta","delta":{"text":"w000000 "}}',
        '{"type": "content_block_delta", "delta": {"text": "w000001 "}}',
        '{"type": "message_stop"}',
      ],
      responses: [
        '{"type":"response.output_text.delta","delta":"w000000 "}',
        '{"type": "response.output_text.delta", "delta": "w000001 "}',
        '{"type":"response.output_text.done","text":"w000000 w000001 "}',
        '{"type":"response.completed","response":{"output":[{"text":"w000000 w000001 "}]}}',
      ],
    } as const
    for (const format of ['messages', 'responses'] as const) {
      const check = new StreamCheck(format)
      const [end, ...rest] = streams[format].toReversed()
      for (const event of rest.toReversed()) check.take(Buffer.from(`data: ${event}\n\n`))
      assert.ok(!check.isDone)
      check.take(Buffer.from(`data: ${end}\n\n`))
      assert.deepEqual([check.events, check.isDone, check.isWrong], [2, true, false])
    }
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
