// OpenAI's error envelope: how the gateway's errors are written in it, and how a provider's errors are read in all forms.
// https://platform.openai.com/docs/guides/error-codes
import { isObject, type JsonObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import type { ResponseHead } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { overflowCode } from '../context-overflow.ts'
import type { ErrorFields, OwnEvents, RenderedError } from '../dialect.ts'
import { limitHeaders } from './rate-headers.ts'

/** The error as a response of its own. */
export function renderError(error: GatewayError): RenderedError {
  const { status, headers: own } = error
  const body = Buffer.from(JSON.stringify(errorEnvelope(error)))
  const headers = ['content-type', 'application/json; charset=utf-8', 'content-length', String(body.length)]
  headers.push('x-llm-gateway-error', error.code)
  for (const [name, value] of Object.entries({ ...limitHeaders(error), ...own })) headers.push(name, value)
  return { status, headers, body }
}

function errorEnvelope(error: GatewayError | ErrorFields): object {
  const { message, type, param, code } = fieldsOf(error)
  const { needed, had } = (error instanceof GatewayError ? error.context : undefined) ?? {}
  // By the names of llama.cpp, the only server that writes them apart.
  const counts = {
    ...(needed !== undefined && { n_prompt_tokens: needed }),
    ...(had !== undefined && { n_ctx: had }),
  }
  return { error: { message, type, param, code, ...counts } }
}

/** The error's fields with OpenAI's `type`, which depends on the status, except for exceeded limits. */
export function fieldsOf(error: GatewayError | ErrorFields): ErrorFields {
  if (!(error instanceof GatewayError)) return error
  const { message, param, code, limit, headers } = error
  const seconds = headers['retry-after']
  const retryAfterMs = limit?.retryAfterMs ?? (seconds === undefined ? undefined : 1000 * Number(seconds))
  const ownCode = code === 'context_too_long' ? overflowCode : code
  return { message, type: typeOf(error), param, code: ownCode, retryAfterMs }
}

/** A comment line, which every client of OpenAI's streams ignores. Without a blank line, which would dispatch an event to some. */
export const commentHeartbeat = Buffer.from(': ping\n')

/** The own events of formats that report an error by one event and have no other state. */
export function ownEventsOf(error: OwnEvents['error']): () => OwnEvents {
  const events: OwnEvents = { sent() {}, heartbeat: () => commentHeartbeat, error }
  return () => events
}

/** An event has no headers: what they would say stands beside the error's fields. */
export function retryMember({ retryAfterMs }: ErrorFields): object {
  return retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }
}

function typeOf({ code, status, limit }: GatewayError): string {
  if (code === 'budget_exceeded') return 'insufficient_quota'
  if (limit !== undefined) return limit.counts
  if (status >= 500) return 'api_error'
  return status === 403 ? 'permission_error' : 'invalid_request_error'
}

/** The error in a provider's body; undefined if it has no message in a known form. */
export function readErrorFields(body: Buffer): ErrorFields | undefined {
  const error = readError(body)
  if (typeof error === 'string') return { message: error, type: null, param: null, code: null }
  if (typeof error?.message !== 'string') return undefined
  const { message, type, param, code } = error
  // Some write an empty one.
  const textOrNull = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null)
  return {
    message,
    type: textOrNull(type),
    param: textOrNull(param),
    code: typeof code === 'number' ? code : textOrNull(code),
  }
}

/** A provider's `error.code`, or its `type` if there is no code or only a number, which is less specific. */
export function readErrorCode(body: Buffer): string | undefined {
  const error = readError(body)
  if (typeof error !== 'object') return undefined
  const { code: own, type } = error
  const isWord = typeof own === 'string' && !/^\d+$/.test(own)
  const code = isWord ? own : (type ?? own)
  return typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, 64) : undefined
}

/** The body's `error`. No client would find one in what is not a JSON object either. */
function readError(body: Buffer): JsonObject | string | undefined {
  const { error } = membersOf(parseJson(body))
  return typeof error === 'string' || isObject(error) ? error : undefined
}

/**
 * The head of the error response that these bytes could have been the body of, although they arrived as an event or with a
 * 2xx status. Undefined if they report no error.
 */
export function errorHeadOf(data: Buffer): ResponseHead | undefined {
  if (!data.includes('error')) return undefined
  const report = membersOf(parseJson(data))
  const { error, object, type } = report
  // Some write `null` or nothing into the `error` of every event. A failed response of the Responses API is not an error
  // response: it carries the failure itself, with its usage.
  const hasError = Boolean(error) && object !== 'response'
  // vLLM's older form has `object`, the Responses API has `type`.
  if (!hasError && type !== 'error' && object !== 'error') return undefined
  return { status: statusOf(report), headers: { 'content-type': 'application/json' } }
}

/** Some servers write the HTTP status that they would have sent as the error's code. */
function statusOf(report: JsonObject): number {
  const { error } = report
  const { code, status } = isObject(error) ? error : report
  const isError = (value: number) => Number.isInteger(value) && value >= 400 && value <= 599
  // Objects do not convert, and one with a member `toString` would throw.
  const isPlain = (value: unknown) => typeof value === 'number' || typeof value === 'string'
  return [code, status].filter(isPlain).map(Number).find(isError) ?? 500
}
