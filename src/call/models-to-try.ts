// Which models may answer a call, and at which of their targets.
import type { ModelConfig } from '../config/types.ts'
import type { Target } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import { type Boundary, narrower } from '../platform/boundary.ts'
import type { AllowedModels } from '../routing/allowed-models.ts'
import {
  type Bounds,
  boundaryOf,
  chainsOutside,
  outsideBoundary,
  targetsInside,
} from '../routing/boundary.ts'
import { fallbacksOf, type MayUse } from '../routing/fallbacks.ts'
import type { NamedRoute, Route } from '../routing/route.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { Call, Snapshot } from './call.ts'
import type { FollowedRules } from './follow-rules.ts'

export interface NextModel {
  readonly route: Route
  /** Those of the route's that are inside the boundary; at least one. */
  readonly targets: readonly Target[]
  /** What the call may not leave. */
  readonly boundary: Boundary
  /** Its targets are left for the end if all are known to fail. */
  readonly skipsFailing: boolean
}

export function boundsOf(
  { boundary, client }: Pick<Call, 'boundary' | 'client'>,
  { routing }: Pick<Snapshot, 'routing'>,
): Bounds {
  return { asked: boundary, terms: client.terms, routing }
}

/**
 * The model that was asked for, then those of its fallbacks that the client may use, without those that are outside the
 * call's boundary.
 * @param asked with the models whose rules led to it; their boundaries count, too.
 */
export function modelsToTry(
  call: Pick<Call, 'boundary' | 'client'>,
  { name, route: asked, leading }: Pick<FollowedRules, 'leading' | 'name' | 'route'>,
  allowed: AllowedModels | undefined,
  on: Pick<Snapshot, 'providers' | 'routes' | 'routing'>,
): NextModel[] | GatewayError {
  const bounds = boundsOf(call, on)
  const boundary = leading.reduce(
    (narrowest, { route }) => narrower(narrowest, route.model.boundary),
    boundaryOf(bounds, asked.model),
  )
  const { targets } = asked
  const hasFallbacks = asked.model.fallbacks.length > 0
  if (boundary === 'any' && !hasFallbacks) return [{ route: asked, targets, boundary, skipsFailing: false }]
  const ledThrough = new Map<Route, Boundary>()
  const routes = {
    // Of a fallback, no rule counts but the model that it leads to.
    find(fallback: string) {
      const route = ledFrom(fallback, on.routes)?.route
      // By the first way to it, which is the one that is tried.
      if (route !== undefined && !ledThrough.has(route)) {
        ledThrough.set(route, narrower(narrowestModel(fallback, on.routes)?.boundary, undefined))
      }
      return route
    },
  }
  const mayUse: MayUse | undefined =
    allowed && ((fallback, route) => allowed.has(ledFrom(fallback, on.routes)?.name ?? fallback, route))
  const all = [asked, ...fallbacksOf(name, asked, routes, mayUse)]
  const models = all.map((route): NextModel => {
    const own = narrower(boundaryOf({ ...bounds, asked: boundary }, route.model), ledThrough.get(route))
    const inside = targetsInside(route.targets, own, on.providers)
    return { route, targets: inside, boundary: own, skipsFailing: hasFallbacks }
  })
  const possible = models.filter((model) => model.targets.length > 0)
  if (possible.length > 0) return possible
  const chains = models.flatMap(({ route, boundary: own }) => {
    const steps = [...leading.map((model) => model.name), name]
    if (route !== asked) steps.push(`fallback ${route.model.name}`)
    return chainsOutside(steps, route.targets, { boundary: own, places: on.providers })
  })
  const bounding = [asked, ...leading.map(({ route }) => route)].find(
    ({ model }) => model.boundary === boundary,
  )
  return outsideBoundary(chains, bounds, (bounding ?? asked).model)
}

function ledFrom(name: string, routes: RouteTable): NamedRoute | undefined {
  const route = routes.find(name)
  if (route === undefined) return undefined
  return route.model.use === undefined ? { name, route } : routes.ledTo(route.model)
}

/** Of a model and of those that its `use` leads through, the one with the narrowest boundary. */
export function narrowestModel(name: string, routes: RouteTable): ModelConfig | undefined {
  const first = routes.find(name)?.model
  let narrowest = first
  const seen = new Set<ModelConfig>()
  for (let model = first; model !== undefined && !seen.has(model);) {
    seen.add(model)
    const isNarrower =
      narrower(narrowest?.boundary, model.boundary) !== narrower(narrowest?.boundary, undefined)
    if (isNarrower) narrowest = model
    model = model.use === undefined ? undefined : routes.find(model.use)?.model
  }
  return narrowest
}
