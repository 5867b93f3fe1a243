// With `routes.rest`, the routes of OpenAI's API that have no file here pass to one provider. Fastify routes them to one wildcard
// and runs its hooks; the last hook takes the response over.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import { holdsKey } from '../../clients/keys/key-format.ts'
import type { RestCall } from '../../call/rest/request.ts'
import { type ApiRoute, closestApiPath, findApiPath, whyNotPassed } from '../../dialects/openai/api-routes.ts'
import { dialects } from '../../dialects/table.ts'
import type { Client } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { essenceOf } from '../../http/media-type.ts'
import { forwardedQuery } from '../../http/query.ts'
import { askedBoundary } from '../asked-boundary.ts'
import { outOfBodyMemory } from '../body-budget.ts'
import { ClientUpload } from '../client-upload.ts'
import { errorFormatOf, errorRenderer } from '../error-format.ts'
import { bodyTooLarge } from '../guards/body-size.ts'
import { LingeringReply } from '../lingering-reply.ts'
import type { ServerParts } from '../parts.ts'
import { splitTarget } from '../paths.ts'
import { type Exchange, takeExchange } from '../refusal.ts'
import { HttpReply } from '../reply.ts'
import { readBody } from '../request-body.ts'
import type { ModelCallParts } from './model-calls.ts'

export interface RestParts
  extends
    Omit<ModelCallParts, 'dialects' | 'serveCall'>,
    Pick<ServerParts, 'serveRest' | 'hasSeveralClients'> {}

const methods = ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT']

/** Content of others is data here, whatever a browser takes it for. */
const noStore = ['cache-control', 'no-store']
const sandbox = ['content-security-policy', "sandbox; default-src 'none'"]

/** Adds the wildcard below the prefix of `app`. No page may read what it returns: it has no CORS headers. */
export function addRest(app: FastifyInstance, parts: RestParts): void {
  const config = { isRest: true }
  app.route({ method: methods, url: '/*', onRequest: takeOver(parts), config, handler: unreachable })
}

function unreachable(): never {
  throw new Error('the last hook takes the requests over')
}

function takeOver(parts: RestParts): onRequestHookHandler {
  return (fastifyRequest, fastifyReply) => {
    const startedAtMs = parts.now()
    const { raw } = fastifyRequest
    const { client } = fastifyRequest
    const asked = pageProblem(raw) ?? routesProblem(client) ?? askedOf(fastifyRequest)
    const render = errorRenderer(errorFormatOf(raw), fastifyRequest.id, parts)
    const taken = takeExchange(fastifyRequest, fastifyReply, render)
    const exchange = { ...taken, headers: [...taken.headers, ...sandbox] }
    if (asked instanceof GatewayError) return parts.refuse(exchange, asked)
    const contentType = raw.headers['content-type']
    const headers = forwardedHeaders(raw.headers)
    const { rawHeaders } = raw
    serve({ ...asked, headers, rawHeaders, contentType, client, startedAtMs }, exchange, parts)
  }
}

type Asked = Pick<RestCall, 'boundary' | 'route' | 'path' | 'ids' | 'query'>

function askedOf({ raw, url }: FastifyRequest): Asked | GatewayError {
  const path = splitTarget(url)[0].slice('/v1'.length)
  const found = findApiPath(path)
  const { method = '' } = raw
  const route = found?.routes.find((each) => each.method === method)
  if (found === undefined || route === undefined) return notPassed(method, path, found?.routes ?? [])
  const boundary = askedBoundary(raw.headers)
  if (boundary instanceof GatewayError) return boundary
  return { boundary, route, path, ids: found.ids, query: forwardedQuery(url, holdsKey) }
}

function notPassed(method: string, path: string, routes: readonly ApiRoute[]): GatewayError {
  const seen = `${method} ${JSON.stringify(`/v1${path}`.slice(0, 200))}`
  const known = routes.map((route) => route.method).join(', ')
  const why = known === '' ? whyNotPassed(path) : `the path has ${known}`
  const near = known === '' ? closestApiPath(path, ownPaths) : undefined
  const hint = near === undefined ? '' : ` Did you mean ${JSON.stringify(`/v1${near}`)}?`
  const message = `routes.rest of the gateway's configuration does not pass ${seen} on: ${why}.${hint}`
  return new GatewayError('management_not_allowed', message)
}

/** Paths below `/v1` that have a file here, which are mistyped most often. */
const ownPaths = [...Array.from(dialects.keys(), ({ path }) => path), '/limits', '/models']

/** The provider's responses are data for programs: no page may navigate to them, or cause anything by them. */
function pageProblem({ method, headers }: IncomingMessage): GatewayError | undefined {
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
function routesProblem({ terms }: Client): GatewayError | undefined {
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

function forwardedHeaders(headers: IncomingHttpHeaders): (readonly [string, string])[] {
  return forwardedHeaderNames.flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' ? [[name, value] as const] : []
  })
}

type Received = Omit<RestCall, 'body' | 'bodyShare' | 'reply' | 'requestId'>

function serve(received: Received, exchange: Exchange, parts: RestParts): void {
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

/** JSON is read first, and so is whatever may name objects that are not the client's own. */
function goesOnWhileItArrives(
  { route, contentType }: Received,
  { hasSeveralClients }: Pick<RestParts, 'hasSeveralClients'>,
): boolean {
  if (essenceOf(contentType) === 'application/json' && route.isUpload !== true) return false
  return route.isUpload === true || !hasSeveralClients
}

function readWhole(received: Received, exchange: Exchange, parts: RestParts): void {
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
    scannerOf: () => undefined,
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
