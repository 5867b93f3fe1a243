// `GET /v1/models`: the models that calls can name, in the shape that the asking client reads.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import {
  renderModel as renderAnthropicModel,
  renderModelList as renderAnthropicList,
} from '../../dialects/anthropic/model-list.ts'
import { contextLengthOf, withContextLength } from '../../dialects/model-facts.ts'
import { renderCodexModel } from '../../dialects/openai/codex-models.ts'
import { renderModel, renderModelList } from '../../dialects/openai/model-list.ts'
import type { Client, ModelFacts } from '../../domain.ts'
import { type AllowedModels, allowedModels } from '../../routing/allowed-models.ts'
import { reachableTargets } from '../../routing/reachable-targets.ts'
import { modelNotFound } from '../../routing/model-not-found.ts'
import type { Route } from '../../routing/route.ts'
import type { RouteTable } from '../../routing/route-table.ts'
import { findSpelled } from '../../routing/spelled-name.ts'
import type { ServerParts } from '../parts.ts'
import { readMethods } from './read-methods.ts'

export function addModels(app: FastifyInstance, { routes }: Pick<ServerParts, 'routes'>): void {
  app.route({
    method: readMethods,
    url: '/models',
    handler: (request, reply) =>
      reply
        .type('application/json; charset=utf-8')
        .send(modelList(routes(), shapeFor(request), request.client)),
  })
  app.route<{ Params: { '*': string } }>({
    method: readMethods,
    url: '/models/*',
    handler: (request) => oneModel(request.params['*'], routes(), shapeFor(request), request.client),
  })
}

/** A model of the list. */
interface ShownModel {
  readonly id: string
  /** The provider that serves it and has reported the facts. */
  readonly owner: string
  readonly facts: ModelFacts | undefined
}

interface Shape {
  readonly one: (model: ShownModel) => object
  readonly list: (models: readonly ShownModel[]) => object
}

const openAiShape: Shape = {
  one: ({ id, owner, facts }) => renderModel(id, owner, facts),
  list: (models) => renderModelList(models.map(openAiShape.one)),
}

const anthropicShape: Shape = {
  one: ({ id, facts }) => renderAnthropicModel(id, facts),
  list: (models) =>
    renderAnthropicList(
      models.map(anthropicShape.one),
      models.map(({ id }) => id),
    ),
}

/** Codex takes the list of its own server; other programs that send its parameter find OpenAI's beside it. */
const codexShape: Shape = {
  one: openAiShape.one,
  list: (models) => ({
    ...openAiShape.list(models),
    models: models.map(({ id, facts }, index) => renderCodexModel(id, index + 1, facts)),
  }),
}

/** Every client of Anthropic's API sends the API's version, and only Codex sends its own. */
function shapeFor({ headers, query }: FastifyRequest): Shape {
  if (headers['anthropic-version'] !== undefined) return anthropicShape
  return (query as Record<string, unknown>)['client_version'] === undefined ? openAiShape : codexShape
}

/**
 * One buffer of each shape for all clients that are still reading, and may use the same models: a list may have thousands.
 * By the table, or by what a client may use of it.
 */
const modelLists = new WeakMap<RouteTable | AllowedModels, Map<Shape, Buffer>>()

function modelList(routes: RouteTable, shape: Shape, { terms }: Client): Buffer {
  const allowed = allowedModels(terms, routes)
  const visible = allowed ?? routes
  const lists = modelLists.get(visible) ?? new Map<Shape, Buffer>()
  modelLists.set(visible, lists)
  const known = lists.get(shape)
  if (known !== undefined) return known
  const models = visible.list().map((id) => listed(id, routes.find(id), { routes, allowed }))
  const list = Buffer.from(JSON.stringify(shape.list(models)))
  lists.set(shape, list)
  return list
}

/** @throws GatewayError `model_not_found`, `model_not_allowed`. */
function oneModel(id: string, routes: RouteTable, shape: Shape, { terms }: Client): object {
  const allowed = allowedModels(terms, routes)
  const found = findSpelled(id, routes)
  if (found === undefined) throw modelNotFound(id, routes, allowed)
  if (allowed?.has(found.name, found.route) === false) throw allowed.refusal(id)
  return shape.one(listed(id, found.route, { routes, allowed }))
}

/** What a client sees of the table. */
interface Visible {
  readonly routes: RouteTable
  readonly allowed: AllowedModels | undefined
}

function listed(id: string, route: Route | undefined, visible: Visible): ShownModel {
  return { id, owner: route?.targets[0]?.provider ?? '', facts: route && factsOf(route, visible) }
}

/** What all targets of a model have in common, with the largest context among those that its calls reach: they go where they fit. */
function factsOf(route: Route, { routes, allowed }: Visible): ModelFacts | undefined {
  const common = routes.discovered.factsOf(route)
  const targets = reachableTargets(route, routes, allowed)
  const lengths = targets.flatMap((target) => {
    const facts = routes.discovered.factsOf({ targets: [target] })
    return (facts && contextLengthOf(facts)) ?? []
  })
  if (lengths.length === 0) return common
  const longest = Math.max(...lengths)
  return common !== undefined && contextLengthOf(common) === longest
    ? common
    : withContextLength(common ?? {}, longest)
}
