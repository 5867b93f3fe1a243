// Every way in which the gateway itself refuses or fails a request, as code and facts. A dialect renders them.

/** Code → HTTP status. The table in docs/http.md is held against this by a test. */
export const errorTable = {
  budget_exceeded: 429,
  budget_state_lost: 503,
  call_cancelled: 400,
  clock_not_set: 503,
  context_too_long: 400,
  expectation_failed: 417,
  headers_too_large: 431,
  host_not_allowed: 403,
  identity_not_allowed: 403,
  identity_required: 401,
  identity_unavailable: 503,
  internal_error: 500,
  invalid_api_key: 401,
  invalid_host: 400,
  invalid_identity: 401,
  invalid_request: 400,
  ip_not_allowed: 403,
  key_disabled: 401,
  key_expired: 401,
  key_required: 401,
  key_revoked: 401,
  limits_unavailable: 503,
  management_not_allowed: 403,
  method_not_allowed: 405,
  model_not_allowed: 403,
  model_not_found: 404,
  no_target_available: 503,
  not_configured: 503,
  not_translatable: 400,
  object_not_found: 404,
  origin_not_allowed: 403,
  outside_boundary: 403,
  overloaded: 503,
  price_unknown: 403,
  provider_auth_failed: 502,
  provider_bad_response: 502,
  provider_timeout: 504,
  provider_unreachable: 502,
  rate_limit_exceeded: 429,
  request_timeout: 408,
  request_too_large: 413,
  service_not_started: 503,
  shutting_down: 503,
  unknown_url: 404,
  unsupported_media_type: 415,
  usage_unavailable: 503,
  user_not_allowed: 403,
  websocket_not_supported: 426,
} as const satisfies Record<string, number>

export type ErrorCode = keyof typeof errorTable

interface LimitFacts {
  readonly limit: number
  readonly remaining: number
  readonly resetMs: number
}

/** What of the gateway's own limits a call exceeds; `client`: the requests of its client, whatever the model. */
export type LimitDimension = 'requests' | 'tokens' | 'parallel' | 'client' | 'budget'

/** Which limit a call exceeds. */
export interface ExceededLimit {
  /** What ran out. */
  readonly counts: 'requests' | 'tokens'
  /** Absent: as `counts`. */
  readonly dimension?: Exclude<LimitDimension, 'budget'>
  /** How all limits of the model stand (`LimitStatus` of domain.ts). */
  readonly status: Readonly<Record<'requests' | 'tokens', LimitFacts | undefined>>
  /** After so many whole milliseconds the same call fits; undefined: it never will. */
  readonly retryAfterMs: number | undefined
}

/** In tokens, as a server has counted them. Absent: it has not named the number. */
interface ExceededContext {
  /** Of the prompt, or of the prompt and the answer that was requested. */
  readonly needed?: number
  readonly had?: number
}

interface ErrorDetails {
  /** The request's parameter that is at fault: `model`, `messages`, a header's name. */
  readonly param?: string
  readonly limit?: ExceededLimit
  /** By how much a prompt exceeds the context of every model that may answer. */
  readonly context?: ExceededContext
  /** Headers that belong to the error in every dialect, names in lower case: `allow`, `retry-after`, `x-should-retry`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/**
 * A refusal or failure that ends in a response for the client. The message says which rule refused, what it saw and what
 * to change; it never holds a secret or a provider's raw text.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly status: number
  readonly param: string | null
  readonly limit: ExceededLimit | undefined
  readonly context: ExceededContext | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.code = code
    this.status = errorTable[code]
    this.param = details.param ?? null
    this.limit = details.limit
    this.context = details.context
    this.headers = details.headers ?? {}
  }
}

/** For a call that the gateway does not begin, or no longer finishes, and for its readiness. */
export function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'The gateway is shutting down; ask again.')
}

/**
 * For a call that the gateway's operator ends. The status is the only one that no client repeats by itself: SDKs repeat 409, 429
 * and 5xx, and Codex repeats every other one but 400 and 401.
 */
export function callCancelled(): GatewayError {
  const message = 'The operator of the gateway has cancelled this call. Do not repeat it unasked.'
  return new GatewayError('call_cancelled', message, { headers: { 'x-should-retry': 'false' } })
}

/** The gateway can't start as it is told to; the message says why, and what to change. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/** A TCP address. */
export interface TakenAddress {
  /** Without brackets. */
  readonly host: string
  readonly port: number
  /** Both, as people write them. */
  readonly address: string
}

/** A TCP address where the gateway should listen is taken. */
export class AddressInUseError extends StartError {
  readonly taken: TakenAddress

  /** @param holder the program that has taken it. */
  constructor(taken: TakenAddress, holder = 'another program') {
    super(
      `${taken.address} is in use by ${holder}. Stop it, or set server.port (or LLM_GATEWAY_PORT) to a free port.`,
    )
    this.taken = taken
  }
}
