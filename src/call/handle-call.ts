// The story of a call, from its bytes to its end. Every line that can end it names the status.
import type { Outcome } from '../admission/outcome.ts'
import { type ModelRequest, readRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { modelNotFound } from '../routing/route-table.ts'
import { admit } from './admit.ts'
import { type AttemptOutcome, startAttempt } from './attempts.ts'
import { type Call, clientGoneStatus, type Snapshot } from './call.ts'
import { type Concluded, conclude } from './conclude.ts'
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

  const admitted = await admit({ call, request, route }, on, record) // 429 rate_limit_exceeded, 503 shutting_down
  if (admitted === undefined) return void (record.status = clientGoneStatus) // 499

  const { hold, estimate } = admitted
  // Should anything below throw that is no expected end, the call is charged as it was reserved.
  let outcome: Outcome = { kind: 'cut', tokens: hold.tokens }
  try {
    const target = route.targets.find(({ provider }) => provider === hold.provider) ?? route.targets[0]!
    const concluded = await answer({ call, request, target, promptTokens: estimate.promptTokens }, on, record)
    outcome = concluded.outcome
    if (concluded.error !== undefined) throw concluded.error // 502, 504
    if (record.usage?.isEstimated === false) {
      on.calibration.learn(route.model.name, target.provider, request.size, record.usage)
    }
  } finally {
    hold.settle(outcome)
  }
}

interface Admittee {
  readonly call: Call
  readonly request: ModelRequest
  readonly target: Target
  /** As estimated. */
  readonly promptTokens: number
}

/** Has the target answer, and brings the answer to the client. */
async function answer(admittee: Admittee, on: Snapshot, record: CallRecord): Promise<Concluded> {
  const { call, request, target, promptTokens } = admittee
  const provider = on.providers.get(target.provider)!
  record.provider = target.provider
  record.targetModel = target.model
  if (!call.reply.isStarted) call.reply.add('x-llm-gateway-provider', target.provider)

  let asksUsage = request.mayAskUsage && on.usageRefusals.mayAsk(provider, on.now())
  let tried = await attempt(admittee, asksUsage, on, record)
  if (asksUsage && on.usageRefusals.learn(tried, provider, on.now())) {
    asksUsage = false
    tried = await attempt(admittee, asksUsage, on, record)
  }
  record.headAtMs = on.now()
  const { hasOutputTokens } = call.dialect
  const meter = new Meter({ estimatedPrompt: promptTokens, hasOutputTokens, hidesUsage: asksUsage })
  return conclude(tried, { call, on, record, meter, mask: (text) => provider.mask(text) })
}

/** One try at the target. A client that leaves ends it. */
async function attempt(
  { call, request, target }: Admittee,
  asksUsage: boolean,
  on: Snapshot,
  record: CallRecord,
): Promise<AttemptOutcome> {
  const { dialect, reply, requestId } = call
  if (reply.isGone) return { kind: 'gone' }
  record.attempts += 1
  record.sentAtMs = on.now()
  const body = request.bodyFor(target.model, asksUsage)
  const { contentType, isStream } = request
  const started = startAttempt(target, { path: dialect.path, body, contentType, isStream, requestId }, on)
  reply.onGone = () => started.abort()
  return started.outcome
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
  call.reply.add('server-timing', record.serverTiming(on.now()))
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
