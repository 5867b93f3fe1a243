// The HTTP surface besides the model calls (model-calls.ts), and the answers to everything that does not exist.
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { Client } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { modelNotFound, type Route } from '../routing/route-table.ts'
import { limitsReport } from './limits-report.ts'
import { floodRefusal } from './flood-limit.ts'
import { modelPaths, prefixes } from './model-calls.ts'
import type { ServerParts } from './server.ts'

type Methods = ReadonlyMap<string, readonly string[]>

/** Registers the routes. Returns the methods of each known path, for 405. */
export function addRoutes(app: FastifyInstance, parts: ServerParts): Methods {
  const methods = new Map<string, string[]>()
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? []
    methods.set(
      url,
      known.concat(method).filter((name) => name !== 'OPTIONS'),
    )
  })

  app.get('/healthz', () => ({ status: 'ok' }))
  app.get('/readyz', () => {
    if (!parts.isDraining()) return { status: 'ok' }
    throw new GatewayError('shutting_down', 'The gateway is shutting down.')
  })
  for (const path of modelPaths) methods.set(path, ['POST'])
  const counted: RouteShorthandOptions = {
    onRequest: async (request) => {
      const refusal = await floodRefusal(parts.floodWindows, request.client)
      if (refusal !== undefined) throw refusal
    },
  }
  for (const prefix of prefixes) {
    app.get(`${prefix}/limits`, counted, (request) => listLimits(request.client, parts))
    app.get(`${prefix}/models`, counted, () => listModels(parts))
    app.get(`${prefix}/models/*`, counted, (request) => oneModel(request, parts))
  }
  return methods
}

/** What hooks have put on the reply (CORS), with the request id, as names and values in turn. */
export function ownHeaders(request: FastifyRequest, reply: FastifyReply): string[] {
  const headers = ['x-request-id', request.id]
  for (const [name, value] of Object.entries(reply.getHeaders())) headers.push(name, String(value))
  return headers
}

async function listLimits(client: Client, { describeLimits, routes }: ServerParts): Promise<object> {
  return limitsReport(client, await describeLimits(routes().models()))
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
