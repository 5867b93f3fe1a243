// Whether a call is admitted: it reserves its share of the limits, or waits in line where waiting is allowed.
import { rateHeaders, rateLimitError } from '../admission/rate-headers.ts'
import type { LimitStatus } from '../admission/stores/store.ts'
import type { ModelRequest } from '../dialects/request.ts'
import { GatewayError } from '../errors.ts'
import { affinityKeyOf } from '../routing/choose-targets.ts'
import type { Route } from '../routing/route-table.ts'
import type { Call, Reply, Snapshot } from './call.ts'
import type { AdmissionResult, Hold } from './coordinator.ts'
import type { CallRecord } from './record.ts'

/** A call with the model that shall answer it. */
export interface Candidate {
  readonly call: Call
  readonly request: ModelRequest
  readonly route: Route
}

/** Whether a call may enter. */
export type Entrance =
  | { readonly kind: 'admitted'; readonly hold: Hold }
  | Refused
  /** The client left while its call waited. */
  | { readonly kind: 'gone' }

export interface Refused {
  readonly kind: 'limited'
  /** The model's or its provider's slots are all taken. The model's limits of requests and tokens have room. */
  readonly isFull: boolean
  readonly limitStatus: LimitStatus
  readonly error: GatewayError
}

/**
 * Reserves the call's share of the limits, waiting in line where the model's limits say so; only then a promise comes
 * back. Whoever gets the hold settles it.
 * @throws GatewayError `shutting_down`.
 */
export function admit(
  { call, request, route }: Candidate,
  on: Pick<Snapshot, 'coordinator'>,
  record: CallRecord,
): Entrance | Promise<Entrance> {
  const model = route.model.name
  const { targets } = route
  const { client, reply } = call
  const affinityKey = targets.length > 1 ? affinityKeyOf(request.promptPrefix) : undefined
  const asked = { client, disconnect: reply, model, targets, size: request.size, affinityKey }
  const result = on.coordinator.admit(asked)
  const enter = (late: AdmissionResult) => {
    record.waitMs += late.kind === 'admitted' ? late.hold.waitedMs : late.waitedMs
    return entranceOf(late, model)
  }
  return result instanceof Promise ? result.then(enter) : enter(result)
}

function entranceOf(result: AdmissionResult, model: string): Entrance {
  switch (result.kind) {
    case 'admitted':
    case 'gone':
      return result
    case 'limited':
    case 'too_large': {
      const isFull = result.kind === 'limited' && result.dimension === 'parallel'
      return {
        kind: 'limited',
        isFull,
        limitStatus: result.limitStatus,
        error: rateLimitError(model, result),
      }
    }
    case 'shutting_down':
      throw new GatewayError('shutting_down', 'The gateway is shutting down.')
    default:
      return result satisfies never
  }
}

/** How the limits of a model stand, on whatever answer comes. */
export function addRateHeaders(reply: Reply, limitStatus: LimitStatus): void {
  if (reply.isStarted) return
  const headers = rateHeaders(limitStatus)
  for (const name in headers) reply.set(name, headers[name]!)
}
