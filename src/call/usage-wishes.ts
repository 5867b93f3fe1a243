// Which providers need not be asked for usage, as their responses have shown: they refuse the request, or report it anyway.
import type { ProviderDialect } from '../dialects/dialect.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'

/** After this a provider is asked again: it may be another program by then. */
const memoryMs = 3_600_000

export class UsageWishes {
  /** Name → when asking was last useless, in milliseconds of the monotonic clock. */
  readonly #uselessAtMs = new Map<string, number>()

  isUseless(provider: string, nowMs: number): boolean {
    const uselessAtMs = this.#uselessAtMs.get(provider)
    return uselessAtMs !== undefined && nowMs - uselessAtMs <= memoryMs
  }

  /** To be called once a refused request was accepted without asking for usage, or usage was reported unasked. */
  rememberUseless(provider: string, nowMs: number): void {
    this.#uselessAtMs.set(provider, nowMs)
  }
}

/**
 * Whether the provider may have refused because it was asked for usage. An error can quote the client's own words, so
 * only the same request without asking for usage proves it. Otherwise any client could turn a provider's usage off with
 * a bad request.
 */
export function isUsageRefusal(outcome: AttemptOutcome, { mayRefuseUsage }: ProviderDialect): boolean {
  return outcome.kind === 'refused' && mayRefuseUsage(outcome.head, outcome.body)
}
