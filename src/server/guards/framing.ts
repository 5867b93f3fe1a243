// The length of a body must have one reading only: where a proxy in front and the gateway differ, the rest of one request
// becomes the next one (request smuggling, RFC 9112 §11.2). Node's parser refuses most such requests; these are the forms
// that it accepts.
import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

/** Methods whose requests may not have a body here. */
const bodyless = new Set(['GET', 'HEAD', 'OPTIONS'])

export const framingGuard: Guard = (request) => {
  const { headers, httpVersion, method = '' } = request
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    return new GatewayError('invalid_request', `HTTP/${httpVersion} is not supported; use HTTP/1.1.`)
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) {
    const param = 'transfer-encoding'
    const seen = `The transfer-encoding ${JSON.stringify(coding.slice(0, 100))} over HTTP/${httpVersion}`
    const way = 'Use chunked over HTTP/1.1, or a content-length.'
    return new GatewayError('invalid_request', `${seen} is not supported. ${way}`, { param })
  }
  if (bodyless.has(method) && hasBody(request)) {
    return new GatewayError(
      'invalid_request',
      `Requests with ${method} must not have a body. Send it without one, or with POST.`,
    )
  }
  return undefined
}

/** Whether bytes of a body follow the head. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
