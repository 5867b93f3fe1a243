// The phase of a stream that was requested in place of a whole answer. Nothing of it has gone to the client, so an error in
// its middle may still become another attempt; and what it has used by then is known, should the client leave.
import { StreamTail } from '../../dialects/stream-tail.ts'
import type { ProviderDialect } from '../../dialects/dialect.ts'
import type { Assembly } from '../../dialects/translator.ts'
import type { ResponseHead } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { isTooDeep, maxNesting } from '../../bytes/json/nesting.ts'
import { eventData, type EventSink, isComment } from '../../bytes/sse.ts'
import type { Hold } from '../coordinator.ts'
import { EventReader } from './event-reader.ts'
import type { Meter } from './meter.ts'
import type { Phase, Step } from './phases.ts'
import { growHold, lastEvent } from './relay-stream.ts'

/** The longest stream that becomes a whole answer. Its events are several times as long as what they bring. */
const maxStreamBytes = 67_108_864

/** What one attempt puts together. */
export interface AssemblyInput {
  readonly assembly: Assembly
  readonly meter: Meter
  /** The call's charge, which grows with an answer that takes more than was reserved. */
  readonly hold: Pick<Hold, 'tokens' | 'grow'>
}

export class Assembling implements Phase, EventSink {
  readonly #head: ResponseHead
  readonly #dialect: ProviderDialect
  readonly #input: AssemblyInput
  readonly #events: EventReader
  readonly #tail = new StreamTail()
  #readBytes = 0
  #step: Step | undefined

  constructor(head: ResponseHead, dialect: ProviderDialect, input: AssemblyInput) {
    this.#head = head
    this.#dialect = dialect
    this.#input = input
    this.#events = new EventReader(dialect)
    this.#events.readTo(this)
  }

  get hasBegun(): boolean {
    return this.#input.meter.firstTokenAtMs !== undefined
  }

  data(chunk: Buffer): Step | undefined {
    this.#events.push(chunk)
    return this.#step
  }

  end(): Step | undefined {
    const last = lastEvent(this.#events.end(), this.#dialect)
    if (last !== undefined) this.event(last)
    if (this.#step !== undefined) return this.#step
    const ending = this.#dialect.ending(this.#tail.events)
    if (ending === 'complete' || ending === 'over') return this.#whole()
    return { kind: 'unusable', what: 'ended its stream without its final event' }
  }

  tick(): void {
    growHold(this.#input)
  }

  /** From the splitter. */
  event(event: Buffer): void {
    if (this.#step !== undefined || isComment(event)) return
    const { assembly, meter } = this.#input
    this.#readBytes += event.length
    const data = eventData(event)
    const isDeep = data !== undefined && data.length > maxNesting && isTooDeep(data)
    if (this.#readBytes > maxStreamBytes) this.#step = tooLong()
    else if (isDeep)
      this.#step = { kind: 'unusable', what: `sent an event nested deeper than ${maxNesting} levels` }
    if (this.#step !== undefined) return
    if (meter.observe(event) === undefined) return
    this.#tail.push(event)
    const following = assembly.event(event, writeNothing)
    if (following === 'over') this.#step = this.#whole()
    else if (following === 'failed') this.#step = this.#error(data)
    else if (following instanceof GatewayError) this.#step = unusable(following)
  }

  /** From the splitter. */
  overflow(): void {
    this.#step ??= tooLong()
  }

  #whole(): Step {
    const bytes = this.#input.assembly.end()
    if (bytes instanceof GatewayError) return unusable(bytes)
    const contentType = this.#input.assembly.contentTypeOf?.(this.#head) ?? 'application/json; charset=utf-8'
    return { kind: 'whole', body: { bytes, value: undefined }, head: wholeHead(this.#head, contentType) }
  }

  #error(data: Buffer | undefined): Step {
    const head = data && this.#dialect.errorHeadOf(data)
    if (head === undefined) return { kind: 'unusable', what: 'ended its stream with an error' }
    return { kind: 'error', head, body: Buffer.from(data!) }
  }
}

function writeNothing(): void {}

function tooLong(): Step {
  return {
    kind: 'unusable',
    what: `sent a stream of more than ${maxStreamBytes} bytes, or an event too long`,
  }
}

function unusable({ message }: GatewayError): Step {
  return { kind: 'unusable', what: `sent a stream that makes no answer: ${message.replace(/\.$/, '')}` }
}

/** As of the answer that was put together. */
function wholeHead({ status, headers }: ResponseHead, contentType: string): ResponseHead {
  return { status, headers: { ...headers, 'content-type': contentType } }
}
