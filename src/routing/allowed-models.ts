// Which models a client may use, by the list of its key or its entry of `clients:`. Names are resolved first, in the list as in
// the call: an alias in the list stands for its model under every name, and an alias of a call opens nothing by itself.
import type { ClientTerms } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Route } from './route.ts'
import type { RouteTable } from './route-table.ts'

/** Names of a list that an error shows. */
const maxShown = 8

export class AllowedModels {
  readonly #routes: RouteTable
  readonly #names: readonly string[]
  readonly #models: ReadonlySet<string>
  /** Of patterns. */
  readonly #prefixes: readonly string[]

  constructor(names: readonly string[], routes: RouteTable) {
    this.#routes = routes
    this.#names = names
    const exact = names.filter((name) => !name.endsWith('*'))
    this.#models = new Set(exact.map((name) => resolvedName(name, routes.find(name))))
    this.#prefixes = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))
  }

  /** @param name the one that led to `route`. */
  has(name: string, route: Route): boolean {
    const resolved = resolvedName(name, route)
    if (this.#models.has(resolved) || this.#matches(resolved)) return true
    // The plain name of a discovered model is no alias that somebody chose, but the provider's own name for it.
    return route.rule === 'discovered' && route.model.aliases.some((each) => this.#matches(each))
  }

  /** Whether the limits of a model concern the client. @param model as `RouteTable.models` lists it. */
  concerns(model: string): boolean {
    if (!model.endsWith('*')) {
      const route = this.#routes.find(model)
      return route !== undefined && this.has(model, route)
    }
    const prefix = model.slice(0, -1)
    if (this.#prefixes.some((each) => each.startsWith(prefix) || prefix.startsWith(each))) return true
    return this.#names.some((name) => this.#routes.find(name)?.model.name === model)
  }

  /** The names that the client can use, of those that the table lists. */
  list(): string[] {
    return this.#routes.list().filter((name) => this.has(name, this.#routes.find(name)!))
  }

  /** The error for a call of another model. */
  refusal(name: string): GatewayError {
    const shown = this.#names.slice(0, maxShown).map((each) => JSON.stringify(each))
    const isAll = shown.length === this.#names.length
    const hint =
      shown.length === 0
        ? 'It may use none.'
        : isAll
          ? `It may use ${shown.join(', ')}.`
          : 'GET /v1/models lists those that it may use.'
    const message = `This client may not use the model ${JSON.stringify(name)}. ${hint}`
    return new GatewayError('model_not_allowed', message, { param: 'model' })
  }

  #matches(name: string): boolean {
    return this.#prefixes.some((prefix) => name.startsWith(prefix))
  }
}

/** By list and table: both are replaced, never changed. */
const known = new WeakMap<readonly string[], WeakMap<RouteTable, AllowedModels>>()

/** Undefined: the client may use every model. */
export function allowedModels(terms: ClientTerms | undefined, routes: RouteTable): AllowedModels | undefined {
  const names = terms?.models
  if (names === undefined) return undefined
  const byTable = known.get(names) ?? new WeakMap<RouteTable, AllowedModels>()
  known.set(names, byTable)
  const found = byTable.get(routes) ?? new AllowedModels(names, routes)
  byTable.set(routes, found)
  return found
}

/** What a wildcard matches is a model of its own, and so is a name that is unknown. */
function resolvedName(name: string, route: Route | undefined): string {
  return route === undefined || route.rule === 'wildcard' ? name : route.model.name
}
