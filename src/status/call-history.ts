// What one thread remembers of its calls for the status page: the last ones as references to facts that exist, how its
// providers have done lately, and the failures of a day. Bounded, in memory only; what a reader can compute is left to
// the reader.
import type { AttemptEnded, CallFacts } from '../observe/events/calls.ts'
import type { GatewayEvent, Sink } from '../observe/events.ts'
import { outcomeOf } from '../observe/outcome.ts'
import { failedProvider, hasFailed } from './failed-call.ts'
import { FailureCounts, type FailureCount } from './failure-counts.ts'
import { ProviderPast, type ProviderPastLook } from './provider-past.ts'

export interface PastCall {
  /** Milliseconds since 1970. */
  readonly endedMs: number
  readonly call: CallFacts
}

/** What a thread remembers, as data. */
export interface HistoryLook {
  /** The oldest first. */
  readonly calls: readonly PastCall[]
  readonly providers: readonly (readonly [name: string, past: ProviderPastLook])[]
  readonly failures: readonly FailureCount[]
}

export interface HistoryParts {
  /** `status.recent_calls`. */
  readonly maxCalls: number
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
}

/** Names of providers are the configuration's, but a gateway may be reloaded for years. */
const maxProviders = 500

export class CallHistory implements Sink {
  readonly name = 'status'
  readonly #parts: HistoryParts
  /** A ring: the next one goes to `#next`. */
  readonly #calls: PastCall[] = []
  #next = 0
  readonly #providers = new Map<string, ProviderPast>()
  readonly #failures = new FailureCounts()

  constructor(parts: HistoryParts) {
    this.#parts = parts
  }

  receive(event: GatewayEvent): void {
    const { kind } = event
    if (kind === 'call_ended') this.#onCall(event.call)
    else if (kind === 'attempt_ended') this.#onAttempt(event)
    else if (kind === 'refused') this.#onRefused(event)
    else if (kind === 'health_checked') this.#onCheck(event.provider, event.reason)
    else if (kind === 'provider_checked')
      this.#onCheck(event.provider, event.is_reachable ? undefined : event.detail)
    else if (kind === 'models_discovered') this.#onCheck(event.provider, undefined)
    else if (kind === 'discovery_failed' && !event.is_usual) this.#onCheck(event.provider, event.reason)
  }

  look(): HistoryLook {
    const { wallNow } = this.#parts
    const nowMs = wallNow()
    return {
      calls: [...this.#calls.slice(this.#next), ...this.#calls.slice(0, this.#next)],
      providers: Array.from(this.#providers, ([name, past]) => [name, past.look(nowMs)] as const),
      failures: this.#failures.look(nowMs),
    }
  }

  #onCall(call: CallFacts): void {
    const { maxCalls, wallNow } = this.#parts
    const endedMs = wallNow()
    if (maxCalls > 0) {
      this.#calls[this.#next] = { endedMs, call }
      this.#next = (this.#next + 1) % maxCalls
    }
    const { provider, status } = call
    const outcome = outcomeOf(call)
    if (!hasFailed({ outcome, code: call.code })) {
      if (provider !== undefined && status < 400) this.#past(provider).addMeasures(call, endedMs)
      return
    }
    const { code = outcome, reason } = call
    this.#failures.add({ code, provider: failedProvider(outcome, provider), reason }, endedMs)
    // What failed before a response has the words of its own attempt: those of the call may be about several providers.
    if (provider === undefined || call.attempts === 0 || status >= 400) return
    // A response that has begun was a good attempt until it broke off.
    const past = this.#past(provider)
    past.addBreak(endedMs)
    if (reason !== undefined) past.setReason(reason, endedMs)
  }

  #onAttempt(attempt: AttemptEnded): void {
    const { provider, outcome, trouble } = attempt
    const isBad = trouble !== undefined
    // Nothing is known of a provider where the client left, or the attempt failed by no fault of its own.
    if (!isBad && (outcome === 'gone' || outcome === 'failed')) return
    const past = this.#past(provider)
    const nowMs = this.#parts.wallNow()
    past.addAttempt(isBad, nowMs)
    if (isBad) past.setReason(reasonOf(attempt), nowMs)
  }

  #onRefused({ code, reason, has_left: hasLeft, unlogged = 0 }: Refused): void {
    if (hasLeft === true) return
    this.#failures.add({ code, provider: null, reason }, this.#parts.wallNow(), 1 + unlogged)
  }

  #onCheck(provider: string, fault: string | undefined): void {
    const past = this.#past(provider)
    const nowMs = this.#parts.wallNow()
    if (fault === undefined) past.setReached(nowMs)
    else past.setReason(fault, nowMs)
  }

  #past(provider: string): ProviderPast {
    const known = this.#providers.get(provider)
    if (known !== undefined) return known
    if (this.#providers.size >= maxProviders) {
      this.#providers.delete(this.#providers.keys().next().value!)
    }
    const past = new ProviderPast()
    this.#providers.set(provider, past)
    return past
  }
}

type Refused = Extract<GatewayEvent, { readonly kind: 'refused' }>

/** What the gateway says of the attempt, or the provider's refusal: `status 429, code slow_down: Too many requests.` */
function reasonOf({ outcome, status, code, reason }: AttemptEnded): string {
  if (outcome === 'failed' && reason !== undefined) return reason
  if (status === undefined) return code ?? 'failed'
  const head = `status ${status}${outcome === 'failed' || code === undefined ? '' : `, code ${code}`}`
  return reason === undefined ? head : `${head}: ${reason}`
}
