// The phases of a provider's response. Each takes the body's bytes and its end, and returns what follows. Until a
// response is found to answer the call nothing of it has been passed on, so what goes wrong can still become another
// attempt: a stream answers with its first event, a JSON body when it is whole (or too large to be held), any other body
// with its first byte.
import type { ProviderDialect } from '../../dialects/dialect.ts'
import { framingOf } from '../../dialects/framing.ts'
import type { ResponseHead } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import { ByteCollector } from '../../bytes/byte-collector.ts'
import { mediaTypeOf } from '../../http/headers.ts'
import type { ResponseReader, WholeBody } from '../attempt-outcome.ts'
import { EventReader } from './event-reader.ts'
import type { Meter } from './meter.ts'

/** The longest error response that is read, and the longest first event that is waited for. */
const maxErrorBytes = 1_048_576

/** The longest JSON body that is held until it is whole. Other bodies are not held: audio plays before its end. */
const maxHeldBytes = 262_144

/** The longest body that is translated. It is held, whatever its media type. */
const maxTranslatedBytes = 16_777_216

/** The longest body that becomes events, for which it is parsed in one piece. */
const maxReshapedBytes = 1_048_576

/** White space before the first field, and the field. */
const maxSniffedBytes = 64

export interface Phase {
  /** Takes a piece of the body. Undefined: nothing follows yet. */
  data(chunk: Buffer): Step | undefined
  /** The body is whole. */
  end(): Step | undefined
  /** Whether the body of an answer had begun to arrive: the provider has processed the prompt. */
  readonly hasBegun?: boolean
}

/** What a phase has found. */
export type Step =
  /** The response answers the call. `held`: what has arrived of its body. */
  | { readonly kind: 'forward'; readonly held: ByteCollector | EventReader }
  /** The response answers the call, and its body has ended. */
  | {
      readonly kind: 'whole'
      readonly body: WholeBody
      /** Of an answer that was put together of a stream. Absent: it came whole. */
      readonly head?: ResponseHead
    }
  /** An error response; it may have been hidden in one with a good status. */
  | { readonly kind: 'error'; readonly head: ResponseHead; readonly body: Buffer }
  /** Neither an answer nor an error; `what` is a clause about the provider. */
  | { readonly kind: 'unusable'; readonly what: string }

export const awaitingHead: Phase = { data: () => undefined, end: () => undefined }

/**
 * The phase that a head leads to. A status from 200 to 299 is believed only once the body agrees.
 * @param stream begins the phase of a stream. Absent: it answers by its first event.
 */
export function phaseAfter(
  head: ResponseHead,
  dialect: ProviderDialect,
  becomes: 'passed' | 'translated' | 'reshaped',
  stream: () => Phase = () => peekingStream(dialect),
): Phase {
  if (head.status >= 300) return collectingError(head)
  const mediaType = mediaTypeOf(head)
  if (framingOf(dialect).mediaTypes.includes(mediaType)) return stream()
  const maxBytes = mediaType === 'application/json' ? maxHeldBytes : 0
  const maxWholeBytes = becomes === 'translated' ? maxTranslatedBytes : maxReshapedBytes
  const held =
    becomes !== 'passed'
      ? holdingWhole(head, dialect, maxWholeBytes, () => tooLong(maxWholeBytes))
      : holdingWhole(head, dialect, maxBytes, (bytes) => ({ kind: 'forward', held: bytes }))
  const mayBeMislabelled = mislabelled.has(mediaType) && dialect.framing !== 'ndjson'
  return mayBeMislabelled ? new Sniffing(held, stream) : held
}

/** Media types under which servers send events, too. */
const mislabelled: ReadonlySet<string> = new Set(['', 'application/json', 'text/plain'])

/** What a stream of events begins with; undecided while there is only the beginning of that. */
const eventStart = /^(?:data|event|id|retry|):/
const maxFieldLength = 6

/** With these bytes JSON begins, and no event. */
const [OBJECT, ARRAY] = [0x7b, 0x5b]

const noBytes: Buffer = Buffer.alloc(0)

/** The body's first bytes tell whether it consists of events, whatever its head says. */
class Sniffing implements Phase {
  readonly #whole: Phase
  readonly #stream: () => Phase
  #phase: Phase | undefined
  /** While it is undecided. */
  #start = noBytes

  constructor(whole: Phase, stream: () => Phase) {
    this.#whole = whole
    this.#stream = stream
  }

  get hasBegun(): boolean {
    return (this.#phase ?? this.#whole).hasBegun === true
  }

  data(chunk: Buffer): Step | undefined {
    if (this.#phase !== undefined) return this.#phase.data(chunk)
    // JSON, nearly always.
    if (this.#start.length === 0 && (chunk[0] === OBJECT || chunk[0] === ARRAY)) {
      this.#phase = this.#whole
      return this.#phase.data(chunk)
    }
    const start = this.#start.length === 0 ? chunk : Buffer.concat([this.#start, chunk])
    const text = start.toString('latin1', 0, maxSniffedBytes).replace(/^(?:\u00ef\u00bb\u00bf)?\s*/, '')
    const isUndecided =
      text.length < maxFieldLength && /^[a-z]*$/.test(text) && start.length < maxSniffedBytes
    if (isUndecided) {
      this.#start = start
      return undefined
    }
    this.#phase = eventStart.test(text) ? this.#stream() : this.#whole
    return this.#phase.data(start)
  }

  end(): Step | undefined {
    if (this.#phase === undefined && this.#start.length > 0) this.#whole.data(this.#start)
    return (this.#phase ?? this.#whole).end()
  }
}

/**
 * Of a stream: holds events until one has something of an answer, or reports an error.
 * @param meter of these events. Absent: they are counted later.
 */
export function peekingStream(dialect: ProviderDialect, meter?: Meter): Phase {
  const events = new EventReader(dialect, meter)
  let length = 0
  const nothing: Step = { kind: 'unusable', what: 'ended its stream before the first event of an answer' }
  return {
    data(chunk) {
      length += chunk.length
      const data = events.peek(chunk)
      // Comments without end, or an event too large to be an error, are forwarded.
      if (data === undefined) return length > maxErrorBytes ? { kind: 'forward', held: events } : undefined
      if (dialect.isEndMark(data)) return nothing
      const head = dialect.errorHeadOf(data)
      return head === undefined ? { kind: 'forward', held: events } : { kind: 'error', head, body: data }
    },
    end() {
      // An error may be all that comes, and lack its blank line.
      const rest = events.end()
      const { dataOf, end } = framingOf(dialect)
      const data = rest && dataOf(dialect.standardEvent(Buffer.concat([rest, end])))
      const head = data && dialect.errorHeadOf(data)
      return head === undefined ? nothing : { kind: 'error', head, body: data! }
    },
  }
}

/** The end of a response that had to be held as a whole. */
export function tooLong(maxBytes: number): Step {
  return { kind: 'unusable', what: `sent a body of more than ${maxBytes} bytes` }
}

/** @param beyond what follows when the body is longer. */
export function holdingWhole(
  head: ResponseHead,
  dialect: ProviderDialect,
  maxBytes: number,
  beyond: (held: ByteCollector) => Step,
): Phase {
  const held = new ByteCollector()
  return {
    hasBegun: true,
    data(chunk) {
      held.push(chunk)
      return held.length > maxBytes ? beyond(held) : undefined
    },
    end() {
      const bytes = held.take()
      const found = dialect.judgeWhole(head, bytes)
      if (found.kind === 'fault') return { kind: 'unusable', what: found.reason }
      if (found.kind === 'error') return { kind: 'error', head: found.head, body: bytes }
      return { kind: 'whole', body: { bytes, value: found.value } }
    },
  }
}

/** Of an error response: holds its body, up to a limit. */
export function collectingError(head: ResponseHead): Phase {
  const held = new ByteCollector()
  return {
    data(chunk) {
      held.push(chunk)
      if (held.length <= maxErrorBytes) return undefined
      return {
        kind: 'unusable',
        what: `returned ${head.status} with a body of more than ${maxErrorBytes} bytes`,
      }
    },
    end: () => ({ kind: 'error', head, body: held.take() }),
  }
}

/** The response answers the call: its bytes go to the reader, and are kept until there is one. */
export class Forwarding implements Phase {
  readonly #held: ByteCollector | EventReader
  #reader: ResponseReader | undefined
  #end: 'open' | 'ended' | GatewayError = 'open'

  constructor(held: ByteCollector | EventReader) {
    this.#held = held
  }

  read(reader: ResponseReader): void {
    this.#reader = reader
    if (this.#held instanceof ByteCollector) {
      for (const chunk of this.#held.takePieces()) reader.onData(chunk)
    }
    if (this.#end === 'ended') reader.onEnd()
    else if (this.#end !== 'open') reader.onBroken(this.#end)
  }

  data(chunk: Buffer): undefined {
    if (this.#reader === undefined) this.#held.push(chunk)
    else this.#reader.onData(chunk)
  }

  rest(): void {
    this.#reader?.onRest?.()
  }

  end(): undefined {
    this.#end = 'ended'
    this.#reader?.onEnd()
  }

  break(error: GatewayError): void {
    this.#end = error
    this.#reader?.onBroken(error)
  }

  tick(nowMs: number): void {
    this.#reader?.onTick?.(nowMs)
  }
}

/** How many bytes a body may have, and how long it may last, after the end mark of its stream. */
const [maxDrainedBytes, maxDrainMs] = [65_536, 2_000]

/** The call is over: only the end of the body is awaited, for the sake of the connection. */
export class Draining implements Phase {
  readonly #sinceMs: number
  #length = 0

  constructor(nowMs: number) {
    this.#sinceMs = nowMs
  }

  data(chunk: Buffer): Step | undefined {
    this.#length += chunk.length
    if (this.#length <= maxDrainedBytes) return undefined
    return { kind: 'unusable', what: `sent more than ${maxDrainedBytes} bytes after its end mark` }
  }

  end(): undefined {}

  overdue(nowMs: number): string | undefined {
    return nowMs - this.#sinceMs >= maxDrainMs ? `did not end its body within ${maxDrainMs} ms` : undefined
  }
}
