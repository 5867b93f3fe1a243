// The facts of one call, collected while it runs and logged when it ends.
import type { Spent } from '../admission/budget.ts'
import { scopeNameOf } from '../admission/scopes.ts'
import type { GatewayError, LimitDimension } from '../errors.ts'
import type { PriceSource, Tariff, UsageParts } from '../domain.ts'
import type { AttemptEnded, CallFacts } from '../observe/events/calls.ts'
import type { CallTrace } from '../observe/events/trace.ts'
import type { Placed, PlacementReason } from '../routing/placement.ts'
import type { Boundary } from '../platform/boundary.ts'
import type { Charged } from '../prices/price-book.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Call } from './call.ts'
import type { CallProgram } from './program.ts'
import { ratesOf } from './rates.ts'
import type { Meter, Metered } from './response/meter.ts'
import type { AttemptStage } from './response/upstream-response.ts'

/** How a call ended for its client. */
export interface CallEnd {
  /** 499: the client left before the end. */
  readonly status: number
  readonly error?: GatewayError | undefined
}

/** A call as its record knows it. */
export type RecordedCall = Pick<Call, 'requestId' | 'client' | 'startedAtMs'> & {
  readonly dialect: Pick<Call['dialect'], 'name'>
  /** Absent for a model call. */
  readonly route?: string
}

/** Also how a call's time is divided between the gateway, providers and the line of waiting calls. */
export class CallRecord {
  readonly call: RecordedCall
  /** Of the file, a wildcard or listed; its limits count the call. */
  countedModel: string | undefined
  /** What is wrong with the provider, by the attempt that the client's response is about. */
  trouble: AttemptEnded['trouble']
  /** Undefined: the call belongs to none. */
  trace: CallTrace | undefined
  /** Not an alias of it. */
  model: string | undefined
  /** The alias that the client used, or the model whose rules led to this one. */
  asked: string | undefined
  /** The condition by which they did. */
  rule: string | undefined
  provider: string | undefined
  targetModel: string | undefined
  /** What the call may not leave. */
  boundary: Boundary = 'any'
  isStream = false
  attempts = 0
  /** In line and for the start of a server. */
  waitMs = 0
  /** For the start of a server, or until its turn came; a part of `waitMs`. */
  startMs = 0
  /** Since when the call waits for its admission; undefined: it does not wait. */
  lineSinceMs: number | undefined
  /** Since when the call waits for its provider's server to start; undefined: it does not. */
  startSinceMs: number | undefined
  /** Of the client; undefined: its calls of this model do not wait. */
  program: CallProgram | undefined
  /** As estimated when the call was admitted. */
  promptTokens: number | undefined
  /** Why the target is the one that it is. */
  placement: PlacementReason | 'failover' | 'fallback' | undefined
  /** What was known of the target at admission. */
  placed: Placed | undefined
  /** The last one, unless it has failed. */
  attempt: { readonly stage: AttemptStage } | undefined
  /** Of the response that answers the call. */
  meter: Meter | undefined
  /** The model that answered in place of the one that was asked for. */
  fallbackModel: string | undefined
  /** Why fallbacks were passed over: their own limits. */
  readonly passedOver: string[] = []
  /** Of the last attempt: its translator's way, and the members of the request that it left out. */
  way: string | undefined
  /** The last attempt has asked for a stream in place of a whole answer. */
  isAssembled = false
  dropped: readonly string[] | undefined
  /** Of its request: what the model's own rules have changed. */
  changedMembers: number | undefined
  /** Of attempts before that; other than the one after each. */
  readonly #earlierWays: string[] = []
  /** When this model's first attempt was sent. */
  #sentAtMs: number | undefined
  /** When the last attempt's head or failure came. */
  #firstByteAtMs: number | undefined
  /** When the outcome of the last attempt was known; from then on what arrives is passed on. */
  #outcomeAtMs: number | undefined
  /** Both of all attempts so far that have used tokens. */
  #usage: Metered | undefined
  /** Of the last attempt that has used tokens. */
  #lastUsage: Metered | undefined
  #costNano = 0
  #priceSource: PriceSource | undefined
  /** Of the only attempt that cost anything. */
  #tariff: Tariff | undefined
  #charges = 0
  #isCostUnknown = false
  /** Of the attempts since `takeSpent`. */
  #spentNano = 0
  #spentTokens = 0
  #spentState: 'nothing' | 'known' | 'unknown' = 'nothing'
  #isCostEstimated = false
  providerStatus: number | undefined
  providerCode: string | undefined
  /** Of the last attempt: the provider's own id of the request. */
  providerRequestId: string | undefined
  /** What the last attempt's provider wrote in its error, as far as it may be logged. */
  providerWords: string | undefined
  /** Time spent on models that did not answer. */
  #earlierMs = 0
  #attemptSentAtMs = 0

  constructor(call: RecordedCall) {
    this.call = call
  }

  /** When the provider's total timeout began, which all attempts share: waiting in line has a limit of its own. */
  get workSinceMs(): number {
    return this.call.startedAtMs + this.waitMs
  }

  /** The call has waited in line until now. */
  addWait(waitedMs: number, nowMs: number): void {
    this.waitMs += waitedMs
    if (waitedMs > 0) this.trace?.addWait(nowMs - waitedMs, nowMs)
  }

  /** The call has waited for its provider's server to start until now. */
  addStart(waitedMs: number, nowMs: number): void {
    this.startSinceMs = undefined
    this.startMs += waitedMs
    this.addWait(waitedMs, nowMs)
    if (this.#sentAtMs === undefined) return
    // Between two attempts: the wait is no time of a provider.
    this.#sentAtMs += waitedMs
    if (this.#outcomeAtMs !== undefined) this.#outcomeAtMs += waitedMs
  }

  /** @param dropped names of members that are left out; undefined: none. */
  startAttempt(nowMs: number, way: string, dropped: readonly string[] | undefined): void {
    if (this.way !== undefined && this.way !== way) this.#earlierWays.push(this.way)
    this.way = way
    this.dropped = dropped
    this.attempts += 1
    this.providerWords = undefined
    this.#attemptSentAtMs = nowMs
    this.#sentAtMs ??= nowMs
    this.trace?.startAttempt(nowMs)
  }

  /** @param trouble what the outcome shows of the provider. */
  endAttempt(outcome: AttemptOutcome, trouble: AttemptEnded['trouble'], nowMs: number): AttemptEnded {
    if (outcome.kind !== 'answered') this.attempt = undefined
    this.#outcomeAtMs = nowMs
    this.trouble = trouble
    this.#firstByteAtMs = outcome.kind === 'answered' ? outcome.response.headAtMs : nowMs
    const ended: AttemptEnded = {
      kind: 'attempt_ended',
      request_id: this.call.requestId,
      provider: this.provider!,
      target_model: this.targetModel!,
      way: this.way!,
      outcome: outcome.kind,
      status: statusOf(outcome),
      code: codeOf(outcome),
      reason: this.#reasonOf(outcome),
      trouble,
      ms: round(nowMs - this.#attemptSentAtMs),
    }
    this.trace?.endAttempt(ended, nowMs)
    return ended
  }

  /** @param usage of an attempt; what it has cost follows. */
  addUsage(usage: Metered): void {
    this.#spentTokens += usage.totalTokens
    this.#lastUsage = usage
    this.trace?.addUsage(usage)
    this.#usage = this.#usage === undefined ? usage : sumOf(this.#usage, usage)
  }

  /** @param charged what an attempt has cost; undefined: nobody knows. */
  addCost(charged: Charged | undefined): void {
    this.#addSpent(charged?.nano)
    this.#charges += 1
    this.#tariff = this.#charges === 1 ? charged?.tariff : undefined
    if (charged === undefined) {
      this.#isCostUnknown = true
      return
    }
    const { nano, source, isEstimated } = charged
    this.#costNano += nano
    if (nano > 0 || this.#priceSource === undefined) this.#priceSource = source
    if (nano > 0 && isEstimated) this.#isCostEstimated = true
  }

  /** What attempts have cost since this was asked last; undefined: nothing is known of any. */
  takeSpent(): Spent | undefined {
    if (this.#spentState === 'nothing') return undefined
    const nano = this.#spentState === 'known' ? this.#spentNano : undefined
    const spent = { nano, tokens: this.#spentTokens }
    this.#spentNano = 0
    this.#spentTokens = 0
    this.#spentState = 'nothing'
    return spent
  }

  #addSpent(nano: number | undefined): void {
    if (nano === undefined) this.#spentState = 'unknown'
    else {
      this.#spentNano += nano
      if (this.#spentState === 'nothing') this.#spentState = 'known'
    }
  }

  /** None of a model's targets has answered; what follows is another model's, or nothing. */
  endModel(nowMs: number): void {
    this.#earlierMs = this.#upstreamMs(nowMs)
    this.#sentAtMs = undefined
    this.#firstByteAtMs = undefined
    this.#outcomeAtMs = undefined
  }

  /** The model whose estimates the call teaches: its own, or the fallback that answers. */
  get admittedModel(): string {
    return this.fallbackModel ?? this.countedModel ?? ''
  }

  /** The number of the client's program, if the call has waited, or does. */
  get programNumber(): number | undefined {
    const hasWaited = this.waitMs > 0 || this.lineSinceMs !== undefined || this.startSinceMs !== undefined
    return hasWaited ? this.program?.number : undefined
  }

  /** For `Server-Timing`: what is known when the head goes out, in milliseconds. */
  serverTiming(nowMs: number): string {
    const upstreamMs = this.#upstreamMs(nowMs)
    const gatewayMs = nowMs - this.call.startedAtMs - upstreamMs - this.waitMs
    const start = this.startMs > 0 ? `start;dur=${round(this.startMs)}, ` : ''
    return `wait;dur=${round(this.waitMs)}, ${start}upstream;dur=${round(upstreamMs)}, gateway;dur=${round(gatewayMs)}`
  }

  /** @param end what the client got; with an error that it was sent, or that its response shows. */
  facts(nowMs: number, { status, error }: CallEnd): CallFacts {
    const { startedAtMs, requestId, client, dialect, route } = this.call
    const firstByteAtMs = this.#firstByteAtMs
    const firstTokenAtMs = this.meter?.firstTokenAtMs
    const times = { sentAtMs: this.#attemptSentAtMs, firstTokenAtMs, endAtMs: nowMs }
    const rates = ratesOf(this.#lastUsage, times)
    this.trace?.end(nowMs, firstTokenAtMs)
    const firstByteMs = firstByteAtMs === undefined ? undefined : round(firstByteAtMs - startedAtMs)
    // From then on the provider sets the pace, from which the cost of relaying can't be separated.
    const gatewayMs = (this.#outcomeAtMs ?? nowMs) - startedAtMs - this.#upstreamMs(nowMs) - this.waitMs
    const isPriced = this.#priceSource !== undefined && !this.#isCostUnknown
    return {
      // A call that the gateway itself refused is found by the rule that refused it.
      event: this.attempts === 0 ? (error?.code ?? 'call') : 'call',
      request_id: requestId,
      trace_id: this.trace?.traceId,
      span_id: this.trace?.spanId,
      client: client.id,
      key: client.keyId === undefined ? undefined : client.terms?.name,
      key_secret: client.secretId,
      scope: client.terms === undefined ? undefined : scopeNameOf(client),
      via: client.via,
      program: this.programNumber,
      dialect: dialect.name,
      route,
      model: this.model,
      asked: this.asked,
      rule: this.rule,
      provider: this.provider,
      target_model: this.targetModel,
      fallback_model: this.fallbackModel,
      passed_over: this.passedOver.length > 0 ? this.passedOver : undefined,
      way: this.way,
      earlier_ways: this.#earlierWays.length > 0 ? this.#earlierWays : undefined,
      dropped: this.dropped,
      changed_members: this.changedMembers || undefined,
      status,
      stream: this.isStream,
      prompt_tokens: this.#usage?.promptTokens,
      completion_tokens: this.#usage?.completionTokens,
      cached_tokens: this.#usage?.cachedTokens,
      cache_write_tokens: this.#usage?.cacheWriteTokens,
      reasoning_tokens: this.#usage?.reasoningTokens,
      estimated: this.#usage && (this.#usage.isEstimated || this.#isCostEstimated),
      cost_nano: isPriced ? this.#costNano : undefined,
      price: isPriced ? this.#priceSource : undefined,
      tariff: isPriced ? this.#tariff : undefined,
      wait_ms: round(this.waitMs),
      start_ms: this.startMs > 0 ? round(this.startMs) : undefined,
      first_byte_ms: firstByteMs,
      first_token_ms: firstTokenAtMs === undefined ? undefined : round(firstTokenAtMs - startedAtMs),
      prompt_per_second: rates.prompt,
      tokens_per_second: rates.output,
      duration_ms: round(nowMs - startedAtMs),
      gateway_ms: round(gatewayMs),
      attempts: this.attempts,
      placement: this.placement === 'only' ? undefined : this.placement,
      placed: this.placed && textOf(this.placed),
      code: error?.code,
      trouble: this.trouble,
      limited_by: limitedBy(error),
      reason: this.#reason(error),
      provider_status: this.providerStatus,
      provider_code: this.providerCode,
      provider_request_id: this.providerRequestId,
    }
  }

  #reasonOf(outcome: AttemptOutcome): string | undefined {
    if (outcome.kind === 'refused') return this.providerWords
    return outcome.kind === 'failed' ? this.#reason(outcome.error) : undefined
  }

  #reason(error: GatewayError | undefined): string | undefined {
    if (this.providerWords === undefined) return error?.message
    const words = `Provider "${this.provider}": ${this.providerWords}`
    return error === undefined ? words : `${error.message} ${words}`
  }

  /** With the pauses between attempts, which providers ask for. */
  #upstreamMs(nowMs: number): number {
    if (this.#sentAtMs === undefined) return this.#earlierMs
    return this.#earlierMs + (this.#outcomeAtMs ?? nowMs) - this.#sentAtMs
  }
}

function limitedBy(error: GatewayError | undefined): LimitDimension | undefined {
  if (error?.code === 'budget_exceeded') return 'budget'
  return error?.limit?.dimension ?? error?.limit?.counts
}

/** Of two attempts. A count that only one of them has is the count of both. */
function sumOf(one: Metered, other: Metered): Metered {
  const sum = (of: keyof UsageParts & `${string}Tokens`) =>
    one[of] === undefined && other[of] === undefined ? undefined : (one[of] ?? 0) + (other[of] ?? 0)
  return {
    promptTokens: one.promptTokens + other.promptTokens,
    completionTokens: one.completionTokens + other.completionTokens,
    totalTokens: one.totalTokens + other.totalTokens,
    cachedTokens: sum('cachedTokens'),
    cacheWriteTokens: sum('cacheWriteTokens'),
    reasoningTokens: sum('reasoningTokens'),
    isEstimated: one.isEstimated || other.isEstimated,
  }
}

/** The provider's. */
function statusOf(outcome: AttemptOutcome): number | undefined {
  if (outcome.kind === 'answered') return outcome.response.head.status
  if (outcome.kind === 'refused') return outcome.head.status
  return outcome.kind === 'failed' ? outcome.providerStatus : undefined
}

/** The provider's code of a refusal, the gateway's of a failure. */
function codeOf(outcome: AttemptOutcome): string | undefined {
  if (outcome.kind === 'refused') return outcome.providerCode
  return outcome.kind === 'failed' ? outcome.error.code : undefined
}

/** To a hundredth of a millisecond. */
function round(ms: number): number {
  return Math.round(ms * 100) / 100
}

/** What is cached of the prompt, and the calls before this one. Undefined: that did not count. */
function textOf({ cachedBytes, promptBytes, queue }: Placed): string | undefined {
  if (cachedBytes === undefined || promptBytes === undefined) return undefined
  return `cached ${kilobytes(cachedBytes)} of ${kilobytes(promptBytes)}, queue ${queue}`
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} KB`
}
