// No other protocol is spoken on this connection: no WebSocket, no h2c.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

export const upgradeGuard: Guard = (request) => {
  if (request.headers.upgrade === undefined) return undefined
  return new GatewayError(
    'invalid_request',
    'The Upgrade header is not supported: the gateway serves HTTP/1.1 only. Remove it.',
  )
}
