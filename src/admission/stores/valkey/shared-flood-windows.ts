// The flood limit over several gateways, for clients that may come to each of them. What this gateway lets pass is counted in its
// own memory; how many requests it may let pass, it agrees on with the others (allotments.ts).
import {
  floodWindowMs,
  type FloodWindows,
  type LeasableWindows,
  MemoryFloodWindows,
} from '../../flood-windows.ts'
import type { Allotments, WhenUnavailable } from './allotments.ts'
import type { SharedScope } from './open-scope.ts'

export interface SharedFloodParts {
  /** Requests that one client may send to all gateways together in any 60 seconds; at least 1. */
  readonly rpm: number
  readonly allotments: Allotments
  /** Names a client in the server; undefined: it comes to this machine alone. */
  readonly keyOf: (client: string) => string | undefined
  readonly whenUnavailable: WhenUnavailable
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

/** Questions for one request; the last answer may have gone to another request each time. */
const maxQuestions = 3
/** Clients that are remembered; when there are more, those are forgotten of whom nothing counts. */
const minSweptClients = 1_000

export class SharedFloodWindows implements LeasableWindows {
  readonly rpm: number
  readonly #parts: SharedFloodParts
  readonly #memory: MemoryFloodWindows
  readonly #scopes = new Map<string, SharedScope | undefined>()
  #sweptClients = minSweptClients

  constructor(parts: SharedFloodParts) {
    this.rpm = parts.rpm
    this.#parts = parts
    this.#memory = new MemoryFloodWindows(parts.rpm, parts.now)
  }

  /** What others may use as well is asked for, not leased. */
  mayLease(client: string): boolean {
    return this.#scopeOf(client) === undefined
  }

  used(client: string): number {
    return this.#memory.used(client)
  }

  take(client: string): ReturnType<FloodWindows['take']> {
    const scope = this.#scopeOf(client)
    if (scope === undefined) return this.#memory.take(client)
    const { allotments } = this.#parts
    const ceiling = this.#ceiling(scope)
    if (this.#memory.used(client) < ceiling) return this.#memory.take(client)
    return allotments.mayAsk(scope) ? this.#ask(client, scope) : this.#refuse(client, scope)
  }

  async #ask(client: string, scope: SharedScope): Promise<number> {
    const { allotments } = this.#parts
    for (let count = 0; count < maxQuestions && allotments.mayAsk(scope); count++) {
      await allotments.ask(scope, [1])
      if (this.#memory.used(client) < this.#ceiling(scope)) return this.#memory.take(client)
    }
    return this.#refuse(client, scope)
  }

  #ceiling(scope: SharedScope): number {
    return this.#parts.allotments.ceilings(scope)[0]!
  }

  #refuse(client: string, scope: SharedScope): number {
    const { allotments, whenUnavailable } = this.#parts
    if (whenUnavailable === 'refuse' && allotments.isUnavailable(scope)) return Infinity
    const ownMs = this.#memory.take(client, 0)
    const othersMs = allotments.lastAgreed(scope)?.nextMs ?? floodWindowMs
    return Math.max(1, Math.min(ownMs, othersMs))
  }

  #scopeOf(client: string): SharedScope | undefined {
    if (this.#scopes.has(client)) return this.#scopes.get(client)
    const key = this.#parts.keyOf(client)
    const scope = key === undefined ? undefined : this.#makeScope(client, `f:${key}`)
    if (this.#scopes.size >= this.#sweptClients) this.#sweep()
    this.#scopes.set(client, scope)
    return scope
  }

  #makeScope(client: string, key: string): SharedScope {
    return {
      key,
      limits: [{ limit: this.rpm, lingerMs: floodWindowMs }],
      use: () => ({ used: [this.#memory.used(client)], nextMs: this.#memory.nextMs(client) }),
    }
  }

  #sweep(): void {
    for (const client of this.#scopes.keys()) {
      if (this.#memory.used(client) === 0) this.#scopes.delete(client)
    }
    this.#sweptClients = Math.max(minSweptClients, 2 * this.#scopes.size)
  }
}
