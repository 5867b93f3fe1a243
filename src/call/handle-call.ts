// The story of a call, from its bytes to its end. Every line that can end it names the status.
import type { Outcome } from '../admission/outcome.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { LargeBody } from '../http/large-body.ts'
import { fallbacksOf } from '../routing/fallbacks.ts'
import { modelNotFound, type Route } from '../routing/route-table.ts'
import { addRateHeaders, admit, type Refused } from './admit.ts'
import { learnTrouble, maxTargetsTried, type Tried, tryTargets } from './attempts.ts'
import { type Call, clientGoneStatus, type Snapshot } from './call.ts'
import { chooseTargets } from './choose-targets.ts'
import { addCallHeaders, conclude, passFailure } from './conclude.ts'
import type { Failure } from './failures.ts'
import { Meter } from './meter.ts'
import { Pulse } from './pulse.ts'
import { CallRecord } from './record.ts'

/** Serves one call and logs it. Never rejects: what fails becomes the client's error answer. */
export async function handleCall(call: Call, on: Snapshot): Promise<void> {
  const record = new CallRecord(call)
  try {
    await serve(call, on, record)
    const { interruption } = call.reply
    if (interruption !== undefined) tellClient(call, interruption, on, record) // 503 shutting_down
  } catch (error) {
    tellClient(call, asGatewayError(error, on), on, record)
  }
  forgetBody(call)
  on.events.emit(record.facts(on.now()))
}

async function serve(call: Call, on: Snapshot, record: CallRecord): Promise<void> {
  const request = call.dialect.readRequest(call.contentType, call.body) // 400 invalid_request
  record.model = request.model
  record.isStream = request.isStream

  const route = on.routes.find(request.model) ?? (await on.findLate(request.model))
  if (route === undefined) throw modelNotFound(request.model, on.routes) // 404

  const pulse = request.isStream && call.dialect.hasEvents ? new Pulse(call, on) : undefined
  const asked: Asked = { call, request, pulse, failures: new Map() }
  try {
    const turn = await serveBy(route, { ...asked, setback: undefined }, on, record)
    if (turn !== 'over') await serveByFallbacks(route, { ...asked, setback: turn }, on, record)
  } finally {
    pulse?.stop()
  }
}

/** Lets the model's fallbacks answer, one after the other. If none does, the client hears of the last setback. */
async function serveByFallbacks(
  route: Route,
  turn: Asked & { readonly setback: Setback },
  on: Snapshot,
  record: CallRecord,
): Promise<void> {
  let { setback } = turn
  record.gaveUp(on.now())
  for (const fallback of fallbacksOf(turn.request.model, route, on.routes)) {
    if (turn.failures.size >= maxTargetsTried) break
    const next = await serveBy(fallback, { ...turn, setback }, on, record)
    if (next === 'over') return
    setback = next
    record.gaveUp(on.now())
  }
  if ('error' in setback) throw setback.error // 429 rate_limit_exceeded
  const { outcome, target } = setback
  if (outcome.kind !== 'refused' && outcome.kind !== 'failed') return
  turn.pulse?.stop()
  const error = passFailure(outcome, { call: turn.call, on, record, mask: maskOf(target, on) }) // the provider's own
  if (error !== undefined) throw error // 502, 503 no_target_available, 504
}

function maskOf({ provider }: Target, on: Pick<Snapshot, 'providers'>): (text: string) => string {
  return (text) => on.providers.get(provider)!.mask(text)
}

interface Asked {
  readonly call: Call
  readonly request: ModelRequest
  /** Beats until the answer begins. */
  readonly pulse: Pulse | undefined
  /** Of all models; grows. */
  readonly failures: Map<Target, Failure>
}

/** Why a model did not answer, where another one may. */
type Setback = Tried | Refused

interface Turn extends Asked {
  /** Of the model before this one; undefined for the one that was asked for. */
  readonly setback: Setback | undefined
}

/** Lets one model answer. A setback comes back where nothing has gone out yet and another model may do better. */
async function serveBy(
  route: Route,
  { call, request, pulse, failures, setback }: Turn,
  on: Snapshot,
  record: CallRecord,
): Promise<'over' | Setback> {
  const targets = chooseTargets(route, request, on)
  const entrance = await admit({ call, request, route, targets }, on, record) // 503 shutting_down
  if (entrance.kind === 'gone') {
    record.status = clientGoneStatus // 499
    return 'over'
  }
  if (entrance.kind === 'limited') {
    // The client hears of the limits of the model that it asked for; another one that is at its own is passed over.
    if (setback !== undefined) return setback
    // What a model may do in a minute is a promise, and no fallback a way around it; slots only say who has room now.
    if (entrance.isFull) return entrance
    throw entrance.error // 429 rate_limit_exceeded
  }
  const { hold, promptTokens } = entrance
  if (setback === undefined) addRateHeaders(call, hold.standing)
  else {
    if ('standing' in setback) addRateHeaders(call, setback.standing)
    record.fallbackModel = route.model.name
  }
  // Should anything below throw that is no expected end, the call is charged as it stands by then.
  let outcome: Outcome = { kind: 'cut', tokens: 0 }
  try {
    const tried = await tryTargets({ call, request, targets, hold, promptTokens, failures }, on, record)
    const { target, cost, stripsUsage } = tried
    if (tried.mayMove) {
      outcome = cost
      return tried
    }
    pulse?.stop()
    forgetBody(call) // nobody else is asked any more
    const { hasOutputTokens, native } = call.dialect
    const reader = native.usage
    const meter = new Meter({ reader, estimatedPrompt: promptTokens, hasOutputTokens, stripsUsage })
    const mask = maskOf(target, on)
    const concluded = await conclude(tried.outcome, { call, on, record, meter, hold, cost, mask }) // 200, the provider's own, 499
    outcome = concluded.outcome
    const { error, trouble } = concluded
    if (trouble !== undefined) learnTrouble(target, { trouble, retryAfterMs: undefined }, on)
    if (error !== undefined) throw error // 502, 504
    if (record.usage !== undefined) {
      const [model, { provider }] = [route.model.name, target]
      if (!record.usage.isEstimated) on.calibration.learn(model, provider, request.size, record.usage)
      else if (outcome.kind === 'cut') {
        on.calibration.learnCut(model, provider, request.size, record.usage.completionTokens)
      }
    }
    return 'over'
  } finally {
    hold.settle(outcome)
  }
}

/** Its memory may be large, and the answer last for minutes. */
function forgetBody({ body }: Call): void {
  if (body instanceof LargeBody) body.dispose()
}

/** The error as an answer, or as the last event of a stream that has begun. */
function tellClient(call: Call, error: GatewayError, on: Snapshot, record: CallRecord): void {
  record.error = error
  if (call.reply.isStarted) {
    call.reply.end(call.dialect.errorEvent(error))
    record.status = 200
    return
  }
  record.status = error.status
  addCallHeaders(call.reply, record, on.now())
  call.reply.fail(error)
}

/** A bug must not reach the client as its text, nor end the process. */
function asGatewayError(error: unknown, on: Snapshot): GatewayError {
  if (error instanceof GatewayError) return error
  on.events.emit({ kind: 'internal_error', error, where: 'call' })
  return new GatewayError('internal_error', 'The gateway failed on this call; its log says why.', {
    cause: error,
  })
}
