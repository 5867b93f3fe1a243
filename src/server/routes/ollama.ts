// The routes of Ollama's own API that describe models: `GET /api/tags`, `/api/ps` and `/api/version`, `POST /api/show`. What
// would change a server is not among them.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import { createdOf, knownModelOf } from '../../dialects/model-facts.ts'
import {
  type OllamaModel,
  ollamaVersion,
  renderRunning,
  renderShow,
  renderTags,
} from '../../dialects/ollama/model-list.ts'
import type { Client, KnownModel, ModelFacts } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { withTag } from '../../platform/loose-names.ts'
import { allowedModels } from '../../routing/allowed-models.ts'
import { modelNotFound } from '../../routing/model-not-found.ts'
import type { NamedRoute } from '../../routing/route.ts'
import type { RouteTable } from '../../routing/route-table.ts'
import { findSpelled } from '../../routing/spelled-name.ts'
import type { ServerParts } from '../parts.ts'
import { readMethods } from './read-methods.ts'

type Parts = Pick<ServerParts, 'knownModels' | 'routes'>

/** Names and a flag. */
const maxBodyBytes = 4_096

export function addOllama(app: FastifyInstance, { routes, knownModels }: Parts): void {
  const json = 'application/json; charset=utf-8'
  const describe = async (named: readonly NamedRoute[]) => {
    const table = routes()
    const known = await knownModels(named.flatMap(({ route }) => route.targets))
    let at = 0
    return named.map(({ name, route }) => {
      const ofTargets = known.slice(at, (at += route.targets.length))
      const facts = table.discovered.factsOf(route)
      return { model: modelOf(name, ofTargets, facts), isLoaded: ofTargets.some(isLoaded) }
    })
  }
  app.route({
    method: readMethods,
    url: '/api/version',
    handler: (_, reply) => reply.type(json).send({ version: ollamaVersion }),
  })
  app.route({
    method: readMethods,
    url: '/api/tags',
    async handler({ client }, reply) {
      const models = await describe(visibleTo(client, routes()))
      return reply.type(json).send(renderTags(models.map(({ model }) => model)))
    },
  })
  app.route({
    method: readMethods,
    url: '/api/ps',
    async handler({ client }, reply) {
      const models = await describe(visibleTo(client, routes()))
      const running = models.filter((each) => each.isLoaded).map(({ model }) => model)
      return reply.type(json).send(renderRunning(running))
    },
  })
  // Clients leave the media type out, or write that of a form.
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, (_, body, done) =>
    done(null, body),
  )
  app.post('/api/show', { bodyLimit: maxBodyBytes }, async (request, reply) => {
    const named = find(modelIn(request), request.client, routes())
    const [shown] = await describe([named])
    return reply.type(json).send(renderShow(shown!.model))
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
function find(asked: string, { terms }: Client, routes: RouteTable): NamedRoute {
  const allowed = allowedModels(terms, routes)
  const found = findSpelled(asked, routes)
  if (found === undefined) throw modelNotFound(asked, routes, allowed)
  if (allowed?.has(found.name, found.route) === false) throw allowed.refusal(asked)
  return found
}

/** A model that has a name with the default tag and one without is there once. */
function visibleTo({ terms }: Client, routes: RouteTable): readonly NamedRoute[] {
  const names = (allowedModels(terms, routes) ?? routes).list()
  const all = new Set(names)
  return names.flatMap((name) => {
    const full = withTag(name)
    const route = full !== name && all.has(full) ? undefined : routes.find(name)
    return route === undefined ? [] : [{ name, route }]
  })
}

function isLoaded({ state }: KnownModel): boolean {
  return state === 'loaded'
}

/**
 * @param known of each of its targets: what all of them are or do, and the shortest context.
 * @param listed by the provider of its only target.
 */
function modelOf(name: string, known: readonly KnownModel[], listed: ModelFacts | undefined): OllamaModel {
  const lengths = known.map(({ contextLength }) => contextLength)
  const isKnownLength = lengths.every((length) => length !== undefined)
  const [first, ...others] = known.map(({ takes }) => takes)
  const isKnownAbility = first !== undefined && others.every((takes) => takes !== undefined)
  const common = [...(first ?? [])].filter((ability) => others.every((takes) => takes?.has(ability) === true))
  const ofList = listed && knownModelOf(listed)
  return {
    name,
    contextLength: isKnownLength ? Math.min(...lengths) : ofList?.contextLength,
    abilities: isKnownAbility ? new Set(common) : ofList?.takes,
    created: listed && createdOf(listed),
  }
}
