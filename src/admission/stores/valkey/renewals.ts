// Once a second, what is in use is stated anew, so that its lease goes on; what is no longer in use is given back and forgotten.
import type { Clock } from '../../../platform/clock.ts'
import type { Exchanges } from './exchanges.ts'
import type { OpenScope, OpenScopes } from './open-scope.ts'

export interface RenewalsParts {
  readonly connection: { readonly isUp: boolean }
  readonly clock: Pick<Clock, 'setTimer'>
  readonly scopes: OpenScopes
  readonly exchanges: Exchanges
  /** There may be room for who waits. */
  readonly onFreed: () => void
  /** A scope is forgotten. */
  readonly onForgotten: (open: OpenScope) => void
}

const renewalMs = 1_000
/** What has not changed is stated every other time, when its lease has a second left; a round of renewals that takes its time is no reason to wait longer. */
const unchangedMs = 1_250
/** A scope that no call has looked at for so long is not renewed. */
const quietMs = 2_000

export class Renewals {
  readonly #parts: RenewalsParts
  #isUnderWay = false
  #stopTimer: () => void

  constructor(parts: RenewalsParts) {
    this.#parts = parts
    const { clock } = parts
    const renew = () => {
      this.#stopTimer = clock.setTimer(renew, renewalMs)
      this.#renewAll()
    }
    this.#stopTimer = clock.setTimer(renew, renewalMs)
  }

  stop(): void {
    this.#stopTimer()
  }

  #renewAll(): void {
    const { connection, scopes, exchanges, onFreed } = this.#parts
    const nowMs = scopes.now()
    if (!connection.isUp) {
      this.#forgetIdle(nowMs)
      return
    }
    const all = scopes.all()
    const mayHaveRoom = all.some(({ waitsUntilMs }) => nowMs < waitsUntilMs)
    if (!this.#isUnderWay) {
      this.#isUnderWay = true
      void exchanges.inTurn(all, (open) => this.#renew(open)).finally(() => (this.#isUnderWay = false))
    }
    if (mayHaveRoom) onFreed()
  }

  #renew(open: OpenScope): Promise<void> | undefined {
    const { scopes, exchanges } = this.#parts
    if (!scopes.has(open) || open.isAsking) return undefined
    const nowMs = scopes.now()
    const { scope, allotment } = open
    const { used } = scope.use()
    const isWaiting = nowMs < open.waitsUntilMs
    const hasSlots = scope.limits.some(
      ({ limit, lingerMs }, index) =>
        (limit !== undefined || scope.isLasting) && lingerMs === 0 && used[index]! > 0,
    )
    const isQuiet = nowMs - open.activeAtMs > quietMs && !isWaiting && !hasSlots
    if (scope.isOver?.() === true) return this.#forget(open)
    const hasChanged = used.some((each, index) => each !== open.statedUse[index])
    if (!isQuiet) {
      const hasTrimmed = allotment.trim(used, scope.limits)
      // Of budgets, what others spend is news too.
      const isDue = scope.isLasting || isWaiting || nowMs - open.agreedAtMs >= unchangedMs
      const isInDoubt = open.isFailing || allotment.agreed.kind === 'grace'
      return isDue || isInDoubt || hasTrimmed || hasChanged ? exchanges.send(open, undefined) : undefined
    }
    const hasGivenBack = allotment.release(used)
    // What lasts is not stated anew with each lease.
    if (hasGivenBack || (scope.isLasting && hasChanged)) return exchanges.send(open, undefined)
    return used.every((each) => each === 0) ? this.#forget(open) : undefined
  }

  /** While the server is away, what nobody has asked for since its lease ended, and that is not used. */
  #forgetIdle(nowMs: number): void {
    for (const open of this.#parts.scopes.all()) {
      const { scope, allotment, activeAtMs } = open
      const isQuiet = nowMs - activeAtMs > quietMs && !allotment.isValid(nowMs)
      if (isQuiet && !open.isAsking && scope.use().used.every((each) => each === 0)) this.#forget(open)
    }
  }

  #forget(open: OpenScope): undefined {
    this.#parts.scopes.close(open)
    this.#parts.onForgotten(open)
  }
}
