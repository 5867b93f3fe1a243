// What placing calls has to remember: whose turn it is among targets that are equally busy, and which server began a
// conversation and so has it cached. A restart forgets it.

/**
 * Why a call went to its first target. `only`: no other one of its tier was ready. `cached`: the conversation's cache is there.
 * `least_busy`: by its weight. `turn`: its turn among equally busy ones. `cooling`: none was ready, and this one is soonest.
 * `free_slot`: better ones had no slot.
 */
export type PlacementReason = 'only' | 'cached' | 'least_busy' | 'turn' | 'cooling' | 'free_slot'

/** How much a target is owed: positive if it got fewer calls than its weight entitles it to. */
type Credits = number[]

/** A choice that was made by turns. */
export interface Turn {
  readonly credits: Credits
  /** The targets that were equally busy, by their position among the model's. */
  readonly equals: readonly { readonly index: number; readonly weight: number }[]
  readonly chosen: number
}

/** Beyond this many, the conversations that have not called for the longest time are forgotten. */
const maxHomes = 10_000

export class Placement {
  /** By model or wildcard. */
  readonly #credits = new Map<string, Credits>()
  /** Conversation → target, the most recently used last. */
  readonly #homes = new Map<string, string>()

  /** What the targets of a model are owed, by position. Bounded by the file: discovered models have one target each. */
  creditsOf(model: string, targets: number): Readonly<Credits> {
    return this.#creditsOf(model, targets)
  }

  /**
   * Counts a call: each of the equals earns its weight, and the chosen one pays for all. So every run of calls comes within
   * one call of the weights, and those of one target are spread (smooth weighted round robin,
   * https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1).
   */
  take(model: string, { equals, chosen }: Omit<Turn, 'credits'>, targets: number): Turn {
    const turn = { credits: this.#creditsOf(model, targets), equals, chosen }
    count(turn, 1)
    return turn
  }

  /** Takes a choice back: the call was not admitted. */
  giveBack(turn: Turn): void {
    count(turn, -1)
  }

  /** @returns the key of the target at which a conversation is at home. */
  homeOf(conversation: string): string | undefined {
    const home = this.#homes.get(conversation)
    if (home !== undefined) this.setHome(conversation, home)
    return home
  }

  setHome(conversation: string, target: string): void {
    this.#homes.delete(conversation)
    this.#homes.set(conversation, target)
    if (this.#homes.size > maxHomes) this.#homes.delete(this.#homes.keys().next().value!)
  }

  /** Begins the turns anew, for a configuration that may have other targets and weights. */
  forgetTurns(): void {
    this.#credits.clear()
  }

  #creditsOf(model: string, targets: number): Credits {
    const known = this.#credits.get(model)
    if (known?.length === targets) return known
    const credits = Array.from({ length: targets }, () => 0)
    this.#credits.set(model, credits)
    return credits
  }
}

function count({ credits, equals, chosen }: Turn, sign: 1 | -1): void {
  for (const { index, weight } of equals) {
    credits[index]! += sign * weight
    credits[chosen]! -= sign * weight
  }
}
