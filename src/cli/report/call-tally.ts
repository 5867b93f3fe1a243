// What the calls of a period come to, whichever source they are read from.
import { isAnswerable, isFault, type Outcome } from '../../observe/outcome.ts'
import { percentile } from '../../platform/percentile.ts'
import { MinuteCounts, NamedCounts } from './counts.ts'

/** A call that has ended. */
export interface TalliedCall {
  readonly atMs: number
  readonly client: string
  readonly model: string | null
  /** The model that answered in its place. */
  readonly fallback: string | null
  readonly provider: string | null
  readonly outcome: Outcome
  readonly code: string | null
  /** In the provider's or the gateway's words. */
  readonly reason: string | null
  readonly isStream: boolean
  /** In line. */
  readonly waitMs: number
  readonly firstMs: number | null
  readonly durationMs: number
  readonly outputTokens: number
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

interface Speeds {
  readonly first: number[]
  readonly rates: number[]
  readonly waits: number[]
}

export class CallTally {
  readonly #outcomes = new NamedCounts()
  readonly #failures = new Map<string, Failure>()
  readonly #speeds = new Map<string, Speeds>()
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
    const { atMs, model, fallback, provider, outcome } = call
    const name = fallback ?? model ?? '-'
    this.#outcomes.add(outcome)
    if (fallback !== null && model !== null) this.#fallbacks.add(`${model}${separator}${fallback}`)
    if (provider !== null) this.ofProvider.add(provider, atMs)
    if (isAnswerable(outcome)) this.answered.add(name, atMs)
    if (outcome === 'ok') this.#addSpeeds(name, call)
    if (outcome === 'limited') {
      this.#limited.add(`${model ?? '-'}${separator}${call.client}`)
      this.limited.add(model ?? '-', atMs)
    }
    if (outcome === 'ok' || outcome === 'limited' || outcome === 'client_gone') return
    this.#addFailure(call)
    if (isFault(outcome)) this.failed.add(name, atMs)
    if (outcome === 'no_target') this.noTarget.add(name, atMs)
    if (provider === null) return
    if (outcome === 'provider_auth') this.authRefused.add(provider, atMs)
    if (outcome === 'provider_billing') this.billingRefused.add(provider, atMs)
    if (outcome === 'provider_limited') this.rateLimited.add(provider, atMs)
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
    const speeds = [...this.#speeds].map(([model, { first, rates, waits }]) => {
      const [sortedFirst, sortedRates, sortedWaits] = [first, rates, waits].map((values) =>
        Float64Array.from(values).sort(),
      ) as [Float64Array, Float64Array, Float64Array]
      return {
        model,
        calls: waits.length,
        firstP50Ms: percentile(sortedFirst, 0.5) ?? null,
        firstP90Ms: percentile(sortedFirst, 0.9) ?? null,
        firstP95Ms: percentile(sortedFirst, 0.95) ?? null,
        tokensPerSecond: percentile(sortedRates, 0.5) ?? null,
        waitP90Ms: percentile(sortedWaits, 0.9) ?? 0,
      }
    })
    return speeds.toSorted((one, other) => (other.firstP95Ms ?? -1) - (one.firstP95Ms ?? -1))
  }

  #addFailure({ outcome, atMs, reason, ...call }: TalliedCall): void {
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
      this.#failures.set(key, { provider, outcome, code, count: 1, lastMs: atMs, reason })
      return
    }
    known.count += 1
    if (atMs < known.lastMs) return
    known.lastMs = atMs
    known.reason = reason ?? known.reason
  }

  #addSpeeds(model: string, { isStream, firstMs, durationMs, waitMs, outputTokens }: TalliedCall): void {
    let speeds = this.#speeds.get(model)
    if (speeds === undefined) {
      speeds = { first: [], rates: [], waits: [] }
      this.#speeds.set(model, speeds)
    }
    speeds.waits.push(waitMs)
    if (!isStream || firstMs === null) return
    speeds.first.push(firstMs)
    // The first token starts the time of the others.
    if (outputTokens > 1 && durationMs > firstMs)
      speeds.rates.push(((outputTokens - 1) * 1000) / (durationMs - firstMs))
  }
}
