// Admission's counters of a gateway that shares its limits with others. What this gateway uses is counted in its own memory,
// exactly; how much of each shared limit it may use, it agrees on with the others (allotments.ts). A call that fits into what
// is held is admitted at once, without a question to the server.
import type { SetTimer } from '../../../platform/clock.ts'
import type { Charge } from '../../outcome.ts'
import type { Scope } from '../../scopes.ts'
import { windowMs } from '../../sliding-window.ts'
import { MemoryStore } from '../memory.ts'
import type {
  AdmissionStore,
  Demand,
  Limited,
  Refusal,
  Reservation,
  Reserved,
  ScopeUse,
  TooLarge,
  Unavailable,
} from '../store.ts'
import type { WhenUnavailable } from './allotments.ts'
import { recheckMs } from './exchanges.ts'
import { type FreedWait, FreedWaiters } from './freed-waiters.ts'
import { dimensions, type Shared, SharedScopes, type SharedScopesParts } from './shared-scopes.ts'

export interface ValkeyStoreParts extends SharedScopesParts {
  readonly whenUnavailable: WhenUnavailable
  readonly setTimer: SetTimer
}

/**
 * So long others have to give back what they do not use, after the question of a call that would be refused: a free slot stays where
 * it was used last until somebody asks for it. No call waits where the server has lately had nothing.
 */
const patienceMs = 100
/** Questions to the server for one call; the last answer may have gone to another call each time. */
const maxQuestions = 4

export class ValkeyStore implements AdmissionStore {
  onFreed: (() => void) | undefined
  readonly #parts: ValkeyStoreParts
  readonly #memory = new MemoryStore()
  readonly #scopes: SharedScopes
  readonly #waiters: FreedWaiters

  constructor(parts: ValkeyStoreParts) {
    this.#parts = parts
    this.#waiters = new FreedWaiters(parts.setTimer)
    this.#scopes = new SharedScopes(this.#memory, parts)
    this.#memory.onFreed = () => {
      this.onFreed?.()
      parts.allotments.settled()
    }
  }

  /** Others may have given something back. */
  freed(): void {
    this.#waiters.wake()
    this.onFreed?.()
  }

  reserve(demand: Demand, nowMs: number): Reserved | Refusal | Promise<Reserved | Refusal> {
    const tooLarge = this.#tooLarge(demand, nowMs)
    if (tooLarge !== undefined) return tooLarge
    const reserve = (atMs: number) => this.#reserve(demand, atMs)
    if (this.#isPreferredFull(demand)) return this.#ask(demand, reserve, isAdmitted, patienceMs)
    const result = reserve(nowMs)
    if (isAdmitted(result) || !this.#mayAsk(demand)) return result
    return this.#ask(demand, reserve, isAdmitted, patienceMs)
  }

  probe(demand: Demand, nowMs: number): Refusal | undefined | Promise<Refusal | undefined> {
    const tooLarge = this.#tooLarge(demand, nowMs)
    if (tooLarge !== undefined) return tooLarge
    const probe = (atMs: number) => {
      const refusal = this.#memory.probe(this.#ownDemand(demand), atMs)
      return refusal && this.#refusal(demand, refusal, atMs)
    }
    const refusal = probe(nowMs)
    const isAnswer = refusal === undefined || !this.#mayAsk(demand)
    return isAnswer ? refusal : this.#ask(demand, probe, (each) => each === undefined)
  }

  grow(reservation: Reservation, tokens: number, nowMs: number): void {
    this.#memory.grow(reservation, tokens, nowMs)
  }

  settle(reservation: Reservation, charge: Charge, nowMs: number): void {
    this.#memory.settle(reservation, charge, nowMs)
  }

  move(reservation: Reservation, oneOf: readonly Scope[], nowMs: number): boolean | Promise<boolean> {
    const own = oneOf.findIndex(({ name }) => name === reservation.choice?.name)
    // What is behind the one that it holds already is not asked for.
    const wanted = own === -1 ? oneOf : oneOf.slice(0, own)
    const demand = { scopes: [], oneOf: wanted, tokens: reservation.tokens, minTokens: 0 }
    const move = (atMs: number) => {
      const choices = oneOf.map((scope) => this.#scopes.ownOf(scope))
      return this.#memory.move(reservation, choices, atMs)
    }
    if (this.#isPreferredFull(demand)) return this.#ask(demand, move, Boolean)
    return move(nowMs) || (this.#mayAsk(demand) && this.#ask(demand, move, Boolean))
  }

  use(scope: Scope, nowMs: number): ScopeUse | Promise<ScopeUse> {
    const shared = this.#scopes.of(scope)
    if (shared === undefined) return this.#memory.use(scope, nowMs)
    const { allotments, now } = this.#parts
    return allotments.look(shared).then(() => this.#scopes.use(shared, now()))
  }

  /**
   * Asks the server for what is lacking and tries again, until it is done or the server has no more to give.
   * @param waitMs for what others hold.
   */
  async #ask<T>(
    demand: Demand,
    attempt: (nowMs: number) => T,
    isDone: (result: T) => boolean,
    waitMs = 0,
  ): Promise<T> {
    const { allotments, now } = this.#parts
    let wait: FreedWait | undefined
    let questions = 0
    try {
      for (;;) {
        const lacking = this.#lacking(demand)
        await Promise.all(lacking.map((shared) => allotments.ask(shared, amountsOf(demand))))
        const result = attempt(now())
        questions += lacking.length > 0 ? 1 : 0
        if (isDone(result) || questions === maxQuestions) return result
        if (waitMs > 0 && lacking.some((shared) => this.#mayGetFrom(shared, demand))) {
          wait ??= this.#waiters.begin(waitMs)
        }
        // What comes may be of another scope.
        if (wait?.isOver === false) await wait.next()
        else if (lacking.length === 0) return result
      }
    } finally {
      wait?.end()
    }
  }

  /** Whether others hold of a scope what a call lacks. They have last said what they use of it up to two seconds ago. */
  #mayGetFrom(shared: Shared, demand: Demand): boolean {
    const { allotments, now } = this.#parts
    if (allotments.isUnavailable(shared)) return false
    const amounts = amountsOf(demand)
    const ceilings = allotments.ceilings(shared)
    const use = this.#memory.use(shared.scope, now())
    return dimensions.every((each, index) => {
      const lack = use[each] + amounts[index]! - ceilings[index]!
      return lack <= 0 || (this.#scopes.others(shared)[index]?.others ?? 0) >= lack
    })
  }

  #reserve(demand: Demand, nowMs: number): Reserved | Refusal {
    const result = this.#memory.reserve(this.#ownDemand(demand), nowMs)
    if (result.kind !== 'admitted') return this.#refusal(demand, result, nowMs)
    return { ...result, limitStatus: this.#scopes.limitStatus(demand.scopes, nowMs) }
  }

  /** What a call wants of this gateway's memory: all that it asks for, or nothing. */
  #ownDemand(demand: Demand): Demand {
    return this.#demandOf(demand, (scope) => this.#scopes.ownOf(scope))
  }

  #demandOf(demand: Demand, as: (scope: Scope) => Scope): Demand {
    const tokens = tokensOf(demand)
    const { ahead } = demand
    return {
      scopes: demand.scopes.map(as),
      oneOf: demand.oneOf.map(as),
      tokens,
      minTokens: tokens,
      ...(ahead !== undefined && { ahead }),
    }
  }

  /** The server may have more of the preferred one of several, before another one is taken. */
  #isPreferredFull({ scopes, oneOf, tokens }: Demand): boolean {
    const [preferred] = oneOf
    if (preferred === undefined || oneOf.length === 1) return false
    return this.#lacks(preferred, amountsOf({ scopes, tokens })) !== undefined
  }

  #mayAsk(demand: Demand): boolean {
    return this.#lacking(demand).length > 0
  }

  /**
   * The shared scopes that a call does not fit into, of which there may be more to be had: of several, up to the first that fits.
   * None where another scope refuses the call anyway, and first those of its client: what waits in the server for more of a model
   * keeps others from it, and a client must not do that with calls that its own limits refuse.
   */
  #lacking({ scopes, oneOf, tokens }: Pick<Demand, 'scopes' | 'oneOf' | 'tokens'>): Shared[] {
    const amounts = amountsOf({ scopes, tokens })
    const isOfClient = ({ kind }: Scope) => Number(kind === 'client')
    const clientFirst = scopes.toSorted((one, other) => isOfClient(other) - isOfClient(one))
    if (clientFirst.some((scope) => this.#isRefusedBy(scope, { scopes, tokens }))) return []
    const lacking = scopes.map((scope) => this.#lacks(scope, amounts))
    const ofClient = lacking.filter((shared) => shared?.scope.kind === 'client')
    if (ofClient.length > 0) return ofClient.filter((shared) => shared !== undefined)
    for (const scope of oneOf) {
      const shared = this.#scopes.of(scope)
      if (shared !== undefined && this.#scopes.fits(shared, amounts)) break
      lacking.push(this.#lacks(scope, amounts))
    }
    return lacking.filter((shared) => shared !== undefined)
  }

  /** Whether a call does not fit into a scope, of which no more is to be had now. */
  #isRefusedBy(scope: Scope, demand: Pick<Demand, 'scopes' | 'tokens'>): boolean {
    const { allotments, now } = this.#parts
    const shared = this.#scopes.of(scope)
    const amounts = amountsOf(demand)
    if (shared !== undefined) {
      return !this.#scopes.fits(shared, amounts) && !allotments.mayAsk(shared, amounts)
    }
    const tokens = tokensOf(demand)
    return this.#memory.probe({ scopes: [scope], oneOf: [], tokens, minTokens: tokens }, now()) !== undefined
  }

  #lacks(scope: Scope, amounts: readonly number[]): Shared | undefined {
    const shared = this.#scopes.of(scope)
    if (shared === undefined || this.#scopes.fits(shared, amounts)) return undefined
    return this.#parts.allotments.mayAsk(shared, amounts) ? shared : undefined
  }

  #tooLarge({ scopes, minTokens }: Demand, nowMs: number): TooLarge | undefined {
    const scope = scopes.find(({ limits: { tpm = Infinity } }) => minTokens > tpm)
    if (scope === undefined) return undefined
    const limitStatus = this.#scopes.limitStatus(scopes, nowMs)
    return { kind: 'too_large', scope, limit: scope.limits.tpm!, requested: minTokens, limitStatus }
  }

  /** What the memory refuses with for want of what this gateway holds, in terms of the limits of all. */
  #refusal(demand: Demand, first: Refusal, nowMs: number): Limited | Unavailable {
    const scopes = [...demand.scopes, ...demand.oneOf]
    // What is short here may be had of others, and something else not.
    const refusal =
      this.#memory.probe(
        this.#demandOf(demand, (scope) => this.#scopes.roomOf(scope)),
        nowMs,
      ) ?? first
    const scope = scopes.find(({ kind, name }) => kind === refusal.scope.kind && name === refusal.scope.name)!
    const limitStatus = this.#scopes.limitStatus(demand.scopes, nowMs)
    const shared = this.#scopes.of(scope)
    // Only of shared scopes the whole of what is held may be too small.
    if (shared === undefined) return { ...(refusal as Limited), limitStatus }
    const { allotments, whenUnavailable } = this.#parts
    if (whenUnavailable === 'refuse' && allotments.isUnavailable(shared)) {
      return { kind: 'unavailable', scope, limitStatus }
    }
    const dimension = refusal.kind === 'limited' ? refusal.dimension : 'tokens'
    const index = dimensions.indexOf(dimension)
    const isShare = whenUnavailable === 'share' && allotments.isUnavailable(shared)
    const limit = isShare ? allotments.ceilings(shared)[index]! : shared.limits[index]!.limit!
    const takes = amountsOf(demand)[index]!
    // What others hold is not to be had, used or not; and what is promised to somebody is not either.
    const others = isShare ? 0 : (this.#scopes.others(shared)[index]?.others ?? 0)
    const used = Math.max(this.#memory.use(scope, nowMs)[dimension] + others, limit + 1 - takes)
    const ownMs = refusal.kind === 'limited' ? refusal.retryAfterMs : Infinity
    const retryAfterMs = Math.max(1, Math.min(ownMs, this.#scopes.othersNextMs(shared), windowMs))
    const left =
      demand.scopes.includes(scope) && dimension !== 'parallel' ? limitStatus[dimension] : undefined
    const remaining = Math.min(left?.remaining ?? 0, Math.max(0, limit - used))
    return {
      kind: 'limited',
      scope,
      dimension,
      limit,
      used,
      requested: dimension === 'tokens' ? demand.tokens : 1,
      retryAfterMs,
      ...(isShare && { isShare }),
      recheckMs,
      limitStatus: left === undefined ? limitStatus : { ...limitStatus, [dimension]: { ...left, remaining } },
    }
  }
}

function isAdmitted({ kind }: Reserved | Refusal): boolean {
  return kind === 'admitted'
}

/** What a call reserves: of more than a whole limit, that. */
function tokensOf({ scopes, tokens }: Pick<Demand, 'scopes' | 'tokens'>): number {
  return scopes.reduce((least, { limits }) => Math.min(least, limits.tpm ?? Infinity), tokens)
}

/** What a call takes of each limit of a scope. */
function amountsOf(demand: Pick<Demand, 'scopes' | 'tokens'>): number[] {
  return [1, tokensOf(demand), 1]
}
