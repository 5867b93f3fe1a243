// Why a request has no identity, for its client. Never the token or the header's value: both are credentials.
import { GatewayError } from '../../errors.ts'

/** RFC 9110 §11.6.1 requires the header with every 401; the client cannot log in here, but at the proxy. */
const challenge = { headers: { 'www-authenticate': 'Bearer' } } as const

export function identityRequired(): GatewayError {
  return new GatewayError(
    'identity_required',
    'This gateway requires an identity that a front proxy has checked, and the request has none: connect through the proxy.',
    challenge,
  )
}

/** @param fault what follows "The identity of the request". */
export function invalidIdentity(fault: string): GatewayError {
  return new GatewayError('invalid_identity', `The identity of the request ${fault}.`, challenge)
}

export function identityNotAllowed(id: string): GatewayError {
  return new GatewayError('identity_not_allowed', `The client ${id} is not allowed to use this gateway.`)
}

/** The gateway cannot check an identity, which may well be right. @param reason in words that follow a colon. */
export function identityUnavailable(reason: string): GatewayError {
  return new GatewayError(
    'identity_unavailable',
    `The identity of the request cannot be checked at present: ${reason}.`,
    { headers: { 'retry-after': '30' } },
  )
}

/** The header stands in the request twice, or under a name that programs take for the same. */
export function ambiguousIdentity(header: string): GatewayError {
  return new GatewayError(
    'invalid_request',
    `The request has the header "${header}" several times, or under a name that some programs take for it.`,
    { param: header },
  )
}
