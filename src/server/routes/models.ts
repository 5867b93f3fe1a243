// `GET /v1/models`: the models that calls can name.
import type { FastifyInstance } from 'fastify'
import { renderModel, renderModelList } from '../../dialects/openai/model-list.ts'
import { modelNotFound, type Route, type RouteTable } from '../../routing/route-table.ts'
import type { ServerParts } from '../parts.ts'

export function addModels(app: FastifyInstance, { routes }: Pick<ServerParts, 'routes'>): void {
  app.get('/models', (_, reply) => reply.type('application/json; charset=utf-8').send(modelList(routes())))
  app.get<{ Params: { '*': string } }>('/models/*', (request) => oneModel(request.params['*'], routes()))
}

/** One buffer for everybody who is still reading: a list may have thousands of models. */
const modelLists = new WeakMap<RouteTable, Buffer>()

function modelList(routes: RouteTable): Buffer {
  const known = modelLists.get(routes)
  if (known !== undefined) return known
  const models = routes.list().map((id) => rendered(id, routes.find(id), routes))
  const list = Buffer.from(JSON.stringify(renderModelList(models)))
  modelLists.set(routes, list)
  return list
}

/** @throws GatewayError `model_not_found`. */
function oneModel(id: string, routes: RouteTable): object {
  const route = routes.find(id)
  if (route === undefined) throw modelNotFound(id, routes)
  return rendered(id, route, routes)
}

function rendered(id: string, route: Route | undefined, routes: RouteTable): object {
  return renderModel(id, ownerOf(route), route && routes.factsOf(route))
}

function ownerOf(route: Route | undefined): string {
  return route?.targets[0]?.provider ?? ''
}
