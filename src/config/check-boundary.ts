// What a model's calls may not leave: no target may be outside, nor one of a fallback, whichever way leads there.
import {
  type Boundary,
  isInside,
  isPassedOn,
  leavingChain,
  narrower,
  passedOnFrom,
} from '../platform/boundary.ts'
import { parseBaseUrl } from './base-url.ts'
import { defaults } from './defaults.ts'
import { type FindModel, modelFinder, providerIn } from './find-model.ts'
import type { HasProblem, Path, PathProblem } from './problems.ts'
import { baseUrlOf } from './provider-kind.ts'
import type { RawConfig, RawModel, RawProvider } from './raw.ts'

/** A provider, and the narrowest boundary that calls of it can be kept in. */
interface Place {
  readonly name: string
  readonly host: string
  readonly kind: string
  readonly boundary: Boundary
}

/** Providers by name; those that have a fault of their own are left out. */
type Places = ReadonlyMap<string, Place>

export function* boundaryProblems(raw: RawConfig, hasProblem: HasProblem): Generator<PathProblem> {
  const ofAll = narrower(raw.routing?.boundary, undefined)
  const models = new Map(Object.entries(raw.models ?? {}))
  const hasBoundary = [...models.values()].some(({ boundary }) => narrower(ofAll, boundary) !== 'any')
  if (!hasBoundary && ofAll === 'any') return
  const places = placesOf(raw, hasProblem)
  const search = { models, places, ofAll, find: modelFinder(models, raw) }
  for (const [name, { boundary }] of models) yield* modelProblems(name, narrower(ofAll, boundary), search)
  if (ofAll !== 'any') yield* otherProblems(raw, ofAll, places)
}

/** What `routing.boundary` concerns besides the models of the file. */
function* otherProblems(raw: RawConfig, boundary: Boundary, places: Places): Generator<PathProblem> {
  for (const [name, { discover_models: isDiscovered }] of Object.entries(raw.providers ?? {})) {
    const place = places.get(name)
    if (isDiscovered !== true || place === undefined || isInside(place.boundary, boundary)) continue
    yield problem(['providers', name, 'discover_models'], [`${name}/*`], place, boundary)
  }
  const rest = places.get(raw.routes?.rest?.provider ?? '')
  if (rest !== undefined && !isInside(rest.boundary, boundary)) {
    yield problem(['routes', 'rest', 'provider'], ['routes.rest'], rest, boundary)
  }
}

interface Search {
  readonly models: ReadonlyMap<string, RawModel>
  readonly places: Places
  /** Of all models. */
  readonly ofAll: Boundary
  readonly find: FindModel
}

/** A model, and the way to it. */
interface Step {
  readonly model: string
  readonly steps: readonly string[]
  /** Of the first step away from the bounded model. */
  readonly path: Path
}

/** Without recursion: a chain may be as long as the file. */
function* modelProblems(
  name: string,
  boundary: Boundary,
  { models, places, ofAll, find }: Search,
): Generator<PathProblem> {
  if (boundary === 'any') return
  const seen = new Set([name])
  const left: Step[] = [{ model: name, steps: [name], path: ['models', name] }]
  for (let step = left.pop(); step !== undefined; step = left.pop()) {
    const { model, steps, path } = step
    const isStart = model === name
    for (const { provider, sent, below } of targetsOf(model, models.get(model)!)) {
      const place = places.get(provider)
      const at = place && placeOfModel(place, sent)
      if (at === undefined || isInside(at.boundary, boundary)) continue
      yield problem(isStart ? [...path, ...below] : path, steps, at, boundary)
    }
    const next: Step[] = []
    for (const { name: other, label, below } of othersOf(models.get(model)!)) {
      const at = isStart ? [...path, ...below] : path
      const found = find(other)
      const isOther = found !== undefined && found !== other && !found.endsWith('*')
      const onwards = [...steps, isOther ? `${label} ${other} (${found})` : `${label} ${other}`]
      if (found === undefined) {
        // A name that the provider may list.
        const provider = providerIn(other)
        const listed = places.get(provider)
        const place = listed && placeOfModel(listed, other.slice(provider.length + 1))
        if (place !== undefined && !isInside(place.boundary, boundary)) {
          yield problem(at, onwards, place, boundary)
        }
      } else if (!seen.has(found)) {
        seen.add(found)
        // One that is bounded as much has problems of its own.
        const own = narrower(ofAll, models.get(found)!.boundary)
        if (!isInside(own, boundary)) next.push({ model: found, steps: onwards, path: at })
      }
    }
    left.push(...next.toReversed())
  }
}

function problem(path: Path, steps: readonly string[], place: Place, boundary: Boundary): PathProblem {
  return { path, message: leavingChain(steps, place, boundary), hint: hintFor(place, boundary) }
}

function hintFor({ boundary: place }: Place, boundary: Boundary): string {
  if (boundary === 'local') {
    const wider = place === 'private' ? ', or set boundary: private' : ''
    return `remove it, or use a server at 127.0.0.1, [::1] or localhost, without a proxy${wider}`
  }
  return 'remove it, or use a server at a private address or at a name that is never public (gpu, gpu.lan, gpu.internal), without a proxy'
}

interface SentTo {
  readonly provider: string
  /** The provider's name for the model. */
  readonly sent: string
  readonly below: Path
}

function targetsOf(name: string, { targets, provider, model = name }: RawModel): SentTo[] {
  if (targets !== undefined) {
    return targets.map((target, index) => ({
      provider: target.provider,
      sent: target.model ?? name,
      below: ['targets', index, 'provider'],
    }))
  }
  return provider === undefined ? [] : [{ provider, sent: model, below: ['provider'] }]
}

/** Calls of some models go further than to the provider. */
function placeOfModel(place: Place, model: string): Place {
  if (!isPassedOn(place.kind, model)) return place
  return { ...place, host: passedOnFrom(place.host, model), boundary: 'any' }
}

/** The names of models that may answer in place of one. */
function othersOf({ fallbacks = [], when = [], use }: RawModel): {
  name: string
  label: string
  below: Path
}[] {
  return [
    ...when.map((rule, index) => ({ name: rule.use, label: 'use', below: ['when', index, 'use'] })),
    ...(use === undefined ? [] : [{ name: use, label: 'use', below: ['use'] }]),
    ...fallbacks.map((name, index) => ({ name, label: 'fallback', below: ['fallbacks', index] })),
  ]
}

function placesOf(raw: RawConfig, hasProblem: HasProblem): Places {
  const places = new Map<string, Place>()
  for (const [name, provider] of Object.entries(raw.providers ?? {})) {
    if (provider.kind === 'echo')
      places.set(name, { name, host: 'built in', kind: 'echo', boundary: 'local' })
    else if (!hasProblem(['providers', name, 'base_url'])) {
      const place = placeOf(name, provider)
      if (place !== undefined) places.set(name, place)
    }
  }
  return places
}

function placeOf(name: string, provider: RawProvider): Place | undefined {
  const baseUrl = baseUrlOf(provider)
  if (baseUrl === undefined || !URL.canParse(baseUrl)) return undefined
  const { hostname } = new URL(baseUrl)
  const { kind = defaults.provider.kind, proxy = 'env', allow_http: allowHttp = false } = provider
  // One of the environment is left out where a boundary applies.
  if (proxy !== 'env' && proxy !== 'none')
    return { name, host: `${hostname}, through its proxy`, kind, boundary: 'any' }
  return { name, host: hostname, kind, boundary: parseBaseUrl(baseUrl, { allowHttp }).boundary ?? 'any' }
}
