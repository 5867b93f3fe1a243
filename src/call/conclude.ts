// The end of a call: the outcome of its last attempt goes to the client, and becomes what the call is charged.
import type { Outcome } from '../admission/outcome.ts'
import { GatewayError } from '../errors.ts'
import { answerHeaders } from '../http/headers.ts'
import type { Answer, AttemptOutcome } from './answer.ts'
import { type Call, clientGoneStatus, type Reply, type Snapshot } from './call.ts'
import type { Meter } from './meter.ts'
import type { CallRecord } from './record.ts'
import { type Relayed, relay } from './relay.ts'

/** How an admitted call ended. */
export interface Concluded {
  readonly outcome: Outcome
  /** What the client has not been told yet. */
  readonly error?: GatewayError
}

interface Ended {
  readonly call: Call
  readonly on: Pick<Snapshot, 'ticker' | 'now' | 'load'>
  readonly record: CallRecord
  readonly meter: Meter
  readonly hold: Relayed['hold']
  /** Takes the provider's key out of its headers. */
  readonly mask: (text: string) => string
}

/** Brings the outcome to the client. Resolves when the client has it, or has left. */
export async function conclude(tried: AttemptOutcome, ended: Ended): Promise<Concluded> {
  const { record, meter } = ended
  switch (tried.kind) {
    case 'gone':
      record.status = clientGoneStatus
      if (record.attempts === 0) return { outcome: { kind: 'unsent' } }
      record.usage = meter.result(false)
      return { outcome: chargeOf(tried, meter) }

    case 'failed':
      record.providerStatus = tried.providerStatus
      record.providerCode = tried.providerCode
      return { outcome: chargeOf(tried, meter), error: tried.error }

    case 'refused':
      record.providerStatus = tried.head.status
      record.providerCode = tried.providerCode
      return passRefusal(tried, ended)

    case 'answered':
      try {
        return await passAnswer(tried.answer, ended)
      } finally {
        ended.on.load.ended(tried.answer.provider)
      }

    default:
      return tried satisfies never
  }
}

/** The provider's own error answer, as it is. */
function passRefusal(
  refusal: AttemptOutcome & { kind: 'refused' },
  { call: { reply }, on, record, meter, mask }: Ended,
): Concluded {
  const { head, body } = refusal
  const outcome = chargeOf(refusal, meter)
  if (reply.isStarted) return { outcome, error: lateError(record, `answered ${head.status}`) }
  record.status = head.status
  addCallHeaders(reply, record, on.now())
  reply.start(head.status, [...answerHeaders(head.headers, mask), 'content-length', String(body.length)])
  reply.end(body)
  return { outcome }
}

async function passAnswer(
  answer: Answer,
  { call, on, record, meter, hold, mask }: Ended,
): Promise<Concluded> {
  const { dialect, reply } = call
  if (reply.isStarted && !answer.isEventStream) {
    answer.abort()
    return { outcome: { kind: 'failed', tokens: 0 }, error: lateError(record, 'sent no stream') }
  }
  record.status = answer.head.status
  if (!reply.isStarted) addCallHeaders(reply, record, on.now())
  const ending = await relay(
    { answer, reply, headers: answerHeaders(answer.head.headers, mask), meter, hold },
    dialect,
    on,
  )
  const metered = meter.result(ending.kind === 'complete' || ending.kind === 'failed')
  record.usage = metered
  const tokens = metered.totalTokens
  switch (ending.kind) {
    case 'complete':
      return { outcome: { kind: 'used', tokens } }
    case 'failed':
      record.error = ending.error
      return { outcome: { kind: 'cut', tokens } }
    case 'gone':
      record.status = clientGoneStatus
      return { outcome: { kind: 'cut', tokens } }
    case 'broken':
      record.error = ending.error
      return { outcome: { kind: 'cut', tokens }, ...(!reply.isStarted && { error: ending.error }) }
    default:
      return ending satisfies never
  }
}

/** After a long wait in line the client has its status already, so what comes can only be an event. */
function lateError({ provider }: CallRecord, what: string): GatewayError {
  return new GatewayError('provider_bad_response', `Provider "${provider}" ${what}.`)
}

/** What an attempt costs that did not become an answer. */
export function chargeOf(outcome: Exclude<AttemptOutcome, { kind: 'answered' }>, meter: Meter): Outcome {
  switch (outcome.kind) {
    case 'gone':
      return { kind: 'cut', tokens: meter.result(false).totalTokens }
    case 'refused': {
      const isRefusal = outcome.head.status < 500 || outcome.head.status === 503
      return isRefusal ? { kind: 'refused' } : { kind: 'failed', tokens: 0 }
    }
    case 'failed':
      if (outcome.error.code === 'provider_unreachable') return { kind: 'unreachable' }
      if (outcome.error.code === 'provider_auth_failed') return { kind: 'auth_failed' }
      return { kind: 'failed', tokens: 0 }
    default:
      return outcome satisfies never
  }
}

/** What every answer to a model call carries, a provider's or an error. */
export function addCallHeaders(reply: Reply, record: CallRecord, nowMs: number): void {
  if (record.provider !== undefined) reply.set('x-llm-gateway-provider', record.provider)
  reply.set('server-timing', record.serverTiming(nowMs))
}
