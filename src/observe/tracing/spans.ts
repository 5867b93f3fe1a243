// The spans of a call that has ended: the call itself (SERVER), each attempt (CLIENT) and each wait in line (INTERNAL). They
// are made from facts, as the log line is, and have nothing of what was asked or answered.
import { type Attributes, createTraceState, type HrTime, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { apiPath } from '../../http/api-path.ts'
import { usdOfNano } from '../../prices/usd.ts'
import type { CallFacts } from '../events/calls.ts'
import { outcomeOf } from '../outcome.ts'
import type { TracedOutcome } from '../events/trace.ts'
import { newId, type RecordedTrace, type TracedAttempt } from './call-trace.ts'
import { genAiNames, operations, systemOf } from './conventions.ts'
import type { TracingConfig } from '../../config/observe-types.ts'

/** Where a provider is, as spans name it. */
export interface ProviderPlace {
  readonly host: string
  readonly port: number
}

export interface SpanSettings {
  readonly resource: Resource
  readonly version: string
  readonly conventions: TracingConfig['conventions']
  /** By name; without those that open no connection. */
  readonly places: ReadonlyMap<string, ProviderPlace>
}

/** @param epochMs what turns milliseconds of the monotonic clock into those since 1970. */
export function spansOf(
  call: CallFacts,
  trace: RecordedTrace,
  epochMs: number,
  settings: SpanSettings,
): ReadableSpan[] {
  const { resource, version } = settings
  const scope = { name: 'llm-gateway', version }
  const state = trace.state === undefined ? undefined : createTraceState(trace.state)
  const context = (spanId: string) => ({
    traceId: trace.traceId,
    spanId,
    traceFlags: 1,
    ...(state !== undefined && { traceState: state }),
  })
  const timeOf = (ms: number): HrTime => hrTime(ms + epochMs)
  const make = ({ spanId, parentId, isRemote = false, ...span }: SpanFacts): ReadableSpan => {
    const own = context(spanId)
    const untilMs = Math.max(span.untilMs, span.fromMs)
    return {
      name: span.name,
      kind: span.kind,
      spanContext: () => own,
      ...(parentId !== undefined && { parentSpanContext: { ...context(parentId), isRemote } }),
      startTime: timeOf(span.fromMs),
      endTime: timeOf(untilMs),
      duration: hrTime(untilMs - span.fromMs),
      status: { code: span.hasFailed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
      attributes: present(span.attributes),
      events: (span.events ?? []).map(({ name, atMs }) => ({ name, time: timeOf(atMs) })),
      links: [],
      ended: true,
      resource,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    }
  }
  const own = make({
    name: `${trace.method} ${apiPath(trace.path)}`,
    kind: SpanKind.SERVER,
    spanId: trace.spanId,
    parentId: trace.parentId,
    isRemote: true,
    fromMs: trace.startedAtMs,
    untilMs: trace.endedAtMs,
    hasFailed: call.status >= 500 || (call.status < 400 && call.code !== undefined),
    attributes: attributesOfCall(call, trace),
  })
  const waits = trace.waits.map(({ fromMs, untilMs }) =>
    make({
      name: 'wait in line',
      kind: SpanKind.INTERNAL,
      spanId: newId(8),
      parentId: trace.spanId,
      fromMs,
      untilMs,
      hasFailed: false,
      attributes: { 'llm_gateway.model': call.model },
    }),
  )
  const attempts = trace.attempts.map((attempt) => make(ofAttempt(attempt, call, trace, settings)))
  return [own, ...waits, ...attempts]
}

interface SpanFacts {
  readonly name: string
  readonly kind: SpanKind
  readonly spanId: string
  readonly parentId: string | undefined
  /** The parent is another program's. */
  readonly isRemote?: boolean
  readonly fromMs: number
  readonly untilMs: number
  readonly hasFailed: boolean
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined>>
  readonly events?: readonly { readonly name: string; readonly atMs: number }[]
}

function attributesOfCall(call: CallFacts, trace: RecordedTrace): SpanFacts['attributes'] {
  const path = apiPath(trace.path)
  return {
    'http.request.method': trace.method,
    'url.path': path,
    'http.route': path,
    'http.response.status_code': call.status,
    'error.type': call.code,
    'session.id': trace.sessionId,
    'llm_gateway.request_id': call.request_id,
    'llm_gateway.client': call.client,
    'llm_gateway.dialect': call.dialect,
    'llm_gateway.model': call.model,
    'llm_gateway.fallback_model': call.fallback_model,
    'llm_gateway.stream': call.stream,
    'llm_gateway.outcome': outcomeOf(call),
    'llm_gateway.wait_ms': call.wait_ms,
    'llm_gateway.start_ms': call.start_ms,
    'llm_gateway.attempts': call.attempts,
    'llm_gateway.cost_usd': call.cost_nano === undefined ? undefined : Number(usdOfNano(call.cost_nano)),
  }
}

function ofAttempt(
  attempt: TracedAttempt,
  call: CallFacts,
  trace: RecordedTrace,
  settings: SpanSettings,
): SpanFacts {
  const { spanId, startedAtMs, ended } = attempt
  const hasAnswered = ended?.outcome === 'answered'
  const firstTokenAtMs = hasAnswered ? trace.firstTokenAtMs : undefined
  const place = ended && settings.places.get(ended.provider)
  const fault = hasAnswered ? call.code : faultOf(ended)
  const { name, attributes } =
    call.route === undefined
      ? generation(attempt, call, firstTokenAtMs, settings)
      : { name: call.route, attributes: {} }
  return {
    name,
    kind: SpanKind.CLIENT,
    spanId,
    parentId: trace.spanId,
    fromMs: startedAtMs,
    untilMs: attempt.endedAtMs ?? trace.endedAtMs,
    hasFailed: fault !== undefined && ended?.outcome !== 'gone',
    attributes: {
      ...attributes,
      'server.address': place?.host,
      'server.port': place?.port,
      'http.response.status_code': ended?.status,
      'error.type': fault,
      'session.id': trace.sessionId,
      'llm_gateway.provider': ended?.provider,
      'llm_gateway.provider_code': ended?.outcome === 'refused' ? ended.code : undefined,
      'llm_gateway.way': ended?.way,
    },
    ...(firstTokenAtMs !== undefined && { events: [{ name: 'first_token', atMs: firstTokenAtMs }] }),
  }
}

/** Of an attempt that has not answered. */
function faultOf(ended: TracedOutcome | undefined): string | undefined {
  if (ended === undefined) return 'internal_error'
  if (ended.outcome === 'gone') return 'client_gone'
  // A provider's own code may be anything.
  const code = ended.outcome === 'failed' ? ended.code : ended.trouble
  return code ?? String(ended.status)
}

/** The name and the attributes of a model's work. Usage stands on the attempt that has answered and nowhere else. */
function generation(
  { ended, usage, startedAtMs }: TracedAttempt,
  { dialect, stream }: CallFacts,
  firstTokenAtMs: number | undefined,
  { conventions, places }: SpanSettings,
): Pick<SpanFacts, 'name' | 'attributes'> {
  const names = genAiNames[conventions]
  const operation = operations.get(dialect) ?? dialect
  const { provider, target_model: model } = ended ?? {}
  const host = provider === undefined ? undefined : places.get(provider)?.host
  const attributes: Record<string, string | number | boolean | undefined> = {
    [names.operation]: operation,
    [names.provider]: provider && systemOf(host ?? '', provider, conventions),
    [names.requestModel]: model,
    [names.inputTokens]: usage?.promptTokens,
    [names.outputTokens]: usage?.completionTokens,
  }
  const add = (name: string | undefined, value: number | boolean | undefined) => {
    if (name !== undefined) attributes[name] = value
  }
  add(names.cachedTokens, usage?.cachedTokens)
  add(names.cacheWriteTokens, usage?.cacheWriteTokens)
  add(names.reasoningTokens, usage?.reasoningTokens)
  add(names.isStream, stream)
  add(names.firstChunk, firstTokenAtMs === undefined ? undefined : (firstTokenAtMs - startedAtMs) / 1000)
  return { name: model === undefined ? operation : `${operation} ${model}`, attributes }
}

/** Texts of clients and providers are cut: names of models can be long. */
const maxTextLength = 300

function present(attributes: SpanFacts['attributes']): Attributes {
  const kept: Attributes = {}
  for (const name in attributes) {
    const value = attributes[name]
    if (value !== undefined) kept[name] = typeof value === 'string' ? value.slice(0, maxTextLength) : value
  }
  return kept
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6))]
}
