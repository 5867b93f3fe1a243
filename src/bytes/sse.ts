// Server-sent events as bytes: where one event ends and the next begins, and the fields of an event.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

import { resized } from './byte-collector.ts'

/** Receives the events that a splitter finds, in the order of the stream. The calls together deliver every byte once. */
export interface EventSink {
  /** One whole event with its blank line; comments and stray blank lines too. Often a view on the pushed chunk. */
  event(bytes: Buffer): void
  /**
   * A piece of an event that is larger than the limit; the piece with `isLast` ends with its blank line. Until then the
   * stream is inside that event, so nothing may be inserted. Later events are split as usual.
   */
  overflow(bytes: Buffer, isLast: boolean): void
}

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
const DEFAULT_MAX_EVENT_BYTES = 4 * 1024 * 1024
const MIN_STORE_BYTES = 1024
/** A larger store is released after its event, because thousands of streams may be open. */
const KEPT_STORE_BYTES = 16_384
/** Up to this length a loop is faster than the C library's search. */
const SHORT_LINE_BYTES = 512
const WINDOW_BYTES = 4096
const nothing = Buffer.alloc(0)

/**
 * Cuts a byte stream into events; the cuts do not depend on how the stream is chunked. Lines may end in LF, CR LF or
 * CR. A chunk that holds whole events is not copied; an unfinished event is kept, up to `maxEventBytes`.
 *
 * After a blank line that ended in CR the event is held until the next byte shows whether an LF belongs to it. Only
 * a stream with bare CRs is late by that, and none is known.
 */
export class EventSplitter {
  private readonly maxEventBytes: number
  /** Holds the unfinished event. Copied, because many small views would pin the chunks that they came in. */
  private store: Buffer<ArrayBuffer> = nothing
  private storedBytes = 0
  private isOversized = false
  private isAtLineStart = true
  /** The previous byte is a CR: an LF now belongs to the same line end. */
  private isAfterCr = false
  /** That CR ended a blank line, and with it an event. */
  private isEventOver = false

  constructor(maxEventBytes = DEFAULT_MAX_EVENT_BYTES) {
    this.maxEventBytes = maxEventBytes
  }

  push(chunk: Buffer, sink: EventSink): void {
    let start = 0
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!
      if (byte === LF) {
        const isBlankLine = this.isAfterCr ? this.isEventOver : this.isAtLineStart
        this.isAfterCr = false
        this.isAtLineStart = true
        if (isBlankLine) {
          this.hand(chunk.subarray(start, i + 1), sink)
          start = i + 1
        }
        continue
      }
      if (this.isEventOver) {
        this.hand(chunk.subarray(start, i), sink)
        start = i
      }
      this.isAfterCr = byte === CR
      this.isEventOver = this.isAfterCr && this.isAtLineStart
      this.isAtLineStart = this.isAfterCr
      if (!this.isAfterCr) i = endOfLine(chunk, i + 1) - 1
    }
    if (start < chunk.length) this.keep(chunk.subarray(start), sink)
  }

  /**
   * The stream is over. Hands out an event that only waited for an LF. Returns the bytes of an unfinished event, which
   * clients ignore by the specification, but some servers forget the last blank line; undefined when there are none.
   */
  end(sink: EventSink): Buffer | undefined {
    if (this.isEventOver) this.hand(nothing, sink)
    const rest = this.storedBytes > 0 ? this.store.subarray(0, this.storedBytes) : undefined
    this.store = nothing
    this.storedBytes = 0
    return rest
  }

  /** The unfinished event ends with `tail`. */
  private hand(tail: Buffer, sink: EventSink): void {
    const isOversized = this.isOversized || this.storedBytes + tail.length > this.maxEventBytes
    const bytes = this.storedBytes === 0 ? tail : this.complete(tail)
    this.storedBytes = 0
    this.isOversized = false
    this.isEventOver = false
    if (isOversized) sink.overflow(bytes, true)
    else sink.event(bytes)
  }

  /** A store that is not kept is delivered with its event, without a copy. */
  private complete(tail: Buffer): Buffer {
    if (this.store.length <= KEPT_STORE_BYTES) {
      return Buffer.concat([this.store.subarray(0, this.storedBytes), tail])
    }
    const event = resized(this.store, this.storedBytes + tail.length)
    tail.copy(event, this.storedBytes)
    this.store = nothing
    return event
  }

  /** The unfinished event continues with `tail`, and does not end there. */
  private keep(tail: Buffer, sink: EventSink): void {
    if (this.isOversized) return sink.overflow(tail, false)
    const length = this.storedBytes + tail.length
    if (length > this.maxEventBytes) {
      const bytes = Buffer.concat([this.store.subarray(0, this.storedBytes), tail])
      this.store = nothing
      this.storedBytes = 0
      this.isOversized = true
      return sink.overflow(bytes, false)
    }
    this.append(tail)
  }

  private append(tail: Buffer): void {
    const length = this.storedBytes + tail.length
    if (length > this.store.length) {
      const old = this.store === nothing ? undefined : this.store
      this.store = resized(old, Math.max(2 * length, MIN_STORE_BYTES))
    }
    tail.copy(this.store, this.storedBytes)
    this.storedBytes = length
  }
}

/**
 * The values of an event's `data` lines, joined by line feeds: a view on the event if there is only one line, empty for an
 * empty line. Undefined without a `data` line.
 */
export function eventData(event: Buffer): Buffer | undefined {
  let data: Buffer | undefined
  /** How much of `data` is written, once there is a second line. */
  let length = 0
  for (let at = skipByteOrderMark(event); at < event.length;) {
    const end = endOfLine(event, at)
    const start = startOfValue(event, { at, end }, DATA)
    if (start >= 0) {
      if (data === undefined) data = event.subarray(start, end)
      else {
        if (length === 0) {
          const first = data
          data = Buffer.allocUnsafe(event.length)
          length = first.copy(data)
        }
        data[length] = LF
        length += 1 + event.copy(data, length + 1, start, end)
      }
    }
    at = end + 1
  }
  return length === 0 ? data : data!.subarray(0, length)
}

/** The event's type: the value of its last `event` line. Undefined if there is none, or if it is empty. */
export function eventName(event: Buffer): string | undefined {
  let name: string | undefined
  for (let at = skipByteOrderMark(event); at < event.length;) {
    const end = endOfLine(event, at)
    const start = startOfValue(event, { at, end }, EVENT)
    if (start >= 0) name = event.toString('utf8', start, end)
    at = end + 1
  }
  return name === '' ? undefined : name
}

/** Whether an event consists of comment lines only, as heartbeats do. Its first byte decides for nearly all others. */
export function isComment(event: Buffer): boolean {
  let at = skipByteOrderMark(event)
  if (event[at] !== COLON) return false
  while (at < event.length) {
    const end = endOfLine(event, at)
    if (event[at] !== COLON && end > at) return false
    at = end + 1
  }
  return true
}

/** The bytes of one event. Line ends in `data` become lines of their own; `event` must be one line. */
export function encodeEvent({ event, data }: { readonly event?: string; readonly data: string }): Buffer {
  if (event !== undefined && /[\r\n]/.test(event)) throw new RangeError('an event name must be one line')
  const name = event === undefined ? '' : `event: ${event}\n`
  return Buffer.from(`${name}data: ${data.split(/\r\n|\r|\n/).join('\ndata: ')}\n\n`)
}

const DATA = Buffer.from('data')
const EVENT = Buffer.from('event')

/** Where the value of the line starts if its field has this name: after the one space that may follow the colon; else -1. */
function startOfValue(event: Buffer, line: { at: number; end: number }, name: Buffer): number {
  const { at, end } = line
  const after = at + name.length
  if (after > end) return -1
  for (let i = 0; i < name.length; i++) if (event[at + i] !== name[i]) return -1
  if (after === end) return end
  if (event[after] !== COLON) return -1
  return event[after + 1] === SPACE && after + 1 < end ? after + 2 : after + 1
}

/** The offset of the first CR or LF at or after `at`, or the length. */
function endOfLine(bytes: Buffer, at: number): number {
  const stop = Math.min(at + SHORT_LINE_BYTES, bytes.length)
  let i = at
  for (; i < stop; i++) if (bytes[i] === LF || bytes[i] === CR) return i
  // Long lines window by window, because a search for the one that is not used would run to the end each time.
  while (i < bytes.length) {
    const window = bytes.subarray(i, i + WINDOW_BYTES)
    const lineFeed = window.indexOf(LF)
    const carriageReturn = window.subarray(0, lineFeed < 0 ? window.length : lineFeed).indexOf(CR)
    const found = carriageReturn < 0 ? lineFeed : carriageReturn
    if (found >= 0) return i + found
    i += window.length
  }
  return i
}

/** Only the first event of a stream can have one; elsewhere it only makes its line an unknown field. */
function skipByteOrderMark(event: Buffer): number {
  return event[0] === 0xef && event[1] === 0xbb && event[2] === 0xbf ? 3 : 0
}
