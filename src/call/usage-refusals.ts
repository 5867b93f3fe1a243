// Which providers do not take `stream_options`, learnt from their refusals.
import type { Provider } from '../upstream/provider.ts'
import type { AttemptOutcome } from './answer.ts'

/** After this a provider is asked again: it may have been updated. */
const memoryMs = 3_600_000

export class UsageRefusals {
  /** Name → when it refused, in milliseconds of the monotonic clock. */
  readonly #refusedAtMs = new Map<string, number>()

  mayAsk({ name, includeUsage }: Provider, nowMs: number): boolean {
    if (includeUsage !== 'auto') return includeUsage === 'always'
    const refusedAtMs = this.#refusedAtMs.get(name)
    return refusedAtMs === undefined || nowMs - refusedAtMs > memoryMs
  }

  /** True, and remembered, if the provider refused because it was asked for usage. */
  learn(outcome: AttemptOutcome, { name }: Provider, nowMs: number): boolean {
    if (outcome.kind !== 'refused') return false
    const { head, body } = outcome
    const isRefusal = (head.status === 400 || head.status === 422) && body.includes('stream_options')
    if (isRefusal) this.#refusedAtMs.set(name, nowMs)
    return isRefusal
  }
}
