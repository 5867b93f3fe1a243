// Which calls have their prompts counted by the server that answers them, so that estimates are right before the first answers
// end, and where a server reports no usage.
import type { Target } from '../domain.ts'
import type { ServerFacts } from '../routing/server-facts.ts'
import type { PromptToCount } from './coordinator.ts'

/** Of so many calls of a model at a provider, one is counted: the first. */
const oneOf = 50

/** Longer prompts take a server too long to count, and images are long. */
const maxTextBytes = 60_000

/** A server that fails to count is not asked for so long. */
const pauseMs = 3_600_000

export class CountedPrompts {
  /** Provider → model → calls since the one that was counted. */
  readonly #calls = new Map<string, Map<string, number>>()
  readonly #pausedUntilMs = new Map<string, number>()

  /** Takes note of a call. @returns whether it is to be counted. */
  isNext({ provider, model, size }: PromptToCount, nowMs: number): boolean {
    if (size.textBytes > maxTextBytes || size.mediaCount > 0) return false
    const untilMs = this.#pausedUntilMs.get(provider)
    if (untilMs !== undefined && nowMs < untilMs) return false
    let ofModels = this.#calls.get(provider)
    if (ofModels === undefined) {
      ofModels = new Map()
      this.#calls.set(provider, ofModels)
    }
    const calls = ofModels.get(model) ?? 0
    ofModels.set(model, (calls + 1) % oneOf)
    return calls === 0
  }

  /** A server has failed to count. */
  pause(provider: string, nowMs: number): void {
    this.#pausedUntilMs.set(provider, nowMs + pauseMs)
  }

  /** Another server is at the provider's place. */
  forget(provider: string): void {
    this.#calls.delete(provider)
    this.#pausedUntilMs.delete(provider)
  }
}

/** As far as is known: a count must not wake a server, nor load a model. */
export function isAwake(facts: ServerFacts, { provider, model }: Target): boolean {
  return !facts.isSleeping(provider) && (facts.modelOf(provider, model).state ?? 'loaded') === 'loaded'
}
