// TRACE would repeat a request's headers to whoever caused it. CONNECT never gets here: Node has an event for it.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

export const servedMethods = 'GET, HEAD, OPTIONS, POST'

export const methodGuard: Guard = ({ method }) => {
  if (method !== 'TRACE') return undefined
  return new GatewayError('method_not_allowed', 'TRACE is not supported.', {
    headers: { allow: servedMethods },
  })
}
