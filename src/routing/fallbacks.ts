// Which models replace one whose targets have failed, and in which order.
import type { Route, RouteTable } from './route-table.ts'

/**
 * A model's fallbacks, depth first: each is followed by its own fallbacks before the next one. Each model occurs once,
 * under whichever of its names, and the requested model does not occur. Names that no model has (any more) are skipped.
 * @param asked the name that led to `route`.
 */
export function* fallbacksOf(
  asked: string,
  route: Route,
  routes: Pick<RouteTable, 'find'>,
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
    yield next
    left.push(...next.model.fallbacks.toReversed())
  }
}

/** Each name that a wildcard matches counts as a model of its own. */
function keyOf(name: string, { rule, model }: Route): string {
  return rule === 'wildcard' ? name : model.name
}
