// What a call may not leave, and which targets are inside. Pure.
import type { ModelConfig, RoutingConfig } from '../config/types.ts'
import type { ClientTerms, Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import {
  type Boundary,
  isInside,
  leavingChain,
  type NamedServer,
  narrower,
  passedOnFrom,
} from '../platform/boundary.ts'

/** A provider, and the narrowest boundary that calls of it can be kept in. */
interface Place extends NamedServer {
  readonly boundary: Boundary
  /** Whether its server passes calls of a model on to a server elsewhere. Absent: of none. */
  readonly passesOn?: (model: string) => boolean
}

/** By name. */
export type Places = ReadonlyMap<string, Place>

/** What bounds a call, whichever model it asks for. */
export interface Bounds {
  /** By its header; undefined: it has none. */
  readonly asked: Boundary | undefined
  readonly terms: ClientTerms | undefined
  readonly routing: Pick<RoutingConfig, 'boundary'>
}

/** The narrowest one counts. @param model absent: the call asks for none. */
export function boundaryOf(
  { asked, terms, routing }: Bounds,
  model?: Pick<ModelConfig, 'boundary'>,
): Boundary {
  return narrower(narrower(asked, terms?.boundary), narrower(routing.boundary, model?.boundary))
}

/** The targets that a call can be kept inside at; the same list if they all are. */
export function targetsInside(
  targets: readonly Target[],
  boundary: Boundary,
  places: Places,
): readonly Target[] {
  if (boundary === 'any') return targets
  const isIn = ({ provider, model }: Target) => isInside(boundaryAt(places.get(provider), model), boundary)
  return targets.every(isIn) ? targets : targets.filter(isIn)
}

/** The narrowest boundary that calls of a model can be kept in at a provider. @param model as the provider names it. */
function boundaryAt(place: Place | undefined, model: string): Boundary {
  return place === undefined || place.passesOn?.(model) === true ? 'any' : place.boundary
}

/**
 * How each target outside would be reached.
 * @param steps from the model that was asked for to the one that has the targets.
 */
export function chainsOutside(
  steps: readonly string[],
  targets: readonly Target[],
  { boundary, places }: { readonly boundary: Boundary; readonly places: Places },
): string[] {
  const inside = new Set(targetsInside(targets, boundary, places))
  const chains = targets
    .filter((target) => !inside.has(target))
    .map(({ provider: name, model }) => {
      const place = places.get(name)
      const { host = 'unknown' } = place ?? {}
      const isFurther = place?.passesOn?.(model) === true
      return leavingChain(steps, { name, host: isFurther ? passedOnFrom(host, model) : host }, boundary)
    })
  return [...new Set(chains)]
}

/** Chains that an error shows. */
const maxShown = 8

/** @param chains at least one; `model` absent: the call asks for none. */
export function outsideBoundary(
  chains: readonly string[],
  bounds: Bounds,
  model?: Pick<ModelConfig, 'boundary' | 'name'>,
): GatewayError {
  const boundary = boundaryOf(bounds, model)
  const by = [
    bounds.asked === boundary ? 'the header x-llm-gateway-boundary' : undefined,
    bounds.terms?.boundary === boundary
      ? `the client's record ${JSON.stringify(bounds.terms.name)}`
      : undefined,
    model?.boundary === boundary ? `the boundary of the model ${JSON.stringify(model.name)}` : undefined,
    bounds.routing.boundary === boundary ? 'routing.boundary' : undefined,
  ].filter((each) => each !== undefined)
  const rest = chains.length > maxShown ? `; and ${chains.length - maxShown} more` : ''
  const shown = chains.slice(0, maxShown).join('; ') + rest
  const message = `This call may be answered by ${allowed[boundary]} only, by ${by.join(' and ')}. ${shown}.`
  return new GatewayError('outside_boundary', message)
}

const allowed = {
  local: 'this machine',
  private: 'this machine and its private networks',
  any: 'any server',
} as const
