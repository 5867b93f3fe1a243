// Admission's counters of a gateway that shares its limits with others. What this gateway uses is counted in its own memory,
// exactly; how much of each shared limit it may use, it agrees on with the others (allotments.ts). A call that fits into what
// is held is admitted at once, without a question to the server.
import type { LimitStatus, Quota } from '../../../domain.ts'
import type { Charge } from '../../outcome.ts'
import { noLimitStatus } from '../../scope-counter.ts'
import type { Scope, ScopeLimits } from '../../scopes.ts'
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
import { type Allotments, recheckMs, type SharedScope, type WhenUnavailable } from './allotments.ts'

export interface ValkeyStoreParts {
  readonly allotments: Allotments
  /** Names a scope in the server; undefined: it is of this machine alone. */
  readonly keyOf: (scope: Scope) => string | undefined
  readonly whenUnavailable: WhenUnavailable
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

/** A scope whose limits are shared, as this gateway's memory sees it. */
interface Shared extends SharedScope {
  readonly scope: Scope
  /** The scope with what this gateway may use for its limits; another object when that changes. */
  own: Scope
}

/** Questions to the server for one call; the last answer may have gone to another call each time. */
const maxQuestions = 4

export class ValkeyStore implements AdmissionStore {
  onFreed: (() => void) | undefined
  readonly #parts: ValkeyStoreParts
  readonly #memory = new MemoryStore()
  /** By the limits' object, which a change replaces. */
  readonly #shared = new WeakMap<ScopeLimits, Map<string, Shared | undefined>>()

  constructor(parts: ValkeyStoreParts) {
    this.#parts = parts
    this.#memory.onFreed = () => {
      this.onFreed?.()
      parts.allotments.settled()
    }
  }

  reserve(demand: Demand, nowMs: number): Reserved | Refusal | Promise<Reserved | Refusal> {
    const tooLarge = this.#tooLarge(demand, nowMs)
    if (tooLarge !== undefined) return tooLarge
    const result = this.#reserve(demand, nowMs)
    if (result.kind === 'admitted') return result
    const lacking = this.#lacking(demand, nowMs)
    return lacking.length === 0 ? this.#refusal(demand, result, nowMs) : this.#ask(demand)
  }

  probe(demand: Demand, nowMs: number): Refusal | undefined {
    const tooLarge = this.#tooLarge(demand, nowMs)
    if (tooLarge !== undefined) return tooLarge
    const refusal = this.#memory.probe(this.#ownDemand(demand), nowMs)
    return refusal && this.#refusal(demand, refusal, nowMs)
  }

  grow(reservation: Reservation, tokens: number, nowMs: number): void {
    this.#memory.grow(reservation, tokens, nowMs)
  }

  settle(reservation: Reservation, charge: Charge, nowMs: number): void {
    this.#memory.settle(reservation, charge, nowMs)
  }

  move(reservation: Reservation, oneOf: readonly Scope[], nowMs: number): boolean | Promise<boolean> {
    const move = (atMs: number) =>
      this.#memory.move(
        reservation,
        oneOf.map((scope) => this.#ownOf(scope)),
        atMs,
      )
    if (move(nowMs)) return true
    const { allotments, now } = this.#parts
    const demand = { scopes: [], oneOf, tokens: reservation.tokens, minTokens: 0 }
    const lacking = this.#lacking(demand, nowMs)
    if (lacking.length === 0) return false
    return Promise.all(lacking.map((shared) => allotments.ask(shared, amountsOf(demand)))).then(() =>
      move(now()),
    )
  }

  use(scope: Scope, nowMs: number): ScopeUse | Promise<ScopeUse> {
    const shared = this.#sharedOf(scope)
    if (shared === undefined) return this.#memory.use(scope, nowMs)
    return this.#parts.allotments.look(shared).then(() => this.#useOfAll(shared, this.#parts.now()))
  }

  /** With what the other gateways use, as last heard. */
  #useOfAll(shared: Shared, nowMs: number): ScopeUse {
    const { scope } = shared
    const own = this.#memory.use(scope, nowMs)
    const [requests = 0, tokens = 0, parallel = 0] = this.#others(shared)
    return {
      requests: own.requests + requests,
      tokens: own.tokens + tokens,
      parallel: own.parallel + parallel,
      limitStatus: this.#limitStatus([scope], nowMs),
      nextMs: {
        requests: this.#nextMs(shared, scope.limits.rpm, own.requests + requests, own.nextMs.requests),
        tokens: this.#nextMs(shared, scope.limits.tpm, own.tokens + tokens, own.nextMs.tokens),
      },
    }
  }

  #nextMs(
    shared: Shared,
    limit: number | undefined,
    used: number,
    ownMs: number | undefined,
  ): number | undefined {
    if (limit === undefined) return undefined
    return used < limit
      ? 0
      : Math.min(ownMs === 0 ? Infinity : (ownMs ?? Infinity), this.#othersNextMs(shared))
  }

  /** Asks until the call is admitted or the server has no more to give. */
  async #ask(demand: Demand): Promise<Reserved | Refusal> {
    const { allotments, now } = this.#parts
    for (let count = 0; count < maxQuestions; count++) {
      const lacking = this.#lacking(demand, now())
      await Promise.all(lacking.map((shared) => allotments.ask(shared, amountsOf(demand))))
      const result = this.#reserve(demand, now())
      if (result.kind === 'admitted' || lacking.length === 0) {
        return result.kind === 'admitted' ? result : this.#refusal(demand, result, now())
      }
    }
    const result = this.#reserve(demand, now())
    return result.kind === 'admitted' ? result : this.#refusal(demand, result, now())
  }

  #reserve(demand: Demand, nowMs: number): Reserved | Refusal {
    const result = this.#memory.reserve(this.#ownDemand(demand), nowMs)
    return result.kind === 'admitted'
      ? { ...result, limitStatus: this.#limitStatus(demand.scopes, nowMs) }
      : result
  }

  /** What a call wants of this gateway's memory: all that it asks for, or nothing. */
  #ownDemand(demand: Demand): Demand {
    const tokens = tokensOf(demand)
    return {
      ...demand,
      scopes: demand.scopes.map((scope) => this.#ownOf(scope)),
      oneOf: demand.oneOf.map((scope) => this.#ownOf(scope)),
      tokens,
      minTokens: tokens,
    }
  }

  /** The shared scopes that a call does not fit into, of which there may be more to be had. */
  #lacking(demand: Demand, nowMs: number): Shared[] {
    const { allotments } = this.#parts
    const amounts = amountsOf(demand)
    return [...demand.scopes, ...demand.oneOf].flatMap((scope) => {
      const shared = this.#sharedOf(scope)
      if (shared === undefined) return []
      const ceilings = allotments.ceilings(shared)
      const { requests, tokens, parallel } = this.#memory.use(scope, nowMs)
      const used = [requests, tokens, parallel]
      const fits = amounts.every((amount, index) => used[index]! + amount <= ceilings[index]!)
      return fits || !allotments.mayAsk(shared) ? [] : [shared]
    })
  }

  #tooLarge({ scopes, minTokens }: Demand, nowMs: number): TooLarge | undefined {
    const scope = scopes.find(({ limits: { tpm = Infinity } }) => minTokens > tpm)
    if (scope === undefined) return undefined
    const limitStatus = this.#limitStatus(scopes, nowMs)
    return { kind: 'too_large', scope, limit: scope.limits.tpm!, requested: minTokens, limitStatus }
  }

  /** What the memory refuses with for want of what this gateway holds, in terms of the limits of all. */
  #refusal(demand: Demand, refusal: Refusal, nowMs: number): Refusal {
    const scopes = [...demand.scopes, ...demand.oneOf]
    const scope = scopes.find(({ kind, name }) => kind === refusal.scope.kind && name === refusal.scope.name)!
    const limitStatus = this.#limitStatus(demand.scopes, nowMs)
    const shared = this.#sharedOf(scope)
    // Only of shared scopes the whole of what is held may be too small.
    if (shared === undefined) return { ...refusal, limitStatus }
    const { allotments, whenUnavailable } = this.#parts
    if (whenUnavailable === 'refuse' && allotments.isUnavailable(shared)) {
      return { kind: 'unavailable', scope, limitStatus } satisfies Unavailable
    }
    const dimension = refusal.kind === 'limited' ? refusal.dimension : 'tokens'
    const { rpm, tpm, maxParallelRequests } = scope.limits
    const limit = { requests: rpm, tokens: tpm, parallel: maxParallelRequests }[dimension]!
    const index = { requests: 0, tokens: 1, parallel: 2 }[dimension]
    const used = this.#memory.use(scope, nowMs)[dimension] + (this.#others(shared)[index] ?? 0)
    const ownMs = refusal.kind === 'limited' ? refusal.retryAfterMs : Infinity
    const retryAfterMs = Math.max(1, Math.min(ownMs, this.#othersNextMs(shared), windowMs))
    const requested = dimension === 'tokens' ? demand.tokens : 1
    return {
      kind: 'limited',
      scope,
      dimension,
      limit,
      used,
      requested,
      retryAfterMs,
      recheckMs,
      limitStatus,
    } satisfies Limited
  }

  #limitStatus(scopes: readonly Scope[], nowMs: number): LimitStatus {
    const statuses = scopes.map((scope) => {
      const { limitStatus } = this.#memory.use(scope, nowMs)
      const shared = this.#sharedOf(scope)
      if (shared === undefined) return limitStatus
      const [requests = 0, tokens = 0] = this.#others(shared)
      return { requests: lessBy(limitStatus.requests, requests), tokens: lessBy(limitStatus.tokens, tokens) }
    })
    const [first = noLimitStatus, ...others] = statuses
    if (others.length === 0) return first
    return {
      requests: scarcest(statuses.map(({ requests }) => requests)),
      tokens: scarcest(statuses.map(({ tokens }) => tokens)),
    }
  }

  /** What other gateways use, in the order of the limits, as last heard. */
  #others(shared: Shared): readonly number[] {
    return this.#parts.allotments.lastAgreed(shared)?.dimensions.map(({ usedByOthers }) => usedByOthers) ?? []
  }

  #othersNextMs(shared: Shared): number {
    return this.#parts.allotments.lastAgreed(shared)?.nextMs ?? Infinity
  }

  /** A scope as this gateway's memory is to count it. */
  #ownOf(scope: Scope): Scope {
    const shared = this.#sharedOf(scope)
    if (shared === undefined) return scope
    const [rpm, tpm, parallel] = this.#parts.allotments.ceilings(shared) as [number, number, number]
    const { limits } = shared.own
    const isSame = limits.rpm === finite(rpm) && limits.tpm === finite(tpm)
    if (!isSame || limits.maxParallelRequests !== finite(parallel)) {
      const own: ScopeLimits = {
        ...(rpm !== Infinity && { rpm }),
        ...(tpm !== Infinity && { tpm }),
        maxParallelRequests: finite(parallel),
      }
      shared.own = { ...scope, limits: own }
    }
    return shared.own
  }

  /** Undefined: its limits are this machine's alone, or it has none. */
  #sharedOf(scope: Scope): Shared | undefined {
    let byName = this.#shared.get(scope.limits)
    if (byName === undefined) this.#shared.set(scope.limits, (byName = new Map()))
    const name = `${scope.kind}:${scope.name}`
    if (byName.has(name)) return byName.get(name)
    const shared = this.#share(scope)
    byName.set(name, shared)
    return shared
  }

  #share(scope: Scope): Shared | undefined {
    const { rpm, tpm, maxParallelRequests } = scope.limits
    if (rpm === undefined && tpm === undefined && maxParallelRequests === undefined) return undefined
    const key = this.#parts.keyOf(scope)
    if (key === undefined) return undefined
    const use = () => {
      const { requests, tokens, parallel } = this.#memory.use(scope, this.#parts.now())
      return { used: [requests, tokens, parallel], nextMs: this.#leavesMs(scope, { requests, tokens }) }
    }
    const limits = [
      { limit: rpm, lingerMs: windowMs },
      { limit: tpm, lingerMs: windowMs },
      { limit: maxParallelRequests, lingerMs: 0 },
    ]
    return { key, limits, use, scope, own: { ...scope, limits: { rpm: 0, tpm: 0, maxParallelRequests: 0 } } }
  }

  /** When the first of what is used leaves the window: then one more would fit into a limit of just that. */
  #leavesMs(scope: Scope, used: { readonly requests: number; readonly tokens: number }): number | undefined {
    const limits = { rpm: used.requests, tpm: used.tokens }
    const { nextMs } = this.#memory.use({ ...scope, limits }, this.#parts.now())
    const times = [
      used.requests > 0 ? nextMs.requests : undefined,
      used.tokens > 0 ? nextMs.tokens : undefined,
    ]
    const known = times.filter((each) => each !== undefined)
    return known.length === 0 ? undefined : Math.min(...known)
  }
}

/** What a call reserves: of more than a whole limit, that. */
function tokensOf({ scopes, tokens }: Demand): number {
  return Math.min(tokens, ...scopes.map(({ limits: { tpm = Infinity } }) => tpm))
}

/** What a call takes of each limit of a scope. */
function amountsOf(demand: Demand): number[] {
  return [1, tokensOf(demand), 1]
}

function finite(ceiling: number): number | undefined {
  return ceiling === Infinity ? undefined : ceiling
}

function lessBy(quota: Quota | undefined, used: number): Quota | undefined {
  if (quota === undefined || used === 0) return quota
  return { ...quota, remaining: Math.max(0, quota.remaining - used), resetMs: windowMs }
}

function scarcest(quotas: readonly (Quota | undefined)[]): Quota | undefined {
  const known = quotas.filter((quota) => quota !== undefined)
  return known.toSorted((one, other) => one.remaining - other.remaining)[0]
}
