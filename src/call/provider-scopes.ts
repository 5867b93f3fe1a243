// What limits the calls of a provider at once: the number of its entry, or with `auto` the slots that its server reports, less
// those that other programs use, or else what it is seen to work at together. A scope stays the same object while its limit
// changes, so that calls which wait for it find the limit of the moment.
import { providerScope, type Scope, type ScopeLimits } from '../admission/scopes.ts'
import { type ObservedCall, SlotLearner } from '../admission/slot-learner.ts'
import type { Target } from '../domain.ts'
import type { ServerFacts } from '../routing/server-facts.ts'
import type { Provider } from '../upstream/provider.ts'

/** Who sees what other programs do at servers (app/load-looks.ts). */
export interface LoadWatch {
  /** Soon, at most once a second. */
  want(targets: readonly Target[]): void
  /** While a call waits. @returns ends that. */
  hold(targets: readonly Target[]): () => void
}

interface OwnScope extends Scope {
  limits: ScopeLimits
}

interface Entry {
  readonly scope: OwnScope
  isLocal: boolean
  max: number | 'auto' | undefined
  /**
   * Of a server whose models have slots of their own, by the model. Those of models that it has unloaded stay, for calls
   * that wait for them.
   */
  readonly ofModels: Map<string, OwnScope>
  /** The slots of the models that the server has loaded. */
  slotsOfModels: ReadonlyMap<string, number>
  /** Where `auto` finds nothing reported. */
  learner: SlotLearner | undefined
}

const noSlots: ReadonlyMap<string, number> = new Map()

export type SlotProvider = Pick<Provider, 'name' | 'isLocal' | 'maxParallelRequests'>

export class ProviderScopes {
  readonly #facts: ServerFacts
  readonly #now: () => number
  /** By name. Those that a reload has removed stay, for calls that began before it. */
  readonly #entries = new Map<string, Entry>()

  /** @param now milliseconds of a monotonic clock. */
  constructor(facts: ServerFacts, now: () => number) {
    this.#facts = facts
    this.#now = now
  }

  follow(providers: Iterable<SlotProvider>): void {
    for (const { name, isLocal, maxParallelRequests: max } of providers) {
      const known = this.#entries.get(name)
      if (known === undefined) {
        this.#entries.set(name, {
          scope: ownScope(name),
          isLocal,
          max,
          ofModels: new Map(),
          slotsOfModels: noSlots,
          learner: undefined,
        })
      } else Object.assign(known, { isLocal, max })
      this.refresh(name)
    }
  }

  isLocal(provider: string): boolean {
    return this.#entries.get(provider)?.isLocal === true
  }

  /** @param model the provider's name for it. */
  of(provider: string, model: string): Scope {
    const entry = this.#entries.get(provider)
    if (entry === undefined) return providerScope(provider, undefined)
    if (entry.max !== 'auto') return entry.scope
    if (entry.slotsOfModels.size > 0) {
      return entry.slotsOfModels.has(model) ? entry.ofModels.get(model)! : entry.scope
    }
    if (entry.learner !== undefined) setLimit(entry.scope, autoLimit(entry.learner.bound))
    return entry.scope
  }

  /** The number of calls at once that are let in to a provider now; undefined: any. */
  limitOf(provider: string): number | undefined {
    return this.#entries.get(provider)?.scope.limits.maxParallelRequests
  }

  /** Goes over to what is known now. @returns whether a limit has changed. */
  refresh(provider: string): boolean {
    const entry = this.#entries.get(provider)
    if (entry === undefined) return false
    const { scope, max } = entry
    if (max !== 'auto') {
      entry.learner = undefined
      entry.slotsOfModels = noSlots
      return setLimit(scope, { maxParallelRequests: max })
    }
    const hasChanged = this.#refreshModels(provider, entry)
    const slots = this.#facts.slotsOf(provider)
    if (slots === undefined && entry.slotsOfModels.size === 0) {
      entry.learner ??= new SlotLearner(this.#now)
      return setLimit(scope, autoLimit(entry.learner.bound)) || hasChanged
    }
    entry.learner = undefined
    // One call at least: others may hold slots for hours, and the server itself queues.
    const free = slots === undefined ? undefined : Math.max(1, slots - this.#facts.busyElsewhere(provider))
    return setLimit(scope, autoLimit(free)) || hasChanged
  }

  /** A call at the provider has begun. Undefined: nothing is learned of it. */
  observe(provider: string): ObservedProviderCall | undefined {
    const learner = this.#entries.get(provider)?.learner
    return learner && { learner, call: learner.begin() }
  }

  #refreshModels(provider: string, entry: Entry): boolean {
    const { ofModels: scopes } = entry
    const slots = this.#facts.slotsOfModels(provider)
    entry.slotsOfModels = slots
    let hasChanged = false
    for (const [model, limit] of slots) {
      let scope = scopes.get(model)
      // A provider's name contains no slash.
      if (scope === undefined) scopes.set(model, (scope = ownScope(`${provider}/${model}`)))
      if (setLimit(scope, autoLimit(limit))) hasChanged = true
    }
    return hasChanged
  }
}

/** A call of which slots are learned. */
export interface ObservedProviderCall {
  readonly learner: SlotLearner
  readonly call: ObservedCall
}

function ownScope(name: string): OwnScope {
  return { ...providerScope(name, undefined) }
}

/** @returns whether it was another one. */
function setLimit(scope: OwnScope, limits: ScopeLimits): boolean {
  const { maxParallelRequests, isAuto } = scope.limits
  if (maxParallelRequests === limits.maxParallelRequests && isAuto === limits.isAuto) return false
  scope.limits = limits
  return true
}

function autoLimit(maxParallelRequests: number | undefined): ScopeLimits {
  return { maxParallelRequests, isAuto: true }
}
