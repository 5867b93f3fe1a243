// Anthropic's error envelope: how the gateway's errors are written in it, and which status its types stand for.
// https://docs.claude.com/en/api/errors
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import type { ResponseHead } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import type { ErrorContext, RenderedError } from '../dialect.ts'
import { errorHeadOf as anyErrorHeadOf } from '../openai/errors.ts'
import { limitHeaders } from './rate-headers.ts'

/** The error as a response of its own. */
export function renderError(error: GatewayError, about: ErrorContext): RenderedError {
  const { status, message, code, headers: own } = error
  const { requestId, wallNowMs } = about
  const body = Buffer.from(JSON.stringify(errorBody({ type: errorTypeOf(error), message }, requestId)))
  const headers = ['content-type', 'application/json', 'content-length', String(body.length)]
  headers.push('request-id', requestId, 'x-llm-gateway-error', code)
  const more = { ...limitHeaders(error, wallNowMs), ...own }
  for (const [name, value] of Object.entries(more)) headers.push(name, value)
  return { status, headers, body }
}

interface ErrorObject {
  readonly type: string
  readonly message: string
}

/** What a response and an event have in common. */
export function errorEnvelope(error: ErrorObject): object {
  return { type: 'error', error }
}

/** Of an error response. */
export function errorBody(error: ErrorObject, requestId: string): object {
  return { ...errorEnvelope(error), request_id: requestId }
}

/** The statuses that have a type of their own. */
const types: ReadonlyMap<number, string> = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [409, 'conflict_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [500, 'api_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
])

const statuses: ReadonlyMap<unknown, number> = new Map(Array.from(types, ([status, type]) => [type, status]))

/** The type that an error with this status has. */
export function errorTypeOfStatus(status: number): string {
  return types.get(status) ?? (status >= 500 ? 'api_error' : 'invalid_request_error')
}

/** Whether a type is one of Anthropic's. */
export function isErrorType(type: string): boolean {
  return statuses.has(type)
}

/** Agents switch models at `overloaded_error`, so it stands for nothing else. */
export function errorTypeOf({ code, status }: GatewayError): string {
  return code === 'overloaded' ? 'overloaded_error' : errorTypeOfStatus(status)
}

/** The head of the error response that these bytes could have been the body of; undefined if they report no error. */
export function errorHeadOf(data: Buffer): ResponseHead | undefined {
  const head = anyErrorHeadOf(data)
  if (head === undefined) return undefined
  const { type } = membersOf(membersOf(parseJson(data))['error'])
  return { ...head, status: statuses.get(type) ?? head.status }
}
