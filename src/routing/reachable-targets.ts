// Where calls of a name can go: to its own targets, and to those of the models that its rules lead to. Fallbacks do not count.
import type { Target } from '../domain.ts'
import type { AllowedModels } from './allowed-models.ts'
import type { Route } from './route.ts'
import type { RouteTable } from './route-table.ts'

/** @param allowed for a client that may not use every model: rules that lead to others do not count for it. */
export function reachableTargets(
  route: Route,
  routes: RouteTable,
  allowed: AllowedModels | undefined,
): readonly Target[] {
  const { when, use } = route.model
  if (when === undefined && use === undefined) return route.targets
  const targets = new Set<Target>()
  const seen = new Set<string>()
  const ahead = [route]
  for (let at = ahead.pop(); at !== undefined; at = ahead.pop()) {
    const { model } = at
    if (model.use === undefined) for (const target of at.targets) targets.add(target)
    const names = [...(model.when ?? []).map((rule) => rule.use), model.use]
    for (const name of names) {
      if (name === undefined || seen.has(name)) continue
      seen.add(name)
      const next = routes.find(name) ?? routes.discovered.expected(name)
      if (next !== undefined && allowed?.has(name, next) !== false) ahead.push(next)
    }
  }
  return [...targets]
}
