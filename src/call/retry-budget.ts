// How often one call may ask a model's targets again.
import type { Target } from '../domain.ts'
import type { Provider } from '../upstream/provider.ts'
import type { Failure } from './failures.ts'

interface RetryBudgetParts {
  /** `routing.retries`. */
  readonly retries: number
  /** How long a local server that refuses connections is waited for; 0: not at all. */
  readonly restartWaitMs: number
  /** Of this call; read anew at each question. */
  readonly failures: ReadonlyMap<Target, Failure>
  readonly providers: ReadonlyMap<string, Provider>
  readonly now: () => number
  /** When the call's first attempt at the model began. */
  readonly startedAtMs: number
}

/** `routing.retries` for all targets of the model together. A server that is about to be up is free for a while. */
export class RetryBudget {
  #left: number
  readonly #parts: RetryBudgetParts

  constructor(parts: RetryBudgetParts) {
    this.#left = parts.retries
    this.#parts = parts
  }

  /** Whether a target that has failed may be asked again. */
  mayRetry(target: Target): boolean {
    return this.#left > 0 || this.isStarting(target)
  }

  /** Counts the next attempt, at this target; its first one is not a retry. */
  spend(target: Target): void {
    if (this.#parts.failures.has(target) && !this.isStarting(target)) this.#left -= 1
  }

  /** Loading a model is not a failure, for as long as a first byte may take; nor is a restart, for a few seconds. */
  isStarting(target: Target): boolean {
    const { failures, providers, restartWaitMs, now, startedAtMs } = this.#parts
    const failure = failures.get(target)
    const provider = providers.get(target.provider)
    if (failure === undefined || provider === undefined) return false
    const passedMs = now() - startedAtMs
    if (failure.refusedConnection) return provider.isLocal && passedMs < restartWaitMs
    if (failure.decision.failureKind !== 'loading') return false
    const { firstByteMs } = provider.timeouts
    return firstByteMs === 0 || passedMs < firstByteMs
  }
}
