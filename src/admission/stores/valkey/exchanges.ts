// Exchanges with the server: one at a time for each scope, those of several scopes in one round trip, and only so many round trips
// at once. So the time that the server takes for a reply says something about the server, and not about how much this gateway
// asks of it.
import type { Wanted } from './allotment.ts'
import { type Agreed, type Exchange, type ExchangeReply, exchangeArguments } from './exchange.ts'
import { newsChannel, storeKey } from './keys.ts'
import type { OpenScope, OpenScopes, Question } from './open-scope.ts'
import { StoreFault } from './store-fault.ts'

/** What exchanges need of a connection. */
export interface ExchangeConnection {
  readonly isUp: boolean
  run(
    script: 'exchange',
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<readonly (ExchangeReply | StoreFault)[]>
}

export interface ExchangesParts {
  readonly connection: ExchangeConnection
  readonly prefix: string
  /** Name of this gateway, which no other one has or has had lately. */
  readonly member: string
  /** Exchanges have higher numbers than this, and than those of an earlier process of that name. Absent: 0. */
  readonly firstNumber?: number
  /** There may be room for who waits. */
  readonly onFreed: () => void
  /** The server is there, and its reply was an error. At most once a minute. */
  readonly onBug: (error: unknown) => void
}

/**
 * Scopes in one round trip: a millisecond or two of the server's time. With 50, and four at once, 3,000 busy keys on a machine with a
 * load of 30 lost the server 7 times in 20 s; with 20, and two at once, never (`npm run bench -- machines`).
 */
const mostScopes = 20
/** Round trips at once; what is asked beyond them waits here. */
const mostTrips = 2
/** Scopes that `inTurn` has under way: half of what may be, so that calls need not wait for renewals. */
const atOnce = (mostScopes * mostTrips) / 2
/** Without news, the server is asked again after so long for those who wait. */
export const recheckMs = 1_000
/** Between two reports of `onBug`. */
const reportMs = 60_000

/** What one scope was told the server in. */
interface Sent {
  readonly open: OpenScope
  /** What is wanted now, asked for or not yet granted. */
  readonly wish: Wanted | undefined
  readonly used: readonly number[]
  readonly exchange: Exchange
}

export class Exchanges {
  /** Called after each exchange of a scope. One listener. */
  onExchanged: ((open: OpenScope) => void) | undefined
  readonly #parts: ExchangesParts
  readonly #scopes: OpenScopes
  /** To be sent, in this order. */
  readonly #waiting = new Set<OpenScope>()
  #trips = 0
  #lastNumber: number
  /** Another process may go by this one's name. */
  #isOffered = false
  #reportedAtMs = -Infinity

  constructor(scopes: OpenScopes, parts: ExchangesParts) {
    this.#scopes = scopes
    this.#parts = parts
    this.#lastNumber = parts.firstNumber ?? 0
  }

  /** From now on a process that replaces this one may have its name; until then this one goes on. */
  offer(): void {
    this.#isOffered = true
  }

  /**
   * One exchange at a time for a scope; what is asked meanwhile goes together in the next one. Resolves when it is over; never
   * rejects: who waits looks at what has become of it.
   * @param wish undefined: nothing more, but for what was asked before in vain.
   */
  send(open: OpenScope, wish: Wanted | undefined): Promise<void> {
    open.next ??= newQuestion()
    open.next.wish = together(open.next.wish, wish)
    const { done } = open.next
    if (open.current === undefined) this.#queue(open)
    return done
  }

  /** Some at a time, while the server is there: calls come in between. */
  async inTurn(all: OpenScope[], run: (open: OpenScope) => Promise<void> | undefined): Promise<void> {
    while (all.length > 0 && this.#parts.connection.isUp) {
      await Promise.all(all.splice(0, atOnce).map(async (open) => run(open)))
    }
  }

  #queue(open: OpenScope): void {
    this.#waiting.add(open)
    // What is asked in one turn goes together.
    if (this.#waiting.size === 1) queueMicrotask(() => this.#start())
  }

  #start(): void {
    while (this.#waiting.size > 0 && this.#trips < mostTrips) {
      const batch = Array.from(this.#waiting.values().take(mostScopes))
      for (const open of batch) {
        this.#waiting.delete(open)
        open.current = open.next
        open.next = undefined
      }
      void this.#trip(batch)
    }
  }

  async #trip(batch: readonly OpenScope[]): Promise<void> {
    this.#trips += 1
    const stale = await this.#exchange(batch)
    if (stale.length > 0) await this.#exchange(stale)
    this.#trips -= 1
    for (const open of batch) {
      const { finish } = open.current!
      open.current = undefined
      finish()
      this.onExchanged?.(open)
      if (open.next !== undefined) this.#queue(open)
    }
    queueMicrotask(() => this.#start())
  }

  /**
   * Never rejects.
   * @returns those of which the server has seen a later one of the run before: it takes the next one.
   */
  async #exchange(batch: readonly OpenScope[]): Promise<OpenScope[]> {
    const { connection, prefix, member } = this.#parts
    const sentMs = this.#scopes.now()
    const number = ++this.#lastNumber
    const sent = batch.map((open) => stated(open, number, sentMs))
    const keys = [storeKey(prefix, 'epoch'), ...batch.map(({ scope }) => storeKey(prefix, 's', scope.key))]
    const exchanges = sent.map(({ exchange }) => exchange)
    let replies: readonly (ExchangeReply | StoreFault)[]
    try {
      replies = await connection.run(
        'exchange',
        keys,
        exchangeArguments(member, newsChannel(prefix), exchanges),
      )
    } catch (error) {
      // A connection that is down says so itself.
      const isRefused = error instanceof StoreFault && error.kind === 'refused'
      if (isRefused && connection.isUp) for (const open of batch) this.#fail(open, error)
      return []
    }
    return sent.filter((each, index) => !this.#hear(each, replies[index]!, sentMs)).map(({ open }) => open)
  }

  /** @returns false: it was stale. */
  #hear(sent: Sent, reply: ExchangeReply | StoreFault, sentMs: number): boolean {
    const { open } = sent
    if (reply instanceof StoreFault) {
      this.#fail(open, reply)
      return true
    }
    if (reply.kind === 'stale') {
      this.#lastNumber = Math.max(this.#lastNumber, reply.number)
      return this.#isOffered
    }
    try {
      this.#agree(sent, reply, sentMs)
    } catch (error) {
      this.#fail(open, error)
    }
    return true
  }

  #agree({ open, wish, used, exchange }: Sent, agreed: Agreed, sentMs: number): void {
    const { allotment, scope } = open
    const { dimensions } = exchange
    const before = allotment.agreed
    allotment.agree(agreed, sentMs)
    open.isFailing = false
    open.agreedAtMs = sentMs
    open.statedUse = used
    const isGranted = dimensions.every(({ held, needed }, index) => allotment.held[index]! >= held + needed)
    open.unmet = isGranted ? undefined : wish
    open.refused = dimensions.map(({ needed }) => needed)
    // The server reports when there is room for this gateway; without its report, some time later may do.
    open.noneUntilMs = isGranted ? -Infinity : this.#scopes.now() + recheckMs
    if (isGranted && wish !== undefined && open.current?.wish === undefined) this.#parts.onFreed()
    scope.onAgreed?.(agreed, before)
  }

  /** The server is there, but of no use for this scope, until an exchange succeeds again. */
  #fail(open: OpenScope, error: unknown): void {
    const nowMs = this.#scopes.now()
    open.isFailing = true
    open.noneUntilMs = nowMs + recheckMs
    open.refused = []
    if (nowMs - this.#reportedAtMs < reportMs) return
    this.#reportedAtMs = nowMs
    this.#parts.onBug(error)
  }
}

/** What to tell the server of a scope, having given back what is to be. */
function stated(open: OpenScope, number: number, nowMs: number): Sent {
  const { scope, allotment, leaves } = open
  open.sentAtMs = nowMs
  if (nowMs >= open.waitsUntilMs) open.unmet = undefined
  const wish = leaves ? undefined : (open.current?.wish ?? open.unmet)
  const { used, nextMs } = scope.use()
  if (open.mustRelease || leaves) allotment.release(used)
  open.mustRelease = false
  // Who asks for more while others wait has given back first.
  if (allotment.isWanted) allotment.yield(used)
  const dimensions = allotment.state(used, scope.limits, wish, nowMs)
  return { open, wish, used, exchange: { number, nextMs, leaves, dimensions } }
}

function newQuestion(): Question {
  const { promise: done, resolve: finish } = Promise.withResolvers<void>()
  return { wish: undefined, done, finish }
}

/** What the first call waits for decides; the others' is wanted too. */
function together(one: Wanted | undefined, other: Wanted | undefined): Wanted | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return { first: one.first, all: one.all.map((amount, index) => amount + other.all[index]!) }
}
