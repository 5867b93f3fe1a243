// The trace of one call, as it grows: its own span's id, and one for each attempt.
import { randomBytes } from 'node:crypto'
import type { Usage } from '../../domain.ts'
import type { CallTrace, TracedOutcome, TraceReceiver } from '../events/trace.ts'
import { formatTraceparent, type IncomingTrace, parentName, stateName } from './traceparent.ts'

const nothing: readonly string[] = []

export interface TracedAttempt {
  readonly spanId: string
  readonly startedAtMs: number
  /** Undefined: it has answered, and ends with the call. */
  endedAtMs: number | undefined
  /** Undefined: its outcome never came. */
  ended: TracedOutcome | undefined
  /** Of the attempt that has answered. */
  usage: Usage | undefined
}

/** What a span of a call begins with. */
interface Beginning {
  readonly method: string
  readonly path: string
  readonly startedAtMs: number
  readonly incoming: IncomingTrace | undefined
  /** Fit for a span: see `session-header.ts`. */
  readonly sessionId: string | undefined
  readonly traceId: string
  readonly isSampled: boolean
}

/** Of a gateway that records spans. */
export class RecordedTrace implements CallTrace {
  readonly traceId: string
  readonly spanId = newId(8)
  readonly isSampled: boolean
  readonly method: string
  readonly path: string
  readonly startedAtMs: number
  /** Span of the program that called. */
  readonly parentId: string | undefined
  readonly state: string | undefined
  readonly sessionId: string | undefined
  readonly attempts: TracedAttempt[] = []
  readonly waits: { readonly fromMs: number; readonly untilMs: number }[] = []
  endedAtMs = 0
  /** Of the attempt that has answered, with a stream. */
  firstTokenAtMs: number | undefined

  constructor({ method, path, startedAtMs, incoming, sessionId, traceId, isSampled }: Beginning) {
    this.method = method
    this.path = path
    this.startedAtMs = startedAtMs
    this.traceId = traceId
    this.isSampled = isSampled
    this.parentId = incoming?.parent.spanId
    this.state = incoming?.state
    this.sessionId = sessionId
  }

  startAttempt(nowMs: number): void {
    this.attempts.push({
      spanId: newId(8),
      startedAtMs: nowMs,
      endedAtMs: undefined,
      ended: undefined,
      usage: undefined,
    })
  }

  headersFor({ traceContext, isLocal }: TraceReceiver): readonly string[] {
    const attempt = this.attempts.at(-1)
    if (attempt === undefined || traceContext === 'never' || (traceContext === 'auto' && !isLocal)) {
      return nothing
    }
    const { traceId, isSampled } = this
    return headersOf(formatTraceparent({ traceId, spanId: attempt.spanId, isSampled }), this.state)
  }

  endAttempt(ended: TracedOutcome, nowMs: number): void {
    const attempt = this.attempts.at(-1)
    if (attempt === undefined) return
    attempt.ended = ended
    if (ended.outcome !== 'answered') attempt.endedAtMs = nowMs
  }

  addWait(fromMs: number, untilMs: number): void {
    this.waits.push({ fromMs, untilMs })
  }

  addUsage(usage: Usage): void {
    const attempt = this.attempts.at(-1)
    if (attempt?.ended?.outcome === 'answered') attempt.usage = usage
  }

  end(nowMs: number, firstTokenAtMs: number | undefined): void {
    this.endedAtMs = nowMs
    this.firstTokenAtMs = firstTokenAtMs
  }
}

/** Of a gateway that records none: the client's own trace, which may go on to a provider and is named in the log. */
export class PassedTrace implements CallTrace {
  readonly spanId = undefined
  readonly #incoming: IncomingTrace

  constructor(incoming: IncomingTrace) {
    this.#incoming = incoming
  }

  get traceId(): string {
    return this.#incoming.parent.traceId
  }

  headersFor({ traceContext }: TraceReceiver): readonly string[] {
    if (traceContext !== 'always') return nothing
    return headersOf(formatTraceparent(this.#incoming.parent), this.#incoming.state)
  }

  startAttempt(): void {}
  endAttempt(): void {}
  addWait(): void {}
  addUsage(): void {}
  end(): void {}
}

function headersOf(parent: string, state: string | undefined): readonly string[] {
  return state === undefined ? [parentName, parent] : [parentName, parent, stateName, state]
}

/** Drawn ahead, for many ids at once. */
let pool = Buffer.alloc(0)
let at = 0

/** Hexadecimal digits at random, which are not all 0. @param bytes two digits each. */
export function newId(bytes: 8 | 16): string {
  if (at + bytes > pool.length) {
    pool = randomBytes(2_048)
    at = 0
  }
  const id = pool.toString('hex', at, at + bytes)
  at += bytes
  return /[^0]/.test(id) ? id : newId(bytes)
}
