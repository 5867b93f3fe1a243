// A stream that passes: what a provider's chunks hold goes out as the very same memory, and back pressure comes in.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { AnsweringResponse, ResponseReader } from '../../../src/call/attempt-outcome.ts'
import type { Reply } from '../../../src/call/call.ts'
import { EventReader } from '../../../src/call/response/event-reader.ts'
import { Meter } from '../../../src/call/response/meter.ts'
import { relay } from '../../../src/call/response/relay.ts'
import { dialects } from '../../../src/dialects/table.ts'
import type { ResponseTranslation } from '../../../src/dialects/translator.ts'
import { GatewayError } from '../../../src/errors.ts'
import { delta } from '../../support/chat-content.ts'

const chat = [...dialects.keys()].find(({ name }) => name === 'chat')!

/** A stream on its way to a client that takes `room` writes before it wants a pause. */
function startRelay({
  room = Infinity,
  translation,
  isReading = false,
  stripsUsage = false,
}: {
  room?: number
  translation?: ResponseTranslation
  isReading?: boolean
  stripsUsage?: boolean
} = {}) {
  const written: Buffer[] = []
  let pauses = 0
  let reader: ResponseReader | undefined
  const response: AnsweringResponse = {
    dialect: chat.native,
    translation,
    reshapedInto: undefined,
    head: { status: 200, headers: { 'content-type': 'text/event-stream' } },
    headAtMs: 0,
    whole: undefined,
    events: new EventReader(chat.native),
    stripsUsage,
    isReading,
    isStalled: false,
    read: (given) => (reader = given),
    pause: () => (pauses += 1),
    resume() {},
    drain() {},
    abort() {},
  }
  const reply: Pick<Reply, 'isStarted' | 'isGone' | 'start' | 'flush' | 'write' | 'end'> = {
    isStarted: false,
    isGone: false,
    start: () => Object.assign(reply, { isStarted: true }),
    flush() {},
    write: (bytes) => written.push(bytes) < room,
    end: (bytes) => void (bytes !== undefined && written.push(bytes)),
  }
  const meter = new Meter({
    reader: chat.native.usage,
    estimatedPrompt: 1,
    hasOutputTokens: true,
    stripsUsage,
    now: () => 0,
  })
  const hold = { tokens: 100, grow() {} }
  const mask = (text: string) => text
  const input = {
    response,
    reply: reply as Reply,
    own: chat.ownEvents(''),
    heartbeatAfterMs: 15_000,
    isStream: true,
    headers: [],
    meter,
    mask,
    hold,
  }
  const result = relay(input)
  return { reader: reader!, written, pauses: () => pauses, result }
}

const event = `data: ${delta('a')}\n\n`

test('the events of a chunk go out as one slice of its memory; only what two chunks share is put together', () => {
  const { reader, written } = startRelay()
  const [first, second] = [event.repeat(3) + event.slice(0, 9), event.slice(9) + event].map((text) =>
    Buffer.from(text),
  )
  reader.onData(first!)
  reader.onData(second!)
  const slices = written.map(({ buffer, byteOffset, length }) => ({ buffer, byteOffset, length }))
  const expected = [
    { buffer: first!.buffer, byteOffset: first!.byteOffset, length: 3 * event.length },
    { buffer: second!.buffer, byteOffset: second!.byteOffset + event.length - 9, length: event.length },
  ]
  assert.deepEqual([slices[0], slices[2]], expected)
  assert.ok(slices[0]!.buffer === first!.buffer && slices[2]!.buffer === second!.buffer)
  assert.equal(written.length, 3)
  assert.equal(Buffer.concat(written).toString(), event.repeat(5))
})

/** Repeats what it is given. */
const repeating: ResponseTranslation = {
  head: () => 'text/event-stream',
  event(bytes, write) {
    write(bytes)
    return undefined
  },
  end: () => undefined,
  whole: () => undefined,
  error: (_, body) => body,
  heartbeat: () => Buffer.from(': ping\n'),
}

test('chunks of one read go out in one write at its rest, and what came before a break is not lost', async () => {
  for (const more of [{}, { translation: repeating }]) {
    const { reader, written, result } = startRelay({ isReading: true, ...more })
    const texts = [event.repeat(2), event.slice(0, 9), event.slice(9), event]
    for (const text of texts) reader.onData(Buffer.from(text))
    assert.equal(written.length, 0)
    reader.onRest?.()
    assert.deepEqual(written.map(String), [event.repeat(4)])
    reader.onRest?.()
    assert.equal(written.length, 1)
    reader.onData(Buffer.from(event))
    reader.onBroken(new GatewayError('provider_bad_response', 'It broke.'))
    assert.equal((await result).kind, 'broken')
    assert.equal(String(written[1]), event)
  }
})

test('the last events go out with the end', async () => {
  const { reader, written, result } = startRelay({ isReading: true })
  reader.onData(Buffer.from(event))
  reader.onData(Buffer.from('data: [DONE]\n\n'))
  reader.onEnd()
  assert.deepEqual(await result, { kind: 'complete' })
  assert.deepEqual(written.map(String), [`${event}data: [DONE]\n\n`])
})

test('a client that reads nothing holds the provider up, on a translated way too', () => {
  const translation: ResponseTranslation = {
    head: () => 'text/event-stream',
    event(bytes, write) {
      for (const piece of [bytes, bytes]) write(piece)
      return undefined
    },
    end: () => undefined,
    whole: () => undefined,
    error: (_, body) => body,
    heartbeat: () => Buffer.from(': ping\n'),
  }
  for (const more of [{}, { translation }]) {
    const { reader, pauses, written } = startRelay({ room: 2, ...more })
    reader.onData(Buffer.from(event))
    assert.equal(pauses(), 0)
    reader.onData(Buffer.from(event))
    assert.deepEqual([pauses(), written.length], [1, 2], 'one write for each chunk')
  }
})

test('events from which usage is taken are judged as they came, and go out in one write', async () => {
  const { reader, written, result } = startRelay({ stripsUsage: true })
  const withNull = (choice: object) => `data: ${JSON.stringify({ choices: [choice], usage: null })}\n\n`
  const choices = [
    { index: 0, delta: { content: 'a' } },
    { index: 0, delta: {}, finish_reason: 'stop' },
  ]
  // Some servers forget the end mark: then the finish reason shows that the stream is complete.
  reader.onData(Buffer.from(choices.map(withNull).join('')))
  reader.onEnd()
  assert.deepEqual(await result, { kind: 'complete' })
  assert.deepEqual(written.map(String), [
    choices.map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`).join(''),
  ])
})
