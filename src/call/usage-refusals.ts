// Which providers refuse to be asked for usage, learnt from their refusals.
import type { ProviderDialect } from '../dialects/dialect.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'

/** After this a provider is asked again: it may have been updated. */
const memoryMs = 3_600_000

export class UsageRefusals {
  /** Name → when it refused, in milliseconds of the monotonic clock. */
  readonly #refusedAtMs = new Map<string, number>()

  has(provider: string, nowMs: number): boolean {
    const refusedAtMs = this.#refusedAtMs.get(provider)
    return refusedAtMs !== undefined && nowMs - refusedAtMs <= memoryMs
  }

  /** To be called once the same request has passed without the wish. */
  remember(provider: string, nowMs: number): void {
    this.#refusedAtMs.set(provider, nowMs)
  }
}

/**
 * Whether the provider may have refused because it was asked for usage. An error can quote the client's own words, so
 * only the request without the wish shows it; or any client could turn a provider's usage off with a bad request.
 */
export function isUsageRefusal(outcome: AttemptOutcome, { mayRefuseUsage }: ProviderDialect): boolean {
  return outcome.kind === 'refused' && mayRefuseUsage(outcome.head, outcome.body)
}
