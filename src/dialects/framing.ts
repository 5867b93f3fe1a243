// How the events of a stream are framed: as server-sent events, or as lines of JSON.
import { LineSplitter } from '../bytes/lines.ts'
import { eventData, type EventSink, EventSplitter } from '../bytes/sse.ts'

/** `sse`: server-sent events. `ndjson`: each event is a line with a JSON object. */
export type Framing = 'sse' | 'ndjson'

/** Cuts a stream into events. */
interface Splitter {
  push(chunk: Buffer, sink: EventSink): void
  end(sink: EventSink): Buffer | undefined
}

interface FramingRules {
  /** The content type of a stream that the gateway writes. */
  readonly contentType: string
  /** What a stream's head may name besides parameters. */
  readonly mediaTypes: readonly string[]
  /** What ends an event whose end is missing. */
  readonly end: Buffer
  readonly newSplitter: () => Splitter
  /** The data of an event; undefined for one without any. */
  readonly dataOf: (event: Buffer) => Buffer | undefined
}

const rules: Readonly<Record<Framing, FramingRules>> = {
  sse: {
    contentType: 'text/event-stream; charset=utf-8',
    mediaTypes: ['text/event-stream'],
    end: Buffer.from('\n\n'),
    newSplitter: () => new EventSplitter(),
    dataOf: eventData,
  },
  ndjson: {
    contentType: 'application/x-ndjson',
    mediaTypes: ['application/x-ndjson', 'application/ndjson', 'application/jsonl'],
    end: Buffer.from('\n'),
    newSplitter: () => new LineSplitter(),
    dataOf: lineData,
  },
}

/** Of a format. */
export function framingOf({ framing = 'sse' }: { readonly framing?: Framing }): FramingRules {
  return rules[framing]
}

const SPACE = 0x20

/** The line without white space around it, which JSON allows; undefined for a blank one. */
function lineData(line: Buffer): Buffer | undefined {
  let start = 0
  let end = line.length
  while (start < end && line[start]! <= SPACE) start += 1
  while (end > start && line[end - 1]! <= SPACE) end -= 1
  return start === end ? undefined : line.subarray(start, end)
}
