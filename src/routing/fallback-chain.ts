// Which models answer in place of one whose targets fail, and in which order.
import type { Route, RouteTable } from './route-table.ts'

/**
 * The model that was asked for, then its fallbacks, each followed by its own before the next one: depth first. Each model
 * comes once, whatever its names and however many lists it is in. Names that lead nowhere (by now) are passed over.
 * @param asked the name that led to `route`.
 */
export function* fallbackChain(
  asked: string,
  route: Route,
  routes: Pick<RouteTable, 'find'>,
): Generator<Route> {
  const seen = new Set<string>()
  const left: { name: string; route: Route | undefined }[] = [{ name: asked, route }]
  while (left.length > 0) {
    const { name, route: next } = left.pop()!
    if (next === undefined) continue
    // A wildcard is as many models as it has names.
    const key = next.rule === 'wildcard' ? name : next.model.name
    if (seen.has(key)) continue
    seen.add(key)
    yield next
    for (const fallback of next.model.fallbacks.toReversed()) {
      left.push({ name: fallback, route: routes.find(fallback) })
    }
  }
}
