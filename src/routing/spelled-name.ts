// Names as clients of Ollama's lists write them: `NAME:latest` for a model without a tag, in every format that they go on to use.
import { withoutDefaultTag } from '../platform/loose-names.ts'
import type { NamedRoute } from './route.ts'
import type { RouteTable } from './route-table.ts'

/**
 * The route of a name, else of the name without that tag. A wildcard takes any name, so a model that has the plain one comes
 * before it.
 */
export function findSpelled(name: string, routes: Pick<RouteTable, 'find'>): NamedRoute | undefined {
  const route = routes.find(name)
  if (route !== undefined && route.rule !== 'wildcard') return { name, route }
  const plain = withoutDefaultTag(name)
  const untagged = plain === undefined ? undefined : routes.find(plain)
  if (plain !== undefined && untagged !== undefined && untagged.rule !== 'wildcard') {
    return { name: plain, route: untagged }
  }
  return route && { name, route }
}
