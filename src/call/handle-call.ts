// The story of a call, from its bytes to its end. Every line that can end it names the status.
import type { ModelRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { fallbacksOf } from '../routing/fallbacks.ts'
import { modelNotFound, type Route, type RouteTable } from '../routing/route-table.ts'
import { addRateHeaders, admit } from './admit.ts'
import { type AttemptsResult, maxTargetsTried, tryTargets } from './attempts.ts'
import type { Call, Snapshot } from './call.ts'
import type { Failure } from './failures.ts'
import { Heartbeat } from './heartbeat.ts'
import { CallRecord } from './record.ts'
import { type CallResult, type OpenCall, respond } from './respond.ts'

/** Serves one call and reports its end. Never rejects: what fails becomes the client's error response. */
export async function handleCall(call: Call, on: Snapshot): Promise<void> {
  const heartbeat = new Heartbeat(call, on.ticker)
  const open = { call, record: new CallRecord(call), heartbeat }
  try {
    await respond(await serve(open, on), open, on)
  } catch (error) {
    await respond(unexpected(error, on), open, on) // 500 internal_error
  }
}

/** Finds out what becomes of the call. The client gets nothing yet but heartbeats. */
async function serve({ call, record, heartbeat }: OpenCall, on: Snapshot): Promise<CallResult> {
  const request = call.dialect.readRequest(call.contentType, call.body)
  if (request instanceof GatewayError) return { kind: 'refused', error: request } // 400 invalid_request
  record.model = request.model
  record.isStream = request.isStream

  const asked = on.routes.find(request.model) ?? (await on.findLate(request.model))
  if (asked === undefined) return { kind: 'refused', error: modelNotFound(request.model, on.routes) } // 404

  if (asked.rule === 'alias') {
    record.asked = request.model
    record.model = asked.model.name
  }
  if (request.isStream && call.dialect.hasEvents) heartbeat.start(on.now())
  const failures = new Map<Target, Failure>()
  let last: Unserved | undefined
  for (const route of modelsFor(request.model, asked, on.routes)) {
    const result = await tryModel({ call, request, route, failures, last }, on, record)
    // The client gets the limits of the model that it asked for; a fallback that is at its own is passed over.
    const isPassedOver = result.kind === 'limited' && last !== undefined
    if (isPassedOver) record.passedOver.push(result.error.message)
    else {
      if (!canFailOver(result)) return result // 200, 499, 503 shutting_down, and as below
      last = result
    }
    record.endModel(on.now())
    if (failures.size >= maxTargetsTried) break
  }
  return last! // 429 rate_limit_exceeded, 502, 503 no_target_available, 504, the provider's own status
}

/** The model that was asked for, then its fallbacks. */
function* modelsFor(name: string, asked: Route, routes: RouteTable): Generator<Route> {
  yield asked
  yield* fallbacksOf(name, asked, routes)
}

/** What one model does with a call. */
type ModelResult = Exclude<CallResult, { kind: 'failed' }> | (AttemptsResult & { kind: 'failed' })

/** Why a model did not answer where another one may, so that nothing has gone out yet. */
type Unserved = ModelResult & { kind: 'failed' | 'limited' }

function canFailOver(result: ModelResult): result is Unserved {
  return 'canFailOver' in result && result.canFailOver
}

interface ModelInput {
  readonly call: Call
  readonly request: ModelRequest
  readonly route: Route
  /** Of all models; grows. */
  readonly failures: Map<Target, Failure>
  /** Why the models before this one did not answer; undefined for the one that was asked for. */
  readonly last: Unserved | undefined
}

/** Admits the call to one model and tries its targets. A hold that comes back with an answer is not settled yet. */
async function tryModel(
  { call, request, route, failures, last }: ModelInput,
  on: Snapshot,
  record: CallRecord,
): Promise<ModelResult> {
  const admission = await admit({ call, request, route }, on, record)
  if (admission.kind !== 'admitted') return admission

  const { hold } = admission
  if (last === undefined) addRateHeaders(call, hold.limitStatus)
  else {
    if (last.kind === 'limited') addRateHeaders(call, last.limitStatus)
    record.fallbackModel = route.model.name
  }
  const admitted = { call, request, hold, failures }
  try {
    const result = await tryTargets(admitted, on, record)
    if (result.kind === 'answered') return { ...result, admitted }
    hold.settle(result.charge)
    return result
  } catch (error) {
    hold.settle({ kind: 'cut', tokens: 0 })
    throw error
  }
}

/** A bug must not reach the client as its text, nor end the process. */
function unexpected(cause: unknown, on: Pick<Snapshot, 'events'>): CallResult {
  on.events.emit({ kind: 'internal_error', error: cause, where: 'call' })
  const message = 'The gateway failed to handle this call; see its log.'
  return { kind: 'refused', error: new GatewayError('internal_error', message, { cause }) }
}
