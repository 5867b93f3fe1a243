// The HTTP server: guards first, on everything that comes, then fastify's routes.
import cors from '@fastify/cors'
import {
  fastify,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ModelReport } from '../admission/admission.ts'
import type { FloodWindows } from '../admission/flood-windows.ts'
import type { Call } from '../call/call.ts'
import type { Clock } from '../clock.ts'
import type { Client } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { BodyMemory } from '../http/large-body.ts'
import type { Events } from '../observe/events.ts'
import type { RouteTable } from '../routing/route-table.ts'
import { pageMayRead, pageMaySend } from './cors.ts'
import type { Guard } from './guards/guard.ts'
import type { Handlers } from './http-server.ts'
import { type ModelCallParts, takeModelCall } from './model-calls.ts'
import { answerRaw, setLatest } from './raw-answer.ts'
import { Repeats } from './repeats.ts'
import { refuse, safetyHeaders } from './reply.ts'
import { requestIdOf } from './request-id.ts'
import { addRoutes, notFound, ownHeaders } from './routes.ts'
import { clientOfSocket } from './socket-client.ts'
import { Turns } from './turns.ts'

declare module 'fastify' {
  interface FastifyRequest {
    client: Client
  }
}

export interface ServerParts {
  readonly guards: readonly Guard[]
  readonly isOriginAllowed: (origin: string) => boolean
  readonly maxBodyBytes: number
  /** On requests of one client, whatever they are for; undefined: unlimited. */
  readonly floodWindows: FloodWindows | undefined
  readonly clientOf: (request: IncomingMessage) => Client
  readonly serveCall: (call: Call) => void
  readonly routes: () => RouteTable
  /** The limits of these models, as they stand. */
  readonly describeLimits: (models: readonly string[]) => Promise<readonly ModelReport[]>
  readonly isDraining: () => boolean
  readonly events: Events
  readonly now: Clock['now']
  readonly setTimer: Clock['setTimer']
}

/** Builds the routes and gives the handlers for the listeners. */
export async function createHandlers(parts: ServerParts): Promise<Handlers> {
  const app = fastify({
    logger: false,
    genReqId: (raw) => requestIdOf(raw),
    routerOptions: { maxParamLength: 1_024 },
    // No route has a schema; the default compilers would be loaded all the same.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    frameworkErrors: (error, request, reply) => sendFailure(parts, error, request, reply),
  })
  app.decorateRequest('client')
  app.addHook('onRequest', (request, _, done) => {
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
  app.addHook('onSend', (request, reply, _, done) => {
    reply.header('x-request-id', request.id)
    for (let index = 0; index < safetyHeaders.length; index += 2) {
      reply.header(safetyHeaders[index]!, safetyHeaders[index + 1]!)
    }
    done()
  })
  app.removeAllContentTypeParsers()
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

function noSchemas(): never {
  throw new Error('no route has a schema')
}

function handlersOf(app: FastifyInstance, parts: ServerParts): Handlers {
  const repeats = new Repeats()
  const reportUnread = ({ id: client }: Client, { code, status, message: reason }: GatewayError) => {
    const unlogged = repeats.note(`${code} ${client}`, parts.now())
    if (unlogged === undefined) return
    const more = unlogged > 0 && { unlogged }
    parts.events.refused({ client, method: undefined, code, status, reason, ...more })
  }
  const turns = new Turns(parts.now, setImmediate)
  const memory = new BodyMemory(parts.setTimer)
  const modelCalls = { ...parts, turns, memory, refuse: refuseLogged(parts) }
  return {
    onRequest(request, response) {
      setLatest(request.socket, response)
      const refusal = firstRefusal(parts.guards, request)
      if (refusal !== undefined) return refuseUnrouted(parts, request, response, refusal)
      // The body is asked for only now that the guards have passed the head.
      if (request.headers.expect !== undefined) response.writeContinue()
      if (!takeModelCall(request, response, modelCalls)) app.routing(request, response)
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

/** Refuses a request and logs that, under the id that the answer carries. */
function refuseLogged(parts: ServerParts): ModelCallParts['refuse'] {
  return (request, response, error, own) => {
    reportRefusal(parts, request, error, own[1]!)
    refuse(request, response, error, own)
  }
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
  if (error.code === 'FST_ERR_BAD_URL') {
    return new GatewayError('invalid_request', 'The path is not valid percent-encoded UTF-8.')
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new GatewayError('invalid_request', `The request can't be read (${error.code ?? 'malformed'}).`)
  }
  parts.events.unexpected(error, 'server')
  return new GatewayError('internal_error', 'The gateway failed on this request; its log says why.')
}
