// Exports spans by OTLP over HTTP. Batches and bytes are OpenTelemetry's own, in packages that only this file and those that
// it imports load, once a receiver is configured; requests are the gateway's, as to all servers (outbound/exchange.ts).
//
// A receiver that is away, slow or refuses costs spans and nothing else: at most 2,048 wait, further ones are dropped and
// counted, and no call ever waits for it. What one thread sends is one request at a time, but for the last ones at its end.
import { resourceFromAttributes } from '@opentelemetry/resources'
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace'
import type { TracingConfig } from '../../config/observe-types.ts'
import { parseDurationMs } from '../../http/duration.ts'
import type { exchange, ExchangeOutcome } from '../../outbound/exchange.ts'
import { reasonOf } from '../../platform/thrown.ts'
import type { CallFacts } from '../events/calls.ts'
import type { TraceEvent } from '../events/trace.ts'
import type { RecordedTrace } from './call-trace.ts'
import { type ProviderPlace, spansOf, type SpanSettings } from './spans.ts'

export interface SpanExportParts {
  readonly config: TracingConfig & { readonly endpoint: string }
  readonly version: string
  readonly places: ReadonlyMap<string, ProviderPlace>
  readonly emit: (event: TraceEvent) => void
  readonly wallNow: () => number
  /** Comes from outside, so that the file of the exporter has no HTTP client of its own. */
  readonly exchange: typeof exchange
  /** Absent: as below. */
  readonly timing?: Partial<ExportTiming>
}

interface ExportTiming {
  /** After which a batch goes out that is not full, in milliseconds. */
  readonly batchMs: number
  /** For one request. */
  readonly timeoutMs: number
  /** Before a request is repeated for the first time; doubled each time. */
  readonly retryMs: number
}

const usualTiming: ExportTiming = { batchMs: 5_000, timeoutMs: 10_000, retryMs: 1_000 }

/** Spans that wait. */
const maxWaiting = 2_048
const maxBatch = 512
const maxRetries = 3
/** A receiver that wants a longer pause gets the next batch, and not this one. */
const maxRetryAfterMs = 30_000
/** Of a response, whose only use is how many spans were rejected. */
const maxResponseBytes = 65_536
/** The batch processor's own limit. No export takes as long, whatever its pauses. */
const neverMs = 300_000
/** How long a stop waits for the last spans. */
const maxFlushMs = 1_000

/** What a receiver that is busy answers; anything else is its last word (OTLP 1.5, "Retryable Response Codes"). */
const busy: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** The exporter of one thread, for one configuration. */
export class SpanExport {
  readonly #exporter: Exporter
  readonly #processor: BatchSpanProcessor
  readonly #emit: SpanExportParts['emit']
  readonly #settings: SpanSettings

  constructor(parts: SpanExportParts) {
    const { config, version, places, emit } = parts
    const { batchMs } = { ...usualTiming, ...parts.timing }
    this.#emit = emit
    this.#exporter = new Exporter(parts)
    this.#processor = new BatchSpanProcessor({
      exporter: this.#exporter,
      maxQueueSize: maxWaiting,
      maxExportBatchSize: maxBatch,
      scheduledDelayMillis: batchMs,
      exportTimeoutMillis: neverMs,
    })
    const { serviceName, resource, conventions } = config
    const attributes = { ...resource, 'service.name': serviceName, 'service.version': version }
    this.#settings = { resource: resourceFromAttributes(attributes), version, conventions, places }
  }

  /** Makes the spans of a call that has ended. @param epochMs as `spansOf`. */
  add(call: CallFacts, trace: RecordedTrace, epochMs: number): void {
    const spans = spansOf(call, trace, epochMs, this.#settings)
    if (this.#exporter.waiting + spans.length > maxWaiting) {
      this.#emit({ kind: 'spans_counted', result: 'dropped', count: spans.length })
      return
    }
    this.#exporter.waiting += spans.length
    for (const span of spans) this.#processor.onEnd(span)
  }

  /** Sends what waits, for a second at most; what is left then is lost and counted. */
  async close(): Promise<void> {
    // It begins to send at once; what the exporter has been given before, it does not wait for.
    void this.#processor.shutdown().catch(() => {})
    const timer = setTimeout(() => this.#exporter.abort(), maxFlushMs)
    await this.#exporter.settled()
    clearTimeout(timer)
  }
}

class Exporter implements SpanExporter {
  /** Spans that the processor has and this exporter has not been given yet. */
  waiting = 0
  readonly #url: URL
  readonly #endpoint: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #serializer: typeof ProtobufTraceSerializer
  readonly #emit: SpanExportParts['emit']
  readonly #wallNow: () => number
  readonly #timing: ExportTiming
  readonly #exchange: typeof exchange
  readonly #stopped = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()
  /** Of the last export; undefined: it was accepted. */
  #fault: string | undefined

  constructor({ config, emit, version, wallNow, timing, exchange: send }: SpanExportParts) {
    const { endpoint, protocol, headers } = config
    const isJson = protocol === 'http/json'
    this.#url = new URL(endpoint)
    this.#endpoint = this.#url.origin
    this.#serializer = isJson ? JsonTraceSerializer : ProtobufTraceSerializer
    const ofConfig = headers.map(([name, value]) => [
      name,
      typeof value === 'string' ? value : value.reveal(),
    ])
    this.#headers = {
      'user-agent': `llm-gateway/${version}`,
      'content-type': isJson ? 'application/json' : 'application/x-protobuf',
      ...(Object.fromEntries(ofConfig) as Record<string, string>),
    }
    this.#exchange = send
    this.#emit = emit
    this.#wallNow = wallNow
    this.#timing = { ...usualTiming, ...timing }
  }

  export(spans: ReadableSpan[], done: (result: { code: number; error?: Error }) => void): void {
    this.waiting -= spans.length
    const delivery = this.#deliver(spans).then((fault) => {
      this.#underWay.delete(delivery)
      // As OpenTelemetry's ExportResultCode has it.
      done(fault === undefined ? { code: 0 } : { code: 1, error: new Error(fault) })
    })
    this.#underWay.add(delivery)
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    // What the processor still has comes in the next turns.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  shutdown(): Promise<void> {
    return Promise.resolve()
  }

  /** Ends requests and pauses. */
  abort(): void {
    this.#stopped.abort()
  }

  /** @returns why the receiver has not accepted them. Never rejects. */
  async #deliver(spans: readonly ReadableSpan[]): Promise<string | undefined> {
    let rejected = 0
    let fault: string | undefined
    try {
      const body = this.#serializer.serializeRequest([...spans])
      if (body === undefined) fault = 'spans without bytes'
      else {
        const outcome = await this.#send(body)
        fault = faultOf(outcome)
        if (fault !== undefined && this.#stopped.signal.aborted) fault = 'no answer in the last second'
        if ('body' in outcome && fault === undefined) rejected = this.#rejectedIn(outcome.body)
      }
    } catch (error) {
      fault = reasonOf(error)
    }
    const failed = fault === undefined ? Math.min(rejected, spans.length) : spans.length
    this.#count('sent', spans.length - failed)
    this.#count('failed', failed)
    this.#report(fault ?? (failed > 0 ? 'the receiver rejects spans' : undefined))
    return fault
  }

  /** The first final outcome, or the last one. */
  async #send(body: Uint8Array): Promise<ExchangeOutcome> {
    const { timeoutMs, retryMs } = this.#timing
    const { signal } = this.#stopped
    for (let retry = 0; ; retry += 1) {
      const request = { method: 'POST', headers: this.#headers, body } as const
      const limits = { maxBytes: maxResponseBytes, timeoutMs, isCut: true, signal }
      const outcome = await this.#exchange(this.#url, request, limits)
      const pauseMs = this.#pauseAfter(outcome, retryMs * 2 ** retry)
      if (pauseMs === undefined || retry === maxRetries || signal.aborted) return outcome
      await pause(pauseMs, signal)
      if (signal.aborted) return outcome
    }
  }

  /** Undefined: another try is pointless, or may deliver the spans twice. */
  #pauseAfter(outcome: ExchangeOutcome, usualMs: number): number | undefined {
    if ('fault' in outcome) return outcome.isUnsent ? usualMs : undefined
    if (!busy.has(outcome.status)) return undefined
    const retryAfter = outcome.headers['retry-after']
    if (typeof retryAfter !== 'string') return usualMs
    const askedMs = parseDurationMs(retryAfter, { nowMs: this.#wallNow() })
    if (askedMs === undefined) return usualMs
    return askedMs > maxRetryAfterMs ? undefined : askedMs
  }

  /** Receivers write this in another format than asked, or nothing: then it does not count. */
  #rejectedIn(body: Buffer): number {
    if (body.length === 0) return 0
    try {
      // In JSON it is text, which the library returns as it is.
      const rejected: unknown = this.#serializer.deserializeResponse(body)?.partialSuccess?.rejectedSpans
      const count = Number(rejected ?? 0)
      return Number.isSafeInteger(count) && count > 0 ? count : 0
    } catch {
      return 0
    }
  }

  #count(result: 'sent' | 'failed', count: number): void {
    if (count > 0) this.#emit({ kind: 'spans_counted', result, count })
  }

  #report(fault: string | undefined): void {
    if (fault === this.#fault) return
    const endpoint = this.#endpoint
    this.#fault = fault
    if (fault === undefined) this.#emit({ kind: 'exporter_recovered', endpoint })
    else this.#emit({ kind: 'exporter_failed', endpoint, reason: fault })
  }
}

function faultOf(outcome: ExchangeOutcome): string | undefined {
  if ('fault' in outcome) return outcome.fault
  return outcome.status >= 200 && outcome.status < 300 ? undefined : `status ${outcome.status}`
}

/** Resolves after that time, or once the signal is given. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms).unref()
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise.finally(() => clearTimeout(timer))
}
