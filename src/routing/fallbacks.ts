// Which models replace one whose targets have failed, and in which order.
import type { Route } from './route.ts'
import type { RouteTable } from './route-table.ts'

/** Whether a client may use a route that a name led to. */
export type MayUse = (name: string, route: Route) => boolean

/**
 * A model's fallbacks, depth first: each is followed by its own fallbacks before the next one. Each model occurs once,
 * under whichever of its names, and the requested model does not occur. Names that no model has (any more) are skipped.
 * One that the client may not use is skipped as well, in favour of its own fallbacks.
 * @param asked the name that led to `route`.
 * @param mayUse absent: the client may use all of them.
 */
export function* fallbacksOf(
  asked: string,
  route: Route,
  routes: Pick<RouteTable, 'find'>,
  mayUse: MayUse = () => true,
): Generator<Route> {
  const seen = new Set([keyOf(asked, route)])
  const left = route.model.fallbacks.toReversed()
  while (left.length > 0) {
    const name = left.pop()!
    const next = routes.find(name)
    if (next === undefined) continue
    const key = keyOf(name, next)
    if (seen.has(key)) continue
    seen.add(key)
    if (mayUse(name, next)) yield next
    left.push(...next.model.fallbacks.toReversed())
  }
}

/** Each name that a wildcard matches counts as a model of its own. */
function keyOf(name: string, { rule, model }: Route): string {
  return rule === 'wildcard' ? name : model.name
}
