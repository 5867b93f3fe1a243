// Which calls have their prompts counted by the server that answers them, so that estimates are right before the first answers
// end, and where a server reports no usage.
import type { Calibration } from '../admission/estimate.ts'
import type { Target } from '../domain.ts'
import type { ServerFacts } from '../routing/server-facts.ts'
import { type CountingKind, isCountingKind } from '../upstream/providers/prompt-count.ts'
import type { AdmissionRequest, PromptToCount } from './coordinator.ts'

/** Of so many calls of a model at a provider, one is counted: the first. */
const oneOf = 50

/** Longer prompts take a server too long to count, and images are long. */
const maxTextBytes = 60_000

/** A server that fails to count is not asked for so long. */
const pauseMs = 3_600_000

interface CountedPromptsParts {
  readonly serverFacts: Pick<ServerFacts, 'isSleeping' | 'modelOf'>
  readonly calibration: Pick<Calibration, 'learnPrompt'>
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

export class CountedPrompts {
  readonly #parts: CountedPromptsParts
  readonly #kinds = new Map<string, CountingKind>()
  /** Provider → model → calls since the one that was counted. */
  readonly #calls = new Map<string, Map<string, number>>()
  readonly #pausedUntilMs = new Map<string, number>()

  constructor(parts: CountedPromptsParts) {
    this.#parts = parts
  }

  /** @param kind of a local server; undefined: it is not local. */
  setProvider(name: string, kind: string | undefined): void {
    if (kind !== undefined && isCountingKind(kind)) this.#kinds.set(name, kind)
    else this.#kinds.delete(name)
  }

  /** Another server is at the provider's place. */
  forget(provider: string): void {
    this.#calls.delete(provider)
    this.#pausedUntilMs.delete(provider)
  }

  /**
   * Takes note of a call that begins at this target. A count must not wake a server, nor load a model, as far as that is known.
   * @returns how its prompt is to be counted; undefined: it is not.
   */
  countsAsOf({ model, size }: AdmissionRequest, target: Target): CountingKind | undefined {
    const { provider } = target
    const kind = this.#kinds.get(provider)
    if (kind === undefined || size.textBytes > maxTextBytes || size.mediaCount > 0) return undefined
    const { serverFacts, now } = this.#parts
    const { state = 'loaded' } = serverFacts.modelOf(provider, target.model)
    if (state !== 'loaded' || serverFacts.isSleeping(provider)) return undefined
    if (now() < (this.#pausedUntilMs.get(provider) ?? -Infinity)) return undefined
    return this.#isNext(provider, model) ? kind : undefined
  }

  /** Takes what a server has counted; undefined: it has failed to. */
  take({ model, provider, size }: PromptToCount, tokens: number | undefined): void {
    const { calibration, now } = this.#parts
    if (tokens === undefined) this.#pausedUntilMs.set(provider, now() + pauseMs)
    else calibration.learnPrompt(model, provider, size, tokens)
  }

  #isNext(provider: string, model: string): boolean {
    let ofModels = this.#calls.get(provider)
    if (ofModels === undefined) {
      ofModels = new Map()
      this.#calls.set(provider, ofModels)
    }
    const calls = ofModels.get(model) ?? 0
    ofModels.set(model, (calls + 1) % oneOf)
    return calls === 0
  }
}
