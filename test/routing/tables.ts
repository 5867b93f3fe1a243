// Route tables of a few models and lists.
import type { ModelConfig } from '../../src/config/types.ts'
import { RouteTable } from '../../src/routing/route-table.ts'

/** An entry of the file with one target. */
export function model(name: string, target = 'up', aliases: string[] = []): [string, ModelConfig] {
  return [
    name,
    { name, aliases, targets: [{ provider: 'p', model: target, tier: 1, weight: 1 }], fallbacks: [] },
  ]
}

/** A table with these lists, `NAME` or `NAME=ALIAS` each. */
export function tableWith(
  lists: Readonly<Record<string, readonly string[]>>,
  ...models: [string, ModelConfig][]
) {
  return tableOf(lists, models)
}

/** The same, at providers of these kinds. */
export function tableOf(
  lists: Readonly<Record<string, readonly string[]>>,
  models: readonly [string, ModelConfig][],
  kinds?: { local?: readonly string[]; ollama?: readonly string[] },
) {
  const discovered = Object.entries(lists).map(([provider, names]) => {
    const listed = names.map((name) => {
      const [id, ...aliases] = name.split('=')
      return { id: id!, aliases }
    })
    return [provider, listed] as const
  })
  const { local, ollama } = kinds ?? {}
  return new RouteTable(new Map(models), new Map(discovered), {
    local: new Set(local),
    ollama: new Set(ollama),
    discovering: new Set(Object.keys(lists)),
  })
}

/** `RULE SCOPE → PROVIDER MODEL`. */
export function way(routes: RouteTable, name: string): string | undefined {
  const route = routes.find(name)
  const target = route?.targets[0]
  return route && `${route.rule} ${route.model.name} → ${target?.provider} ${target?.model}`
}
