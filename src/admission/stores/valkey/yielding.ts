// What others wait for is given back, now and as this gateway's calls leave the window.
import type { SetTimer } from '../../../platform/clock.ts'
import type { Exchanges } from './exchanges.ts'
import type { OpenScope, OpenScopes } from './open-scope.ts'

/** Between two exchanges by which something is given back. */
const yieldMs = 50
/** How long nothing is looked at, at most. */
const lookMs = 1_000

export class Yielding {
  readonly #scopes: OpenScopes
  readonly #exchanges: Exchanges
  readonly #setTimer: SetTimer
  /** Those of which others wait for something, each with what stops its timer. */
  readonly #wanted = new Map<OpenScope, (() => void) | undefined>()

  constructor(scopes: OpenScopes, exchanges: Exchanges, setTimer: SetTimer) {
    this.#scopes = scopes
    this.#exchanges = exchanges
    this.#setTimer = setTimer
  }

  /** The server may have said that others wait, or no longer do. */
  follow(open: OpenScope): void {
    const { allotment, scope } = open
    if (!allotment.isWanted || !this.#scopes.has(open)) {
      this.drop(open)
      return
    }
    if (this.#wanted.get(open) !== undefined) return
    const { used, nextMs = lookMs } = scope.use()
    const hasMore = open.current === undefined && allotment.yield(used)
    const sinceMs = this.#scopes.now() - open.sentAtMs
    const delayMs = hasMore ? yieldMs - sinceMs : Math.max(yieldMs, Math.min(nextMs, lookMs))
    const stopTimer = this.#setTimer(() => this.#look(open, hasMore), Math.max(0, delayMs))
    this.#wanted.set(open, stopTimer)
  }

  /** Some call uses less than before. */
  settled(): void {
    for (const [open, stopTimer] of this.#wanted) {
      stopTimer?.()
      this.#wanted.set(open, undefined)
      this.follow(open)
    }
  }

  /** Nothing of it is given back any more. */
  drop(open: OpenScope): void {
    this.#wanted.get(open)?.()
    this.#wanted.delete(open)
  }

  stop(): void {
    for (const open of this.#wanted.keys()) this.drop(open)
  }

  #look(open: OpenScope, hasMore: boolean): void {
    this.#wanted.set(open, undefined)
    const lowers = open.current === undefined && open.allotment.yield(open.scope.use().used)
    if (hasMore || lowers) void this.#exchanges.send(open, undefined)
    else this.follow(open)
  }
}
