// What requests that pass to a provider as they are have in common: pages may not cause them, a record has to allow them, some
// of their headers go on, and their bodies are read before or while they go on.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { RestCall } from '../../call/rest/request.ts'
import { managementScannerOf } from '../../dialects/management.ts'
import type { Client } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { essenceOf } from '../../http/media-type.ts'
import { outOfBodyMemory } from '../body-budget.ts'
import { ClientUpload } from '../client-upload.ts'
import { bodyTooLarge } from '../guards/body-size.ts'
import { LingeringReply } from '../lingering-reply.ts'
import type { ServerParts } from '../parts.ts'
import type { Exchange } from '../refusal.ts'
import { HttpReply } from '../reply.ts'
import { readBody } from '../request-body.ts'
import type { ModelCallParts } from './model-calls.ts'

export interface PassingParts
  extends
    Omit<ModelCallParts, 'dialects' | 'serveCall' | 'targets'>,
    Pick<ServerParts, 'serveRest' | 'hasSeveralClients'> {}

/** Content of others is data here, whatever a browser takes it for. */
const noStore = ['cache-control', 'no-store']
export const sandbox = ['content-security-policy', "sandbox; default-src 'none'"]

/** The provider's responses are data for programs: no page may navigate to them, or cause anything by them. */
export function pageProblem({
  method,
  headers,
}: Pick<IncomingMessage, 'headers' | 'method'>): GatewayError | undefined {
  const { 'sec-fetch-mode': mode, 'sec-fetch-site': site, origin, host } = headers
  if (mode === 'navigate' || mode === 'nested-navigate') {
    return notForPages('A browser that opens this address is not served.')
  }
  if (method === 'GET' || method === 'HEAD') return undefined
  // Every browser names one of the two; Node's own fetch has a mode as well.
  if (origin === undefined && site === undefined) return undefined
  if (origin === `http://${host}` || origin === `https://${host}`) return undefined
  const seen = origin === undefined ? 'no Origin' : `the Origin ${JSON.stringify(origin.slice(0, 200))}`
  return notForPages(`A page may not change objects here; this request has ${seen}, and the Host is ${host}.`)
}

/** No limits of models bind these requests, nor the models that a client may use: its record has to allow them. */
export function routesProblem({ terms }: Client): GatewayError | undefined {
  if (terms === undefined) return undefined
  if (terms.budgets.length > 0) {
    const message = `This client may use the routes of models only: its record (${JSON.stringify(terms.name)}) has a budget, and what other routes cost is not known.`
    return new GatewayError('management_not_allowed', message)
  }
  if (terms.routes === true) return undefined
  const message = `This client may use the routes of models only: its record (${JSON.stringify(terms.name)}) does not have "routes": true.`
  return new GatewayError('management_not_allowed', message)
}

function notForPages(message: string): GatewayError {
  return new GatewayError('origin_not_allowed', message)
}

/** `openai-beta` chooses among forms of the API, which pass here as they are; keys and the account's projects stay out. */
const forwardedHeaderNames = [
  'accept',
  'content-type',
  'idempotency-key',
  'if-none-match',
  'if-range',
  'openai-beta',
  'range',
] as const

export function forwardedHeaders(headers: IncomingHttpHeaders): (readonly [string, string])[] {
  return forwardedHeaderNames.flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' ? [[name, value] as const] : []
  })
}

type Received = Omit<RestCall, 'body' | 'bodyShare' | 'reply' | 'requestId'>

/** Hands the request on, once its body is there if it has to be read first. */
export function servePassed(received: Received, exchange: Exchange, parts: PassingParts): void {
  const { request, response, requestId, headers } = exchange
  const { serveRest, now } = parts
  if (!hasBody(request)) {
    const reply = new HttpReply(response, [...headers, ...noStore], exchange.renderError)
    serveRest({ ...received, requestId, reply, body: undefined, bodyShare: undefined })
    return
  }
  // HTTP/1.0 has no interim responses.
  const awaitsContinue = request.headers.expect !== undefined && request.httpVersionMinor > 0
  if (awaitsContinue) response.writeContinue()
  if (!goesOnWhileItArrives(received, parts)) return readWhole(received, exchange, parts)
  const reply = new LingeringReply(request, response, [...headers, ...noStore], exchange.renderError)
  const body = new ClientUpload(request, now)
  serveRest({ ...received, requestId, reply, body, bodyShare: undefined })
}

/** JSON is read first, and so is whatever may name objects that are not the client's own, or change a server. */
function goesOnWhileItArrives(
  { route, native, contentType }: Received,
  { hasSeveralClients }: Pick<PassingParts, 'hasSeveralClients'>,
): boolean {
  if (native !== undefined) return route.isUpload === true
  if (essenceOf(contentType) === 'application/json' && route.isUpload !== true) return false
  return route.isUpload === true || !hasSeveralClients
}

function readWhole(received: Received, exchange: Exchange, parts: PassingParts): void {
  const { request, response, requestId, headers } = exchange
  const { maxBodyBytes: maxBytes, slicer, memory, budget, refuse, serveRest } = parts
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > maxBytes) return refuse(exchange, bodyTooLarge(maxBytes))
  const share = budget.shareOf(received.client.id)
  readBody(request, {
    maxBytes,
    slicer,
    memory,
    share,
    scannerOf: received.native === undefined ? () => undefined : managementScannerOf,
    onBody(body) {
      const reply = new HttpReply(response, [...headers, ...noStore], exchange.renderError)
      serveRest({ ...received, requestId, reply, body, bodyShare: share })
    },
    onTooLarge: () => refuse(exchange, bodyTooLarge(maxBytes)),
    onNoMemory: () => refuse(exchange, outOfBodyMemory(budget)),
    onBroken: () => refuse(exchange, brokenOff()),
  })
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** For the log: the client has left. */
function brokenOff(): GatewayError {
  return new GatewayError('invalid_request', 'The connection broke before the body was complete.')
}
