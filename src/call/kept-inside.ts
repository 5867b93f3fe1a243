// Where a call was answered, and what becomes of an attempt whose provider turns out to be outside the call's boundary.
import { type Boundary, leavingChain, narrower } from '../platform/boundary.ts'
import { type Bounds, outsideBoundary } from '../routing/boundary.ts'
import type { Provider } from '../upstream/provider.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Call, Snapshot } from './call.ts'
import { boundsOf } from './models-to-try.ts'
import type { CallRecord } from './record.ts'

/**
 * The outcome of an attempt; one that failed because the provider's name leads outside ends in the refusal that a target outside
 * has, because the target is not at fault.
 */
export function keptInside(
  outcome: AttemptOutcome,
  provider: Provider,
  call: Pick<Call, 'boundary' | 'client'>,
  record: Pick<CallRecord, 'boundary' | 'fallbackModel' | 'model'>,
  on: Pick<Snapshot, 'routes' | 'routing'>,
): AttemptOutcome {
  if (outcome.kind !== 'failed' || outcome.refusedAddress === undefined) return outcome
  const { boundary, model = '', fallbackModel } = record
  if (boundary === 'any') return outcome
  const steps = fallbackModel === undefined ? [model] : [model, `fallback ${fallbackModel}`]
  const bounds: Bounds = boundsOf(call, on)
  const bounding = on.routes.find(fallbackModel ?? model)?.model
  const chain = leavingChain(steps, { name: provider.name, host: outcome.refusedAddress }, boundary)
  return { ...outcome, error: outsideBoundary([chain], bounds, bounding) }
}

/**
 * The narrowest boundary that the call is known to have stayed in, if the provider has answered it. Whether a server passes models
 * on is determined for calls within a boundary only.
 */
export function boundaryOfAnswer(
  provider: string,
  { boundary }: Pick<CallRecord, 'boundary'>,
  { providers }: Pick<Snapshot, 'providers'>,
): Boundary {
  const { staysIn = 'any', passesOn } = providers.get(provider) ?? {}
  if (boundary !== 'any') return narrower(staysIn, boundary)
  return passesOn === undefined ? staysIn : 'any'
}
