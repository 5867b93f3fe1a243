// The story of a request that is no model call and passes to a provider as it is, from its head to its end. Every line that
// can end it names the status.
import { GatewayError } from '../errors.ts'
import { LargeBody } from '../bytes/large-body.ts'
import type { PassedRequest } from '../upstream/provider.ts'
import type { Snapshot } from './call.ts'
import { internalError } from './internal-error.ts'
import { CallRecord, type CallEnd } from './record.ts'
import { judgeNative } from './native/judge.ts'
import { judgeObjects } from './rest/own-objects.ts'
import { boundaryAt, promptedModelOf } from './rest/outside.ts'
import { passOn } from './rest/pass-on.ts'
import { passOnInside } from './rest/pass-on-inside.ts'
import type { RestCall } from './rest/request.ts'
import { endGone, sendError } from './rest/respond.ts'

export function recordOfRest(call: RestCall): CallRecord {
  const { method, path } = call.route
  return new CallRecord({ ...call, dialect: { name: 'other' }, route: `${method} ${path}` })
}

/** Serves one request and reports its end. Never rejects. @param record as `recordOfRest` makes it. */
export async function handleRestCall(call: RestCall, on: Snapshot, record: CallRecord): Promise<void> {
  const { rawHeaders, startedAtMs } = call
  const { method, path } = call.route
  record.trace = on.tracing.begin({ method, path, rawHeaders, startedAtMs })
  let end: CallEnd
  try {
    end = await serve(call, on, record)
  } catch (cause) {
    end = fail(cause, call, on, record) // 500 internal_error
  } finally {
    releaseBody(call)
  }
  on.events.emit({ kind: 'call_ended', call: record.facts(on.now(), end), trace: record.trace })
}

async function serve(call: RestCall, on: Snapshot, record: CallRecord): Promise<CallEnd> {
  if (call.reply.isGone) return endGone(call, on, record) // 499, 401 key_revoked
  const { native } = call
  const to = native === undefined ? await judgeObjects(call, on) : judgeNative(call, native, on)
  if (to instanceof GatewayError) return sendError(to, call, on, record) // 400, 403 management_not_allowed, 404 object_not_found, 415

  const { provider: name } = to
  const provider = on.providers.get(name)
  if (provider === undefined) return sendError(providerGone(name), call, on, record) // 404 object_not_found
  const boundary = boundaryAt(provider, call, on)
  if (boundary instanceof GatewayError) return sendError(boundary, call, on, record) // 403 outside_boundary
  record.boundary = boundary
  const model = promptedModelOf(provider, boundary, call)
  const passage = { call, provider, model, body: bodyFor(call), record }
  return provider.hasService ? passOnInside(passage, on) : passOn(passage, on) // the provider's status; 499, 5xx
}

function bodyFor({ body }: RestCall): PassedRequest['body'] {
  return body instanceof LargeBody ? { of: body, parts: [body.bytes] } : body
}

function providerGone(name: string): GatewayError {
  const message = `The object is at provider "${name}", which is not in the configuration any more.`
  return new GatewayError('object_not_found', message)
}

function releaseBody({ body, bodyShare }: RestCall): void {
  if (body instanceof LargeBody) body.dispose()
  else bodyShare?.release()
  if (body !== undefined && 'pieces' in body) body.abandon()
}

/** A bug must not reach the client as its text, nor end the process. */
function fail(cause: unknown, call: RestCall, on: Snapshot, record: CallRecord): CallEnd {
  on.events.emit({ kind: 'internal_error', error: cause, where: 'call' })
  const error = internalError(cause)
  if (!call.reply.isStarted) return sendError(error, call, on, record)
  call.reply.cut()
  return { status: 200, error }
}
