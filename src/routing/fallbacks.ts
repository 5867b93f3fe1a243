// Which models answer in place of one whose targets fail, and in which order.
import type { Route, RouteTable } from './route-table.ts'

/**
 * A model's fallbacks, each followed by its own before the next one: depth first. Each model comes once, whatever its
 * names and however many lists it is in, and the one that was asked for not again. Names that lead nowhere (by now) are
 * passed over.
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

/** A wildcard is as many models as it has names. */
function keyOf(name: string, { rule, model }: Route): string {
  return rule === 'wildcard' ? name : model.name
}
