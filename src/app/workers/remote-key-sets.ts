// A worker's way to the issuers' keys: the main thread's answers, remembered for a while.
import type { FoundKeys, KeySets } from '../../clients/identity/key-set.ts'
import { hasKey } from '../../clients/identity/key-set.ts'

/** An answer is used so long without asking again. */
const rememberedMs = 60_000
/** Between two questions about keys that the answer lacks: the main thread itself asks issuers more rarely. */
const askAgainMs = 1_000

interface Answer {
  readonly found: FoundKeys
  /** By the monotonic clock. */
  readonly atMs: number
}

export interface RemoteKeySetsParts {
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  readonly ask: (url: string, kid: string | undefined) => Promise<FoundKeys>
}

export class RemoteKeySets implements KeySets {
  readonly #parts: RemoteKeySetsParts
  readonly #answers = new Map<string, Answer>()

  constructor(parts: RemoteKeySetsParts) {
    this.#parts = parts
  }

  find(url: string, kid: string | undefined): FoundKeys | Promise<FoundKeys> {
    const answer = this.#answers.get(url)
    if (answer === undefined) return this.#ask(url, kid)
    const { set } = answer.found
    const ageMs = this.#parts.now() - answer.atMs
    const isEnough = set !== undefined && (kid === undefined || hasKey(set, kid))
    return ageMs < (isEnough ? rememberedMs : askAgainMs) ? answer.found : this.#ask(url, kid)
  }

  async #ask(url: string, kid: string | undefined): Promise<FoundKeys> {
    const found = await this.#parts.ask(url, kid)
    this.#answers.set(url, { found, atMs: this.#parts.now() })
    return found
  }
}
