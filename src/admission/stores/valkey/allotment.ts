// How much of one scope's limits this gateway may use: its part of the protocol of exchange.lua, without clock or connection.
//
// It never uses more than it holds while its lease is valid, lowers what it holds by itself (never below what it uses) before it
// says so, and raises it by the server's word alone. So all gateways together never hold more than the limit, and what each has
// used in any window is at most what it holds.
import { type Agreed, type DimensionReply, type DimensionState, type Exchange, leaseMs } from './exchange.ts'

/** A limit that is shared. */
export interface SharedLimit {
  /** Undefined: there is none. */
  readonly limit: number | undefined
  readonly lingerMs: number
}

/** What this gateway uses of a scope. */
export interface Use {
  /** In the order of the limits. */
  readonly used: readonly number[]
  /** As `Exchange.nextMs`. */
  readonly nextMs: number | undefined
}

/** More of each limit, in their order. */
export interface Wanted {
  /** What the next call takes. */
  readonly first: readonly number[]
  /** What all calls take that wait. */
  readonly all: readonly number[]
}

const unknown: DimensionReply = { held: 0, others: 0, usedByOthers: 0, keep: Infinity }

/** Of a limit, one gateway takes about so much ahead where several use it: a tenth of a fair part. */
const aheadParts = 10
/** Of what lasts, much less: what lies unused here at the end is spent by nobody. */
const lastingAheadParts = 200

export class Allotment {
  /** Of the server's word last heard, but for `held`. */
  #last: Omit<Agreed, 'dimensions'> & { readonly dimensions: readonly DimensionReply[] }
  #held: number[]
  readonly #isLasting: boolean
  readonly #leaseMs: number
  #leaseUntilMs = -Infinity

  /**
   * @param count of limits.
   * @param isLasting as `SharedScope.isLasting`.
   * @param leaseForMs how long an exchange makes it valid, in milliseconds; the server is told the same.
   */
  constructor(count: number, isLasting = false, leaseForMs: number = leaseMs) {
    this.#isLasting = isLasting
    this.#leaseMs = leaseForMs
    this.#held = Array.from({ length: count }, () => 0)
    this.#last = { kind: 'ok', active: 1, nextMs: undefined, dimensions: this.#held.map(() => unknown) }
  }

  /** Nothing else may be admitted by what is held once this is false. */
  isValid(nowMs: number): boolean {
    return this.#isLasting || nowMs < this.#leaseUntilMs
  }

  /** What may be used while `isValid`, in the order of the limits. */
  get held(): readonly number[] {
    return this.#held
  }

  get agreed(): Agreed {
    return this.#last
  }

  /** Whether others wait for what this gateway holds. */
  get isWanted(): boolean {
    return this.#last.dimensions.some(({ keep }) => keep !== Infinity)
  }

  /** What is left of it when others wait: what is used, and a fair part. */
  kept(used: readonly number[]): readonly number[] {
    return this.#held.map((held, index) =>
      Math.min(held, Math.max(used[index]!, this.#last.dimensions[index]!.keep)),
    )
  }

  /** How much to have ahead of what calls need, so that a busy gateway asks rarely; of a small limit nothing. */
  ahead(limit: number): number {
    return Math.floor(limit / ((this.#isLasting ? lastingAheadParts : aheadParts) * this.#last.active))
  }

  /** Gives back what others wait for, as far as it is not used. @returns whether anything was. */
  yield(used: readonly number[]): boolean {
    return this.#lower((index) => this.#last.dimensions[index]!.keep, used)
  }

  /** Gives back what is neither used nor likely to be used soon. @returns whether anything was. */
  trim(used: readonly number[], limits: readonly SharedLimit[]): boolean {
    return this.#lower((index) => used[index]! + 2 * this.ahead(limits[index]!.limit ?? 0), used)
  }

  /** Gives back all that is not used. @returns whether anything was. */
  release(used: readonly number[]): boolean {
    return this.#lower(() => 0, used)
  }

  /** What to tell the server. @param wanted undefined: nothing more is. */
  state(
    used: readonly number[],
    limits: readonly SharedLimit[],
    wanted: Wanted | undefined,
    nowMs: number,
  ): Exchange['dimensions'] {
    // The server may have given it to others; what was used is a fact.
    if (!this.isValid(nowMs)) this.release(used)
    return limits.map(({ limit, lingerMs }, index): DimensionState => {
      const held = Math.max(this.#held[index]!, used[index]!)
      const lacks = (amount: number) => (limit === undefined ? 0 : Math.max(0, used[index]! + amount - held))
      const needed = lacks(wanted?.first[index] ?? 0)
      // Who needs nothing of a limit takes nothing ahead of it either.
      const more = needed === 0 ? 0 : lacks(wanted!.all[index]!) + this.ahead(limit!)
      return { limit, lingerMs, held, used: used[index]!, wanted: more, needed }
    })
  }

  /** @param sentMs when the exchange was sent that this replies to. No other may have been sent since. */
  agree(agreed: Agreed, sentMs: number): void {
    this.#last = agreed
    this.#held = agreed.dimensions.map(({ held }) => held)
    this.#leaseUntilMs = sentMs + this.#leaseMs
  }

  /** From now on nothing that is held is valid: time has passed that the clock did not show. */
  expire(): void {
    this.#leaseUntilMs = -Infinity
  }

  #lower(most: (index: number) => number, used: readonly number[]): boolean {
    let hasLowered = false
    this.#held = this.#held.map((held, index) => {
      const kept = Math.min(held, Math.max(used[index]!, most(index)))
      hasLowered ||= kept < held
      return kept
    })
    return hasLowered
  }
}
