// The end of a call: the outcome of its last attempt goes to the client, and becomes what the call is charged.
import type { Outcome } from '../admission/outcome.ts'
import { GatewayError } from '../errors.ts'
import { answerHeaders } from '../http/headers.ts'
import type { Trouble } from '../routing/target-health.ts'
import type { Answer } from './answer.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import { type Call, clientGoneStatus, type Reply, type Snapshot } from './call.ts'
import type { Meter } from './meter.ts'
import type { CallRecord } from './record.ts'
import { type Relayed, relay } from './relay.ts'

/** How an admitted call ended. */
export interface Concluded {
  readonly outcome: Outcome
  /** What the client has not been told yet. */
  readonly error?: GatewayError
  /** What an answer showed of its target after it had begun. */
  readonly trouble?: Trouble
}

interface Ended {
  readonly call: Call
  readonly on: Pick<Snapshot, 'ticker' | 'now'>
  readonly record: CallRecord
  readonly meter: Meter
  readonly hold: Relayed['hold']
  /** Of the attempts that failed. */
  readonly cost: Outcome
  /** Takes the provider's key out of its headers. */
  readonly mask: (text: string) => string
}

/** Brings the outcome to the client. A promise comes back for an answer, which takes its time. */
export function conclude(tried: AttemptOutcome, ended: Ended): Concluded | Promise<Concluded> {
  const { record, meter, cost } = ended
  switch (tried.kind) {
    case 'gone':
      record.status = clientGoneStatus
      if (!tried.wasSent) return { outcome: cost }
      record.usage = meter.result(false)
      return { outcome: { kind: 'cut', tokens: record.usage.totalTokens } }

    case 'failed':
    case 'refused': {
      const error = passFailure(tried, ended)
      return { outcome: cost, ...(error !== undefined && { error }) }
    }

    case 'answered':
      return passAnswer(tried.answer, ended)

    default:
      return tried satisfies never
  }
}

/** The provider's own error answer, as it is or as an event; or else the error that the client has to be told. */
export function passFailure(
  failure: AttemptOutcome & { kind: 'failed' | 'refused' },
  { call: { reply, dialect }, on, record, mask }: Pick<Ended, 'call' | 'on' | 'record' | 'mask'>,
): GatewayError | undefined {
  record.providerCode = failure.providerCode
  if (failure.kind === 'failed') {
    record.providerStatus = failure.providerStatus
    return failure.error
  }
  const { head, body } = failure
  record.providerStatus = head.status
  if (reply.isStarted) {
    const error = lateError(record, `answered ${head.status}`)
    const fields = dialect.native.readErrorFields(body)
    if (fields === undefined) return error
    record.status = 200
    record.error = error
    reply.end(dialect.errorEvent(fields))
    return undefined
  }
  record.status = head.status
  addCallHeaders(reply, record, on.now())
  reply.start(head.status, [...answerHeaders(head.headers, mask), 'content-length', String(body.length)])
  reply.end(body)
  return undefined
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
      return {
        outcome: { kind: 'cut', tokens },
        ...(!reply.isStarted && { error: ending.error }),
        ...(!answer.isStalled && { trouble: troubleOf(ending.error) }),
      }
    default:
      return ending satisfies never
  }
}

/** After a heartbeat the client has its status already, so what comes can only be an event. */
function lateError({ provider }: CallRecord, what: string): GatewayError {
  return new GatewayError('provider_bad_response', `Provider "${provider}" ${what}.`)
}

function troubleOf({ code }: GatewayError): Trouble {
  return code === 'provider_timeout' ? 'timeout' : 'broken'
}

/** What every answer to a model call carries, a provider's or an error. */
export function addCallHeaders(reply: Reply, record: CallRecord, nowMs: number): void {
  if (record.provider !== undefined) reply.set('x-llm-gateway-provider', record.provider)
  reply.set('server-timing', record.serverTiming(nowMs))
}
