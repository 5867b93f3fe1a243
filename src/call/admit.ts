// Admission: a call reserves its share of the limits, or waits in line where waiting is allowed.
import { budgetError } from '../admission/budget-error.ts'
import { rateLimitError } from '../admission/rate-limit-error.ts'
import { noLimitStatus } from '../admission/scope-counter.ts'
import { clientScope } from '../admission/scopes.ts'
import type { ModelRequest } from '../dialects/request.ts'
import { maxWaitMsOf } from '../admission/limits-of.ts'
import type { LimitStatus, Target } from '../domain.ts'
import { GatewayError, shuttingDown } from '../errors.ts'
import type { PrefixHashes } from '../routing/prefix-hashes.ts'
import type { Route } from '../routing/route.ts'
import type { Ability } from '../routing/server-facts.ts'
import { budgetRequestOf, isBudgeted } from './budget-request.ts'
import type { Call, Snapshot } from './call.ts'
import type { AdmissionResult, AllFailing, Coordinator, Hold } from './coordinator.ts'
import { CallProgram } from './program.ts'
import { prefixOf } from './prompt-prefix.ts'
import type { CallRecord } from './record.ts'

/** A call with the model that may answer it. */
export interface AdmitInput {
  readonly call: Call
  readonly request: ModelRequest
  readonly route: Route
  /** Those of the route's that the call may use; at least one. */
  readonly targets: readonly Target[]
  /** Another model may answer instead, and is preferred to targets that are all known to fail. */
  readonly skipsFailing: boolean
}

export type AdmitResult =
  | { readonly kind: 'admitted'; readonly hold: Hold }
  | AllFailing
  | Limited
  /** The client left while its call waited. */
  | { readonly kind: 'client-gone' }
  /** The gateway is shutting down. */
  | { readonly kind: 'refused'; readonly error: GatewayError }

/** The model's limits or a budget have no room for the call. */
export interface Limited {
  readonly kind: 'limited'
  /**
   * Only the slots of the model or of its provider are taken, not those of the client, so that another model may answer.
   * Its limits per minute are a promise that no fallback gets around.
   */
  readonly canFailOver: boolean
  readonly limitStatus: LimitStatus
  readonly error: GatewayError
}

type AdmittingParts = Pick<
  Snapshot,
  'coordinator' | 'budgets' | 'now' | 'prices' | 'rateLimits' | 'routing' | 'sessionHeaders' | 'timeSlices'
>

/**
 * Reserves the call's share of the limits, waiting in line where the model's limits say so. Returns a promise where the
 * call waits, or where another thread decides. The receiver of the hold settles it.
 */
export function admit(
  input: AdmitInput,
  on: AdmittingParts,
  record: Pick<CallRecord, 'model' | 'addWait' | 'program'>,
): AdmitResult | Promise<AdmitResult> {
  // With one target there is nothing to choose.
  if (input.targets.length === 1) return ask(input, undefined, on, record)
  const prefix = prefixOf(input.call, input.request, on)
  return prefix instanceof Promise
    ? prefix.then((late) => ask(input, late, on, record))
    : ask(input, prefix, on, record)
}

function ask(
  {
    call: { client, rawHeaders, reply, dialect, requestId },
    request,
    route,
    targets,
    skipsFailing,
  }: AdmitInput,
  prefix: PrefixHashes | undefined,
  on: AdmittingParts,
  record: Pick<CallRecord, 'model' | 'addWait' | 'program'>,
): AdmitResult | Promise<AdmitResult> {
  const model = route.model.name
  const { size } = request
  const { name: format } = dialect.native
  const spending = isBudgeted(client, on)
    ? budgetRequestOf({ client, dialect, requestId, request, route, model: record.model }, on)
    : undefined
  if (spending instanceof GatewayError) return overBudget(spending)
  const { coordinator, sessionHeaders } = on
  const mayWait = maxWaitMsOf(on.rateLimits, model) > 0
  if (mayWait) {
    record.program ??= new CallProgram(rawHeaders, { key: coordinator.prefixKey, sessionHeaders })
  }
  const asked = {
    client,
    clientScope: clientScope(client),
    program: mayWait ? record.program : undefined,
    spending,
    disconnect: reply,
    model,
    targets,
    size,
    needs: needsOf({ request, targets, skipsFailing }, coordinator),
    prefix,
    isStream: request.isStream,
    format,
    skipsFailing,
  }
  const result = coordinator.admit(asked)
  const toResult = (admission: AdmissionResult) => {
    if (admission.kind === 'admitted' && spending !== undefined) admission.hold.interruptible = reply
    const waitedMs = admission.kind === 'admitted' ? admission.hold.waitedMs : admission.waitedMs
    record.addWait(waitedMs, on.now())
    return resultOf(admission, model)
  }
  return result instanceof Promise ? result.then(toResult) : toResult(result)
}

/** Undefined where they decide nothing. */
function needsOf(
  { request, targets, skipsFailing }: Pick<AdmitInput, 'request' | 'skipsFailing' | 'targets'>,
  coordinator: Pick<Coordinator, 'asksNeeds'>,
): readonly Ability[] | undefined {
  if ((targets.length === 1 && !skipsFailing) || !coordinator.asksNeeds(targets)) return undefined
  const { needs } = request
  if (needs === undefined) return undefined
  const abilities: Ability[] = []
  if (needs.hasImages) abilities.push('image')
  if (needs.hasTools) abilities.push('tools')
  return abilities
}

function resultOf(admission: AdmissionResult, model: string): AdmitResult {
  switch (admission.kind) {
    case 'admitted':
    case 'all_failing':
      return admission
    case 'limited':
    case 'too_large':
    case 'unavailable': {
      const isOfClient = admission.scope.kind === 'client'
      const canFailOver = admission.kind === 'limited' && admission.dimension === 'parallel' && !isOfClient
      const { limitStatus } = admission
      return { kind: 'limited', canFailOver, limitStatus, error: rateLimitError(model, admission) }
    }
    case 'budget_exceeded':
    case 'budget_state_lost':
    case 'budget_unavailable':
      return overBudget(budgetError(admission))
    case 'gone':
      return { kind: 'client-gone' }
    case 'shutting_down':
      return { kind: 'refused', error: shuttingDown() }
    default:
      return admission satisfies never
  }
}

/** A fallback may not cost less, and is no way around a budget. */
function overBudget(error: GatewayError): Limited {
  return { kind: 'limited', canFailOver: false, limitStatus: noLimitStatus, error }
}

/** The state of a model's limits, for the head of whatever response comes. */
export function addRateHeaders(
  { dialect, reply }: Call,
  limitStatus: LimitStatus,
  on: Pick<Snapshot, 'wallNow'>,
): void {
  if (reply.isStarted) return
  const headers = dialect.rateHeaders(limitStatus, on.wallNow())
  for (const name in headers) reply.set(name, headers[name]!)
}
