// The routes of Ollama's own API that tell of models: `GET /api/tags`, `/api/ps` and `/api/version`, `POST /api/show`. What
// would change a server is not among them.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import { createdOf, contextLengthOf } from '../../dialects/model-facts.ts'
import { chatDialect } from '../../dialects/ollama/formats.ts'
import {
  type OllamaModel,
  ollamaVersion,
  renderRunning,
  renderShow,
  renderTags,
} from '../../dialects/ollama/model-list.ts'
import type { Client } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { allowedModels } from '../../routing/allowed-models.ts'
import { modelNotFound, type Route, type RouteTable } from '../../routing/route-table.ts'
import type { ServerParts } from '../parts.ts'

type Parts = Pick<ServerParts, 'knownModel' | 'routes'>

/** Names and a flag. */
const maxBodyBytes = 4_096

export function addOllama(app: FastifyInstance, { routes, knownModel }: Parts): void {
  const json = 'application/json; charset=utf-8'
  const describe = (name: string, route: Route) => modelOf(name, route, routes(), knownModel)
  app.get('/api/version', (_, reply) => reply.type(json).send({ version: ollamaVersion }))
  app.get('/api/tags', ({ client }, reply) => {
    const models = visibleTo(client, routes()).map((each) => describe(...each))
    return reply.type(json).send(renderTags(models))
  })
  app.get('/api/ps', ({ client }, reply) => {
    const loaded = visibleTo(client, routes()).filter(([, { targets }]) =>
      targets.some((target) => knownModel(target).state === 'loaded'),
    )
    return reply.type(json).send(renderRunning(loaded.map((each) => describe(...each))))
  })
  // Clients leave the media type out, or write that of a form.
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, (_, body, done) =>
    done(null, body),
  )
  app.post('/api/show', { bodyLimit: maxBodyBytes }, (request, reply) => {
    const name = modelIn(request)
    return reply.type(json).send(renderShow(describe(...find(name, request.client, routes()))))
  })
}

/** @throws GatewayError `invalid_request`. */
function modelIn({ body }: FastifyRequest): string {
  const value = Buffer.isBuffer(body) ? parseJson(body) : undefined
  // Ollama's own program writes the older `name`, beside an empty `model`.
  const name = isObject(value) ? value['model'] || value['name'] : undefined
  if (typeof name === 'string' && name !== '') return name
  throw new GatewayError('invalid_request', 'The body is JSON with the name of a model: {"model": "…"}.', {
    param: 'model',
  })
}

/** @throws GatewayError `model_not_found`, `model_not_allowed`. */
function find(asked: string, { terms }: Client, routes: RouteTable): [name: string, route: Route] {
  const allowed = allowedModels(terms, routes)
  const names = [asked, chatDialect.plainModelName?.(asked)].filter((name) => name !== undefined)
  for (const name of names) {
    const route = routes.find(name)
    if (route === undefined) continue
    if (allowed?.has(name, route) === false) throw allowed.refusal(asked)
    return [name, route]
  }
  throw modelNotFound(asked, routes, allowed)
}

function visibleTo({ terms }: Client, routes: RouteTable): readonly [name: string, route: Route][] {
  const visible = allowedModels(terms, routes) ?? routes
  return visible.list().flatMap((name) => {
    const route = routes.find(name)
    return route === undefined ? [] : [[name, route] as [string, Route]]
  })
}

/** What its only target is known for, or of several what all of them are. */
function modelOf(
  name: string,
  route: Route,
  routes: RouteTable,
  knownModel: Parts['knownModel'],
): OllamaModel {
  const facts = routes.factsOf(route)
  const known = route.targets.map((target) => knownModel(target))
  const lengths = known.map(({ contextLength }) => contextLength)
  const least = lengths.includes(undefined)
    ? undefined
    : Math.min(...lengths.filter((length) => length !== undefined))
  const sets = known.map(({ takes }) => takes)
  const [first, ...others] = sets
  const common =
    first && [...first].filter((ability) => others.every((takes) => takes?.has(ability) === true))
  return {
    name,
    contextLength: least ?? (facts && contextLengthOf(facts)),
    abilities: common && !sets.includes(undefined) ? new Set(common) : undefined,
    created: facts && createdOf(facts),
  }
}
