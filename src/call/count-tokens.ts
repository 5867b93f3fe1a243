// Counting the tokens of a prompt: by a provider of the model that can, else by what was learned of its texts. Nothing is
// generated, so nothing is reserved, and no failure is held against a target: a client that gets no number makes one up.
import type { ModelRequest } from '../dialects/request.ts'
import type { PromptCount } from '../dialects/dialect.ts'
import type { Target } from '../domain.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Call, Snapshot } from './call.ts'
import { carriedRequestHeaders, withTrace } from './carried-headers.ts'
import { exchange } from './exchange.ts'
import type { NextModel } from './models-to-try.ts'
import { providerOf } from './next-target.ts'
import type { CallRecord } from './record.ts'
import type { CallResult } from './respond.ts'
import { UpstreamResponse } from './response/upstream-response.ts'

/** A provider that computes for others at the same time may take long; agents ask for many counts in a row. */
const maxCountMs = 10_000

/** Providers that are asked, one after the other. */
const maxAsked = 2

interface CountInput {
  readonly call: Call
  readonly request: ModelRequest
  readonly model: NextModel
  readonly count: PromptCount
}

/** A provider's count or its refusal of the request, else an estimate. */
export async function countTokens(
  { call, request, model: { route, targets, boundary }, count }: CountInput,
  on: Snapshot,
  record: CallRecord,
): Promise<CallResult> {
  const { model } = route
  record.boundary = boundary
  const format = call.dialect.native.name
  const able = targets.filter((target) => {
    const { name, speaks } = providerOf(target, on)
    return speaks(format) ?? on.formats.current(name, format)
  })
  for (const target of able.toSorted((one, other) => one.tier - other.tier).slice(0, maxAsked)) {
    const outcome = await askIfRunning(target, call, request, on, record)
    if (outcome === undefined) continue
    if (call.reply.isGone) return { kind: 'client-gone' }
    if (outcome.kind === 'refused' && isAboutRequest(outcome.head.status)) {
      return { kind: 'failed', target, failure: outcome, isWorthRepeating: true }
    }
    if (outcome.kind !== 'answered') continue
    const { whole, head } = outcome.response
    if (whole !== undefined && count.isCount(whole.bytes)) {
      return { kind: 'counted', body: whole.bytes, provided: { target, head } }
    }
    outcome.response.abort()
  }
  record.provider = undefined
  record.targetModel = undefined
  record.providerRequestId = undefined
  const { provider } = targets[0]!
  const tokens = await on.coordinator.countPrompt({ model: model.name, provider, size: request.size })
  return { kind: 'counted', body: count.render(tokens), provided: undefined }
}

/** Whether the client has to correct the request. Any other error means that this provider does not count, or not now. */
function isAboutRequest(status: number): boolean {
  return status === 400 || status === 413 || status === 422
}

/** No server is started to count: undefined. */
async function askIfRunning(
  target: Target,
  call: Call,
  request: ModelRequest,
  on: Snapshot,
  record: CallRecord,
): Promise<AttemptOutcome | undefined> {
  if (!providerOf(target, on).hasService) return ask(target, call, request, on, record)
  const visit = await on.coordinator.visitIfOpen(target.provider)
  if (visit === undefined) return undefined
  try {
    return await ask(target, call, request, on, record)
  } finally {
    visit.leave()
  }
}

async function ask(
  target: Target,
  call: Call,
  request: ModelRequest,
  on: Snapshot,
  record: CallRecord,
): Promise<AttemptOutcome> {
  const provider = providerOf(target, on)
  const { requestId, query } = call
  const dialect = call.dialect.native
  record.provider = target.provider
  record.targetModel = target.model
  record.startAttempt(on.now(), 'pass', undefined)
  const expected = { dialect, translation: undefined, reshape: undefined, stripsUsage: false }
  const response = new UpstreamResponse(provider, { ...expected, sinceMs: on.now() }, on)
  const carried = carriedRequestHeaders(call, provider.traitsOf(target.model))
  const asked = {
    path: dialect.path,
    query,
    headers: withTrace(carried, record.trace, provider),
    body: request.bodyFor(target.model, false),
    contentType: request.contentType,
    isStream: false,
    requestId,
    boundary: record.boundary,
  }
  const stopTimer = on.setTimer(() => response.abort(), maxCountMs)
  try {
    return await exchange(response, asked, { call, provider, record, searchedBody: call.body }, on)
  } finally {
    stopTimer()
  }
}
