// Which models may answer a call, and at which of their targets.
import type { Target } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { Boundary } from '../platform/boundary.ts'
import type { AllowedModels } from '../routing/allowed-models.ts'
import {
  type Bounds,
  boundaryOf,
  chainsOutside,
  outsideBoundary,
  targetsInside,
} from '../routing/boundary.ts'
import { fallbacksOf, type MayUse } from '../routing/fallbacks.ts'
import type { Route } from '../routing/route-table.ts'
import type { Call, Snapshot } from './call.ts'

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
 * @param name that led to `asked`.
 */
export function modelsToTry(
  call: Pick<Call, 'boundary' | 'client'>,
  name: string,
  asked: Route,
  allowed: AllowedModels | undefined,
  on: Pick<Snapshot, 'providers' | 'routes' | 'routing'>,
): NextModel[] | GatewayError {
  const bounds = boundsOf(call, on)
  const boundary = boundaryOf(bounds, asked.model)
  const { targets } = asked
  const hasFallbacks = asked.model.fallbacks.length > 0
  if (boundary === 'any' && !hasFallbacks) return [{ route: asked, targets, boundary, skipsFailing: false }]
  const mayUse: MayUse | undefined = allowed && ((...which) => allowed.has(...which))
  const all = [asked, ...fallbacksOf(name, asked, on.routes, mayUse)]
  const models = all.map((route): NextModel => {
    const own = boundaryOf({ ...bounds, asked: boundary }, route.model)
    const inside = targetsInside(route.targets, own, on.providers)
    return { route, targets: inside, boundary: own, skipsFailing: hasFallbacks }
  })
  const possible = models.filter((model) => model.targets.length > 0)
  if (possible.length > 0) return possible
  const chains = models.flatMap(({ route, boundary: own }) => {
    const steps = route === asked ? [name] : [name, `fallback ${route.model.name}`]
    return chainsOutside(steps, route.targets, { boundary: own, places: on.providers })
  })
  return outsideBoundary(chains, bounds, asked.model)
}
