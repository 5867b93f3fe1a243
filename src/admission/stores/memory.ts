// Admission's counters in memory: how they decide. It cannot fail; snapshot-file.ts carries it over a restart.
// The memory is this thread's own unless another is given (shared-store.ts).
import type { ModelLimits } from '../../domain.ts'
import type { Charge } from '../outcome.ts'
import { Slots } from '../slots.ts'
import type {
  AdmissionStore,
  Admitted,
  Candidate,
  Demand,
  Limited,
  ModelUse,
  Quota,
  Reservation,
  LimitStatus,
  TooLarge,
} from './store.ts'
import { capacityFor, SlidingWindow } from '../sliding-window.ts'
import type { Entry, SavedEntry, WindowDimension } from '../sliding-window.ts'

/** One model's window, to be saved. Ages are relative to the moment of saving. */
export interface SavedModel {
  readonly model: string
  readonly entries: readonly SavedEntry[]
}

/** Where one model's window is, which moves when it grows. */
export interface WindowPlace {
  readonly window: SlidingWindow
  /** Makes room for this many slots at least. */
  grow(capacity: number): void
}

/** Where the counters of a store lie. */
export interface CounterPlaces {
  find(model: string): WindowPlace | undefined
  /** Found or made, with room for this many slots at least. */
  windowOf(model: string, capacity: number): WindowPlace
  /** Those that have a window. */
  models(): Iterable<string>
  readonly modelSlots: Slots
  readonly providerSlots: Slots
}

interface ModelCount {
  readonly place: WindowPlace
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

const noStatus: LimitStatus = { requests: undefined, tokens: undefined }

/** Entries that are saved per model; beyond that neighbours are merged. */
const maxSavedEntries = 1024

/** An AdmissionStore that answers at once, always. */
export class MemoryStore implements AdmissionStore {
  onFreed: (() => void) | undefined
  readonly #models = new Map<string, ModelCount>()
  readonly #places: CounterPlaces
  readonly #unused = new SlidingWindow(capacityFor(undefined))
  readonly #modelSlots: Slots
  readonly #providerSlots: Slots

  constructor(places: CounterPlaces = new OwnPlaces()) {
    this.#places = places
    this.#modelSlots = places.modelSlots
    this.#providerSlots = places.providerSlots
  }

  reserve(demand: Demand, limits: ModelLimits | undefined, nowMs: number): Admitted | Limited | TooLarge {
    const window = this.#windowOf(demand.model, limits)
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
    return { kind: 'admitted', reservation, limitStatus: statusOf(window, limits, nowMs) }
  }

  probe(demand: Demand, limits: ModelLimits | undefined, nowMs: number): Limited | TooLarge | undefined {
    const window = this.#windowOf(demand.model, limits)
    return this.#refusal(window, demand, { limits, nowMs })
  }

  grow(reservation: Reservation, tokens: number, nowMs: number): void {
    const held = reservation as Held
    if (!held.entry.open || tokens <= held.tokens) return
    this.#models.get(held.model)!.place.window.grow(held.entry, tokens, nowMs)
    held.tokens = tokens
  }

  settle(reservation: Reservation, charge: Charge, nowMs: number): void {
    const held = reservation as Held
    if (!held.entry.open) return
    const { place, limits } = this.#models.get(held.model)!
    const gaveBack = place.window.settle(held.entry, charge, nowMs)
    this.#modelSlots.release(held.model, nowMs - held.sinceMs)
    this.#releaseProvider(held, nowMs)
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
    const window = this.#places.find(model)?.window ?? this.#unused
    return {
      requests: window.used('requests', nowMs),
      tokens: window.used('tokens', nowMs),
      parallel: this.#modelSlots.inUse(model),
      limitStatus: statusOf(window, limits, nowMs),
    }
  }

  /** Everything of these models charged in the last 60 seconds, calls under way with what they reserved. */
  dump(nowMs: number, models: Iterable<string> = this.#places.models()): SavedModel[] {
    return Array.from(models, (model) => ({
      model,
      entries: this.#places.windowOf(model, 0).window.dump(nowMs, maxSavedEntries),
    })).filter(({ entries }) => entries.length > 0)
  }

  /** Takes up what `dump` gave, oldest first within a model, before the first call. */
  restore(saved: readonly SavedModel[], nowMs: number): void {
    for (const { model, entries } of saved) {
      const { window } = this.#places.windowOf(model, capacityFor({ rpm: maxSavedEntries }))
      for (const [ageMs, requests, tokens] of entries) window.add(requests, tokens, nowMs - ageMs)
    }
  }

  #windowOf(model: string, limits: ModelLimits | undefined): SlidingWindow {
    let count = this.#models.get(model)
    if (count === undefined) {
      count = { place: this.#places.windowOf(model, capacityFor(limits)), limits }
      this.#models.set(model, count)
    } else if (count.limits !== limits) {
      count.place.grow(capacityFor(limits))
      count.limits = limits
    }
    return count.place.window
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
        const limitStatus = statusOf(window, limits, nowMs)
        return { kind: 'too_large', limit: tpm, requested: demand.minTokens, limitStatus }
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
          limitStatus: statusOf(window, limits, nowMs),
        }
      }
      if (!this.#modelSlots.isFree(demand.model, maxParallelRequests)) {
        const free = { slots: this.#modelSlots, name: demand.model, limit: maxParallelRequests! }
        return parallelRefusal(free, undefined, statusOf(window, limits, nowMs))
      }
    }
    const first = demand.providers[0]
    if (first === undefined || this.#firstFree(demand.providers) !== undefined) return undefined
    const busy = { slots: this.#providerSlots, name: first.name, limit: first.maxParallelRequests! }
    return parallelRefusal(busy, first.name, statusOf(window, limits, nowMs))
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

/** Counters that nobody else sees. */
class OwnPlaces implements CounterPlaces {
  readonly modelSlots = new Slots()
  readonly providerSlots = new Slots()
  readonly #windows = new Map<string, OwnWindow>()

  find(model: string): WindowPlace | undefined {
    return this.#windows.get(model)
  }

  windowOf(model: string, capacity: number): WindowPlace {
    let place = this.#windows.get(model)
    if (place === undefined) {
      place = new OwnWindow(capacity)
      this.#windows.set(model, place)
    } else place.grow(capacity)
    return place
  }

  models(): Iterable<string> {
    return this.#windows.keys()
  }
}

export class OwnWindow implements WindowPlace {
  window: SlidingWindow

  constructor(capacity: number) {
    this.window = new SlidingWindow(capacity)
  }

  grow(capacity: number): void {
    if (capacity > this.window.capacity) this.window = this.window.resized(capacity)
  }
}

function parallelRefusal(
  busy: { slots: Slots; name: string; limit: number },
  provider: string | undefined,
  limitStatus: LimitStatus,
): Limited {
  return {
    kind: 'limited',
    dimension: 'parallel',
    provider,
    limit: busy.limit,
    used: busy.slots.inUse(busy.name),
    requested: 1,
    retryAfterMs: busy.slots.expectedFreeMs(busy.name),
    limitStatus,
  }
}

function statusOf(window: SlidingWindow, limits: ModelLimits | undefined, nowMs: number): LimitStatus {
  if (limits?.rpm === undefined && limits?.tpm === undefined) return noStatus
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
