// A call's place in a trace, and what becomes of its spans. Kept beside the facts of a call that is traced or whose headers
// go on, and nowhere else. It holds no prompt, answer, key or header value but ids.
import type { Usage } from '../../domain.ts'

/** What of a provider decides whether it learns of the trace. */
export interface TraceReceiver {
  /** `auto`: if the gateway records spans and the provider is local. */
  readonly traceContext: 'auto' | 'always' | 'never'
  readonly isLocal: boolean
}

/** Of an attempt, as `AttemptEnded` has them. */
export interface TracedOutcome {
  readonly provider: string
  readonly target_model: string
  readonly way: string
  readonly outcome: 'answered' | 'refused' | 'failed' | 'gone'
  readonly status: number | undefined
  readonly code: string | undefined
  /** What it shows of the provider. */
  readonly trouble?: string | undefined
}

/** Grows while its call is under way. Times are in milliseconds of the monotonic clock. */
export interface CallTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** Of the call, 16 of them. Undefined: the gateway records no spans. */
  readonly spanId: string | undefined
  startAttempt(nowMs: number): void
  /** What the attempt's request carries of it: names and values in turn. */
  headersFor(provider: TraceReceiver): readonly string[]
  endAttempt(ended: TracedOutcome, nowMs: number): void
  addWait(fromMs: number, untilMs: number): void
  /** Tokens of the last attempt. */
  addUsage(usage: Usage): void
  /** @param firstTokenAtMs of a stream. */
  end(nowMs: number, firstTokenAtMs: number | undefined): void
}

/** A request whose trace begins, or goes on. */
export interface TracedRequest {
  readonly method: string
  /** The route below `/v1`. */
  readonly path: string
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[]
  readonly startedAtMs: number
}

export interface Tracing {
  /** Undefined: the request belongs to no trace. */
  begin(request: TracedRequest): CallTrace | undefined
}

export type TraceEvent = SpansCounted | ExporterFailed | ExporterRecovered

/** What became of spans. Counted, not logged. */
interface SpansCounted {
  readonly kind: 'spans_counted'
  /** `dropped`: too many were waiting. */
  readonly result: 'sent' | 'dropped' | 'failed'
  readonly count: number
}

/** Spans can't be delivered. Once for a cause, until some are again. */
interface ExporterFailed {
  readonly kind: 'exporter_failed'
  /** Of the receiver, without path and query. */
  readonly endpoint: string
  readonly reason: string
}

interface ExporterRecovered {
  readonly kind: 'exporter_recovered'
  readonly endpoint: string
}
