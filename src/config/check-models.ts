// Names that must fit together: models, aliases, providers, fallbacks, limits.
import { closestName } from '../did-you-mean.ts'
import { quoted, type Finding, type HasFault, type Path } from './problems.ts'
import type { RawConfig, RawModel, RawTarget } from './raw.ts'

/** Faults of `models` and of what names a model. */
export function* modelFindings(raw: RawConfig, hasFault: HasFault): Generator<Finding> {
  const models = new Map(Object.entries(raw.models ?? {}))
  const providers = new Set(Object.keys(raw.providers ?? {}))
  const areProvidersKnown = raw.providers !== undefined
  for (const [name, model] of models) {
    const path = ['models', name]
    if (!areProvidersKnown) continue
    for (const [target, place] of targetsOf(model, path)) {
      if (providers.has(target.provider) || hasFault(['providers', target.provider])) continue
      const message = `there is no provider ${quoted(target.provider)}`
      yield { path: [...place, 'provider'], message, hint: nameHint(target.provider, providers) }
    }
  }
  const owners = new Map<string, string>()
  yield* aliasFindings(models, owners)
  if (raw.models === undefined) return
  const names = { models, owners, hasFault, isDiscoverable: discoverable(raw, models, hasFault) }
  yield* fallbackFindings(names)
  yield* limitFindings(raw, names)
}

function targetsOf(model: RawModel, path: Path): [RawTarget, Path][] {
  if (model.targets !== undefined) {
    return model.targets.map((target, index) => [target, [...path, 'targets', index]])
  }
  return model.provider === undefined ? [] : [[{ ...model, provider: model.provider }, path]]
}

/** Fills `owners`: alias → the model that has it. */
function* aliasFindings(
  models: ReadonlyMap<string, RawModel>,
  owners: Map<string, string>,
): Generator<Finding> {
  for (const [name, { aliases = [] }] of models) {
    for (const [index, alias] of aliases.entries()) {
      const path = ['models', name, 'aliases', index]
      const owner = models.has(alias) ? alias : owners.get(alias)
      if (owner !== undefined) {
        const what = models.has(alias) ? 'is the name of a model' : `is an alias of ${quoted(owner)} already`
        yield { path, message: `${quoted(alias)} ${what}`, hint: 'a name leads to one model' }
      } else {
        owners.set(alias, name)
      }
    }
  }
}

interface Names {
  readonly models: ReadonlyMap<string, RawModel>
  /** Alias → the model that has it. */
  readonly owners: ReadonlyMap<string, string>
  readonly hasFault: HasFault
  /** Whether a name may be one that a provider lists. */
  readonly isDiscoverable: (name: string) => boolean
}

/**
 * `PROVIDER/MODEL` of a provider that is asked for its models, unless a wildcard of the file takes the name. Which ones
 * there are only the provider knows.
 */
function discoverable(
  raw: RawConfig,
  models: ReadonlyMap<string, RawModel>,
  hasFault: HasFault,
): (name: string) => boolean {
  const providers = new Map(Object.entries(raw.providers ?? {}))
  const prefixes = [...models.keys()].filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))
  return (name) => {
    const provider = name.slice(0, Math.max(0, name.indexOf('/')))
    const room = `${provider}/`
    if (name.length === room.length || name.includes('*')) return false
    if (prefixes.some((prefix) => prefix.startsWith(room) && name.startsWith(prefix))) return false
    return providers.get(provider)?.discover_models === true || hasFault(['providers', provider])
  }
}

function* fallbackFindings({ models, owners, hasFault, isDiscoverable }: Names): Generator<Finding> {
  const known = [...models.keys(), ...owners.keys()]
  // The longest first, as calls are routed.
  const wildcards = [...models.keys()]
    .filter((name) => name.endsWith('*'))
    .sort((a, b) => b.length - a.length)
  const modelOf = (name: string) => {
    if (models.has(name)) return name
    return owners.get(name) ?? wildcards.find((wildcard) => name.startsWith(wildcard.slice(0, -1)))
  }
  const edges = new Map<string, { to: string; path: Path }[]>()
  for (const [name, { fallbacks = [] }] of models) {
    const list: { to: string; path: Path }[] = []
    for (const [index, fallback] of fallbacks.entries()) {
      const path = ['models', name, 'fallbacks', index]
      if (fallback.endsWith('*')) {
        yield { path, message: `${quoted(fallback)} names no single model`, hint: 'write a name in full' }
        continue
      }
      if (isDiscoverable(fallback) && !models.has(fallback) && !owners.has(fallback)) continue
      const to = modelOf(fallback)
      if (to !== undefined) list.push({ to, path })
      else if (!hasFault(['models', fallback])) {
        yield { path, message: `there is no model ${quoted(fallback)}`, hint: nameHint(fallback, known) }
      }
    }
    edges.set(name, list)
  }
  yield* cycleFindings(edges)
}

/** Depth-first, without recursion: a chain may be as long as the file. Each edge that closes a circle is told. */
function* cycleFindings(
  edges: ReadonlyMap<string, readonly { to: string; path: Path }[]>,
): Generator<Finding> {
  const finished = new Set<string>()
  for (const start of edges.keys()) {
    const trail = [{ name: start, next: 0 }]
    const open = new Set([start])
    while (trail.length > 0) {
      const at = trail.at(-1)!
      const edge = finished.has(at.name) ? undefined : edges.get(at.name)?.[at.next++]
      if (edge === undefined) {
        finished.add(at.name)
        open.delete(at.name)
        trail.pop()
      } else if (open.has(edge.to)) {
        const circle = [...trail.map((step) => step.name), edge.to]
        const shown = circle.slice(circle.indexOf(edge.to)).slice(0, 8).map(quoted).join(' → ')
        yield {
          path: edge.path,
          message: `fallbacks go round in a circle: ${shown}`,
          hint: 'take one of them out',
        }
      } else if (!finished.has(edge.to)) {
        trail.push({ name: edge.to, next: 0 })
        open.add(edge.to)
      }
    }
  }
}

function* limitFindings(
  raw: RawConfig,
  { models, owners, hasFault, isDiscoverable }: Names,
): Generator<Finding> {
  for (const name of Object.keys(raw.rate_limit_settings?.limits ?? {})) {
    if (models.has(name) || hasFault(['models', name])) continue
    const path = ['rate_limit_settings', 'limits', name]
    const owner = owners.get(name)
    if (owner === undefined) {
      if (isDiscoverable(name)) continue
      const hint = nameHint(name, models.keys())
      yield { path, message: `there is no model ${quoted(name)}`, hint, at: 'key' }
    } else {
      const message = `${quoted(name)} is an alias`
      yield { path, message, hint: `write the model's name: ${quoted(owner)}`, at: 'key' }
    }
  }
}

function nameHint(name: string, known: Iterable<string>): string {
  const names = [...known]
  const near = closestName(name, names)
  if (near !== undefined) return `did you mean ${quoted(near)}?`
  const shown = names.slice(0, 8).map(quoted).join(', ')
  return names.length === 0 ? '' : `there is: ${shown}${names.length > 8 ? ', …' : ''}`
}
