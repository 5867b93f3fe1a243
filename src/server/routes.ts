// The HTTP surface: which path is served by what, and the answers to everything else.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Call } from '../call/call.ts'
import { dialects } from '../dialects/table.ts'
import type { Dialect } from '../dialects/dialect.ts'
import type { Client } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { parseMediaType } from '../http/media-type.ts'
import { modelNotFound, type Route } from '../routing/route-table.ts'
import { limitsReport } from './limits-report.ts'
import { HttpReply } from './reply.ts'
import type { ServerParts } from './server.ts'

/** The same routes with and without `/v1`: clients disagree on which the base URL holds. */
const prefixes = ['/v1', ''] as const

type Methods = ReadonlyMap<string, readonly string[]>

/** Registers every route. Returns the methods of each known path, for 405. */
export function addRoutes(app: FastifyInstance, parts: ServerParts): Methods {
  const methods = new Map<string, string[]>()
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? []
    methods.set(
      url,
      known.concat(method).filter((name) => name !== 'OPTIONS'),
    )
  })

  const uncounted = { config: { rateLimit: false } } as const
  app.get('/healthz', uncounted, () => ({ status: 'ok' }))
  app.get('/readyz', uncounted, () => {
    if (!parts.isDraining()) return { status: 'ok' }
    throw new GatewayError('shutting_down', 'The gateway is shutting down.')
  })
  for (const prefix of prefixes) {
    app.get(`${prefix}/limits`, (request) => listLimits(request.client, parts))
    app.get(`${prefix}/models`, () => listModels(parts))
    app.get(`${prefix}/models/*`, (request) => oneModel(request, parts))
    for (const dialect of dialects) addModelRoute(app, prefix, dialect, parts)
  }
  return methods
}

function addModelRoute(app: FastifyInstance, prefix: string, dialect: Dialect, parts: ServerParts): void {
  const expected = dialect.body === 'json' ? 'application/json' : 'multipart/form-data'
  app.route({
    method: 'POST',
    url: prefix + dialect.path,
    onRequest(request, _, done) {
      done(mediaTypeProblem(request, expected))
    },
    handler(request, reply) {
      reply.hijack()
      parts.serveCall(callOf(request, reply, dialect))
    },
  })
}

/** Before the body is read, so that a wrong one costs nothing. */
function mediaTypeProblem(request: FastifyRequest, expected: string): GatewayError | undefined {
  const type = parseMediaType(request.headers['content-type'])
  if (type?.essence !== expected) {
    const seen =
      request.headers['content-type'] === undefined ? 'none' : JSON.stringify(request.headers['content-type'])
    return new GatewayError(
      'unsupported_media_type',
      `The content-type must be ${expected}; this request has ${seen}.`,
    )
  }
  if (type.charset !== undefined && type.charset.toLowerCase() !== 'utf-8') {
    return new GatewayError(
      'unsupported_media_type',
      `The charset must be utf-8, not ${JSON.stringify(type.charset)}.`,
    )
  }
  return undefined
}

function callOf(request: FastifyRequest, reply: FastifyReply, dialect: Dialect): Call {
  return {
    dialect,
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    contentType: request.headers['content-type'],
    requestId: request.id,
    client: request.client,
    reply: new HttpReply(reply.raw, ownHeaders(request, reply)),
    startedAtMs: request.startedAtMs,
  }
}

/** What hooks have put on the reply (CORS), with the request id, as names and values in turn. */
export function ownHeaders(request: FastifyRequest, reply: FastifyReply): string[] {
  const headers = ['x-request-id', request.id]
  for (const [name, value] of Object.entries(reply.getHeaders())) headers.push(name, String(value))
  return headers
}

async function listLimits(client: Client, { admission, routes }: ServerParts): Promise<object> {
  return limitsReport(client, await admission.describe(routes().models()))
}

function listModels(parts: ServerParts): object {
  const routes = parts.routes()
  return { object: 'list', data: routes.list().map((id) => modelObject(id, routes.find(id))) }
}

function oneModel(request: FastifyRequest, parts: ServerParts): object {
  const id = (request.params as { '*': string })['*']
  const route = parts.routes().find(id)
  if (route === undefined) throw modelNotFound(id, parts.routes())
  return modelObject(id, route)
}

function modelObject(id: string, route: Route | undefined): object {
  return { id, object: 'model', created: 0, owned_by: route?.targets[0]?.provider ?? '' }
}

/** 404 or, for a known path, 405 with what it takes. */
export function notFound(request: FastifyRequest, methods: Methods): GatewayError {
  const path = request.url.split('?', 1)[0]!
  const allowed =
    methods.get(path) ?? (/^(\/v1)?\/models\/./.test(path) ? methods.get('/v1/models/*') : undefined)
  if (allowed === undefined || allowed.length === 0) {
    return new GatewayError(
      'unknown_url',
      `There is no ${request.method} ${JSON.stringify(path.slice(0, 200))} here.`,
    )
  }
  const allow = allowed.join(', ')
  const message = `${path.slice(0, 200)} takes ${allow}, not ${request.method}.`
  return new GatewayError('method_not_allowed', message, { headers: { allow } })
}
