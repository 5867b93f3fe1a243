import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isRequestId } from '../http/headers.ts'

/** The client's own id, if it is well formed. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return isRequestId(given) ? given : `req_${randomUUID()}`
}
