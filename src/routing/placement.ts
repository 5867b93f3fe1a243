// What placing calls has to remember: whose turn it is among targets that are equally good. A restart forgets it.

/**
 * Why a call went to its first target. `only`: no other one of its tier was ready. `cached`: it has most of the prompt cached.
 * `soonest`: it is expected to answer first. `least_busy`: by its weight. `turn`: its turn among equally good ones.
 * `cooling`: none was ready, and this one is soonest. `free_slot`: better ones had no slot. `fits`: better ones cannot hold it.
 */
export type PlacementReason =
  | 'only'
  | 'cached'
  | 'soonest'
  | 'least_busy'
  | 'turn'
  | 'cooling'
  | 'free_slot'
  | 'fits'
  /** The servers of better ones do not run. */
  | 'running'

/** What was known of a target when a call was placed there. */
export interface Prospect {
  /** Of the prompt: what was expected to be cached. */
  readonly cachedBytes: number
  readonly promptBytes: number
  /** Calls under way at the provider. */
  readonly queue: number
  /** Until the first token. Absent: not known, or the provider is a cloud. */
  readonly expectedMs?: number
}

/** Why a call was placed where it was. Without a prospect: there was no choice, or none by what is cached. */
export interface Placed extends Partial<Prospect> {
  readonly reason: PlacementReason
}

/** How much a target is owed: positive if it got fewer calls than its weight entitles it to. */
type Credits = number[]

/** A choice that was made by turns. */
export interface Turn {
  readonly credits: Credits
  /** The targets that were equally good, by their position among the model's. */
  readonly equals: readonly { readonly index: number; readonly weight: number }[]
  readonly chosen: number
}

export class Placement {
  /** By model or wildcard. */
  readonly #credits = new Map<string, Credits>()

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
