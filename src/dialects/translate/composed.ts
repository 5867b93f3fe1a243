// Two translations one after the other, with a format between them that neither the client nor the provider speaks.
import { EventSplitter, type EventSink } from '../../bytes/sse.ts'
import { LargeBody, type SplicedBody } from '../../bytes/large-body.ts'
import type { ProviderTraits } from '../../config/provider-types.ts'
import type { ResponseHead } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import type { Coverage } from '../coverage.ts'
import type { ModelRequest } from '../request.ts'
import type {
  ResponseTranslation,
  TranslatedEnd,
  TranslatedStep,
  Translation,
  Translator,
  Write,
} from '../translator.ts'

export interface Composition {
  readonly way: string
  /** From the client's format to the one between. It requests usage, whatever the provider is. */
  readonly first: Translator
  /** From the one between to the provider's format. */
  readonly second: Translator
  readonly coverage: Coverage
  /** What the first translation may write: all that the second reads. */
  readonly middleTraits: (traits: ProviderTraits) => ProviderTraits
  /** The client's name for a member of the format between. */
  readonly memberName: (name: string) => string
}

/** A translator that lets the second translate what the first has translated, and the response in reverse. */
export function composed({
  way,
  first,
  second,
  coverage,
  middleTraits,
  memberName,
}: Composition): Translator {
  return {
    way,
    provider: second.provider,
    coverage,
    mayAskUsage: (request) => second.mayAskUsage(request),
    begin(request, target) {
      const traits = middleTraits(target.traits)
      const asksUsage = first.mayAskUsage(request)
      // What is asked for as a stream is asked by the second.
      const outer = first.begin(request, { ...target, traits, asksUsage, wholeAsStream: undefined })
      if (outer instanceof GatewayError) return outer
      const inner = second.begin(middleRequest(request, outer), target)
      if (inner instanceof GatewayError) return renamed(inner, memberName)
      const dropped = new Set([...(outer.dropped ?? []), ...(inner.dropped ?? []).map(memberName)])
      const { contentType, body } = inner
      return { contentType, body, dropped: [...dropped], ...responseOf(outer, inner, request.isStream) }
    },
  }
}

/** What the second translation reads, as one piece. */
function middleRequest(request: ModelRequest, { contentType, body }: Translation): ModelRequest {
  const bytes = wholeOf(body)
  return {
    model: request.model,
    isStream: request.isStream,
    contentType,
    body: bytes,
    size: request.size,
    get promptPieces() {
      return request.promptPieces
    },
    mayAskUsage: false,
    bodyFor: () => (bytes instanceof LargeBody ? { of: bytes, parts: [bytes.bytes] } : bytes),
  }
}

/** The parts of a large body become one, whose memory the garbage collector frees. */
function wholeOf(body: Buffer | SplicedBody): Buffer | LargeBody {
  if (Buffer.isBuffer(body)) return body
  return new LargeBody(Buffer.concat(body.parts), undefined, unowned, unowned)
}

const unowned = { release() {} }

function renamed(error: GatewayError, memberName: (name: string) => string): GatewayError {
  const { code, message, param } = error
  return new GatewayError(code, message, param === null ? {} : { param: memberName(param) })
}

function responseOf(
  { response: outer }: Translation,
  { response: inner }: Translation,
  isStream: boolean,
): Pick<Translation, 'response'> {
  if (outer === undefined || inner === undefined) throw new Error('a translation without a response')
  return { response: new ComposedResponse(outer, inner, isStream) }
}

class ComposedResponse implements ResponseTranslation {
  readonly #outer: ResponseTranslation
  readonly #inner: ResponseTranslation
  readonly #isStream: boolean
  readonly #middle: MiddleEvents
  /** Receives what the inner translation writes. */
  readonly #writeMiddle: Write

  constructor(outer: ResponseTranslation, inner: ResponseTranslation, isStream: boolean) {
    this.#outer = outer
    this.#inner = inner
    this.#isStream = isStream
    this.#middle = new MiddleEvents(outer)
    this.#writeMiddle = (bytes) => this.#middle.push(bytes)
  }

  head(head: ResponseHead): string {
    const contentType = this.#inner.head(head)
    return this.#outer.head({ status: head.status, headers: { 'content-type': contentType } })
  }

  event(event: Buffer, write: Write): TranslatedStep {
    this.#middle.write = write
    const step = this.#inner.event(event, this.#writeMiddle)
    return this.#middle.step ?? step
  }

  end(write: Write): TranslatedEnd {
    this.#middle.write = write
    return this.#finish(this.#inner.end(this.#writeMiddle), write)
  }

  whole(body: Buffer, value: unknown, write: Write): TranslatedEnd {
    this.#middle.write = write
    return this.#finish(this.#inner.whole(body, value, this.#writeMiddle), write)
  }

  error(head: ResponseHead, body: Buffer, requestId: string): Buffer {
    return this.#outer.error(head, this.#inner.error(head, body, requestId), requestId)
  }

  errorStatus(status: number): number {
    const middle = this.#inner.errorStatus?.(status) ?? status
    return this.#outer.errorStatus?.(middle) ?? middle
  }

  heartbeat(): Buffer {
    return this.#outer.heartbeat()
  }

  #finish(end: TranslatedEnd, write: Write): TranslatedEnd {
    if (end instanceof GatewayError) return end
    if (end !== undefined) return this.#outer.whole(end, undefined, write)
    return this.#isStream ? this.#outer.end(write) : undefined
  }
}

/** The events between the two translations, one by one. */
class MiddleEvents implements EventSink {
  write: Write = ignore
  /** What follows the last of them. */
  step: TranslatedStep
  readonly #outer: ResponseTranslation
  /** Never overflows: it receives whole events. */
  readonly #splitter = new EventSplitter(Infinity)

  constructor(outer: ResponseTranslation) {
    this.#outer = outer
  }

  push(bytes: Buffer): void {
    this.#splitter.push(bytes, this)
  }

  event(event: Buffer): void {
    if (this.step === undefined) this.step = this.#outer.event(event, this.write)
  }

  overflow(): void {}
}

function ignore(): void {}
