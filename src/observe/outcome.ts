// How a call ended, in one of fourteen words: the label of metrics, and what conditions and the status page count. Pure.
import { type ErrorCode, errorTable } from '../errors.ts'
import type { CallFacts } from './events/calls.ts'

/** An interface to dashboards and rules: added to, never renamed. */
export const outcomes = [
  'ok',
  /** Status 499. */
  'client_gone',
  /** A provider's 4xx that is about the request. */
  'client_error',
  /** The gateway's own 4xx, and its refusal for want of memory. */
  'refused',
  /** The gateway's own 429: limits and budgets. */
  'limited',
  /** A provider's 429. */
  'provider_limited',
  /** A provider's 401 and 403. */
  'provider_auth',
  /** A provider's 402, and what else it answers where money is missing. */
  'provider_billing',
  'provider_timeout',
  'provider_unreachable',
  /** Broken, cut short, or something else than the API's responses. */
  'provider_bad_response',
  /** A provider's 5xx. */
  'provider_error',
  /** Several targets, each with a fault of its own. */
  'no_target',
  /** A fault of the gateway, or its end. */
  'internal',
] as const

export type Outcome = (typeof outcomes)[number]

/** The client or the gateway's own rules ended the call: no provider was to answer it. */
const unanswerable: ReadonlySet<Outcome> = new Set(['client_gone', 'refused', 'limited'])

/** Whether a provider answered the call, or should have. */
export function isAnswerable(outcome: Outcome): boolean {
  return !unanswerable.has(outcome)
}

/** Whether a provider or the gateway is at fault. */
export function isFault(outcome: Outcome): boolean {
  return isAnswerable(outcome) && outcome !== 'ok' && outcome !== 'client_error'
}

/** What of a call's facts decides. */
export type JudgedCall = Pick<CallFacts, 'status' | 'code' | 'trouble' | 'provider_status'>

/** Those that their status does not classify. */
const ofCodes: Partial<Record<ErrorCode, Outcome>> = {
  no_target_available: 'no_target',
  overloaded: 'refused',
  provider_auth_failed: 'provider_auth',
  provider_timeout: 'provider_timeout',
  provider_unreachable: 'provider_unreachable',
  service_not_started: 'provider_unreachable',
}

/** Total: every call has exactly one. */
export function outcomeOf(call: JudgedCall): Outcome {
  const { status, code, trouble, provider_status: providerStatus = status } = call
  if (status === 499) return 'client_gone'
  if (code === undefined) return status < 400 ? 'ok' : ofProvider(providerStatus, trouble)
  if (code === 'provider_bad_response') return ofBadResponse(call)
  return isErrorCode(code) ? (ofCodes[code] ?? ofOwnStatus(errorTable[code])) : ofOwnStatus(status)
}

/** A stream that has begun ends with this code, whatever error the provider has sent. */
function ofBadResponse({ status, trouble, provider_status }: JudgedCall): Outcome {
  const isLate = status < 400 && provider_status !== undefined && provider_status >= 400
  return isLate ? ofProvider(provider_status, trouble) : 'provider_bad_response'
}

function ofProvider(status: number, trouble: CallFacts['trouble']): Outcome {
  if (trouble === 'billing' || status === 402) return 'provider_billing'
  if (status === 401 || status === 403) return 'provider_auth'
  if (status === 408) return 'provider_timeout'
  if (status === 429) return 'provider_limited'
  return status >= 500 ? 'provider_error' : 'client_error'
}

function ofOwnStatus(status: number): Outcome {
  if (status === 429) return 'limited'
  return status >= 400 && status < 500 ? 'refused' : 'internal'
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code)
}
