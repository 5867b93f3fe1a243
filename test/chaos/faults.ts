// What an upstream does in place of a good response, and how often.
import type { Random } from '../support/random.ts'

/** Weights, in parts of all requests. */
const weights = {
  none: 900,
  slow: 60,
  /** 429 with `retry-after-ms`. */
  rate_limit: 50,
  unavailable: 50,
  loading: 10,
  overloaded: 20,
  failed: 20,
  bad_request: 30,
  no_key: 5,
  no_quota: 5,
  no_model: 5,
  web_page: 5,
  reset_first: 30,
  reset_later: 30,
  /** The connection or the body ends in order, too soon. */
  ends_early: 30,
  error_first: 15,
  error_later: 25,
  /** An event or a body that breaks the format; what follows is as it should be. */
  odd: 25,
  /** The same, and an error instead of the end. */
  odd_error: 15,
  /** A stream is whole, and its body does not end; or the connection breaks. */
  lingers: 20,
  reset_after: 20,
  hangs: 10,
  stalls: 15,
  /** A good response on a connection that is closed when the next request may be on its way. */
  closes_idle: 30,
} as const satisfies Record<string, number>

export type Fault = keyof typeof weights

const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)

export function faultOf(random: Random): Fault {
  let roll = random.below(total)
  for (const [fault, weight] of Object.entries(weights)) {
    roll -= weight
    if (roll < 0) return fault as Fault
  }
  return 'none'
}

/** The error responses among the faults: status, code and further headers. */
export const errorAnswers: Readonly<
  Partial<Record<Fault, { status: number; code: string; type?: string; headers?: Record<string, string> }>>
> = {
  rate_limit: { status: 429, code: 'slow_down', headers: { 'retry-after-ms': '40' } },
  unavailable: { status: 503, code: 'overloaded' },
  loading: { status: 503, code: 'Loading model' },
  overloaded: { status: 529, code: 'busy' },
  failed: { status: 500, code: 'failed' },
  bad_request: { status: 400, code: 'context_length_exceeded' },
  no_key: { status: 401, code: 'invalid_api_key' },
  no_quota: { status: 429, code: 'insufficient_quota' },
  no_model: { status: 404, code: 'model_not_found' },
  web_page: { status: 502, code: 'none', type: 'text/html' },
}
