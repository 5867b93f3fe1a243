// The story of a call, from its bytes to its end. Every line that can end it names the status.
import { maxWaitMsOf } from '../admission/limits-of.ts'
import { framingOf } from '../dialects/framing.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { allowedModels } from '../routing/allowed-models.ts'
import { modelNotFound } from '../routing/model-not-found.ts'
import type { NamedRoute, Route } from '../routing/route.ts'
import { findSpelled } from '../routing/spelled-name.ts'
import { hasRules } from '../routing/when-rules.ts'
import { addRateHeaders, admit } from './admit.ts'
import { type AttemptsResult, tryTargets } from './attempts.ts'
import type { Call, Snapshot } from './call.ts'
import type { AllFailing } from './coordinator.ts'
import { countTokens } from './count-tokens.ts'
import type { Failure } from './failures.ts'
import { followRules } from './follow-rules.ts'
import { Heartbeat } from './heartbeat.ts'
import { internalError } from './internal-error.ts'
import { boundaryOfAnswer } from './kept-inside.ts'
import { modelsToTry, type NextModel } from './models-to-try.ts'
import { requestFor } from './model-members.ts'
import { maxTargetsTried, providerOf } from './next-target.ts'
import type { CallRecord } from './record.ts'
import { foreignObjectOf } from './rest/own-objects.ts'
import { type CallResult, giveUp, type OpenCall, respond } from './respond.ts'

/**
 * Serves one call and reports its end. Never rejects: what fails becomes the client's error response.
 * @param record of the call, of which nothing is known yet.
 */
export async function handleCall(call: Call, on: Snapshot, record: CallRecord): Promise<void> {
  const own = call.dialect.ownEvents(call.requestId)
  const { requestIdHeader } = call.dialect
  if (requestIdHeader !== undefined) call.reply.set(requestIdHeader, call.requestId)
  const heartbeat = new Heartbeat(call.reply, own, framingOf(call.dialect.native).contentType, on)
  const { rawHeaders, startedAtMs } = call
  const { path } = call.dialect
  record.trace = on.tracing.begin({ method: 'POST', path, rawHeaders, startedAtMs })
  const open = { call, record, heartbeat, own }
  try {
    await respond(await serve(open, on), open, on)
  } catch (error) {
    await fail(error, open, on) // 500 internal_error
  }
}

/** Determines what becomes of the call. The client receives nothing yet but heartbeats. */
async function serve(open: OpenCall, on: Snapshot): Promise<CallResult> {
  const { call, record, heartbeat } = open
  const request = call.dialect.readRequest(call, on.defaultModels.get(call.dialect.native.name))
  if (request instanceof GatewayError) return { kind: 'refused', error: request } // 400 invalid_request
  record.model = request.model
  record.isStream = request.isStream

  if (on.rest !== undefined && on.hasSeveralClients) {
    const foreign = await foreignObjectOf(call, on)
    if (foreign !== undefined) return { kind: 'refused', error: foreign } // 404 object_not_found
  }

  const found = findSpelled(request.model, on.routes) ?? (await findPlain(request.model, call, on))
  const allowed = allowedModels(call.client.terms, on.routes)
  if (found === undefined) {
    return { kind: 'refused', error: modelNotFound(request.model, on.routes, allowed) } // 404 model_not_found
  }

  let { name, route: asked } = found
  record.model = asked.rule === 'alias' ? asked.model.name : name
  record.countedModel = asked.model.name
  if (record.model !== request.model) record.asked = request.model
  if (allowed?.has(name, asked) === false) {
    return { kind: 'refused', error: allowed.refusal(request.model) } // 403 model_not_allowed
  }
  let leading: readonly NamedRoute[] = []
  if (hasRules(asked.model)) {
    const followed = await followRules({ name, route: asked }, request, allowed, on)
    if (followed instanceof GatewayError) return { kind: 'refused', error: followed } // 403, 404 as above
    ;({ name, route: asked, leading } = followed)
    record.rule = followed.rule
    if (leading.length > 0) {
      record.model = asked.rule === 'alias' ? asked.model.name : name
      record.countedModel = asked.model.name
      record.asked = request.model
    }
  }
  const queue = modelsToTry(call, { name, route: asked, leading }, allowed, on)
  if (queue instanceof GatewayError) return { kind: 'refused', error: queue } // 403 outside_boundary
  const { count } = call.dialect
  if (count !== undefined) return countTokens({ call, request, model: queue[0]!, count }, on, record)
  const { onlyLoads } = request
  if (onlyLoads !== undefined && !mayPass(queue[0]!.route, call, on)) {
    const body = call.dialect.renderLoaded!(request.model, onlyLoads, on.wallNow())
    return { kind: 'loaded', body } // 200
  }
  if (request.isStream && call.dialect.hasEvents) heartbeat.start(on.now(), on.heartbeatAfterMs)
  const failures = new Map<Target, Failure>()
  let last: Unserved | undefined
  // The model that was asked for may be outside the boundary.
  const [{ route: first }] = queue as [NextModel]
  for (let model = queue.shift(); model !== undefined; model = queue.shift()) {
    const isLastResort = queue.length === 0
    const result = await tryModel({ open, request, asked, ...model, isLastResort, failures, last }, on)
    if (result.kind === 'all_failing') {
      queue.push({ ...model, skipsFailing: false })
      continue
    }
    // The client gets the limits of the first model; a fallback that is at its own is passed over.
    const isPassedOver = result.kind === 'limited' && model.route !== first
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

/** A provider that has the last word on a name gets the plain one. */
async function findPlain(
  asked: string,
  { dialect }: Call,
  { routes, findLate }: Snapshot,
): Promise<NamedRoute | undefined> {
  const name = dialect.plainModelName?.(asked) ?? asked
  const route = routes.find(name) ?? (await findLate(name))
  return route && { name, route }
}

/** Whether one of the model's providers is known to speak the format of the call. */
function mayPass({ targets }: Route, { dialect }: Call, on: Snapshot): boolean {
  return targets.some((target) => providerOf(target, on).speaks(dialect.native.name) === true)
}

/** What one model does with a call. */
type ModelResult = Exclude<CallResult, { kind: 'failed' }> | (AttemptsResult & { kind: 'failed' })

/** Why a model did not answer where another one may, so that nothing has gone out yet. */
type Unserved = ModelResult & { kind: 'failed' | 'limited' }

function canFailOver(result: ModelResult): result is Unserved {
  return 'canFailOver' in result && result.canFailOver
}

interface ModelInput extends NextModel {
  readonly open: OpenCall
  readonly request: ModelRequest
  /** The model that was asked for. */
  readonly asked: Route
  /** No other model may answer instead. */
  readonly isLastResort: boolean
  /** Of all models; grows. */
  readonly failures: Map<Target, Failure>
  /** Why the models before this one did not answer; undefined for the one that was asked for. */
  readonly last: Unserved | undefined
}

/** Admits the call to one model and tries its targets. A hold that comes back with an answer is not settled yet. */
async function tryModel(
  {
    open,
    request: received,
    asked,
    route,
    targets,
    boundary,
    skipsFailing,
    isLastResort,
    failures,
    last,
  }: ModelInput,
  on: Snapshot,
): Promise<ModelResult | AllFailing> {
  const { call, record, heartbeat } = open
  record.boundary = boundary
  const { traits, price } = route.model
  // Members of an answer mean nothing to embeddings and the like, and some servers refuse them there.
  const members = call.dialect.hasOutputTokens ? route.model.request : undefined
  const request = requestFor(received, members)
  if (request instanceof GatewayError) return { kind: 'refused', error: request } // 400 invalid_request
  const admitting = admit({ call, request, route, targets, skipsFailing }, on, record)
  const isWaiting = admitting instanceof Promise
  if (isWaiting) {
    record.lineSinceMs = on.now()
    heartbeat.enterLine(record.lineSinceMs, maxWaitMsOf(on.rateLimits, route.model.name))
  }
  const admission = isWaiting ? await admitting : admitting
  if (isWaiting) {
    record.lineSinceMs = undefined
    heartbeat.leaveLine(on.now())
  }
  const isAsked = route === asked
  if (admission.kind === 'all_failing' && isAsked) addRateHeaders(call, admission.limitStatus, on)
  if (admission.kind !== 'admitted') return admission

  const { hold } = admission
  record.promptTokens = hold.promptTokens
  record.placement = route === asked ? hold.placement.reason : 'fallback'
  record.placed = hold.placement
  heartbeat.provider = soleProviderOf(route, targets)
  if (heartbeat.provider !== undefined) {
    heartbeat.boundary = boundaryOfAnswer(heartbeat.provider, { boundary }, on)
  }
  if (isAsked) addRateHeaders(call, hold.limitStatus, on)
  else if (last?.kind === 'limited') addRateHeaders(call, last.limitStatus, on)
  record.fallbackModel = isAsked ? undefined : route.model.name
  const admitted = { call, request, hold, failures, isLastResort, boundary, traits, price, members }
  try {
    const result = await tryTargets(admitted, on, record)
    // Its hold is settled with the response.
    if (result.kind === 'answered') {
      const { target, response } = result
      const { isStream, serviceTier, storedAs } = request
      return { kind: 'answered', target, response, hold, price, isStream, serviceTier, storedAs }
    }
    hold.settle(result.charge, undefined, hold.isBudgeted ? record.takeSpent() : undefined)
    return result
  } catch (error) {
    hold.settle({ kind: 'cut', tokens: 0 })
    throw error
  }
}

/** Undefined if another one may answer in its place. */
function soleProviderOf({ model }: Route, targets: readonly Target[]): string | undefined {
  const [{ provider }] = targets as [Target]
  return model.fallbacks.length === 0 && targets.every((each) => each.provider === provider)
    ? provider
    : undefined
}

/** A bug must not reach the client as its text, nor end the process, even if it lies in what writes errors. */
async function fail(cause: unknown, open: OpenCall, on: Snapshot): Promise<void> {
  on.events.emit({ kind: 'internal_error', error: cause, where: 'call' })
  const error = internalError(cause)
  try {
    await respond({ kind: 'refused', error }, open, on)
  } catch (another) {
    on.events.emit({ kind: 'internal_error', error: another, where: 'call' })
    giveUp(error, open, on)
  }
}
