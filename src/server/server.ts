// The HTTP server: guards first, on everything that comes, then fastify's routes.
import cors from '@fastify/cors'
import {
  fastify,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Admission } from '../admission/admission.ts'
import type { Call } from '../call/call.ts'
import type { Client } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { isRequestId } from '../http/headers.ts'
import type { Events } from '../observe/events.ts'
import type { RouteTable } from '../routing/route-table.ts'
import { addFloodLimit, type FloodLimit } from './flood-limit.ts'
import { bodyTooLarge } from './guards/body-size.ts'
import type { Guard } from './guards/guard.ts'
import type { Handlers } from './http-server.ts'
import { answerRaw, setLatest } from './raw-answer.ts'
import { Repeats } from './repeats.ts'
import { refuse, safetyHeaders } from './reply.ts'
import { addRoutes, notFound, ownHeaders } from './routes.ts'
import { clientOfSocket } from './socket-client.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Milliseconds of the monotonic clock when the request's head had arrived. */
    startedAtMs: number
    client: Client
  }
}

export interface ServerParts {
  readonly guards: readonly Guard[]
  readonly isOriginAllowed: (origin: string) => boolean
  readonly maxBodyBytes: number
  /** On requests of one client, whatever they are for; undefined: unlimited. */
  readonly floodLimit: FloodLimit | undefined
  readonly clientOf: (request: IncomingMessage) => Client
  readonly serveCall: (call: Call) => void
  readonly routes: () => RouteTable
  readonly admission: Pick<Admission, 'describe'>
  readonly isDraining: () => boolean
  readonly events: Events
  readonly now: () => number
}

/** Headers that browser pages of allowed origins may send, and read. */
const pageMaySend = [
  'authorization',
  'content-type',
  // OpenAI's SDK sends these with every call, also from a page; none of them goes further than here.
  'openai-organization',
  'openai-project',
  'user-agent',
  'x-request-id',
  'x-stainless-arch',
  'x-stainless-helper-method',
  'x-stainless-lang',
  'x-stainless-os',
  'x-stainless-package-version',
  'x-stainless-retry-count',
  'x-stainless-runtime',
  'x-stainless-runtime-version',
  'x-stainless-timeout',
]
const pageMayRead = [
  'retry-after',
  'retry-after-ms',
  'server-timing',
  'x-llm-gateway-error',
  'x-llm-gateway-provider',
  'x-ratelimit-limit-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
  'x-request-id',
]

/** Builds the routes and gives the handlers for the listeners. */
export async function createHandlers(parts: ServerParts): Promise<Handlers> {
  const app = fastify({
    logger: false,
    bodyLimit: parts.maxBodyBytes,
    genReqId: (raw) => requestIdOf(raw),
    routerOptions: { maxParamLength: 1_024 },
    frameworkErrors: (error, request, reply) => sendFailure(parts, error, request, reply),
  })
  app.decorateRequest('startedAtMs', 0)
  app.decorateRequest('client')
  app.addHook('onRequest', (request, _, done) => {
    request.startedAtMs = parts.now()
    request.client = parts.clientOf(request.raw)
    done()
  })
  await app.register(cors, {
    origin: (origin, done) => done(null, origin !== undefined && parts.isOriginAllowed(origin)),
    methods: ['GET', 'HEAD', 'POST'],
    allowedHeaders: pageMaySend,
    exposedHeaders: pageMayRead,
    maxAge: 600,
    strictPreflight: false,
  })
  if (parts.floodLimit !== undefined) await addFloodLimit(app, parts.floodLimit)
  // Model calls take their headers along themselves (routes.ts); this is for all other answers.
  app.addHook('onSend', (request, reply, _, done) => {
    reply.header('x-request-id', request.id)
    for (let index = 0; index < safetyHeaders.length; index += 2) {
      reply.header(safetyHeaders[index]!, safetyHeaders[index + 1]!)
    }
    done()
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    ['application/json', 'multipart/form-data'],
    { parseAs: 'buffer' },
    (_, body, done) => done(null, body),
  )
  const methods = addRoutes(app, parts)
  app.setNotFoundHandler((request, reply) => sendFailure(parts, notFound(request, methods), request, reply))
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    // fastify wants a body of some methods (QUERY) before it looks whether there is a route.
    const isUnrouted = error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE'
    sendFailure(parts, isUnrouted ? notFound(request, methods) : error, request, reply)
  })
  await app.ready()
  return handlersOf(app, parts)
}

function handlersOf(app: FastifyInstance, parts: ServerParts): Handlers {
  const repeats = new Repeats()
  const reportUnread = ({ id: client }: Client, { code, status, message: reason }: GatewayError) => {
    const unlogged = repeats.note(`${code} ${client}`, parts.now())
    if (unlogged === undefined) return
    const more = unlogged > 0 && { unlogged }
    parts.events.refused({ client, method: undefined, code, status, reason, ...more })
  }
  return {
    onRequest(request, response) {
      setLatest(request.socket, response)
      const refusal = firstRefusal(parts.guards, request)
      if (refusal !== undefined) return refuseUnrouted(parts, request, response, refusal)
      // The body is asked for only now that the guards have passed the head.
      if (request.headers.expect !== undefined) response.writeContinue()
      app.routing(request, response)
    },
    onRawSocket(socket, problem) {
      const error = answerRaw(socket, problem)
      if (error !== undefined) reportUnread(clientOfSocket(socket), error)
    },
    onTurnedAway: reportUnread,
  }
}

function firstRefusal(guards: readonly Guard[], request: IncomingMessage): GatewayError | undefined {
  for (const guard of guards) {
    const refusal = guard(request)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function refuseUnrouted(
  parts: ServerParts,
  request: IncomingMessage,
  response: ServerResponse,
  error: GatewayError,
): void {
  const requestId = requestIdOf(request)
  reportRefusal(parts, request, error, requestId)
  refuse(request, response, error, ['x-request-id', requestId])
}

function sendFailure(parts: ServerParts, error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const failure = asGatewayError(error, parts)
  reportRefusal(parts, request.raw, failure, request.id)
  reply.hijack()
  refuse(request.raw, reply.raw, failure, ownHeaders(request, reply))
}

function reportRefusal(
  parts: ServerParts,
  request: IncomingMessage,
  error: GatewayError,
  requestId: string,
): void {
  const { code, status, message: reason } = error
  const client = parts.clientOf(request).id
  parts.events.refused({ request_id: requestId, client, method: request.method, code, status, reason })
}

/** Errors of fastify itself, in the gateway's words. */
function asGatewayError(
  error: Error & { code?: string; statusCode?: number },
  parts: ServerParts,
): GatewayError {
  if (error instanceof GatewayError) return error
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return bodyTooLarge(parts.maxBodyBytes)
  if (error.code === 'FST_ERR_BAD_URL') {
    return new GatewayError('invalid_request', 'The path is not valid percent-encoded UTF-8.')
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new GatewayError('invalid_request', `The request can't be read (${error.code ?? 'malformed'}).`)
  }
  parts.events.unexpected(error, 'server')
  return new GatewayError('internal_error', 'The gateway failed on this request; its log says why.')
}

/** The client's own id, if it is well formed. */
function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return isRequestId(given) ? given : `req_${randomUUID()}`
}
