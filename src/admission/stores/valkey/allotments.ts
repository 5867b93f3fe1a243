// The allotments of all scopes that this gateway shares with others: what may be used of each now, while the server is away
// too, and the ways to have more. What goes to the server is in exchanges.ts, what goes on by itself in renewals.ts and
// yielding.ts.
import type { Clock } from '../../../platform/clock.ts'
import type { Agreed } from './exchange.ts'
import { Exchanges, type ExchangesParts, recheckMs } from './exchanges.ts'
import { storeKey } from './keys.ts'
import { FreedNews, readNews } from './news.ts'
import { type OpenScope, OpenScopes, type SharedScope } from './open-scope.ts'
import { Renewals } from './renewals.ts'
import { Yielding } from './yielding.ts'

/** What becomes of calls while the server cannot be asked. */
export type WhenUnavailable = 'share' | 'refuse' | 'local'

export interface AllotmentsParts extends ExchangesParts {
  readonly clock: Clock
  readonly whenUnavailable: WhenUnavailable
  /** How many gateways there are, for the part of each while the server is away. */
  readonly members: number
}

export class Allotments {
  readonly #parts: AllotmentsParts
  readonly #freed: FreedNews
  readonly #scopes: OpenScopes
  readonly #exchanges: Exchanges
  readonly #yielding: Yielding
  readonly #renewals: Renewals

  constructor(parts: AllotmentsParts) {
    this.#parts = parts
    this.#freed = new FreedNews(parts.clock, parts.onFreed)
    const { connection, clock, onFreed } = parts
    const scopes = new OpenScopes(clock)
    const exchanges = new Exchanges(scopes, parts)
    const yielding = new Yielding(scopes, exchanges, clock.setTimer)
    exchanges.onExchanged = (open) => yielding.follow(open)
    const onForgotten = (open: OpenScope) => yielding.drop(open)
    this.#renewals = new Renewals({ connection, clock, scopes, exchanges, onFreed, onForgotten })
    this.#scopes = scopes
    this.#exchanges = exchanges
    this.#yielding = yielding
  }

  /** What may be used of a scope now, in the order of its limits; Infinity where there is none. */
  ceilings(scope: SharedScope): readonly number[] {
    const nowMs = this.#scopes.now()
    const { allotment } = this.#scopes.open(scope, nowMs)
    const isValid = allotment.isValid(nowMs)
    const usable = isValid && allotment.isWanted ? allotment.kept(scope.use().used) : allotment.held
    const isAway = this.isUnavailable(scope)
    return scope.limits.map(({ limit }, index) => {
      if (limit === undefined) return Infinity
      const held = isValid ? usable[index]! : 0
      // A server that is there, but unsure, knows at least this of the others.
      const others = this.#parts.connection.isUp ? allotment.agreed.dimensions[index]!.others : 0
      return isAway ? Math.max(held, Math.min(this.#aloneWith(limit), limit - others)) : held
    })
  }

  /** Whether the server cannot be asked for this scope: it is away, fails, or does not know itself what gateways hold. */
  isUnavailable({ key }: SharedScope): boolean {
    if (!this.#parts.connection.isUp) return true
    const open = this.#scopes.find(key)
    return open !== undefined && (open.isFailing || open.allotment.agreed.kind === 'grace')
  }

  /**
   * Whether it makes sense to ask for more now, for a call that lacks it: the last refusal was long ago, or was of a call that needed more.
   * @param amounts what a call takes of each limit.
   */
  mayAsk(scope: SharedScope, amounts: readonly number[] = []): boolean {
    if (!this.#parts.connection.isUp) return false
    const nowMs = this.#scopes.now()
    const open = this.#scopes.open(scope, nowMs)
    const { noneUntilMs, refused, allotment } = open
    if (noneUntilMs <= nowMs) return true
    const { used } = scope.use()
    // Of a limit that has room the call needs nothing, and so has no less to ask for.
    const lacks = (amount: number, index: number) => used[index]! + amount - allotment.held[index]!
    if (amounts.some((amount, index) => Math.max(0, lacks(amount, index)) < refused[index]!)) return true
    // It waits as those before it do, so that their turn does not lapse between two questions.
    open.waitsUntilMs = nowMs + 2 * recheckMs
    return false
  }

  /**
   * Asks for more, so that a call fits. Resolves once `ceilings` may be other ones; never rejects.
   * @param amounts what the call takes of each limit.
   */
  ask(scope: SharedScope, amounts: readonly number[]): Promise<void> {
    const nowMs = this.#scopes.now()
    const open = this.#scopes.open(scope, nowMs)
    open.waitsUntilMs = nowMs + 2 * recheckMs
    return this.#exchanges.send(open, { first: amounts, all: amounts })
  }

  /** Has the server's word of a scope, though nothing is needed. Never rejects. */
  async look(scope: SharedScope): Promise<Agreed> {
    const open = this.#scopes.open(scope, this.#scopes.now())
    if (this.#parts.connection.isUp) await this.#exchanges.send(open, undefined)
    return open.allotment.agreed
  }

  /** Nobody waits for more of a scope any longer. */
  async withdraw({ key }: SharedScope): Promise<void> {
    const open = this.#scopes.find(key)
    if (open?.unmet === undefined) return
    open.unmet = undefined
    open.waitsUntilMs = -Infinity
    if (this.#parts.connection.isUp) await this.#exchanges.send(open, undefined)
  }

  /** Tells the server all that is held and used, also of scopes that no call looks at: it may have lost that. Never rejects. */
  async restate(): Promise<void> {
    await this.#exchanges.inTurn(this.#scopes.all(), (open) =>
      this.#scopes.has(open) ? this.#exchanges.send(open, undefined) : undefined,
    )
  }

  /** The server's last word of a scope; undefined: there is none. */
  lastAgreed({ key }: SharedScope): Agreed | undefined {
    return this.#scopes.find(key)?.allotment.agreed
  }

  /** How long ago the exchange was that `lastAgreed` is from, in milliseconds; Infinity: there was none. */
  agreedForMs({ key }: SharedScope): number {
    return this.#scopes.now() - (this.#scopes.find(key)?.agreedAtMs ?? -Infinity)
  }

  /** The scopes that are in use here. */
  scopeKeys(): string[] {
    return this.#scopes.keys()
  }

  /** Takes a message of the channel (news.ts). */
  hear(message: string): void {
    const { kind, key, member } = readNews(message, storeKey(this.#parts.prefix, 's', '')) ?? {}
    const open = key === undefined ? undefined : this.#scopes.find(key)
    if (open === undefined) return
    if (kind === 'freed' && member === this.#parts.member) {
      open.noneUntilMs = -Infinity
      this.#freed.hear()
    } else if (
      kind === 'wanted' &&
      member !== this.#parts.member &&
      (open.scope.isLasting || open.hasUnused)
    ) {
      // Also who uses all says so, since the server may know of less.
      open.mustRelease = open.scope.isLasting === true
      void this.#exchanges.send(open, undefined)
    }
  }

  /** The connection has come or gone. */
  reconnected(): void {
    for (const open of this.#scopes.all()) open.noneUntilMs = -Infinity
    if (this.#parts.connection.isUp) void this.restate()
    this.#parts.onFreed()
  }

  /** Some call uses less than before: what others wait for can be given back. */
  settled(): void {
    this.#yielding.settled()
  }

  /** From now on a process that replaces this one may have its name; until then this one goes on. */
  offer(): void {
    this.#exchanges.offer()
  }

  /** Gives back all that is not used. What is used counts as long as it does anyway. */
  async leave(): Promise<void> {
    this.#renewals.stop()
    this.#yielding.stop()
    await this.#exchanges.inTurn(this.#scopes.closeAll(), (open) => {
      open.leaves = true
      return this.#exchanges.send(open, undefined)
    })
  }

  /** What one gateway may use by itself while the server is away. */
  #aloneWith(limit: number): number {
    const { whenUnavailable, members } = this.#parts
    if (whenUnavailable === 'local') return limit
    return whenUnavailable === 'share' ? Math.max(1, Math.floor(limit / members)) : 0
  }
}
