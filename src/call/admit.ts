// A call at the door: what it will take, whether it may enter, and how it waits where waiting is allowed.
import type { Hold } from '../admission/admission.ts'
import { rateHeaders, rateLimitError } from '../admission/rate-headers.ts'
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

export interface Admitted {
  readonly hold: Hold
  /** As estimated. */
  readonly promptTokens: number
}

/**
 * Reserves the call's share of the limits, waiting in line where the model's limits say so.
 * Resolves to undefined when the client left meanwhile. Whoever gets the hold settles it.
 * @throws GatewayError `rate_limit_exceeded`, `shutting_down`.
 */
export async function admit(
  { call, request, route, targets }: Candidate,
  on: Snapshot,
  record: CallRecord,
): Promise<Admitted | undefined> {
  const model = route.model.name
  const providers = targets.map(({ provider }) => on.providers.get(provider)!)
  const tpm = on.admission.limitsOf(model)?.tpm
  const estimate = on.calibration.estimate(model, providers[0]!.name, request.size, tpm)
  const { client, reply } = call
  const { tokens, minTokens } = estimate
  const asked = on.admission.reserve({ client, departure: reply, model, tokens, minTokens, providers })
  const decision = asked instanceof Promise ? await asked : asked
  record.waitMs += decision.kind === 'admitted' ? decision.hold.waitedMs : decision.waitedMs
  switch (decision.kind) {
    case 'admitted':
      // They tell of the model that was asked for, also where another one answers.
      if (!reply.isStarted && record.attempts === 0) addRateHeaders(reply, decision.hold)
      return { hold: decision.hold, promptTokens: estimate.promptTokens }
    case 'limited':
    case 'too_large':
      throw rateLimitError(model, decision)
    case 'gone':
      return undefined
    case 'shutting_down':
      throw new GatewayError('shutting_down', 'The gateway is shutting down.')
    default:
      return decision satisfies never
  }
}

function addRateHeaders(reply: Reply, hold: Hold): void {
  const headers = rateHeaders(hold.standing)
  for (const name in headers) reply.set(name, headers[name]!)
}
