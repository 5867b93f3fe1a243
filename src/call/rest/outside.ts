// What keeps a request that is not a model call from a provider outside its boundary: its own, and that of the model that it names,
// whose prompts must reach no other server by another route of the API either.
import { namedModelIn } from '../../dialects/openai/named-model.ts'
import { GatewayError } from '../../errors.ts'
import { LargeBody } from '../../bytes/large-body.ts'
import { type Boundary, isInside, leavingChain } from '../../platform/boundary.ts'
import { boundaryOf, chainsOutside, outsideBoundary } from '../../routing/boundary.ts'
import type { Provider } from '../../upstream/provider.ts'
import type { Snapshot } from '../call.ts'
import { boundsOf, narrowestModel } from '../models-to-try.ts'
import type { RestCall } from './request.ts'

/** The boundary that the request is kept in, or its refusal. */
export function boundaryAt(
  provider: Provider,
  call: Pick<RestCall, 'body' | 'boundary' | 'client' | 'contentType' | 'native' | 'path' | 'route'>,
  on: Pick<Snapshot, 'routes' | 'routing'>,
): Boundary | GatewayError {
  const bounds = boundsOf(call, on)
  const boundary = boundaryOf(bounds)
  const from = call.native === undefined ? `/v1${call.path}` : call.path.slice(1)
  if (!isInside(provider.boundary, boundary)) {
    return outsideBoundary([leavingChain([from], provider, boundary)], bounds)
  }
  const mayGoFurther = provider.passesOn !== undefined
  const mayLeave = on.routes.hasBoundaries && (provider.boundary !== 'local' || mayGoFurther)
  if (!mayLeave && (boundary === 'any' || !mayGoFurther)) return boundary
  const named = namedModelOf(call)
  if (named instanceof GatewayError || named === undefined) return named ?? boundary
  const model = narrowestModel(named.name, on.routes)
  const ofModel = boundaryOf(bounds, model)
  const target = { provider: provider.name, model: named.name, tier: 1, weight: 1 }
  const places = new Map([[provider.name, provider]])
  const chains = chainsOutside([named.name, from], [target], { boundary: ofModel, places })
  return chains.length === 0 ? ofModel : outsideBoundary(chains, bounds, model)
}

/** The model that gets the prompt of a request that `boundaryAt` lets pass. Undefined: none does, or no boundary depends on it. */
export function promptedModelOf(
  { passesOn }: Provider,
  boundary: Boundary,
  call: Pick<RestCall, 'body' | 'contentType' | 'native' | 'route'>,
): string | undefined {
  const mayHavePrompt = call.native === undefined || call.route.hasUsage === true
  if (passesOn === undefined || boundary === 'any' || !mayHavePrompt) return undefined
  const named = namedModelOf(call)
  return named instanceof GatewayError ? undefined : named?.name
}

function namedModelOf({
  body: received,
  contentType,
  route,
}: Pick<RestCall, 'body' | 'contentType' | 'route'>): { readonly name: string } | GatewayError | undefined {
  // A file is not the prompt of a call.
  if (received === undefined || route.isUpload === true) return undefined
  const body = received instanceof LargeBody ? received.bytes : received
  const named = Buffer.isBuffer(body) ? namedModelIn(body, contentType) : 'unreadable'
  if (named !== 'unreadable') return named
  const message =
    'A boundary applies to the model of this request, and which one its body names cannot be determined. Send it as application/json.'
  return new GatewayError('outside_boundary', message)
}
