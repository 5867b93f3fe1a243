// A body whose content-length is too large is refused before any of it is asked for or read. One of unknown length is
// counted while it arrives.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

/** @param maxBytes `server.max_request_body_bytes`. */
export function bodySizeGuard(maxBytes: number): Guard {
  return ({ headers }) =>
    Number(headers['content-length'] ?? 0) > maxBytes ? bodyTooLarge(maxBytes) : undefined
}

export function bodyTooLarge(maxBytes: number): GatewayError {
  const hint = 'server.max_request_body_bytes sets the limit.'
  return new GatewayError('request_too_large', `The body is larger than ${maxBytes} bytes. ${hint}`)
}
