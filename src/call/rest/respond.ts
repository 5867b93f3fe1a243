// The gateway's own ends of a request that passes as it is.
import { ownApiEvents } from '../../dialects/openai/api-format.ts'
import type { GatewayError } from '../../errors.ts'
import { type Snapshot, clientGoneStatus } from '../call.ts'
import { setProvider } from '../heartbeat.ts'
import { boundaryOfAnswer } from '../kept-inside.ts'
import type { CallEnd, CallRecord } from '../record.ts'
import type { RestCall } from './request.ts'

/** Before the response has started. */
export function sendError(
  error: GatewayError,
  call: Pick<RestCall, 'reply'>,
  on: Pick<Snapshot, 'now' | 'providers'>,
  record: CallRecord,
): CallEnd {
  addCallHeaders(call, on, record)
  call.reply.fail(error)
  return { status: error.status, error }
}

/** A client that the gateway has interrupted is still there. */
export function endGone(
  call: Pick<RestCall, 'reply' | 'requestId'>,
  on: Pick<Snapshot, 'now' | 'providers'>,
  record: CallRecord,
): CallEnd {
  const { interruption, isStarted } = call.reply
  if (interruption === undefined) return { status: clientGoneStatus }
  if (!isStarted) return sendError(interruption, call, on, record) // 503 shutting_down
  // Of a stream, only whole events have gone out; another body has been cut.
  call.reply.end(ownApiEvents(call.requestId).error(interruption))
  return { status: 200, error: interruption }
}

/** Sets the headers that report the way of the request. Before the response has started. */
export function addCallHeaders(
  { reply }: Pick<RestCall, 'reply'>,
  on: Pick<Snapshot, 'now' | 'providers'>,
  record: CallRecord,
): void {
  if (record.provider !== undefined) {
    setProvider(reply, record.provider, boundaryOfAnswer(record.provider, record, on))
  }
  if (record.providerRequestId !== undefined) {
    reply.set('x-llm-gateway-provider-request-id', record.providerRequestId)
  }
  reply.set('server-timing', record.serverTiming(on.now()))
}
