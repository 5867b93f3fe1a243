// Every way in which the gateway itself refuses or fails a request, and the error types that carry it.

/** Code → HTTP status and `error.type` of the answer. The table in docs/http.md is held against this by a test. */
export const errorTable = {
  expectation_failed: { status: 417, type: 'invalid_request_error' },
  headers_too_large: { status: 431, type: 'invalid_request_error' },
  host_not_allowed: { status: 403, type: 'permission_error' },
  internal_error: { status: 500, type: 'api_error' },
  invalid_host: { status: 400, type: 'invalid_request_error' },
  invalid_request: { status: 400, type: 'invalid_request_error' },
  ip_not_allowed: { status: 403, type: 'permission_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  no_target_available: { status: 503, type: 'api_error' },
  origin_not_allowed: { status: 403, type: 'permission_error' },
  provider_auth_failed: { status: 502, type: 'api_error' },
  provider_bad_response: { status: 502, type: 'api_error' },
  provider_timeout: { status: 504, type: 'api_error' },
  provider_unreachable: { status: 502, type: 'api_error' },
  rate_limit_exceeded: { status: 429, type: 'requests' },
  request_timeout: { status: 408, type: 'invalid_request_error' },
  request_too_large: { status: 413, type: 'invalid_request_error' },
  shutting_down: { status: 503, type: 'api_error' },
  unknown_url: { status: 404, type: 'invalid_request_error' },
  unsupported_media_type: { status: 415, type: 'invalid_request_error' },
  user_not_allowed: { status: 403, type: 'permission_error' },
} as const satisfies Record<string, { status: number; type: string }>

export type ErrorCode = keyof typeof errorTable

interface ErrorDetails {
  /** The request's parameter that is at fault: `model`, `messages`, a header's name. */
  readonly param?: string
  /** In place of the table's type: a 429 says whether requests or tokens ran out. */
  readonly type?: 'requests' | 'tokens'
  /** Further headers of the answer, names in lower case: `allow`, `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/**
 * A refusal or failure with an answer for the client. The message says which rule refused, what it saw and what
 * to change; it never holds a secret or a provider's raw text.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly status: number
  readonly type: string
  readonly param: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.code = code
    this.status = errorTable[code].status
    this.type = details.type ?? errorTable[code].type
    this.param = details.param ?? null
    this.headers = details.headers ?? {}
  }

  /** The body of the answer, in the shape that OpenAI's SDKs read. */
  toJSON(): { error: { message: string; type: string; param: string | null; code: string } } {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } }
  }
}

/** The gateway can't start as it is told to; the message says why, and what to change. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
