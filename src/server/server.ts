// The HTTP server: guards first, on every request, then fastify's routes.
import cors from '@fastify/cors'
import {
  fastify,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  type FastifyInstance,
} from 'fastify'
import { clientOfSocket } from '../clients/client.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import type { Client } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { BodyMemory } from '../bytes/large-body.ts'
import { BodyBudget } from './body-budget.ts'
import { DecoderQueue } from './coded-body.ts'
import { corsHeaderNames, corsOptions, finishPreflight } from './cors.ts'
import { errorFormatOf, errorRenderer } from './error-format.ts'
import { floodLimitHook } from './flood-limit.ts'
import { FloodLine } from './flood-line.ts'
import { firstRefusal } from './guards/guard.ts'
import type { Handlers } from './listeners/http-server.ts'
import { LogThrottle } from './log-throttle.ts'
import type { ServerParts } from './parts.ts'
import { Departures } from './peer/departures.ts'
import { respondRaw, setLatestResponse } from './raw-response.ts'
import { createRefuse, type Refuse, takeExchange } from './refusal.ts'
import { ownHeaders } from './reply.ts'
import { requestIdOf } from './request-id.ts'
import { addHealth } from './routes/health.ts'
import { findApiPath } from '../dialects/openai/api-routes.ts'
import {
  isBelowV1,
  isProviderPath,
  isViewPath,
  splitTarget,
  type TargetReader,
  targetReader,
} from './paths.ts'
import { addLimits } from './routes/limits.ts'
import { addModelCalls } from './routes/model-calls.ts'
import { addModels } from './routes/models.ts'
import { collectMethods, hasOwnRoute, notFound, type PathMethods } from './routes/not-found.ts'
import { addNative } from './routes/native.ts'
import { addOllama } from './routes/ollama.ts'
import { addRest } from './routes/rest.ts'
import { addRoot } from './routes/root.ts'
import { addMetrics } from './routes/metrics.ts'
import { addStatus } from './routes/status.ts'
import { addUsage } from './routes/usage.ts'
import { addRootViewer, addViewCheck } from './view-check.ts'
import { sendPage } from './status-page/page.ts'

declare module 'fastify' {
  interface FastifyRequest {
    readonly client: Client
  }
  interface FastifyContextConfig {
    dialect?: ClientDialect
    /** A wildcard for what passes to a provider. */
    isRest?: boolean
    /** Served without a key and an identity, whatever is required; the route may have a check of its own. */
    isOpen?: boolean
  }
}

/** Builds the routes, and returns the handlers for the listeners. */
export async function createHandlers(parts: ServerParts): Promise<Handlers> {
  const { guards, events } = parts
  const refuse = createRefuse(parts)
  const app = await createRoutes(parts, refuse)
  const throttle = new LogThrottle()
  const reportUnread = (
    { id: client }: Client,
    { code, status, message: reason }: GatewayError,
    hasLeft = false,
  ) => {
    const entry = throttle.shouldLog(`${code} ${client} ${hasLeft}`, parts.now())
    if (!entry) return
    const more = entry.suppressed > 0 && { unlogged: entry.suppressed }
    const left = hasLeft && { has_left: true }
    events.emit({ kind: 'refused', client, method: undefined, code, status, reason, ...left, ...more })
  }
  return {
    onRequest(request, response) {
      setLatestResponse(request.socket, response)
      // Node's parser drops what came right behind a request with an offer to change the protocol.
      if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
      const refusal = firstRefusal(guards, request)
      if (refusal !== undefined) {
        const requestId = requestIdOf(request)
        const headers = ['x-request-id', requestId]
        const renderError = errorRenderer(errorFormatOf(request), requestId, parts)
        return refuse({ request, response, requestId, headers, renderError }, refusal)
      }
      app.routing(request, response)
    },
    onRawSocket(socket, problem) {
      const error = respondRaw(socket, problem)
      if (error !== undefined) reportUnread(clientOfSocket(socket), error)
    },
    onRejected: reportUnread,
  }
}

async function createRoutes(parts: ServerParts, refuse: Refuse): Promise<FastifyInstance> {
  const fail = (error: Error, request: FastifyRequest, reply: FastifyReply) => {
    const format = request.routeOptions.config.dialect?.renderError ?? errorFormatOf(request.raw)
    const render = errorRenderer(format, request.id, parts)
    refuse(takeExchange(request, reply, render), asGatewayError(error, parts))
  }
  const app = fastify({
    logger: false,
    genReqId: (raw) => requestIdOf(raw),
    routerOptions: { ignoreTrailingSlash: true },
    // A twin of each route for HEAD would be a second one, with hooks of its own.
    exposeHeadRoutes: false,
    rewriteUrl: ({ url = '' }) => targets.read(url),
    // No route has a schema; the default compilers would be loaded all the same.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    frameworkErrors: fail,
  })
  app.decorateRequest('client', {
    getter() {
      return parts.clientOf(this.raw)
    },
  })
  app.decorateRequest('viewer', undefined)
  const methods = collectMethods(app)
  const endpoints = Array.from(parts.dialects.keys(), ({ path }) => path)
  const targets = targetReader(endpoints, (path) => hasOwnRoute(path, methods))
  // Before any route is added, the one for preflights included: routes keep the handlers that they find.
  app.setNotFoundHandler((request, reply) => fail(notFound(request, methods), request, reply))
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    // fastify expects a body with some methods (QUERY), and one that it can parse with OPTIONS, before it looks for a route.
    const isUnrouted =
      error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE' ||
      (request.method === 'OPTIONS' && error.code.startsWith('FST_ERR_CTP_'))
    fail(isUnrouted ? notFound(request, methods) : error, request, reply)
  })
  const isRest = ({ url }: FastifyRequest) =>
    parts.hasRest() && url.startsWith('/v1/') && !hasOwnRoute(url, methods)
  app.addHook('onRequest', (request, _, done) => {
    // No page of another origin may read what passes to a provider as it is, nor what the gateway shows of itself.
    const isHidden =
      request.method === 'OPTIONS' &&
      (isRest(request) || isProviderPath(request.url) || isViewPath(request.url))
    done(isHidden ? notFound(request, methods) : undefined)
  })
  if (parts.hasStatusPage) addRootViewer(app, parts)
  await app.register(cors, corsOptions(parts.isOriginAllowed))
  // After CORS: a browser sends neither with a preflight, and its page may read why it is refused. A key that comes with
  // an identity is then charged and logged as the identity's.
  addClientCheck(app, parts.identityCheck)
  addClientCheck(app, parts.keyCheck)
  app.addHook('onSend', (request, reply, _, done) => {
    reply.header('x-request-id', request.id)
    if (request.method === 'OPTIONS') finishPreflight(request, reply)
    for (let index = 0; index < ownHeaders.length; index += 2) {
      reply.header(ownHeaders[index]!, ownHeaders[index + 1]!)
    }
    done()
  })
  app.removeAllContentTypeParsers()
  addHealth(app, parts)
  addRoot(app, sendPage)
  await addApi(app, parts, { refuse, methods, targets })
  await app.ready()
  return app
}

/** Also for what has no route: nothing is to be learnt without a key or an identity where one is required. */
function addClientCheck(app: FastifyInstance, clientCheck: ServerParts['identityCheck' | 'keyCheck']): void {
  if (clientCheck === undefined) return
  app.addHook('onRequest', (request, _, done) => {
    if (request.routeOptions.config.isOpen === true || request.viewer !== undefined) return done()
    const refusal = clientCheck.check(request.raw)
    if (refusal instanceof Promise) refusal.then(done, done)
    else done(refusal)
  })
}

/** Requests of one client for lists, per thread: far above what people and agents ask for. */
const listsPerMinute = 1_200

/** Of the routes of the API. A target without it is rewritten (paths.ts). */
const prefix = '/v1'

/** Model calls count against the client's limit, before anything else about a request is looked at; lists against their own. */
async function addApi(
  app: FastifyInstance,
  parts: ServerParts,
  {
    refuse,
    methods,
    targets,
  }: { readonly refuse: Refuse; readonly methods: PathMethods; readonly targets: TargetReader },
): Promise<void> {
  const { floodWindows } = parts
  const memory = new BodyMemory(parts.setTimer)
  const budget = new BodyBudget(parts.bodyMemoryBytes, parts.setTimer)
  const bodies = { memory, budget, queue: new DecoderQueue() }
  const departures = new Departures()
  const key = 'rate_limit_settings.per_client'
  const line = new FloodLine({ ...parts, maxWaitMs: parts.floodWaitMs })
  await app.register(async (calls) => {
    const limited = floodWindows && { rpm: floodWindows.rpm, windows: floodWindows, key, line, departures }
    const limit = limited && (await floodLimitHook(calls, limited, parts))
    await calls.register(
      async (models) => {
        if (limit !== undefined) models.addHook('onRequest', limit)
        addModelCalls(models, { ...parts, ...bodies, refuse, targets })
      },
      { prefix },
    )
    await calls.register(
      async (rest) => {
        rest.addHook('onRequest', (request, reply, done) => {
          const path = splitTarget(request.url)[0].slice('/v1'.length)
          const isOwn = hasOwnRoute(request.url, methods) && findApiPath(path) === undefined
          const isMeant = isBelowV1(request.originalUrl, targets)
          if (isOwn || !isMeant || !parts.hasRest()) return done(notFound(request, methods))
          // What passes to a provider as it is has no CORS headers, whatever the configuration allows.
          for (const name of corsHeaderNames(request.headers.origin)) reply.removeHeader(name)
          done()
        })
        if (limit !== undefined) rest.addHook('onRequest', limit)
        addRest(rest, { ...parts, ...bodies, refuse })
      },
      { prefix },
    )
    await calls.register(async (native) => {
      native.addHook('onRequest', (request, reply, done) => {
        for (const name of corsHeaderNames(request.headers.origin)) reply.removeHeader(name)
        done()
      })
      if (limit !== undefined) native.addHook('onRequest', limit)
      addNative(native, { ...parts, ...bodies, refuse })
    })
  })
  await app.register(async (lists) => {
    if (floodWindows !== undefined) {
      const limited = { rpm: listsPerMinute, departures }
      lists.addHook('onRequest', await floodLimitHook(lists, limited, parts))
    }
    await lists.register(
      async (routes) => {
        addModels(routes, parts)
        addOllama(routes, parts)
        addLimits(routes, parts)
        addUsage(routes, parts)
      },
      { prefix },
    )
    if (parts.hasMetrics) {
      await lists.register(async (routes) => {
        addViewCheck(routes, 'metrics', parts)
        addMetrics(routes, parts)
      })
    }
    if (parts.hasStatusPage) {
      await lists.register(async (routes) => {
        addViewCheck(routes, 'status', parts)
        addStatus(routes, parts)
      })
    }
  })
}

function noSchemas(): never {
  throw new Error('no route has a schema')
}

/** Errors of fastify itself, in the gateway's words. */
function asGatewayError(
  error: Error & { code?: string; statusCode?: number },
  { events }: Pick<ServerParts, 'events'>,
): GatewayError {
  if (error instanceof GatewayError) return error
  if (error.code === 'FST_ERR_BAD_URL') {
    return new GatewayError('invalid_request', 'The path is not valid percent-encoded UTF-8.')
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new GatewayError('invalid_request', `The request cannot be read (${error.code ?? 'malformed'}).`)
  }
  events.emit({ kind: 'internal_error', error, where: 'server' })
  return new GatewayError('internal_error', 'The gateway failed to handle this request; see its log.')
}
