// Admission's counters in this process's memory. It cannot fail; limits-file.ts carries it over a restart.
import type { LimitStatus, Quota } from '../../domain.ts'
import type { Charge } from '../outcome.ts'
import type { Scope } from '../scopes.ts'
import { capacityFor, type Entry, type SavedEntry } from '../sliding-window.ts'
import { noLimitStatus, ScopeCounter } from '../scope-counter.ts'
import type { AdmissionStore, Demand, Limited, Refusal, Reservation, Reserved, ScopeUse } from './store.ts'

/** One model's window, to be saved. Ages are relative to the moment of saving. */
export interface SavedModel {
  readonly model: string
  readonly entries: readonly SavedEntry[]
}

/** The same of a client. */
export interface SavedClient {
  /** Name of its scope. */
  readonly client: string
  readonly entries: readonly SavedEntry[]
}

/** The windows of everything that is metered. */
export interface SavedWindows {
  readonly models: readonly SavedModel[]
  readonly clients: readonly SavedClient[]
}

/** What a call holds in one scope. */
interface Share {
  readonly scope: Scope
  readonly counter: ScopeCounter
  /** Undefined where requests and tokens are not counted. */
  readonly entry: Entry | undefined
  readonly sinceMs: number
}

/** What this store keeps behind a `Reservation`. */
interface Held extends Reservation {
  tokens: number
  choice: Scope | undefined
  readonly shares: readonly Share[]
  chosen: Share | undefined
  isOpen: boolean
}

type Counters = Readonly<Record<Scope['kind'], Map<string, ScopeCounter>>>

/** Clients may be any number of addresses: from so many counters on, those that count nothing are looked for. */
const minSweptClients = 1_000

/** Entries that are saved per model or client; beyond that neighbours are merged. */
const maxSavedEntries = 1024

/** An AdmissionStore that answers at once, always. */
export class MemoryStore implements AdmissionStore {
  onFreed: (() => void) | undefined
  readonly #counters: Counters = { model: new Map(), provider: new Map(), client: new Map() }
  /** The number of counters of clients at which idle ones are dropped next. */
  #sweptClients = minSweptClients

  reserve(demand: Demand, nowMs: number): Reserved | Refusal {
    const refusal = this.probe(demand, nowMs)
    if (refusal !== undefined) return refusal
    const tokens = tokensOf(demand)
    const choice = this.#firstAvailable(demand.oneOf, tokens, nowMs)
    const reservation: Held = {
      tokens,
      choice,
      shares: demand.scopes.map((scope) => this.#take(scope, tokens, nowMs)),
      chosen: choice && this.#take(choice, tokens, nowMs),
      isOpen: true,
    }
    return { kind: 'admitted', reservation, limitStatus: this.#limitStatus(demand.scopes, nowMs) }
  }

  probe(demand: Demand, nowMs: number): Refusal | undefined {
    const { scopes, oneOf, minTokens } = demand
    for (const scope of scopes) {
      const { tpm = Infinity } = scope.limits
      if (minTokens <= tpm) continue
      const limitStatus = this.#limitStatus(scopes, nowMs)
      return { kind: 'too_large', scope, limit: tpm, requested: minTokens, limitStatus }
    }
    const tokens = tokensOf(demand)
    const refusal = this.#windowRefusal(demand, tokens, nowMs) ?? this.#slotRefusal(demand, scopes, nowMs)
    if (refusal !== undefined || oneOf.length === 0) return refusal
    if (this.#firstAvailable(oneOf, tokens, nowMs) !== undefined) return undefined
    const [preferred] = oneOf
    return (
      this.#slotRefusal(demand, [preferred!], nowMs) ??
      this.#windowRefusal({ ...demand, scopes: [preferred!] }, tokens, nowMs)
    )
  }

  grow(reservation: Reservation, tokens: number, nowMs: number): void {
    const held = reservation as Held
    if (!held.isOpen || tokens <= held.tokens) return
    held.tokens = tokens
    for (const share of sharesOf(held)) {
      if (share.entry !== undefined) share.counter.window!.grow(share.entry, tokens, nowMs)
    }
  }

  settle(reservation: Reservation, charge: Charge, nowMs: number): void {
    const held = reservation as Held
    if (!held.isOpen) return
    held.isOpen = false
    let hasFreed = held.chosen !== undefined
    for (const share of sharesOf(held)) {
      const hasReleased = releaseShare(share, charge, nowMs)
      hasFreed ||= hasReleased || share.counter.limits.maxParallelRequests !== undefined
    }
    if (hasFreed) this.onFreed?.()
  }

  move(reservation: Reservation, oneOf: readonly Scope[], nowMs: number): boolean {
    const held = reservation as Held
    if (!held.isOpen) return false
    const choice = this.#firstAvailable(oneOf, held.tokens, nowMs, held.choice?.name)
    if (choice === undefined) return false
    if (choice.name === held.choice?.name) return true
    if (held.chosen !== undefined) releaseShare(held.chosen, { requests: 0, tokens: 0 }, nowMs)
    held.choice = choice
    held.chosen = this.#take(choice, held.tokens, nowMs)
    this.onFreed?.()
    return true
  }

  use(scope: Scope, nowMs: number): ScopeUse {
    // There may be thousands of models that nobody calls.
    const counter = this.#counters[scope.kind].get(scope.name) ?? unused
    return {
      requests: counter.used('requests', nowMs),
      tokens: counter.used('tokens', nowMs),
      parallel: counter.inUse,
      limitStatus: counter.limitStatus(nowMs, scope.limits),
      nextMs: counter.nextMs(nowMs, scope.limits),
    }
  }

  /** Everything charged in the last 60 seconds, calls under way with what they reserved. */
  dump(nowMs: number): SavedWindows {
    return {
      models: this.#dump('model', nowMs).map(([model, entries]) => ({ model, entries })),
      clients: this.#dump('client', nowMs).map(([client, entries]) => ({ client, entries })),
    }
  }

  #dump(kind: Scope['kind'], nowMs: number): [name: string, entries: SavedEntry[]][] {
    return Array.from(this.#counters[kind], ([name, { window }]): [string, SavedEntry[]] => [
      name,
      window?.dump(nowMs, maxSavedEntries) ?? [],
    ]).filter(([, entries]) => entries.length > 0)
  }

  /** Takes up what `dump` gave, oldest first within a window, before the first call. */
  restore({ models, clients }: SavedWindows, nowMs: number): void {
    for (const { model, entries } of models) this.#restore('model', model, entries, nowMs)
    for (const { client, entries } of clients) this.#restore('client', client, entries, nowMs)
  }

  #restore(kind: Scope['kind'], name: string, entries: readonly SavedEntry[], nowMs: number): void {
    const counter = this.#counter({ kind, name, limits: {}, isMetered: true })
    counter.growTo(capacityFor({ rpm: maxSavedEntries }))
    for (const [ageMs, requests, tokens] of entries) counter.window!.add(requests, tokens, nowMs - ageMs)
  }

  #counter({ kind, name, limits, isMetered }: Scope): ScopeCounter {
    const counters = this.#counters[kind]
    let counter = counters.get(name)
    if (counter === undefined) {
      counter = new ScopeCounter(limits, isMetered)
      counters.set(name, counter)
    } else if (counter.limits !== limits) counter.applyLimits(limits)
    return counter
  }

  #take(scope: Scope, tokens: number, nowMs: number): Share {
    const counter = this.#counter(scope)
    counter.inUse++
    if (scope.kind === 'client' && this.#counters.client.size >= this.#sweptClients) this.#sweepClients(nowMs)
    return { scope, counter, entry: counter.window?.add(1, tokens, nowMs), sinceMs: nowMs }
  }

  #sweepClients(nowMs: number): void {
    const { client: counters } = this.#counters
    for (const [name, counter] of counters) if (counter.isIdle(nowMs)) counters.delete(name)
    this.#sweptClients = Math.max(minSweptClients, 2 * counters.size)
  }

  /** By the window that takes longest to have room. */
  #windowRefusal(demand: Demand, tokens: number, nowMs: number): Limited | undefined {
    const { scopes, ahead } = demand
    let refusal: Limited | undefined
    for (const scope of scopes) {
      const counter = this.#counter(scope)
      const wait = counter.windowWait(tokens, nowMs, ahead)
      if (wait === undefined) continue
      const { dimension, limit, untilMs } = wait
      // The whole estimate: by what it exceeds the limit, the limit is too low as well.
      const requested = dimension === 'tokens' ? demand.tokens : wait.requested
      const retryAfterMs = Math.max(1, Math.ceil(untilMs - nowMs))
      if (refusal !== undefined && refusal.retryAfterMs >= retryAfterMs) continue
      const used = counter.used(dimension, nowMs)
      const limitStatus = this.#limitStatus(scopes, nowMs)
      refusal = { kind: 'limited', scope, dimension, limit, used, requested, retryAfterMs, limitStatus }
    }
    return refusal
  }

  #slotRefusal(demand: Demand, scopes: readonly Scope[], nowMs: number): Limited | undefined {
    for (const scope of scopes) {
      const counter = this.#counter(scope)
      if (counter.hasFreeSlot) continue
      return {
        kind: 'limited',
        scope,
        dimension: 'parallel',
        limit: scope.limits.maxParallelRequests!,
        used: counter.inUse,
        requested: 1,
        retryAfterMs: counter.expectedFreeMs(demand.ahead?.requests),
        limitStatus: this.#limitStatus(demand.scopes, nowMs),
      }
    }
    return undefined
  }

  /** @param own name of the one that the asker holds already. */
  #firstAvailable(scopes: readonly Scope[], tokens: number, nowMs: number, own?: string): Scope | undefined {
    return scopes.find((scope) => {
      if (scope.name === own) return true
      const counter = this.#counter(scope)
      return counter.hasFreeSlot && counter.windowWait(tokens, nowMs) === undefined
    })
  }

  #limitStatus(scopes: readonly Scope[], nowMs: number): LimitStatus {
    const [first, ...others] = scopes.map((scope) => this.#counter(scope).limitStatus(nowMs))
    if (first === undefined || others.length === 0) return first ?? noLimitStatus
    return others.reduce(
      (one, other) => ({
        requests: tighter(one.requests, other.requests),
        tokens: tighter(one.tokens, other.tokens),
      }),
      first,
    )
  }
}

const unused = new ScopeCounter({}, true)

/** At most the smallest whole limit: a call that is estimated larger takes all of it. */
function tokensOf({ scopes, tokens }: Demand): number {
  return scopes.reduce((least, { limits }) => Math.min(least, limits.tpm ?? Infinity), tokens)
}

function sharesOf({ shares, chosen }: Held): readonly Share[] {
  return chosen === undefined ? shares : [...shares, chosen]
}

/** Ends a share. True if requests or tokens were given back. */
function releaseShare({ counter, entry, sinceMs }: Share, charge: Charge, nowMs: number): boolean {
  counter.releaseSlot(nowMs - sinceMs)
  return entry !== undefined && counter.window!.settle(entry, charge, nowMs)
}

function tighter(one: Quota | undefined, other: Quota | undefined): Quota | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return other.remaining < one.remaining ? other : one
}
