// The allotments of all scopes that this gateway shares with others: asks for more when calls need it, renews what is in use once
// a second, gives back what others wait for, and knows what may be used while the server is away.
import type { Clock } from '../../../platform/clock.ts'
import { Allotment, type SharedLimit, together, type Use, type Wanted } from './allotment.ts'
import { type Agreed, type Exchange, exchangeArguments, type ExchangeReply } from './exchange.ts'
import { FreedNews, readNews } from './news.ts'
import { StoreFault } from './store-fault.ts'

/** What becomes of calls while the server cannot be asked. */
export type WhenUnavailable = 'share' | 'refuse' | 'local'

/** A scope whose limits several gateways share. */
export interface SharedScope {
  /** What it is called in the server, without prefix. */
  readonly key: string
  readonly limits: readonly SharedLimit[]
  /** What is held does not end with the lease but with the scope: of budgets, whose windows end. */
  readonly isLasting?: true
  use(): Use
  /** Nothing of it counts any more. */
  isOver?(): boolean
  /** The server's word has come; `before` is the one before it. */
  onAgreed?(agreed: Agreed, before: Agreed): void
}

/** What allotments need of a connection. */
export interface AllotmentConnection {
  readonly isUp: boolean
  run(script: 'exchange', keys: readonly string[], args: readonly (string | number)[]): Promise<ExchangeReply>
}

export interface AllotmentsParts {
  readonly connection: AllotmentConnection
  readonly prefix: string
  /** Name of this gateway, which no other one has or has had lately. */
  readonly member: string
  readonly clock: Clock
  /** Exchanges have higher numbers than this, and than those of an earlier process of that name. Absent: 0. */
  readonly firstNumber?: number
  readonly whenUnavailable: WhenUnavailable
  /** How many gateways there are, for the part of each while the server is away. */
  readonly members: number
  /** There may be room for who waits. */
  readonly onFreed: () => void
  /** The server is there, and its reply was an error. At most once a minute. */
  readonly onBug: (error: unknown) => void
}

interface Asked {
  /** Undefined: nothing more, but for what was asked before in vain. */
  readonly asked: Wanted | undefined
  /** The gateway stops. */
  readonly leaves: boolean
}

/** An exchange that is on its way or about to be sent, and what those who wait for it ask for. */
interface Batch {
  wish: Wanted | undefined
  readonly done: Promise<void>
  readonly finish: () => void
}

interface Entry {
  scope: SharedScope
  readonly allotment: Allotment
  /** Under way. */
  current: Batch | undefined
  /** Goes once `current` is back. */
  next: Batch | undefined
  /** Until then the server has nothing to give to who needs so much of each limit. */
  noneUntilMs: number
  refused: readonly number[]
  /** The server is there, and the last exchange failed all the same. */
  isFailing: boolean
  /** When a call has last asked what may be used. */
  activeAtMs: number
  /** What was asked for and has not been granted. */
  unmet: Wanted | undefined
  /** Until then somebody waits for that. */
  waitsUntilMs: number
  sentAtMs: number
  /** What the server was told last of what is used. */
  statedUse: readonly number[]
  /** Others wait for what lasts: all that is not used is given back with the next exchange. */
  mustRelease: boolean
  stopTimer: (() => void) | undefined
}

const renewalMs = 1_000
/** Scopes of which the server is told at once, some milliseconds of its time. */
const atOnce = 100
/** A scope that no call has looked at for so long is not renewed. */
const quietMs = 2_000
/** Without news, the server is asked again after so long for those who wait. */
export const recheckMs = 1_000
/** Between two exchanges by which what others wait for is given back. */
const yieldMs = 50
/** Between two reports of `onBug`. */
const reportMs = 60_000
/** The wall clock ahead of the monotonic one by so much more than before: the machine slept, say. */
const sleptMs = 1_000

export class Allotments {
  readonly #parts: AllotmentsParts
  readonly #entries = new Map<string, Entry>()
  /** Those of which others wait for something. */
  readonly #wanted = new Set<Entry>()
  #lastNumber: number
  /** Another process may go by this one's name. */
  #isOffered = false
  #reportedAtMs = -Infinity
  #isRenewing = false
  readonly #freed: FreedNews
  #stopRenewal: () => void
  #offsetMs: number | undefined

  constructor(parts: AllotmentsParts) {
    this.#parts = parts
    this.#lastNumber = parts.firstNumber ?? 0
    this.#freed = new FreedNews(parts.clock, parts.onFreed)
    const renew = () => {
      this.#stopRenewal = parts.clock.setTimer(renew, renewalMs)
      this.#renewAll()
    }
    this.#stopRenewal = parts.clock.setTimer(renew, renewalMs)
  }

  /** What may be used of a scope now, in the order of its limits; Infinity where there is none. */
  ceilings(scope: SharedScope): readonly number[] {
    const nowMs = this.#now()
    const { allotment } = this.#entryOf(scope, nowMs)
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
    const entry = this.#entries.get(key)
    return entry !== undefined && (entry.isFailing || entry.allotment.agreed.kind === 'grace')
  }

  /**
   * Whether it makes sense to ask for more now, for a call that lacks it: the last refusal was long ago, or was of a call that needed more.
   * @param amounts what a call takes of each limit.
   */
  mayAsk(scope: SharedScope, amounts: readonly number[] = []): boolean {
    if (!this.#parts.connection.isUp) return false
    const nowMs = this.#now()
    const entry = this.#entryOf(scope, nowMs)
    const { noneUntilMs, refused, allotment } = entry
    if (noneUntilMs <= nowMs) return true
    const { used } = scope.use()
    // Of a limit that has room the call needs nothing, and so has no less to ask for.
    const lacks = (amount: number, index: number) => used[index]! + amount - allotment.held[index]!
    if (amounts.some((amount, index) => Math.max(0, lacks(amount, index)) < refused[index]!)) return true
    // It waits as those before it do, so that their turn does not lapse between two questions.
    entry.waitsUntilMs = nowMs + 2 * recheckMs
    return false
  }

  /**
   * Asks for more, so that a call fits. Resolves once `ceilings` may be other ones; never rejects.
   * @param amounts what the call takes of each limit.
   */
  ask(scope: SharedScope, amounts: readonly number[]): Promise<void> {
    const nowMs = this.#now()
    const entry = this.#entryOf(scope, nowMs)
    entry.waitsUntilMs = nowMs + 2 * recheckMs
    return this.#send(entry, { first: amounts, all: amounts })
  }

  /** Has the server's word of a scope, though nothing is needed. Never rejects. */
  async look(scope: SharedScope): Promise<Agreed> {
    const entry = this.#entryOf(scope, this.#now())
    if (this.#parts.connection.isUp) await this.#send(entry, undefined)
    return entry.allotment.agreed
  }

  /** Nobody waits for more of a scope any longer. */
  async withdraw({ key }: SharedScope): Promise<void> {
    const entry = this.#entries.get(key)
    if (entry?.unmet === undefined) return
    entry.unmet = undefined
    entry.waitsUntilMs = -Infinity
    if (this.#parts.connection.isUp) await this.#send(entry, undefined)
  }

  /** Tells the server all that is held and used, also of scopes that no call looks at: it may have lost that. Never rejects. */
  async restate(): Promise<void> {
    await this.#inTurn(Array.from(this.#entries.values()), (entry) =>
      this.#isKnown(entry) ? this.#send(entry, undefined) : undefined,
    )
  }

  /** The server's last word of a scope; undefined: there is none. */
  lastAgreed({ key }: SharedScope): Agreed | undefined {
    return this.#entries.get(key)?.allotment.agreed
  }

  /** The scopes that are in use here. */
  scopeKeys(): string[] {
    return [...this.#entries.keys()]
  }

  /** Takes a message of the channel (news.ts). */
  hear(message: string): void {
    const { kind, key, member } = readNews(message, this.#keyOf('')) ?? {}
    const entry = key === undefined ? undefined : this.#entries.get(key)
    if (entry === undefined) return
    if (kind === 'freed' && member === this.#parts.member) {
      entry.noneUntilMs = -Infinity
      this.#freed.hear()
    } else if (
      kind === 'wanted' &&
      member !== this.#parts.member &&
      (entry.scope.isLasting || hasUnused(entry))
    ) {
      // Also who uses all says so, since the server may know of less.
      entry.mustRelease = entry.scope.isLasting === true
      void this.#send(entry, undefined)
    }
  }

  /** The connection has come or gone. */
  reconnected(): void {
    for (const entry of this.#entries.values()) entry.noneUntilMs = -Infinity
    if (this.#parts.connection.isUp) void this.restate()
    this.#parts.onFreed()
  }

  /** Some call uses less than before: what others wait for can be given back. */
  settled(): void {
    for (const entry of this.#wanted) {
      entry.stopTimer?.()
      entry.stopTimer = undefined
      this.#followWants(entry)
    }
  }

  /** From now on a process that replaces this one may have its name; until then this one goes on. */
  offer(): void {
    this.#isOffered = true
  }

  /** Gives back all that is not used. What is used counts as long as it does anyway. */
  async leave(): Promise<void> {
    this.#stopRenewal()
    const entries = Array.from(this.#entries.values())
    for (const { stopTimer } of entries) stopTimer?.()
    this.#entries.clear()
    this.#wanted.clear()
    await this.#inTurn(entries, async (entry) => {
      await entry.current?.done
      entry.allotment.release(entry.scope.use().used)
      const last = { asked: undefined, leaves: true }
      if (!(await this.#exchange(entry, last))) await this.#exchange(entry, last)
    })
  }

  /** Some at a time, while the server is there: all at once would keep it from anything else for longer than it may take. */
  async #inTurn(entries: Entry[], run: (entry: Entry) => Promise<void> | undefined): Promise<void> {
    while (entries.length > 0 && this.#parts.connection.isUp) {
      await Promise.all(entries.splice(0, atOnce).map(async (entry) => run(entry)))
    }
  }

  #entryOf(scope: SharedScope, nowMs: number): Entry {
    let entry = this.#entries.get(scope.key)
    if (entry === undefined) {
      const allotment = new Allotment(scope.limits.length, scope.isLasting)
      const times = { noneUntilMs: -Infinity, waitsUntilMs: -Infinity, sentAtMs: -Infinity }
      const batches = { current: undefined, next: undefined, unmet: undefined, stopTimer: undefined }
      const stated = { statedUse: [], refused: [], mustRelease: false, isFailing: false }
      entry = { scope, allotment, activeAtMs: nowMs, ...times, ...batches, ...stated }
      this.#entries.set(scope.key, entry)
    }
    if (entry.scope !== scope) {
      entry.scope = scope
      // Of changed limits there may be more.
      entry.noneUntilMs = -Infinity
    }
    entry.activeAtMs = nowMs
    return entry
  }

  /** What one gateway may use by itself while the server is away. */
  #aloneWith(limit: number): number {
    const { whenUnavailable, members } = this.#parts
    if (whenUnavailable === 'local') return limit
    return whenUnavailable === 'share' ? Math.max(1, Math.floor(limit / members)) : 0
  }

  /** One exchange at a time for a scope; what is asked meanwhile goes together in the next one. */
  #send(entry: Entry, wish: Wanted | undefined): Promise<void> {
    entry.next ??= newBatch()
    entry.next.wish = together(entry.next.wish, wish)
    const { done } = entry.next
    if (entry.current === undefined) queueMicrotask(() => void this.#sendNext(entry))
    return done
  }

  async #sendNext(entry: Entry): Promise<void> {
    const batch = entry.next
    if (batch === undefined || entry.current !== undefined) return
    entry.current = batch
    entry.next = undefined
    const isDone = await this.#exchange(entry, { asked: batch.wish, leaves: false })
    if (!isDone) await this.#exchange(entry, { asked: batch.wish, leaves: false })
    entry.current = undefined
    batch.finish()
    this.#followWants(entry)
    if (entry.next !== undefined) void this.#sendNext(entry)
  }

  /**
   * Never rejects: who waits looks at what has become of it.
   * @returns false: the server has seen a later one of the run before, and takes the next one.
   */
  async #exchange(entry: Entry, { asked, leaves }: Asked): Promise<boolean> {
    const { connection, prefix, member, onFreed } = this.#parts
    const { scope, allotment } = entry
    const sentMs = this.#now()
    entry.sentAtMs = sentMs
    if (sentMs >= entry.waitsUntilMs) entry.unmet = undefined
    const wish = asked ?? entry.unmet
    const use = scope.use()
    if (entry.mustRelease) allotment.release(use.used)
    entry.mustRelease = false
    // Who asks for more while others wait has given back first.
    if (allotment.isWanted) allotment.yield(use.used)
    const dimensions = allotment.state(use.used, scope.limits, leaves ? undefined : wish, sentMs)
    const exchange: Exchange = { number: ++this.#lastNumber, nextMs: use.nextMs, leaves, dimensions }
    const keys = [`{${prefix}}:epoch`, this.#keyOf(scope.key)]
    let read: ExchangeReply
    try {
      read = await connection.run('exchange', keys, exchangeArguments(member, `{${prefix}}:news`, exchange))
    } catch (error) {
      // A connection that is down says so itself.
      const isRefused = error instanceof StoreFault && error.kind === 'refused'
      if (isRefused && connection.isUp) this.#fail(entry, error)
      return true
    }
    try {
      if (read.kind === 'stale') {
        this.#lastNumber = Math.max(this.#lastNumber, read.number)
        return this.#isOffered
      }
      const before = allotment.agreed
      allotment.agree(read, sentMs)
      entry.isFailing = false
      entry.statedUse = use.used
      const isGranted = dimensions.every(({ held, needed }, index) => allotment.held[index]! >= held + needed)
      entry.unmet = isGranted ? undefined : wish
      entry.refused = dimensions.map(({ needed }) => needed)
      // The server reports when there is room for this gateway; without its report, some time later may do.
      entry.noneUntilMs = isGranted ? -Infinity : this.#now() + recheckMs
      if (isGranted && wish !== undefined && asked === undefined) onFreed()
      scope.onAgreed?.(read, before)
    } catch (error) {
      this.#fail(entry, error)
    }
    return true
  }

  /** The server is there, but of no use for this scope, until an exchange succeeds again. */
  #fail(entry: Entry, error: unknown): void {
    const nowMs = this.#now()
    entry.isFailing = true
    entry.noneUntilMs = nowMs + recheckMs
    entry.refused = []
    if (nowMs - this.#reportedAtMs < reportMs) return
    this.#reportedAtMs = nowMs
    this.#parts.onBug(error)
  }

  /** Gives back, now and as its calls leave the window, what others wait for. */
  #followWants(entry: Entry): void {
    const { allotment, scope } = entry
    if (!allotment.isWanted || !this.#isKnown(entry)) {
      this.#wanted.delete(entry)
      return
    }
    this.#wanted.add(entry)
    if (entry.stopTimer !== undefined) return
    const { used, nextMs = renewalMs } = scope.use()
    const hasMore = entry.current === undefined && allotment.yield(used)
    const sinceMs = this.#now() - entry.sentAtMs
    const delayMs = hasMore ? yieldMs - sinceMs : Math.max(yieldMs, Math.min(nextMs, renewalMs))
    entry.stopTimer = this.#parts.clock.setTimer(
      () => {
        entry.stopTimer = undefined
        if (!this.#isKnown(entry)) return
        const lowers = entry.current === undefined && allotment.yield(scope.use().used)
        if (hasMore || lowers) void this.#send(entry, undefined)
        else this.#followWants(entry)
      },
      Math.max(0, delayMs),
    )
  }

  #renewAll(): void {
    const nowMs = this.#now()
    if (!this.#parts.connection.isUp) {
      this.#forgetIdle(nowMs)
      return
    }
    const entries = Array.from(this.#entries.values())
    const mayHaveRoom = entries.some(({ waitsUntilMs }) => nowMs < waitsUntilMs)
    if (!this.#isRenewing) {
      this.#isRenewing = true
      void this.#inTurn(entries, (entry) => this.#renew(entry)).finally(() => (this.#isRenewing = false))
    }
    if (mayHaveRoom) this.#parts.onFreed()
  }

  #renew(entry: Entry): Promise<void> | undefined {
    if (!this.#isKnown(entry) || entry.current !== undefined || entry.next !== undefined) return undefined
    const nowMs = this.#now()
    const { scope, allotment } = entry
    const { used } = scope.use()
    const isWaiting = nowMs < entry.waitsUntilMs
    const hasSlots = scope.limits.some(
      ({ limit, lingerMs }, index) =>
        (limit !== undefined || scope.isLasting) && lingerMs === 0 && used[index]! > 0,
    )
    const isQuiet = nowMs - entry.activeAtMs > quietMs && !isWaiting && !hasSlots
    if (scope.isOver?.() === true) return this.#forget(entry)
    if (!isQuiet) {
      allotment.trim(used, scope.limits)
      return this.#send(entry, undefined)
    }
    const hasGivenBack = allotment.release(used)
    // What lasts is not stated anew with each lease.
    const hasChanged = scope.isLasting && used.some((each, index) => each !== entry.statedUse[index])
    if (hasGivenBack || hasChanged) return this.#send(entry, undefined)
    return used.every((each) => each === 0) ? this.#forget(entry) : undefined
  }

  /** While the server is away, what nobody has asked for since its lease ended, and that is not used. */
  #forgetIdle(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      const { scope, allotment, activeAtMs, current, next } = entry
      const isQuiet = nowMs - activeAtMs > quietMs && !allotment.isValid(nowMs)
      if (!isQuiet || current !== undefined || next !== undefined) continue
      if (scope.use().used.every((each) => each === 0)) this.#forget(entry)
    }
  }

  #forget(entry: Entry): undefined {
    entry.stopTimer?.()
    this.#wanted.delete(entry)
    this.#entries.delete(entry.scope.key)
  }

  #isKnown(entry: Entry): boolean {
    return this.#entries.get(entry.scope.key) === entry
  }

  /** The time, after a look at whether the machine has slept meanwhile, which the monotonic clock does not show. */
  #now(): number {
    const { clock } = this.#parts
    const nowMs = clock.now()
    const offsetMs = clock.wallNow() - nowMs
    if (offsetMs - (this.#offsetMs ?? offsetMs) > sleptMs) {
      for (const { allotment } of this.#entries.values()) allotment.expire()
    }
    this.#offsetMs = offsetMs
    return nowMs
  }

  #keyOf(key: string): string {
    return `{${this.#parts.prefix}}:s:${key}`
  }
}

function newBatch(): Batch {
  const { promise: done, resolve: finish } = Promise.withResolvers<void>()
  return { wish: undefined, done, finish }
}

function hasUnused({ allotment, scope }: Entry): boolean {
  const { used } = scope.use()
  return allotment.held.some((held, index) => held > used[index]!)
}
