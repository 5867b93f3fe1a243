// The one way in which requests are refused, whoever refuses them: a guard, a route, or the gateway's own failure.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { GatewayError } from '../errors.ts'
import { corsHeaderNames } from './cors.ts'
import { lingerAfter } from './lingering-reply.ts'
import { LogThrottle } from './log-throttle.ts'
import type { ServerParts } from './parts.ts'
import { type RenderError, ownHeaders } from './reply.ts'
import { isStatusPath, statusHeaders } from './status-page/headers.ts'

/** A request, and a response to it that nothing has been written to. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  /** Of the response, whatever its content (`x-request-id`, CORS): names and values in turn. */
  readonly headers: readonly string[]
  /** Of the client's dialect. */
  readonly renderError: RenderError
}

/** Takes a response over from fastify, with the CORS headers that are on it. */
export function takeExchange(
  { raw: request, id: requestId }: FastifyRequest,
  reply: FastifyReply,
  renderError: RenderError,
): Exchange {
  reply.hijack()
  const headers = ['x-request-id', requestId]
  for (const name of corsHeaderNames(request.headers.origin)) {
    const value = reply.getHeader(name)
    if (value !== undefined) headers.push(name, String(value))
  }
  return { request, response: reply.raw, requestId, headers, renderError }
}

/** Logs the refusal and responds with the error. The body of the request need not have been read. */
export type Refuse = (exchange: Exchange, error: GatewayError) => void

/** Logs under the request's id; of refusals for want of a valid key or identity, one a second for each client. */
export function createRefuse({
  events,
  clientOf,
  now,
}: Pick<ServerParts, 'events' | 'clientOf' | 'now'>): Refuse {
  const throttle = new LogThrottle()
  return (exchange, error) => {
    const { request, requestId } = exchange
    const { code, status, message: reason } = error
    const client = clientOf(request).id
    const { method } = request
    const entry =
      status === 401 || code === 'identity_not_allowed' || code === 'identity_unavailable'
        ? throttle.shouldLog(`${code} ${client}`, now())
        : once
    if (entry !== false) {
      const more = entry.suppressed > 0 && { unlogged: entry.suppressed }
      events.emit({ kind: 'refused', request_id: requestId, client, method, code, status, reason, ...more })
    }
    respond(exchange, error)
  }
}

const once = { suppressed: 0 }

function respond({ request, response, headers: own, renderError }: Exchange, error: GatewayError): void {
  // Nobody is left to respond to, and its end is past.
  if (response.destroyed) return
  const { status, headers, body } = renderError(error)
  const hasBody =
    request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  const closing = hasBody ? ['connection', 'close'] : []
  // Whatever follows on the connection is no longer a request (RFC 9112 §9.6).
  if (hasBody) response.shouldKeepAlive = false
  response.on('error', ignore)
  const ofPage = isStatusPath(request.url ?? '') ? statusHeaders : []
  response.writeHead(status, [...own, ...ownHeaders, ...ofPage, ...headers, ...closing])
  if (!hasBody) return void response.end(body)
  response.write(body)
  lingerAfter(request, response, () => response.end())
}

function ignore(): void {}
