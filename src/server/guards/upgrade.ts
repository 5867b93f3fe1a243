// The protocol of a connection does not change: no WebSocket, no h2c.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

export const upgradeGuard: Guard = (request) => {
  if (request.headers.upgrade === undefined) return undefined
  return new GatewayError('invalid_request', 'Upgrade is not supported; use HTTP/1.1.')
}
