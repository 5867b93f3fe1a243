// A call at the door: what it will take, whether it may enter, and how it waits where waiting is allowed.
import type { Decision, Hold } from '../admission/admission.ts'
import { rateHeaders, rateLimitError } from '../admission/rate-headers.ts'
import type { Standing } from '../admission/stores/store.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Route } from '../routing/route-table.ts'
import type { Call, Reply, Snapshot } from './call.ts'
import type { CallRecord } from './record.ts'

/** A call with the model that shall answer it, and that model's targets in order of preference. */
export interface Candidate {
  readonly call: Call
  readonly request: ModelRequest
  readonly route: Route
  readonly targets: readonly Target[]
}

/** Whether a call may enter. */
export type Entrance =
  | {
      readonly kind: 'admitted'
      readonly hold: Hold
      /** As estimated. */
      readonly promptTokens: number
    }
  | Refused
  /** The client left while its call waited. */
  | { readonly kind: 'gone' }

export interface Refused {
  readonly kind: 'limited'
  /** The model's or its provider's slots are all taken. The model's limits of requests and tokens have room. */
  readonly isFull: boolean
  readonly standing: Standing
  readonly error: GatewayError
}

/**
 * Reserves the call's share of the limits, waiting in line where the model's limits say so; only then a promise comes
 * back. Whoever gets the hold settles it.
 * @throws GatewayError `shutting_down`.
 */
export function admit(
  { call, request, route, targets }: Candidate,
  on: Snapshot,
  record: CallRecord,
): Entrance | Promise<Entrance> {
  const model = route.model.name
  const providers = targets.map(({ provider }) => on.providers.get(provider)!)
  const tpm = on.admission.limitsOf(model)?.tpm
  const { tokens, minTokens, promptTokens } = on.calibration.estimate(
    model,
    providers[0]!.name,
    request.size,
    tpm,
  )
  const { client, reply } = call
  const decision = on.admission.reserve({ client, departure: reply, model, tokens, minTokens, providers })
  const enter = (decided: Decision) => {
    record.waitMs += decided.kind === 'admitted' ? decided.hold.waitedMs : decided.waitedMs
    return entranceOf(decided, model, promptTokens)
  }
  return decision instanceof Promise ? decision.then(enter) : enter(decision)
}

function entranceOf(decision: Decision, model: string, promptTokens: number): Entrance {
  switch (decision.kind) {
    case 'admitted':
      return { kind: 'admitted', hold: decision.hold, promptTokens }
    case 'limited':
    case 'too_large': {
      const isFull = decision.kind === 'limited' && decision.dimension === 'parallel'
      return { kind: 'limited', isFull, standing: decision.standing, error: rateLimitError(model, decision) }
    }
    case 'gone':
      return decision
    case 'shutting_down':
      throw new GatewayError('shutting_down', 'The gateway is shutting down.')
    default:
      return decision satisfies never
  }
}

/** How the limits of a model stand, on whatever answer comes. */
export function addRateHeaders(reply: Reply, standing: Standing): void {
  if (reply.isStarted) return
  const headers = rateHeaders(standing)
  for (const name in headers) reply.set(name, headers[name]!)
}
