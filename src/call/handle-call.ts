// The story of a call, from its bytes to its end. Every line that can end it names the status.
import type { Outcome } from '../admission/outcome.ts'
import { type ModelRequest, readRequest } from '../dialects/request.ts'
import { GatewayError } from '../errors.ts'
import { modelNotFound, type Route } from '../routing/route-table.ts'
import { admit } from './admit.ts'
import { tryTargets } from './attempts.ts'
import { type Call, clientGoneStatus, type Snapshot } from './call.ts'
import { chooseTargets } from './choose-targets.ts'
import { addCallHeaders, chargeOf, conclude } from './conclude.ts'
import { Meter } from './meter.ts'
import { CallRecord } from './record.ts'

/** Serves one call and logs it. Never rejects: what fails becomes the client's error answer. */
export async function handleCall(call: Call, on: Snapshot): Promise<void> {
  const record = new CallRecord(call)
  try {
    await serve(call, on, record)
  } catch (error) {
    tellClient(call, asGatewayError(error, on), on, record)
  }
  on.events.callEnded(record.facts(on.now()))
}

async function serve(call: Call, on: Snapshot, record: CallRecord): Promise<void> {
  const request = readRequest(call.dialect, call.contentType, call.body) // 400 invalid_request
  record.model = request.model
  record.isStream = request.isStream

  const route = on.routes.find(request.model)
  if (route === undefined) throw modelNotFound(request.model, on.routes) // 404

  const fallbacks = route.model.fallbacks
    .map((name) => on.routes.find(name))
    .filter((other) => other !== undefined)
  const last = fallbacks.at(-1) ?? route
  for (const model of [route, ...fallbacks]) {
    const end = await serveBy(model, { call, request, isLast: model === last }, on, record)
    if (end === 'over') return
  }
}

/** Lets one model answer. `next`: nothing has gone out, and another model may do better. */
async function serveBy(
  route: Route,
  { call, request, isLast }: { call: Call; request: ModelRequest; isLast: boolean },
  on: Snapshot,
  record: CallRecord,
): Promise<'over' | 'next'> {
  const targets = chooseTargets(route, request, on)
  const admitted = await admit({ call, request, route, targets }, on, record) // 429 rate_limit_exceeded, 503 shutting_down
  if (admitted === undefined) {
    record.status = clientGoneStatus // 499
    return 'over'
  }
  const { hold, promptTokens } = admitted
  // Should anything below throw that is no expected end, the call is charged as it stands by then.
  let outcome: Outcome = { kind: 'cut', tokens: 0 }
  try {
    const tried = await tryTargets({ call, request, targets, hold }, on, record)
    const { hasOutputTokens } = call.dialect
    const meter = new Meter({ estimatedPrompt: promptTokens, hasOutputTokens, hidesUsage: tried.hidesUsage })
    if (tried.mayMove && !isLast && tried.outcome.kind !== 'answered') {
      outcome = chargeOf(tried.outcome, meter)
      return 'next'
    }
    const mask = (text: string) => on.providers.get(tried.target.provider)!.mask(text)
    const concluded = await conclude(tried.outcome, { call, on, record, meter, hold, mask }) // 200, the provider's own, 499
    outcome = concluded.outcome
    if (concluded.error !== undefined) throw concluded.error // 502, 503 no_target_available, 504
    if (record.usage !== undefined) {
      const [model, { provider }] = [route.model.name, tried.target]
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

/** The error as an answer, or as the last event of a stream that has begun. */
function tellClient(call: Call, error: GatewayError, on: Snapshot, record: CallRecord): void {
  record.error = error
  if (call.reply.isStarted) {
    call.reply.end(call.dialect.stream.errorEvent(error))
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
  on.events.unexpected(error, 'call')
  return new GatewayError('internal_error', 'The gateway failed on this call; its log says why.', {
    cause: error,
  })
}
