// Server-sent events as bytes: where one event ends and the next begins, and what stands in one.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

/** Takes what a splitter finds, in the order of the stream. Together the calls carry every byte, once. */
export interface EventSink {
  /** One whole event with its blank line; comments and stray blank lines too. Often a view on the pushed chunk. */
  event(bytes: Buffer): void
  /**
   * A piece of an event that is larger than the limit; `isLast` with its blank line. Until then the stream is inside
   * of that event, so nothing may be inserted. Events after it are split as usual.
   */
  overflow(bytes: Buffer, isLast: boolean): void
}

const LF = 0x0a
const CR = 0x0d
const DEFAULT_MAX_EVENT_BYTES = 4 * 1024 * 1024

/**
 * Cuts a byte stream into events; the cuts do not depend on how the stream is chunked. Lines may end in LF, CR LF or
 * CR. A chunk that holds whole events is not copied; an unfinished event is kept, up to `maxEventBytes`.
 *
 * After a blank line that ended in CR the event is held until the next byte shows whether an LF belongs to it. Only
 * a stream with bare CRs is late by that, and none is known.
 */
export class EventSplitter {
  private readonly maxEventBytes: number
  /** The unfinished event, as it came in. */
  private pending: Buffer[] = []
  private pendingBytes = 0
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
    if (this.isEventOver) this.hand(Buffer.alloc(0), sink)
    const rest = this.pendingBytes > 0 && !this.isOversized ? joined(this.pending) : undefined
    this.pending = []
    this.pendingBytes = 0
    return rest
  }

  private hand(tail: Buffer, sink: EventSink): void {
    const { pending } = this
    const length = this.pendingBytes + tail.length
    const isOversized = this.isOversized
    this.pendingBytes = 0
    this.isOversized = false
    this.isEventOver = false
    if (pending.length > 0) this.pending = []
    if (isOversized) return sink.overflow(tail, true)
    const bytes = pending.length === 0 ? tail : joined([...pending, tail])
    if (length > this.maxEventBytes) sink.overflow(bytes, true)
    else sink.event(bytes)
  }

  private keep(tail: Buffer, sink: EventSink): void {
    this.pendingBytes += tail.length
    if (this.isOversized) return sink.overflow(tail, false)
    this.pending.push(tail)
    if (this.pendingBytes <= this.maxEventBytes) return
    const bytes = joined(this.pending)
    this.pending = []
    this.isOversized = true
    sink.overflow(bytes, false)
  }
}

/**
 * What an event's `data` lines say, joined by line feeds: a view on the event where there is one line only, empty for
 * an empty line. Undefined without a `data` line.
 */
export function eventData(event: Buffer): Buffer | undefined {
  let data: Buffer | undefined
  let lines: Buffer[] | undefined
  for (let at = skipByteOrderMark(event); at < event.length;) {
    const end = endOfLine(event, at)
    const value = fieldValue(event, { at, end }, DATA)
    if (value !== undefined) {
      if (data === undefined) data = value
      else (lines ??= [data]).push(lineFeed, value)
    }
    at = end + 1
  }
  return lines === undefined ? data : Buffer.concat(lines)
}

/** The event's type: what its last `event` line says. Undefined without one, or for an empty one. */
export function eventName(event: Buffer): string | undefined {
  let name: string | undefined
  for (let at = skipByteOrderMark(event); at < event.length;) {
    const end = endOfLine(event, at)
    name = fieldValue(event, { at, end }, EVENT)?.toString() ?? name
    at = end + 1
  }
  return name === '' ? undefined : name
}

/** Whether an event consists of comment lines only, as heartbeats do. */
export function isComment(event: Buffer): boolean {
  let hasComment = false
  for (let at = skipByteOrderMark(event); at < event.length;) {
    const end = endOfLine(event, at)
    if (event[at] === COLON) hasComment = true
    else if (end > at) return false
    at = end + 1
  }
  return hasComment
}

/** The bytes of one event. Line ends in `data` become lines of their own; `event` must be one line. */
export function encodeEvent({ event, data }: { readonly event?: string; readonly data: string }): Buffer {
  if (event !== undefined && /[\r\n]/.test(event)) throw new RangeError('an event name must be one line')
  const name = event === undefined ? '' : `event: ${event}\n`
  return Buffer.from(`${name}data: ${data.split(/\r\n|\r|\n/).join('\ndata: ')}\n\n`)
}

const COLON = 0x3a
const SPACE = 0x20
const DATA = Buffer.from('data')
const EVENT = Buffer.from('event')
const lineFeed = Buffer.from('\n')

/** The value of the line if its field has this name: without the one space that may follow the colon. */
function fieldValue(event: Buffer, line: { at: number; end: number }, name: Buffer): Buffer | undefined {
  const { at, end } = line
  const after = at + name.length
  if (after > end) return undefined
  for (let i = 0; i < name.length; i++) if (event[at + i] !== name[i]) return undefined
  if (after === end) return event.subarray(end, end)
  if (event[after] !== COLON) return undefined
  return event.subarray(event[after + 1] === SPACE && after + 1 < end ? after + 2 : after + 1, end)
}

/** The offset of the first CR or LF at or after `at`, or the length. */
function endOfLine(bytes: Buffer, at: number): number {
  let i = at
  while (i < bytes.length) {
    const byte = bytes[i]!
    if (byte === LF || byte === CR) break
    i++
  }
  return i
}

/** Only the first event of a stream can have one; everywhere else its line is no field that matters. */
function skipByteOrderMark(event: Buffer): number {
  return event[0] === 0xef && event[1] === 0xbb && event[2] === 0xbf ? 3 : 0
}

function joined(pieces: Buffer[]): Buffer {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}
