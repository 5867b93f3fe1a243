// The story of a call, from its bytes to its end. Every line that can end it names the status.
import { readRequest } from '../dialects/request.ts'
import { GatewayError } from '../errors.ts'
import { answerHeaders } from '../http/headers.ts'
import { type AttemptOutcome, startAttempt } from './attempts.ts'
import type { Call, Snapshot } from './call.ts'
import { modelNotFound } from '../routing/route-table.ts'
import { CallRecord } from './record.ts'
import { relay } from './relay.ts'

/** Logged for a client that left before its answer's end; nobody receives it. */
const clientGoneStatus = 499

/** Serves one call and logs it. Never rejects: what fails becomes the client's error answer. */
export async function handleCall(call: Call, on: Snapshot): Promise<void> {
  const record = new CallRecord(call)
  try {
    await serve(call, on, record)
  } catch (error) {
    const failure = asGatewayError(error, on)
    record.error = failure
    record.status = failure.status
    call.reply.fail(failure)
  }
  on.events.callEnded(record.facts(on.now()))
}

async function serve(call: Call, on: Snapshot, record: CallRecord): Promise<void> {
  const { dialect, reply } = call
  const request = readRequest(dialect, call.contentType, call.body) // 400 invalid_request
  record.model = request.model
  record.isStream = request.isStream

  const route = on.routes.find(request.model)
  if (route === undefined) throw modelNotFound(request.model, on.routes) // 404

  const target = route.targets[0]!
  record.provider = target.provider
  record.targetModel = target.model
  record.attempts += 1
  record.sentAtMs = on.now()
  const attempt = startAttempt(
    target,
    {
      path: dialect.path,
      body: request.bodyFor(target.model),
      contentType: request.contentType,
      isStream: request.isStream,
      requestId: call.requestId,
    },
    on,
  )
  reply.onGone = () => attempt.abort()
  const outcome = reply.isGone ? ({ kind: 'gone' } as const) : await attempt.outcome
  record.headAtMs = on.now()
  await conclude(outcome, call, on, record) // 200, the provider's own, 499, 502, 504
}

/** Brings the outcome of the last attempt to the client. */
async function conclude(
  outcome: AttemptOutcome,
  call: Call,
  on: Snapshot,
  record: CallRecord,
): Promise<void> {
  const { reply } = call
  switch (outcome.kind) {
    case 'gone':
      record.status = clientGoneStatus
      return

    case 'failed':
      record.providerStatus = outcome.providerStatus
      record.providerCode = outcome.providerCode
      throw outcome.error

    case 'refused': {
      const { head, body } = outcome
      record.status = head.status
      record.providerStatus = head.status
      record.providerCode = outcome.providerCode
      reply.start(head.status, [
        ...callHeaders(head.headers, on, record),
        'content-length',
        String(body.length),
      ])
      reply.end(body)
      return
    }

    case 'answered': {
      const { answer } = outcome
      record.status = answer.head.status
      const headers = callHeaders(answer.head.headers, on, record)
      const ending = await relay({ answer, reply, headers }, call.dialect, on)
      if (ending.kind === 'gone') record.status = clientGoneStatus
      if (ending.kind !== 'broken') return
      if (!reply.isStarted) throw ending.error
      record.error = ending.error
      return
    }

    default:
      return outcome satisfies never
  }
}

/** What every model call's answer carries, provider's headers first. */
function callHeaders(
  fromProvider: Readonly<Record<string, string | string[] | undefined>>,
  on: Snapshot,
  record: CallRecord,
): string[] {
  const headers = answerHeaders(fromProvider)
  headers.push(
    'x-llm-gateway-provider',
    record.provider ?? '',
    'server-timing',
    record.serverTiming(on.now()),
  )
  return headers
}

/** A bug must not reach the client as its text, nor end the process. */
function asGatewayError(error: unknown, on: Snapshot): GatewayError {
  if (error instanceof GatewayError) return error
  on.events.unexpected(error, 'call')
  return new GatewayError('internal_error', 'The gateway failed on this call; its log says why.', {
    cause: error,
  })
}
