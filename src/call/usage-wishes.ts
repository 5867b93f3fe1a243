// Which providers need not be asked for usage, as their responses have shown: they refuse the request, or report it anyway.
import type { ProviderDialect } from '../dialects/dialect.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'

/** After this a provider is asked again: it may be another program by then. */
const memoryMs = 3_600_000

/** `refused`: a refused request was accepted without the request for usage. `unneeded`: usage was reported unasked. */
export type UselessWish = 'refused' | 'unneeded'

export class UsageWishes {
  /** Name → why asking was useless, and when it last was, in milliseconds of the monotonic clock. */
  readonly #useless = new Map<string, { readonly why: UselessWish; readonly atMs: number }>()

  /** Why asking is useless; undefined: it is not known to be. */
  uselessWishOf(provider: string, nowMs: number): UselessWish | undefined {
    const useless = this.#useless.get(provider)
    return useless !== undefined && nowMs - useless.atMs <= memoryMs ? useless.why : undefined
  }

  rememberUseless(provider: string, why: UselessWish, nowMs: number): void {
    // A server may do both: that it reports usage unasked does not make it accept the request.
    if (why === 'unneeded' && this.uselessWishOf(provider, nowMs) === 'refused') return
    this.#useless.set(provider, { why, atMs: nowMs })
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
