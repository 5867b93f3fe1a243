// Which scopes several gateways share, as this gateway's memory sees them: with what it may use itself in place of their limits, and
// with what the others use.
import type { LimitStatus, Quota } from '../../../domain.ts'
import { noLimitStatus } from '../../scope-counter.ts'
import type { Scope, ScopeLimits } from '../../scopes.ts'
import { windowMs } from '../../sliding-window.ts'
import type { MemoryStore } from '../memory.ts'
import type { ScopeUse } from '../store.ts'
import type { Allotments } from './allotments.ts'
import { type DimensionReply, leaseMs } from './exchange.ts'
import type { SharedScope } from './open-scope.ts'

export interface SharedScopesParts {
  readonly allotments: Allotments
  /** Names a scope in the server; undefined: it is of this machine alone. */
  readonly keyOf: (scope: Scope) => string | undefined
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

/** A scope whose limits are shared, as this gateway's memory sees it. */
export interface Shared extends SharedScope {
  readonly scope: Scope
  /** The scope with what this gateway may use for its limits; another object when that changes. */
  own: Scope
}

/** In the order of the limits of a `SharedScope`. */
export const dimensions = ['requests', 'tokens', 'parallel'] as const

/** Limits may be those of any number of clients: with so many names the names are forgotten, which costs nothing but time. */
const maxNames = 1_000

export class SharedScopes {
  readonly #parts: SharedScopesParts
  readonly #memory: MemoryStore
  /** By the limits' object, which a change replaces. */
  readonly #known = new WeakMap<ScopeLimits, Map<string, Shared | undefined>>()

  constructor(memory: MemoryStore, parts: SharedScopesParts) {
    this.#memory = memory
    this.#parts = parts
  }

  /** Undefined: its limits are this machine's alone, or it has none. */
  of(scope: Scope): Shared | undefined {
    let byName = this.#known.get(scope.limits)
    if (byName === undefined) this.#known.set(scope.limits, (byName = new Map()))
    const known = byName.get(scope.name)
    if (known !== undefined ? known.scope.kind === scope.kind : byName.has(scope.name)) return known
    if (byName.size >= maxNames) byName.clear()
    const shared = this.#share(scope)
    byName.set(scope.name, shared)
    return shared
  }

  /** A scope as this gateway's memory is to count it. */
  ownOf(scope: Scope): Scope {
    const shared = this.of(scope)
    if (shared === undefined) return scope
    const [rpm, tpm, parallel] = this.#parts.allotments.ceilings(shared) as [number, number, number]
    const { limits } = shared.own
    const isSame = (limits.rpm ?? Infinity) === rpm && (limits.tpm ?? Infinity) === tpm
    if (!isSame || (limits.maxParallelRequests ?? Infinity) !== parallel) {
      const own: ScopeLimits = {
        ...(rpm !== Infinity && { rpm }),
        ...(tpm !== Infinity && { tpm }),
        ...(parallel !== Infinity && { maxParallelRequests: parallel }),
      }
      shared.own = { ...scope, limits: own }
    }
    return shared.own
  }

  /** A scope with the most that this gateway may come to hold: what others do not hold, as last heard. */
  roomOf(scope: Scope): Scope {
    const shared = this.of(scope)
    if (shared === undefined) return scope
    const others = this.others(shared)
    const [rpm, tpm, maxParallelRequests] = shared.limits.map(({ limit }, index) =>
      limit === undefined ? undefined : Math.max(0, limit - (others[index]?.others ?? 0)),
    )
    return {
      ...scope,
      limits: { ...(rpm !== undefined && { rpm }), ...(tpm !== undefined && { tpm }), maxParallelRequests },
    }
  }

  /** Whether what this gateway holds has room for so much of each limit. */
  fits(shared: Shared, amounts: readonly number[]): boolean {
    const ceilings = this.#parts.allotments.ceilings(shared)
    const use = this.#memory.use(shared.scope, this.#parts.now())
    return dimensions.every((each, index) => use[each] + amounts[index]! <= ceilings[index]!)
  }

  /** As last heard, in the order of the limits; nothing of what cannot count any more, since the server has long been away. */
  others(shared: Shared): readonly DimensionReply[] {
    const { allotments } = this.#parts
    const dimensions = allotments.lastAgreed(shared)?.dimensions ?? []
    const agoMs = allotments.agreedForMs(shared)
    if (agoMs < leaseMs) return dimensions
    return dimensions.map((each, index) =>
      agoMs < leaseMs + shared.limits[index]!.lingerMs ? each : { ...each, others: 0, usedByOthers: 0 },
    )
  }

  /** Until something that others use leaves their windows, as last heard; Infinity: unknown. */
  othersNextMs(shared: Shared): number {
    return this.#parts.allotments.lastAgreed(shared)?.nextMs ?? Infinity
  }

  /** What all gateways use, as last heard. */
  use(shared: Shared, nowMs: number): ScopeUse {
    const { scope } = shared
    const { rpm, tpm } = scope.limits
    const own = this.#memory.use(scope, nowMs)
    const others = this.others(shared).map(({ usedByOthers }) => usedByOthers)
    const [requests, tokens, parallel] = dimensions.map((each, index) => own[each] + (others[index] ?? 0))
    // While nobody is asked, there is room only in what this gateway has.
    const isAway = this.#parts.allotments.isUnavailable(shared)
    const alone = isAway ? this.#memory.use(this.ownOf(scope), nowMs).nextMs : undefined
    const nextMs = (limit: number | undefined, used: number, ownMs: number | undefined) => {
      if (limit === undefined) return undefined
      if (used < limit) return 0
      return Math.min(ownMs === 0 ? Infinity : (ownMs ?? Infinity), this.othersNextMs(shared))
    }
    return {
      requests: requests!,
      tokens: tokens!,
      parallel: parallel!,
      limitStatus: this.limitStatus([scope], nowMs),
      nextMs: {
        requests: alone === undefined ? nextMs(rpm, requests!, own.nextMs.requests) : alone.requests,
        tokens: alone === undefined ? nextMs(tpm, tokens!, own.nextMs.tokens) : alone.tokens,
      },
    }
  }

  /** Of all gateways together, as last heard; of several scopes what is left of the scarcest. */
  limitStatus(scopes: readonly Scope[], nowMs: number): LimitStatus {
    const statuses = scopes.map((scope) => {
      const { limitStatus } = this.#memory.use(scope, nowMs)
      const shared = this.of(scope)
      if (shared === undefined) return limitStatus
      const [requests, tokens] = this.others(shared)
      return {
        requests: lessBy(limitStatus.requests, requests?.usedByOthers),
        tokens: lessBy(limitStatus.tokens, tokens?.usedByOthers),
      }
    })
    const [first = noLimitStatus, ...others] = statuses
    if (others.length === 0) return first
    return {
      requests: scarcest(statuses.map(({ requests }) => requests)),
      tokens: scarcest(statuses.map(({ tokens }) => tokens)),
    }
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

function lessBy(quota: Quota | undefined, used = 0): Quota | undefined {
  if (quota === undefined || used === 0) return quota
  return { ...quota, remaining: Math.max(0, quota.remaining - used), resetMs: windowMs }
}

function scarcest(quotas: readonly (Quota | undefined)[]): Quota | undefined {
  const known = quotas.filter((quota) => quota !== undefined)
  return known.toSorted((one, other) => one.remaining - other.remaining)[0]
}
