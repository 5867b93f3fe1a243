import { GatewayError } from '../errors.ts'

/** What a bug is to the client, and to an attempt that it ends. The log alone has its text. */
export function internalError(cause: unknown): GatewayError {
  return new GatewayError('internal_error', 'The gateway failed to handle this call; see its log.', { cause })
}
