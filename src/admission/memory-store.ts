// Admission's counters in this process's memory. It cannot fail; snapshot-file.ts carries it over a restart.
import type { ModelLimits } from '../domain.ts'
import type { Charge } from './outcome.ts'
import { Slots } from './slots.ts'
import type {
  AdmissionStore,
  Admitted,
  Candidate,
  Demand,
  Limited,
  ModelUse,
  Quota,
  Reservation,
  Standing,
  TooLarge,
} from './store.ts'
import { capacityFor, SlidingWindow } from './window.ts'
import type { Entry, SavedEntry, WindowDimension } from './window.ts'

/** One model's window, to be saved. Ages are relative to the moment of saving. */
export interface SavedModel {
  readonly model: string
  readonly entries: readonly SavedEntry[]
}

interface ModelCount {
  window: SlidingWindow
  limits: ModelLimits | undefined
}

/** What this store keeps behind a `Reservation`. */
interface Held extends Reservation {
  tokens: number
  provider: string | undefined
  readonly entry: Entry
  readonly sinceMs: number
  /** When the provider's slot was taken. */
  providerSinceMs: number
}

const noStanding: Standing = { requests: undefined, tokens: undefined }

/** Entries that are saved per model; beyond that neighbours are merged. */
const maxSavedEntries = 1024

/** An AdmissionStore that answers at once, always. */
export class MemoryStore implements AdmissionStore {
  onFreed: (() => void) | undefined
  readonly #models = new Map<string, ModelCount>()
  readonly #unused = new SlidingWindow(capacityFor(undefined))
  readonly #modelSlots = new Slots()
  readonly #providerSlots = new Slots()

  reserve(demand: Demand, limits: ModelLimits | undefined, nowMs: number): Admitted | Limited | TooLarge {
    const { window } = this.#count(demand.model, limits)
    const refusal = this.#refusal(window, demand, { limits, nowMs })
    if (refusal !== undefined) return refusal
    const tokens = Math.min(demand.tokens, limits?.tpm ?? Infinity)
    const provider = this.#firstFree(demand.providers)
    const reservation: Held = {
      model: demand.model,
      tokens,
      provider,
      entry: window.add(1, tokens, nowMs),
      sinceMs: nowMs,
      providerSinceMs: nowMs,
    }
    this.#modelSlots.take(demand.model)
    if (provider !== undefined) this.#providerSlots.take(provider)
    return { kind: 'admitted', reservation, standing: standingOf(window, limits, nowMs) }
  }

  probe(demand: Demand, limits: ModelLimits | undefined, nowMs: number): Limited | TooLarge | undefined {
    const { window } = this.#count(demand.model, limits)
    return this.#refusal(window, demand, { limits, nowMs })
  }

  grow(reservation: Reservation, tokens: number, nowMs: number): void {
    const held = reservation as Held
    if (!held.entry.open || tokens <= held.tokens) return
    this.#models.get(held.model)!.window.grow(held.entry, tokens, nowMs)
    held.tokens = tokens
  }

  settle(reservation: Reservation, charge: Charge, nowMs: number): void {
    const held = reservation as Held
    if (!held.entry.open) return
    const gaveBack = this.#models.get(held.model)!.window.settle(held.entry, charge, nowMs)
    this.#modelSlots.release(held.model, nowMs - held.sinceMs)
    this.#releaseProvider(held, nowMs)
    const { limits } = this.#models.get(held.model)!
    const freedSlot = held.provider !== undefined || limits?.maxParallelRequests !== undefined
    if (gaveBack || freedSlot) this.onFreed?.()
  }

  move(reservation: Reservation, providers: readonly Candidate[], nowMs: number): boolean {
    const held = reservation as Held
    if (!held.entry.open) return false
    const provider = this.#firstFree(providers, held.provider)
    if (provider === undefined) return false
    if (provider === held.provider) return true
    this.#releaseProvider(held, nowMs)
    this.#providerSlots.take(provider)
    held.provider = provider
    held.providerSinceMs = nowMs
    this.onFreed?.()
    return true
  }

  use(model: string, limits: ModelLimits | undefined, nowMs: number): ModelUse {
    // Asking leaves no trace: there may be thousands of models that nobody calls.
    const window = this.#models.get(model)?.window ?? this.#unused
    return {
      requests: window.used('requests', nowMs),
      tokens: window.used('tokens', nowMs),
      parallel: this.#modelSlots.inUse(model),
      standing: standingOf(window, limits, nowMs),
    }
  }

  /** Everything charged in the last 60 seconds, calls under way with what they reserved. */
  dump(nowMs: number): SavedModel[] {
    return Array.from(this.#models, ([model, { window }]) => ({
      model,
      entries: window.dump(nowMs, maxSavedEntries),
    })).filter(({ entries }) => entries.length > 0)
  }

  /** Takes up what `dump` gave, oldest first within a model, before the first call. */
  restore(saved: readonly SavedModel[], nowMs: number): void {
    for (const { model, entries } of saved) {
      const window = new SlidingWindow(capacityFor({ rpm: maxSavedEntries }))
      for (const [ageMs, requests, tokens] of entries) window.add(requests, tokens, nowMs - ageMs)
      this.#models.set(model, { window, limits: undefined })
    }
  }

  #count(model: string, limits: ModelLimits | undefined): ModelCount {
    let count = this.#models.get(model)
    if (count === undefined) {
      count = { window: new SlidingWindow(capacityFor(limits)), limits }
      this.#models.set(model, count)
    } else if (count.limits !== limits) {
      const capacity = capacityFor(limits)
      if (capacity > count.window.capacity) count.window = count.window.resized(capacity)
      count.limits = limits
    }
    return count
  }

  #refusal(
    window: SlidingWindow,
    demand: Demand,
    at: { limits: ModelLimits | undefined; nowMs: number },
  ): Limited | TooLarge | undefined {
    const { limits, nowMs } = at
    if (limits !== undefined) {
      const { rpm = Infinity, tpm = Infinity, maxParallelRequests } = limits
      if (demand.minTokens > tpm) {
        const standing = standingOf(window, limits, nowMs)
        return { kind: 'too_large', limit: tpm, requested: demand.minTokens, standing }
      }
      const tokens = Math.min(demand.tokens, tpm)
      const requestsAtMs = window.fitsAt('requests', 1, rpm, nowMs)
      const tokensAtMs = window.fitsAt('tokens', tokens, tpm, nowMs)
      if (requestsAtMs > nowMs || tokensAtMs > nowMs) {
        const byTokens = tokensAtMs > requestsAtMs
        const dimension = byTokens ? 'tokens' : 'requests'
        return {
          kind: 'limited',
          dimension,
          provider: undefined,
          limit: byTokens ? tpm : rpm,
          used: window.used(dimension, nowMs),
          requested: byTokens ? tokens : 1,
          retryAfterMs: Math.max(1, Math.ceil((byTokens ? tokensAtMs : requestsAtMs) - nowMs)),
          standing: standingOf(window, limits, nowMs),
        }
      }
      if (!this.#modelSlots.isFree(demand.model, maxParallelRequests)) {
        const free = { slots: this.#modelSlots, name: demand.model, limit: maxParallelRequests! }
        return parallelRefusal(free, undefined, standingOf(window, limits, nowMs))
      }
    }
    const first = demand.providers[0]
    if (first === undefined || this.#firstFree(demand.providers) !== undefined) return undefined
    const busy = { slots: this.#providerSlots, name: first.name, limit: first.maxParallelRequests! }
    return parallelRefusal(busy, first.name, standingOf(window, limits, nowMs))
  }

  /** `own` is a provider whose slot the asker holds already. */
  #firstFree(providers: readonly Candidate[], own?: string): string | undefined {
    for (const { name, maxParallelRequests } of providers) {
      if (name === own || this.#providerSlots.isFree(name, maxParallelRequests)) return name
    }
    return undefined
  }

  #releaseProvider(held: Held, nowMs: number): void {
    if (held.provider !== undefined) this.#providerSlots.release(held.provider, nowMs - held.providerSinceMs)
  }
}

function parallelRefusal(
  busy: { slots: Slots; name: string; limit: number },
  provider: string | undefined,
  standing: Standing,
): Limited {
  return {
    kind: 'limited',
    dimension: 'parallel',
    provider,
    limit: busy.limit,
    used: busy.slots.inUse(busy.name),
    requested: 1,
    retryAfterMs: busy.slots.expectedFreeMs(busy.name),
    standing,
  }
}

function standingOf(window: SlidingWindow, limits: ModelLimits | undefined, nowMs: number): Standing {
  if (limits?.rpm === undefined && limits?.tpm === undefined) return noStanding
  return {
    requests: quota(window, { dimension: 'requests', limit: limits.rpm }, nowMs),
    tokens: quota(window, { dimension: 'tokens', limit: limits.tpm }, nowMs),
  }
}

function quota(
  window: SlidingWindow,
  of: { dimension: WindowDimension; limit: number | undefined },
  nowMs: number,
): Quota | undefined {
  if (of.limit === undefined) return undefined
  return {
    limit: of.limit,
    remaining: Math.max(0, of.limit - window.used(of.dimension, nowMs)),
    resetMs: Math.max(0, Math.ceil(window.emptyAt(of.dimension, nowMs) - nowMs)),
  }
}
