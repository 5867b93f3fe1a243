// Names that must match each other: models, aliases, providers, fallbacks, limits.
import { closestName } from '../platform/did-you-mean.ts'
import { parseBaseUrl } from './base-url.ts'
import { type FindModel, modelFinder, providerIn } from './find-model.ts'
import { quoted, type PathProblem, type HasProblem, type Path } from './problems.ts'
import type { RawConfig, RawModel, RawProvider, RawTarget } from './raw.ts'

/** Problems of `models`, and of other keys that name a model. */
export function* modelProblems(raw: RawConfig, hasProblem: HasProblem): Generator<PathProblem> {
  const models = new Map(Object.entries(raw.models ?? {}))
  const providers = new Set(Object.keys(raw.providers ?? {}))
  const areProvidersKnown = isKnown(raw, 'providers', hasProblem)
  for (const [name, model] of models) {
    const path = ['models', name]
    if (!areProvidersKnown) continue
    for (const [target, targetPath] of targetsOf(model, path)) {
      if (providers.has(target.provider) || hasProblem(['providers', target.provider])) continue
      const message = `there is no provider ${quoted(target.provider)}`
      yield { path: [...targetPath, 'provider'], message, hint: nameHint(target.provider, providers) }
    }
  }
  if (areProvidersKnown) yield* restProblems(raw, providers, hasProblem)
  const owners = new Map<string, string>()
  yield* aliasProblems(models, owners)
  if (!isKnown(raw, 'models', hasProblem)) return
  const find = modelFinder(models, raw)
  const names = { models, owners, hasProblem, find, isDiscoverable: discoverable(raw, find, hasProblem) }
  yield* fallbackProblems(names)
  yield* defaultModelProblems(raw, names)
  yield* limitProblems(raw, names)
}

function* restProblems(
  raw: RawConfig,
  providers: ReadonlySet<string>,
  hasProblem: HasProblem,
): Generator<PathProblem> {
  const name = raw.routes?.rest?.provider
  if (name === undefined || hasProblem(['providers', name])) return
  const path = ['routes', 'rest', 'provider']
  if (!providers.has(name)) {
    yield { path, message: `there is no provider ${quoted(name)}`, hint: nameHint(name, providers) }
  } else if (
    Object.entries(raw.providers ?? {}).some(([each, { kind }]) => each === name && kind === 'echo')
  ) {
    const message = `the built-in echo ${quoted(name)} has no other routes than those of models`
    yield { path, message, hint: 'name a provider with a base_url' }
  }
}

/** False for a section that is there but could not be read, or whose name is misspelled. */
function isKnown(raw: RawConfig, section: 'models' | 'providers', hasProblem: HasProblem): boolean {
  return raw[section] !== undefined || !(hasProblem([section]) || hasProblem([section.slice(0, -1)]))
}

function targetsOf(model: RawModel, path: Path): [RawTarget, Path][] {
  if (model.targets !== undefined) {
    return model.targets.map((target, index) => [target, [...path, 'targets', index]])
  }
  return model.provider === undefined ? [] : [[{ ...model, provider: model.provider }, path]]
}

/** Fills `owners`: alias → the model that has it. */
function* aliasProblems(
  models: ReadonlyMap<string, RawModel>,
  owners: Map<string, string>,
): Generator<PathProblem> {
  for (const [name, { aliases = [] }] of models) {
    for (const [index, alias] of aliases.entries()) {
      const path = ['models', name, 'aliases', index]
      const owner = models.has(alias) ? alias : owners.get(alias)
      if (owner !== undefined) {
        const owned = models.has(alias) ? 'is the name of a model' : `is already an alias of ${quoted(owner)}`
        yield { path, message: `${quoted(alias)} ${owned}`, hint: 'a name can refer to only one model' }
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
  readonly hasProblem: HasProblem
  readonly find: FindModel
  /** Whether a name may be one that a provider lists. */
  readonly isDiscoverable: (name: string) => boolean
}

/**
 * True for `PROVIDER/MODEL` of a provider whose models are discovered, unless the name leads to a model of the file. Whether the
 * model exists is known only while the gateway runs.
 */
function discoverable(raw: RawConfig, find: FindModel, hasProblem: HasProblem): (name: string) => boolean {
  const providers = new Map(Object.entries(raw.providers ?? {}))
  return (name) => {
    const provider = providerIn(name)
    if (name.length === provider.length + 1 || name.includes('*')) return false
    if (hasProblem(['providers', provider])) return true
    return providers.get(provider)?.discover_models === true && find(name) === undefined
  }
}

function* fallbackProblems({
  models,
  owners,
  hasProblem,
  find,
  isDiscoverable,
}: Names): Generator<PathProblem> {
  const known = [...models.keys(), ...owners.keys()]
  const edges = new Map<string, { to: string; path: Path }[]>()
  for (const [name, model] of models) {
    const list: { to: string; path: Path }[] = []
    for (const { name: fallback, path } of leadsOf(model, ['models', name])) {
      if (fallback.endsWith('*')) {
        yield {
          path,
          message: `${quoted(fallback)} does not name a single model`,
          hint: 'write the full name',
        }
        continue
      }
      if (isDiscoverable(fallback) && !models.has(fallback) && !owners.has(fallback)) continue
      const to = find(fallback)
      if (to !== undefined) list.push({ to, path })
      else if (!hasProblem(['models', fallback])) {
        yield { path, message: `there is no model ${quoted(fallback)}`, hint: nameHint(fallback, known) }
      }
    }
    edges.set(name, list)
  }
  yield* cycleProblems(edges)
}

/** The models that may answer in place of one. */
function leadsOf({ fallbacks = [], when = [], use }: RawModel, path: Path): { name: string; path: Path }[] {
  return [
    ...fallbacks.map((name, index) => ({ name, path: [...path, 'fallbacks', index] })),
    ...when.map((rule, index) => ({ name: rule.use, path: [...path, 'when', index, 'use'] })),
    ...(use === undefined ? [] : [{ name: use, path: [...path, 'use'] }]),
  ]
}

function* defaultModelProblems(raw: RawConfig, names: Names): Generator<PathProblem> {
  for (const [key, model] of Object.entries(raw.routes?.default_model ?? {})) {
    const problem = singleModelProblem(model, names)
    if (problem !== undefined) yield { path: ['routes', 'default_model', key], ...problem }
  }
}

/** What keeps a name from being that of one model. */
function singleModelProblem(
  name: string,
  { models, owners, hasProblem, find, isDiscoverable }: Names,
): Omit<PathProblem, 'path'> | undefined {
  if (name.endsWith('*')) {
    return { message: `${quoted(name)} does not name a single model`, hint: 'write the full name' }
  }
  if (find(name) !== undefined || hasProblem(['models', name]) || isDiscoverable(name)) return undefined
  const hint = nameHint(name, [...models.keys(), ...owners.keys()])
  return { message: `there is no model ${quoted(name)}`, hint }
}

/** Depth-first, without recursion: a chain may be as long as the file. Every edge that closes a cycle is reported. */
function* cycleProblems(
  edges: ReadonlyMap<string, readonly { to: string; path: Path }[]>,
): Generator<PathProblem> {
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
        const cycle = [...trail.map((step) => step.name), edge.to]
        const shown = cycle.slice(cycle.indexOf(edge.to)).slice(0, 8).map(quoted).join(' → ')
        yield {
          path: edge.path,
          message: `the models form a cycle: ${shown}`,
          hint: 'remove one of them',
        }
      } else if (!finished.has(edge.to)) {
        trail.push({ name: edge.to, next: 0 })
        open.add(edge.to)
      }
    }
  }
}

function* limitProblems(
  raw: RawConfig,
  { models, owners, hasProblem, isDiscoverable }: Names,
): Generator<PathProblem> {
  for (const name of Object.keys(raw.rate_limit_settings?.limits ?? {})) {
    if (models.has(name) || hasProblem(['models', name])) continue
    const path = ['rate_limit_settings', 'limits', name]
    const owner = owners.get(name)
    if (owner === undefined) {
      if (isDiscoverable(name) || isNamespace(name, raw)) continue
      const hint = nameHint(name, models.keys())
      if (!mayBeShared(raw)) {
        yield { path, message: `there is no model ${quoted(name)}`, hint, at: 'key' }
      } else if (closestName(name, models.keys()) !== undefined) {
        const message = `has no effect, unless several local providers list a model ${quoted(name)}`
        yield { path, message, hint, at: 'key', severity: 'warning' }
      }
    } else {
      const message = `${quoted(name)} is an alias`
      yield { path, message, hint: `use the model's name: ${quoted(owner)}`, at: 'key' }
    }
  }
}

/** `PROVIDER/*` of a provider whose models are discovered: the names that it does not list share these limits. */
function isNamespace(name: string, { providers = {} }: RawConfig): boolean {
  const provider = name.slice(0, -2)
  if (!name.endsWith('/*') || !Object.hasOwn(providers, provider)) return false
  return providers[provider]!.discover_models === true
}

/** Whether several local providers may list one model, which is then a model with limits of its own. */
function mayBeShared({ providers = {} }: RawConfig): boolean {
  return Object.values(providers).filter((each) => each.discover_models && isLocal(each)).length > 1
}

function isLocal({ base_url: url = '', allow_http: allowHttp = false }: RawProvider): boolean {
  return URL.canParse(url) && parseBaseUrl(url, { allowHttp }).isLocal
}

function nameHint(name: string, known: Iterable<string>): string {
  const names = [...known]
  const near = closestName(name, names)
  if (near !== undefined) return `did you mean ${quoted(near)}?`
  const shown = names.slice(0, 8).map(quoted).join(', ')
  return names.length === 0 ? '' : `known names: ${shown}${names.length > 8 ? ', …' : ''}`
}
