// What the calls of a period come to, whichever source they are read from.
import { isAnswerable, isFault, type Outcome } from '../../observe/outcome.ts'
import { CallTimes, type TimedCall } from '../../ledger/call-times.ts'
import { MinuteCounts, NamedCounts } from './counts.ts'

/** How a call has ended, and which one it was. */
interface CallEnd {
  readonly client: string
  readonly model: string | null
  /** The model that answered in its place. */
  readonly fallback: string | null
  readonly provider: string | null
  readonly outcome: Outcome
  readonly code: string | null
  /** In the provider's or the gateway's words. */
  readonly reason: string | null
}

/** A call that has ended. */
export interface TalliedCall extends CallEnd, TimedCall {
  readonly atMs: number
}

/** Calls that have ended in the same way. */
export interface TalliedCalls extends CallEnd {
  readonly calls: number
  /** When the last one ended. */
  readonly lastMs: number
  /** The start of the time that they ended in, in milliseconds since 1970. */
  readonly startMs: number
  /** How many ended in each minute from there on: a minute, from 0 on, before each count. */
  readonly minutes: readonly number[]
  /** Of those that succeeded, as `CallTimes` reads them. */
  readonly times: Uint8Array
}

export interface Failure {
  readonly provider: string | null
  readonly outcome: Outcome
  readonly code: string | null
  count: number
  lastMs: number
  reason: string | null
}

export interface ModelSpeed {
  readonly model: string
  readonly calls: number
  /** Of streams, in milliseconds; null where there were none. */
  readonly firstP50Ms: number | null
  readonly firstP90Ms: number | null
  readonly firstP95Ms: number | null
  readonly tokensPerSecond: number | null
  readonly waitP90Ms: number
}

/** Groups of failures that are told apart: providers choose their codes. Those of all others are counted as `others`. */
const maxFailures = 1_000

/** Names are separated by it; none has a line break. */
const separator = '\n'

export class CallTally {
  readonly #outcomes = new NamedCounts()
  readonly #failures = new Map<string, Failure>()
  readonly #speeds = new Map<string, CallTimes>()
  readonly #limited = new NamedCounts()
  readonly #fallbacks = new NamedCounts()
  /** By model: calls that a provider answered, or should have, and those of them that failed. */
  readonly answered = new MinuteCounts()
  readonly failed = new MinuteCounts()
  readonly noTarget = new MinuteCounts()
  readonly limited = new MinuteCounts()
  /** By provider. */
  readonly ofProvider = new MinuteCounts()
  readonly authRefused = new MinuteCounts()
  readonly billingRefused = new MinuteCounts()
  readonly rateLimited = new MinuteCounts()

  add(call: TalliedCall): void {
    this.#count(call, { calls: 1, lastMs: call.atMs, startMs: call.atMs, minutes: oneNow })
    if (call.outcome === 'ok') this.#timesOf(call).add(call)
  }

  addAll(calls: TalliedCalls): void {
    this.#count(calls, calls)
    if (calls.outcome === 'ok') this.#timesOf(calls).addEncoded(calls.times)
  }

  #count(
    end: CallEnd,
    { calls, lastMs, startMs, minutes }: Pick<TalliedCalls, 'calls' | 'lastMs' | 'startMs' | 'minutes'>,
  ): void {
    const { model, fallback, provider, outcome } = end
    const name = answeredBy(end)
    const count = (counts: MinuteCounts, subject: string) => counts.addMinutes(subject, startMs, minutes)
    this.#outcomes.add(outcome, calls)
    if (fallback !== null && model !== null) this.#fallbacks.add(`${model}${separator}${fallback}`, calls)
    if (provider !== null) count(this.ofProvider, provider)
    if (isAnswerable(outcome)) count(this.answered, name)
    if (outcome === 'limited') {
      this.#limited.add(`${model ?? '-'}${separator}${end.client}`, calls)
      count(this.limited, model ?? '-')
    }
    if (outcome === 'ok' || outcome === 'limited' || outcome === 'client_gone') return
    this.#addFailure(end, calls, lastMs)
    if (isFault(outcome)) count(this.failed, name)
    if (outcome === 'no_target') count(this.noTarget, name)
    if (provider === null) return
    if (outcome === 'provider_auth') count(this.authRefused, provider)
    if (outcome === 'provider_billing') count(this.billingRefused, provider)
    if (outcome === 'provider_limited') count(this.rateLimited, provider)
  }

  get calls(): number {
    return this.#outcomes.total
  }

  get failures(): number {
    return this.outcomes().reduce((sum, [outcome, count]) => sum + (isFault(outcome) ? count : 0), 0)
  }

  outcomes(): (readonly [outcome: Outcome, count: number])[] {
    return this.#outcomes.sorted() as [Outcome, number][]
  }

  /** By provider, outcome and code; the most first. */
  failureGroups(): Failure[] {
    return [...this.#failures.values()].toSorted(
      (one, other) => other.count - one.count || other.lastMs - one.lastMs,
    )
  }

  /** Calls that ran into a limit; the most first. */
  limitHits(): { readonly model: string; readonly client: string; readonly calls: number }[] {
    return this.#limited.sorted().map(([names, calls]) => {
      const [model = '-', client = '-'] = names.split(separator)
      return { model, client, calls }
    })
  }

  fallbacks(): { readonly model: string; readonly fallback: string; readonly calls: number }[] {
    return this.#fallbacks.sorted().map(([names, calls]) => {
      const [model = '-', fallback = '-'] = names.split(separator)
      return { model, fallback, calls }
    })
  }

  /** The slowest first. */
  speeds(): ModelSpeed[] {
    const speeds = [...this.#speeds].map(([model, times]) => ({
      model,
      calls: times.calls,
      firstP50Ms: times.firstMs(0.5) ?? null,
      firstP90Ms: times.firstMs(0.9) ?? null,
      firstP95Ms: times.firstMs(0.95) ?? null,
      tokensPerSecond: times.tokensPerSecond(0.5) ?? null,
      waitP90Ms: times.waitMs(0.9) ?? 0,
    }))
    return speeds.toSorted((one, other) => (other.firstP95Ms ?? -1) - (one.firstP95Ms ?? -1))
  }

  #addFailure({ outcome, reason, ...call }: CallEnd, calls: number, lastMs: number): void {
    const keyOf = (provider: string | null, code: string | null) =>
      [provider ?? '', outcome, code ?? ''].join(separator)
    let { provider, code } = call
    if (this.#failures.size >= maxFailures && !this.#failures.has(keyOf(provider, code))) {
      provider = null
      code = 'others'
    }
    const key = keyOf(provider, code)
    const known = this.#failures.get(key)
    if (known === undefined) {
      this.#failures.set(key, { provider, outcome, code, count: calls, lastMs, reason })
      return
    }
    known.count += calls
    if (lastMs < known.lastMs) return
    known.lastMs = lastMs
    known.reason = reason ?? known.reason
  }

  #timesOf(end: CallEnd): CallTimes {
    const model = answeredBy(end)
    let times = this.#speeds.get(model)
    if (times === undefined) {
      times = new CallTimes()
      this.#speeds.set(model, times)
    }
    return times
  }
}

/** A single call. */
const oneNow = [0, 1] as const

function answeredBy({ fallback, model }: CallEnd): string {
  return fallback ?? model ?? '-'
}
