import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { holdsKey } from '../clients/keys/key-format.ts'
import { isRequestId } from '../http/headers.ts'

/** The client's own id, if it is well formed, and no key: it is logged, and providers receive it. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return isRequestId(given) && !holdsKey(given) ? given : `req_${randomUUID()}`
}
