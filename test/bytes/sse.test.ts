import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/properties.ts'
import { encodeEvent, eventData, eventName, EventSplitter, isComment } from '../../src/bytes/sse.ts'

interface Cut {
  readonly events: string[]
  /** The pieces of oversized events joined, the end of each marked by a bar. */
  readonly overflow: string
  readonly rest: string | undefined
  /** Everything handed out, in order. */
  readonly bytes: Buffer
}

function cut(chunks: readonly Buffer[], maxEventBytes?: number): Cut {
  const events: string[] = []
  const all: Buffer[] = []
  let overflow = ''
  const sink = {
    event: (bytes: Buffer) => (events.push(bytes.toString('latin1')), void all.push(Buffer.from(bytes))),
    overflow(bytes: Buffer, isLast: boolean) {
      overflow += bytes.toString('latin1') + (isLast ? '|' : '')
      all.push(Buffer.from(bytes))
    },
  }
  const splitter = new EventSplitter(maxEventBytes)
  for (const chunk of chunks) splitter.push(chunk, sink)
  const rest = splitter.end(sink)
  return {
    events,
    overflow,
    rest: rest?.toString('latin1'),
    bytes: Buffer.concat([...all, rest ?? Buffer.alloc(0)]),
  }
}

const eventsOf = (stream: string) => cut([Buffer.from(stream, 'latin1')]).events

/** What the specification's parser dispatches, written down naively: type and data of each event. */
function dispatched(stream: string): [string, string][] {
  const found: [string, string][] = []
  let type = ''
  let data: string[] = []
  const lines = stream.replace(/^\u00ef\u00bb\u00bf/, '').split(/\r\n|\r|\n/)
  for (const line of lines.slice(0, -1)) {
    if (line === '') {
      if (data.length > 0) found.push([type, data.join('\n')])
      type = ''
      data = []
      continue
    }
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
    if (field === 'data') data.push(value ?? '')
    if (field === 'event') type = value ?? ''
  }
  return found
}

const piece = fc.constantFrom(
  'data: x',
  'data:y',
  'data',
  'event: e',
  ':c',
  ' ',
  'a',
  '\u00ff',
  '\n',
  '\r',
  '\r\n',
  '\n\n',
)
const stream = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''))

function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

describe('EventSplitter', () => {
  it('cuts alike however the stream is chunked, and loses no byte', () => {
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.integer({ min: 1, max: 40 }),
        (text, cuts, max) => {
          const bytes = Buffer.from(text, 'latin1')
          const whole = cut([bytes], max)
          const chunked = cut(chunksOf(bytes, cuts), max)
          const single = cut(chunksOf(bytes, [...bytes.keys()]), max)
          assert.deepEqual(chunked, whole)
          assert.deepEqual(single, chunked)
          assert.deepEqual(whole.bytes, bytes)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('finds the events that the specification dispatches', () => {
    fc.assert(
      fc.property(stream, (text) => {
        const events = eventsOf(text).map((event) => Buffer.from(event, 'latin1'))
        const found = events.flatMap((event) => {
          const data = eventData(event)
          return data === undefined ? [] : [[eventName(event) ?? '', data.toString('latin1')]]
        })
        const expected = dispatched(text).map(([type, data]) => [
          Buffer.from(type, 'latin1').toString(),
          data,
        ])
        assert.deepEqual(found, expected)
      }),
      { numRuns: 3000 },
    )
  })

  it('takes LF, CR LF, CR and mixes of them for line ends', () => {
    for (const blank of ['\n\n', '\r\n\r\n', '\r\r', '\n\r\n', '\r\n\n', '\n\r', '\r\n\r', '\r\r\n']) {
      assert.deepEqual(
        eventsOf(`data: a${blank}data: b\n\n`),
        [`data: a${blank}`, 'data: b\n\n'],
        JSON.stringify(blank),
      )
    }
    assert.deepEqual(eventsOf('a\nb\r\nc\rd\n\n'), ['a\nb\r\nc\rd\n\n'])
  })

  it('hands on stray blank lines as they are', () => {
    assert.deepEqual(eventsOf('\n\ndata: a\n\n\n'), ['\n', '\n', 'data: a\n\n', '\n'])
  })

  it('keeps a byte order mark in the bytes of the first event', () => {
    assert.deepEqual(eventsOf('\xef\xbb\xbfdata: a\n\n'), ['\xef\xbb\xbfdata: a\n\n'])
  })

  it('hands out an event with the chunk that completes it', () => {
    const events: Buffer[] = []
    const sink = { event: (bytes: Buffer) => void events.push(bytes), overflow: () => assert.fail() }
    const splitter = new EventSplitter()
    splitter.push(Buffer.from('data: a\r\n\r'), sink)
    assert.equal(events.length, 0)
    splitter.push(Buffer.from('\n'), sink)
    assert.equal(events.length, 1)
    splitter.push(Buffer.from('data: b\n\ndata: c\n'), sink)
    assert.equal(events.length, 2)
    splitter.push(Buffer.from('\n'), sink)
    assert.equal(events.length, 3)
  })

  it('copies nothing where chunks hold whole events', () => {
    const chunk = Buffer.from('data: a\n\ndata: b\n\n')
    const sink = {
      event: (bytes: Buffer) => assert.equal(bytes.buffer, chunk.buffer),
      overflow: () => assert.fail(),
    }
    new EventSplitter().push(chunk, sink)
  })

  it('hands out events that later events do not overwrite', () => {
    const kept: Buffer[] = []
    const splitter = new EventSplitter()
    const sink = { event: (bytes: Buffer) => void kept.push(bytes), overflow: () => assert.fail() }
    for (const part of ['data: a', '\n\n', 'data: b', '\n\n']) splitter.push(Buffer.from(part), sink)
    assert.deepEqual(kept.map(String), ['data: a\n\n', 'data: b\n\n'])
  })

  it('releases an event that ended in CR when the stream ends', () => {
    const { events, rest } = cut([Buffer.from('data: a\r\r')])
    assert.deepEqual([events, rest], [['data: a\r\r'], undefined])
  })

  it('returns an event whose blank line is missing at the end', () => {
    const { events, rest } = cut([Buffer.from('data: a\n\nda'), Buffer.from('ta: [DONE]\n')])
    assert.deepEqual([events, rest], [['data: a\n\n'], 'data: [DONE]\n'])
  })

  it('puts together an event of 5 MB that came in small chunks', () => {
    const event = Buffer.from(`data: ${'QUJD'.repeat(1_250_000)}\n\n`)
    const chunks = Array.from({ length: Math.ceil(event.length / 1400) }, (_, i) =>
      event.subarray(i * 1400, (i + 1) * 1400),
    )
    const { events, overflow, bytes } = cut(chunks, 8 * 1024 * 1024)
    assert.deepEqual([events.length, overflow], [1, ''])
    assert.ok(bytes.equals(event))
  })

  it('passes an oversized event through in pieces, and goes on with the next one', () => {
    const big = `data: ${'x'.repeat(100)}\n\n`
    for (const chunkBytes of [1, 7, 64, 1000]) {
      const bytes = Buffer.from(`data: a\n\n${big}data: b\n\n`)
      const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, i) =>
        bytes.subarray(i * chunkBytes, (i + 1) * chunkBytes),
      )
      const found = cut(chunks, 50)
      assert.deepEqual([found.events, found.overflow], [['data: a\n\n', 'data: b\n\n'], `${big}|`])
      assert.deepEqual(found.bytes, bytes)
    }
  })

  it('limits events to 4 MiB unless told otherwise', () => {
    const event = (length: number) => Buffer.from(`${'x'.repeat(length - 2)}\n\n`)
    assert.equal(cut([event(4 * 1024 * 1024)]).events.length, 1)
    assert.equal(cut([event(4 * 1024 * 1024 + 1)]).events.length, 0)
  })
})

describe('eventData', () => {
  const data = (event: string) => eventData(Buffer.from(event))?.toString()

  it('drops one space after the colon, and no more', () => {
    assert.equal(data('data: a\n\n'), 'a')
    assert.equal(data('data:a\n\n'), 'a')
    assert.equal(data('data:  a \n\n'), ' a ')
  })

  it('joins several lines', () => {
    assert.equal(data('data: a\nid: 1\ndata:b\r\ndata\rdata: c\n\n'), 'a\nb\n\nc')
  })

  it('is empty for an empty line, undefined without one', () => {
    assert.equal(data('data:\n\n'), '')
    assert.equal(data('data: \n\n'), '')
    assert.equal(data('data\n\n'), '')
    assert.equal(data(': data: a\nevent: b\ndatax: c\n Data: d\n\n'), undefined)
    assert.equal(data(''), undefined)
  })

  it('skips a byte order mark', () => {
    assert.equal(data('\ufeffdata: a\n\n'), 'a')
  })

  it('is a view on the event where there is one line', () => {
    const event = Buffer.from('event: x\ndata: a\n\n')
    assert.equal(eventData(event)?.buffer, event.buffer)
  })

  it('reads lines of any length', () => {
    for (const length of [500, 511, 512, 513, 4607, 4608, 4609, 100_000]) {
      const text = 'x'.repeat(length)
      assert.equal(data(`data:${text}\r\ndata:y\n\n`), `${text}\ny`)
    }
  })
})

describe('eventName', () => {
  it('is the last event line', () => {
    assert.equal(eventName(Buffer.from('event: a\ndata: x\nevent:b\n\n')), 'b')
  })

  it('is undefined without one or when it is empty', () => {
    assert.equal(eventName(Buffer.from('data: event: a\n\n')), undefined)
    assert.equal(eventName(Buffer.from('event:\ndata: x\n\n')), undefined)
  })
})

describe('isComment', () => {
  it('is true for comment lines only', () => {
    assert.ok(isComment(Buffer.from(': ping\n\n')))
    assert.ok(isComment(Buffer.from(':\r\n: b\r\n\r\n')))
    assert.ok(!isComment(Buffer.from(': ping\ndata: x\n\n')))
    assert.ok(!isComment(Buffer.from('data: :\n\n')))
    assert.ok(!isComment(Buffer.from('\n')))
  })
})

describe('encodeEvent', () => {
  it('writes one event that reads back as it was', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.option(fc.stringMatching(/^[a-z.]+$/)),
        (text, event) => {
          const bytes = encodeEvent({ data: text, ...(event !== null && { event }) })
          const { events, rest } = cut([bytes])
          assert.deepEqual([events.length, rest], [1, undefined])
          assert.equal(eventData(bytes)?.toString(), text.replaceAll(/\r\n?/g, '\n'))
          assert.equal(eventName(bytes), event ?? undefined)
        },
      ),
    )
    assert.equal(
      encodeEvent({ event: 'error', data: 'a\nb' }).toString(),
      'event: error\ndata: a\ndata: b\n\n',
    )
  })

  it('refuses a name that would break out of its line', () => {
    assert.throws(() => encodeEvent({ event: 'a\ndata: x', data: '' }), RangeError)
  })
})
