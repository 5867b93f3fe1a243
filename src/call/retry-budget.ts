// How often one call may ask a model's targets again.
import type { Target } from '../domain.ts'
import type { Provider } from '../upstream/provider.ts'
import type { Failure } from './failures.ts'

/** `routing.retries` for all targets of the model together. A server that loads its model may be retried freely for a while. */
export class RetryBudget {
  #left: number
  readonly #failures: ReadonlyMap<Target, Failure>
  readonly #providers: ReadonlyMap<string, Provider>
  readonly #now: () => number
  readonly #startedAtMs: number

  /**
   * To be created when the first attempt begins.
   * @param failures of this call; read anew each time.
   */
  constructor(
    retries: number,
    failures: ReadonlyMap<Target, Failure>,
    { providers, now }: { readonly providers: ReadonlyMap<string, Provider>; readonly now: () => number },
  ) {
    this.#left = retries
    this.#failures = failures
    this.#providers = providers
    this.#now = now
    this.#startedAtMs = now()
  }

  /** Whether a target that has failed may be asked again. */
  mayRetry(target: Target): boolean {
    return this.#left > 0 || this.#isLoading(target)
  }

  /** Counts the next attempt, at this target; its first one is not a retry. */
  spend(target: Target): void {
    if (this.#failures.has(target) && !this.#isLoading(target)) this.#left -= 1
  }

  /** Loading a model is not a failure, for as long as a first byte may take. */
  #isLoading(target: Target): boolean {
    if (this.#failures.get(target)?.decision.failureKind !== 'loading') return false
    const firstByteMs = this.#providers.get(target.provider)?.timeouts.firstByteMs ?? 0
    return firstByteMs === 0 || this.#now() - this.#startedAtMs < firstByteMs
  }
}
