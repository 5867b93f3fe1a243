// What `top` shows, read from the answer of a gateway that may be of another version. All texts are printable.
import { isObject, type JsonObject, membersOf } from '../../bytes/json/parse.ts'
import { printable } from '../../platform/printable.ts'
import { readCalls, type ShownCall } from '../running-calls.ts'

export interface TopReport {
  readonly version: string
  /** Unix times in milliseconds; undefined: unknown. */
  readonly startedAtMs: number | undefined
  readonly nowMs: number | undefined
  readonly isDraining: boolean
  /** The last failed call first, if there is one. Undefined: this gateway does not report it. */
  readonly attention: readonly ShownAttention[] | undefined
  readonly calls: readonly ShownCall[]
  /** How many more there are. */
  readonly callsUnshown: number
  /** Undefined: this gateway does not report them. */
  readonly providers: readonly ShownProvider[] | undefined
  /** Model servers that the gateway starts. */
  readonly services: readonly ShownService[]
}

export interface ShownService {
  readonly provider: string
  readonly state: string
  readonly waiting: number
}

export interface ShownAttention {
  readonly severity: string
  /** The last failed call, in place of a condition: `sinceMs` is its end. */
  readonly isCall: boolean
  readonly isPending: boolean
  readonly sinceMs: number | undefined
  readonly what: string
  readonly fix: string
}

export interface ShownProvider {
  readonly name: string
  readonly state: string
  /** What is wrong; empty: nothing. */
  readonly trouble: string
  /** Of the last failure, which may be over; empty: there was none. */
  readonly reason: string
  readonly reasonAtMs: number | undefined
  readonly untilMs: number | undefined
  readonly inFlight: number
  readonly maxParallel: number | undefined
  readonly firstTokenMs: number | undefined
  readonly tokensPerSecond: number | undefined
}

/** @param body of `GET /-/status`, or of `GET /-/calls`, which has the calls alone. */
export function readTopReport(body: JsonObject): TopReport {
  return {
    version: textOf(body, 'version'),
    startedAtMs: timeOf(body, 'started_at'),
    nowMs: timeOf(body, 'now'),
    isDraining: body['draining'] === true,
    attention: readAllAttention(body),
    calls: readCalls(body['calls']),
    callsUnshown: numberOf(body, 'calls_unshown') ?? 0,
    providers: listOf(body, 'providers')?.map(readProvider),
    services: listOf(body, 'services')?.map(readService) ?? [],
  }
}

function readAllAttention(body: JsonObject): ShownAttention[] | undefined {
  const last = body['last_failure']
  const failed = isObject(last) ? [readFailure(membersOf(last))] : []
  const conditions = listOf(body, 'attention')?.map(readAttention)
  return conditions && [...failed, ...conditions]
}

function readFailure(call: JsonObject): ShownAttention {
  return {
    severity: textOf(call, 'severity'),
    isCall: true,
    isPending: false,
    sinceMs: timeOf(call, 'at'),
    what: [`${textOf(call, 'what')}.`, textOf(call, 'why')].filter(Boolean).join(' '),
    fix: textOf(call, 'fix'),
  }
}

function readAttention(entry: JsonObject): ShownAttention {
  return {
    severity: textOf(entry, 'severity'),
    isCall: false,
    isPending: entry['state'] === 'pending',
    sinceMs: timeOf(entry, 'since'),
    what: [textOf(entry, 'what') || textOf(entry, 'rule'), textOf(entry, 'why')].filter(Boolean).join(' '),
    fix: textOf(entry, 'fix'),
  }
}

function readProvider(entry: JsonObject): ShownProvider {
  return {
    name: textOf(entry, 'name'),
    state: textOf(entry, 'state'),
    trouble: textOf(entry, 'trouble'),
    reason: textOf(entry, 'reason'),
    reasonAtMs: timeOf(entry, 'reason_at'),
    untilMs: timeOf(entry, 'until'),
    inFlight: numberOf(entry, 'in_flight') ?? 0,
    maxParallel: numberOf(entry, 'max_parallel'),
    firstTokenMs: numberOf(entry, 'first_token_p50_ms'),
    tokensPerSecond: numberOf(entry, 'tokens_per_second'),
  }
}

function readService(entry: JsonObject): ShownService {
  return {
    provider: textOf(entry, 'provider'),
    state: textOf(entry, 'state'),
    waiting: numberOf(entry, 'waiting') ?? 0,
  }
}

function listOf(body: JsonObject, name: string): JsonObject[] | undefined {
  const value = body[name]
  return Array.isArray(value) ? value.filter(isObject).map(membersOf) : undefined
}

function textOf(body: JsonObject, name: string): string {
  const value = body[name]
  return typeof value === 'string' ? printable(value).replaceAll('\t', ' ') : ''
}

function numberOf(body: JsonObject, name: string): number | undefined {
  const value = body[name]
  return typeof value === 'number' ? value : undefined
}

function timeOf(body: JsonObject, name: string): number | undefined {
  const value = body[name]
  const ms = typeof value === 'string' ? Date.parse(value) : NaN
  return Number.isNaN(ms) ? undefined : ms
}
