// `GET /v1/models`: the models that calls can name.
import type { FastifyInstance } from 'fastify'
import { modelNotFound, type Route, type RouteTable } from '../../routing/route-table.ts'
import type { ServerParts } from '../parts.ts'
import { prefixes } from './prefixes.ts'

export function addModels(app: FastifyInstance, { routes }: Pick<ServerParts, 'routes'>): void {
  for (const prefix of prefixes) {
    app.get(`${prefix}/models`, (_, reply) =>
      reply.type('application/json; charset=utf-8').send(modelList(routes())),
    )
    app.get<{ Params: { '*': string } }>(`${prefix}/models/*`, (request) =>
      oneModel(request.params['*'], routes()),
    )
  }
}

/** One buffer for everybody who is still reading: a list may have thousands of models. */
const modelLists = new WeakMap<RouteTable, Buffer>()

function modelList(routes: RouteTable): Buffer {
  const known = modelLists.get(routes)
  if (known !== undefined) return known
  const data = routes.list().map((id) => modelObject(id, routes.find(id)))
  const list = Buffer.from(JSON.stringify({ object: 'list', data }))
  modelLists.set(routes, list)
  return list
}

/** @throws GatewayError `model_not_found`. */
function oneModel(id: string, routes: RouteTable): object {
  const route = routes.find(id)
  if (route === undefined) throw modelNotFound(id, routes)
  return modelObject(id, route)
}

function modelObject(id: string, route: Route | undefined): object {
  return { id, object: 'model', created: 0, owned_by: route?.targets[0]?.provider ?? '' }
}
