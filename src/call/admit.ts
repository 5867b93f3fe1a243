// Admission: what a call will take, whether it is admitted, and how it waits where waiting is allowed.
import type { Decision, Hold } from '../admission/admission.ts'
import { rateLimitError } from '../admission/rate-limit-error.ts'
import type { Standing } from '../admission/store.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Call, Snapshot } from './call.ts'
import type { CallRecord } from './record.ts'

/** A call with the model that may answer it, and that model's targets in order of preference. */
export interface AdmissionInput {
  readonly call: Call
  readonly request: ModelRequest
  /** By its name in the configuration. */
  readonly model: string
  readonly targets: readonly Target[]
}

export type AdmissionResult =
  | {
      readonly kind: 'admitted'
      readonly hold: Hold
      /** As estimated. */
      readonly promptTokens: number
    }
  | Limited
  /** The client left while its call waited. */
  | { readonly kind: 'client-gone' }
  /** The gateway is shutting down. */
  | { readonly kind: 'refused'; readonly error: GatewayError }

/** The model's limits have no room for the call. */
export interface Limited {
  readonly kind: 'limited'
  /**
   * Only the slots of the model or of its provider are taken, so that another model may answer. What a model may do in a
   * minute is a promise that no fallback gets around.
   */
  readonly canFailOver: boolean
  readonly standing: Standing
  readonly error: GatewayError
}

/**
 * Reserves the call's share of the limits, waiting in line where the model's limits say so; only then a promise comes
 * back. The receiver of the hold settles it.
 */
export function admit(
  { call: { client, reply }, request, model, targets }: AdmissionInput,
  on: Pick<Snapshot, 'providers' | 'admission' | 'calibration'>,
  record: Pick<CallRecord, 'waitMs'>,
): AdmissionResult | Promise<AdmissionResult> {
  const providers = targets.map(({ provider }) => on.providers.get(provider)!)
  const tpm = on.admission.limitsOf(model)?.tpm
  const { name } = providers[0]!
  const { tokens, minTokens, promptTokens } = on.calibration.estimate(model, name, request.size, tpm)
  const decision = on.admission.reserve({ client, departure: reply, model, tokens, minTokens, providers })
  const conclude = (decided: Decision) => {
    record.waitMs += decided.kind === 'admitted' ? decided.hold.waitedMs : decided.waitedMs
    return resultOf(decided, model, promptTokens)
  }
  return decision instanceof Promise ? decision.then(conclude) : conclude(decision)
}

function resultOf(decision: Decision, model: string, promptTokens: number): AdmissionResult {
  switch (decision.kind) {
    case 'admitted':
      return { kind: 'admitted', hold: decision.hold, promptTokens }
    case 'limited':
    case 'too_large': {
      const canFailOver = decision.kind === 'limited' && decision.dimension === 'parallel'
      const error = rateLimitError(model, decision)
      return { kind: 'limited', canFailOver, standing: decision.standing, error }
    }
    case 'gone':
      return { kind: 'client-gone' }
    case 'shutting_down':
      return {
        kind: 'refused',
        error: new GatewayError('shutting_down', 'The gateway is shutting down.'),
      }
    default:
      return decision satisfies never
  }
}

/** The state of a model's limits, for the head of whatever response comes. */
export function addRateHeaders({ dialect, reply }: Call, standing: Standing): void {
  if (reply.isStarted) return
  const headers = dialect.rateHeaders(standing)
  for (const name in headers) reply.set(name, headers[name]!)
}
