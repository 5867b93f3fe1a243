// The error for a name that no model has, with what its client is likely to mean.
import { GatewayError } from '../errors.ts'
import { likelyName } from '../platform/did-you-mean.ts'
import type { RouteTable } from './route-table.ts'

/** What a client may see of the table. */
interface VisibleModels {
  /** Names. */
  list(): readonly string[]
}

/**
 * The error for a name that matches no model.
 * @param visible for a client that may not use every model: others are not hinted at.
 */
export function modelNotFound(name: string, routes: RouteTable, visible?: VisibleModels): GatewayError {
  const hint = visible === undefined ? hintFor(name, routes) : hintAmong(name, visible.list())
  const message = `The model ${JSON.stringify(name)} does not exist. ${hint}`
  return new GatewayError('model_not_found', message, { param: 'model' })
}

const knownModels = 'GET /v1/models lists the models that can be called.'

function hintAmong(name: string, names: readonly string[]): string {
  return didYouMean(likelyName(name, () => names)) ?? knownModels
}

function hintFor(name: string, routes: RouteTable): string {
  const namesakes = routes.discovered.namesakes(name).map((other) => JSON.stringify(other))
  if (namesakes.length > 0) return `Several providers list it: use ${namesakes.join(' or ')}.`
  return didYouMean(routes.suggest(name)) ?? hintAtLists(routes.discovered.withoutList(name))
}

function didYouMean(likely: string | undefined): string | undefined {
  return likely === undefined ? undefined : `Did you mean ${JSON.stringify(likely)}?`
}

/** @param unlisted providers that may have the model, and list none. */
function hintAtLists(unlisted: readonly string[]): string {
  if (unlisted.length === 0) return knownModels
  return `${knownModels} Providers that list none at the moment: ${unlisted.join(', ')}. If yours is one of them, check that it is running and has the model.`
}
