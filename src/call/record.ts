// The facts of one call, collected while it runs and logged when it ends.
import type { GatewayError } from '../errors.ts'
import type { CallFacts } from '../observe/events.ts'
import type { Call } from './call.ts'
import type { Metered } from './response/meter.ts'

/** What of the answer's time the gateway itself took, what a provider, what a line of waiting calls. */
export class CallRecord {
  readonly #call: Call
  model: string | undefined
  provider: string | undefined
  targetModel: string | undefined
  isStream = false
  attempts = 0
  waitMs = 0
  /** The model that answered in place of the one that was asked for. */
  fallbackModel: string | undefined
  /** When this model's first attempt was sent. */
  sentAtMs: number | undefined
  /** When the last attempt's head or failure came. */
  firstByteAtMs: number | undefined
  /** When it was known how the last attempt came out; from then on what comes is passed on. */
  answeredAtMs: number | undefined
  status = 0
  usage: Metered | undefined
  error: GatewayError | undefined
  /** Why an answer that had begun did not end well. */
  reason: string | undefined
  providerStatus: number | undefined
  providerCode: string | undefined
  /** What models took that were given up. */
  #earlierMs = 0

  constructor(call: Call) {
    this.#call = call
  }

  /** No target of this model answers; another model has its turn. */
  gaveUp(nowMs: number): void {
    this.#earlierMs = this.#upstreamMs(nowMs)
    this.sentAtMs = undefined
    this.firstByteAtMs = undefined
    this.answeredAtMs = undefined
  }

  /** For `Server-Timing`: what is known when the head goes out, in milliseconds. */
  serverTiming(nowMs: number): string {
    const upstreamMs = this.#upstreamMs(nowMs)
    const gatewayMs = nowMs - this.#call.startedAtMs - upstreamMs - this.waitMs
    return `wait;dur=${round(this.waitMs)}, upstream;dur=${round(upstreamMs)}, gateway;dur=${round(gatewayMs)}`
  }

  facts(nowMs: number): CallFacts {
    const { startedAtMs, requestId, client, dialect } = this.#call
    const { firstByteAtMs } = this
    const firstByteMs = firstByteAtMs === undefined ? undefined : round(firstByteAtMs - startedAtMs)
    // From then on, the provider sets the pace; what relaying costs is not told apart from it.
    const gatewayMs = (this.answeredAtMs ?? nowMs) - startedAtMs - this.#upstreamMs(nowMs) - this.waitMs
    return {
      // A call that the gateway itself refused is found by the rule that refused it.
      event: this.attempts === 0 ? (this.error?.code ?? 'call') : 'call',
      request_id: requestId,
      client: client.id,
      dialect: dialect.name,
      model: this.model,
      provider: this.provider,
      target_model: this.targetModel,
      fallback_model: this.fallbackModel,
      status: this.status,
      stream: this.isStream,
      prompt_tokens: this.usage?.promptTokens,
      completion_tokens: this.usage?.completionTokens,
      estimated: this.usage?.isEstimated,
      wait_ms: round(this.waitMs),
      first_byte_ms: firstByteMs,
      duration_ms: round(nowMs - startedAtMs),
      gateway_ms: round(gatewayMs),
      attempts: this.attempts,
      code: this.error?.code,
      reason: this.reason ?? this.error?.message,
      provider_status: this.providerStatus,
      provider_code: this.providerCode,
    }
  }

  /** With the pauses between attempts, which providers ask for. */
  #upstreamMs(nowMs: number): number {
    if (this.sentAtMs === undefined) return this.#earlierMs
    return this.#earlierMs + (this.answeredAtMs ?? nowMs) - this.sentAtMs
  }
}

/** To a hundredth of a millisecond. */
function round(ms: number): number {
  return Math.round(ms * 100) / 100
}
