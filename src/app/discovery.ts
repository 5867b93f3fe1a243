// The models that providers list (`discover_models`): requested at the start, at a reload, every 30 s (every 10 min from
// remote providers), and when a call names an unknown model. A new list replaces the previous one. A provider that returns
// none keeps its last list: calls then fail because of the provider's state, not because of an unknown name, and a server
// that restarts keeps its models meanwhile. The list of a server at another address goes with the first failure. A server that is
// started when it is called is asked once it runs, and its list is kept over restarts of the gateway: nobody would call it otherwise.
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config/types.ts'
import type { HttpProvider, ProviderConfig } from '../config/provider-types.ts'
import type { Events } from '../observe/events.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import { lastIdOf, modelListPath } from '../dialects/anthropic/model-pages.ts'
import { joinedLists, type ModelList } from '../dialects/openai/model-list.ts'
import { maxModelNameLength } from '../dialects/request.ts'
import type { ListedModel } from '../domain.ts'
import type { ProbeOutcome } from '../upstream/probe.ts'
import type { Provider } from '../upstream/provider.ts'
import { serverOf } from './format-findings.ts'
import { listIn } from './list-in.ts'
import { type IsOpen, type Poll, type PollClock, type PollParts, Polls } from './polls.ts'
import type { ProviderSet } from './provider-pool.ts'
import { type KeptList, type KeptLists, serverOfService } from './services/kept-lists.ts'

export interface DiscoveryParts {
  readonly clock: PollClock
  readonly events: Events
  /** Called with all lists when one has changed. */
  readonly onChange: (discovered: Discovered) => void
  /** Absent: every provider is. */
  readonly isOpen?: IsOpen
  /** Called when a list of a service has changed. */
  readonly onKept?: () => void
}

const limits = { maxBytes: 4 * 1024 * 1024, timeoutMs: 10_000 }

/** With the pages before the last one, a list has at most so many. */
const maxPages = 8

const localIntervalMs = 30_000
const remoteIntervalMs = 600_000

/** An unknown name does not request a provider's list again within this time. */
const freshMs = 5_000

/** The longest time that a call for an unknown name waits for the lists. */
const maxCallWaitMs = 1_000

/** What is known of one provider. */
interface Listing {
  models: readonly ListedModel[]
  /** The server that is asked. */
  address: string
  /** The server whose list this is; undefined: there was none yet. */
  listedAddress: string | undefined
  /** When it last returned a list, in milliseconds of the monotonic clock; undefined: never. */
  listedAtMs: number | undefined
  /** Why it listed none last time, as far as that is known. */
  reportedFault: 'away' | 'no_list' | undefined
}

const unlisted = { models: [], listedAddress: undefined, listedAtMs: undefined, reportedFault: undefined }

export class Discovery {
  readonly #parts: DiscoveryParts
  readonly #polls: Polls
  readonly #listings = new Map<string, Listing>()
  /** Of services, by provider: what they have listed last. */
  #kept = new Map<string, KeptList>()
  /** Provider → its service, for those that have one. */
  readonly #services = new Map<string, string>()
  /** Providers that the file's models use. */
  #needed: ReadonlySet<string> = new Set()

  constructor(parts: DiscoveryParts) {
    this.#parts = parts
    const onBug = (error: unknown) => {
      parts.events.emit({ kind: 'internal_error', error, where: 'discovery' })
    }
    this.#polls = new Polls(parts.clock, onBug, parts.isOpen)
  }

  /** Adopts what an earlier process has kept of services, before the first `follow`. */
  restore(kept: KeptLists): void {
    this.#kept = new Map(kept)
  }

  /** The lists of services that outlive the process. */
  get kept(): KeptLists {
    return this.#kept
  }

  /** Requests the lists of exactly the providers that the configuration discovers, at once and from now on. */
  follow({ providers: configs, models }: Config, providers: ProviderSet): void {
    const targets = [...models.values()].flatMap((model) => model.targets)
    this.#needed = new Set(targets.map(({ provider }) => provider))
    const kept: Poll[] = []
    for (const [name, config] of configs) {
      const poll = this.#polls.get(name)
      if (!discovers(config)) {
        this.#listings.delete(name)
        continue
      }
      const address = serverOf(config)
      const listing = this.#listings.get(name)
      if (listing === undefined) this.#listings.set(name, { ...unlisted, address })
      else {
        listing.address = address
        if (poll !== undefined && poll.provider === providers.get(name)) kept.push(poll)
      }
    }
    for (const name of this.#listings.keys()) if (!configs.has(name)) this.#listings.delete(name)
    this.#followServices(configs)
    this.#publish()
    this.#polls.follow(providers, (provider) => {
      const config = configs.get(provider.name)!
      if (!discovers(config)) return undefined
      return config.kind === 'anthropic' ? this.#pagesOf(provider) : this.#listOf(provider)
    })
    for (const poll of kept) void poll.run()
  }

  /** The service of the provider was opened or closed. */
  reconsider(provider: string): void {
    this.#polls.reconsider(provider)
  }

  /** A list of another server than is there now is dropped at once: nothing is asked of a server that does not run. */
  #followServices(configs: Config['providers']): void {
    let hasChanged = false
    this.#services.clear()
    for (const [name, listing] of this.#listings) {
      const config = configs.get(name)
      const server = config === undefined || config.kind === 'echo' ? undefined : serverOfService(config)
      if (server === undefined) continue
      this.#services.set(name, server)
      const kept = this.#kept.get(name)
      const isListed = listing.listedAddress === listing.address
      if (kept?.server === server) {
        if (!isListed) Object.assign(listing, { models: kept.models, listedAddress: listing.address })
        continue
      }
      if (kept === undefined && isListed) {
        this.#kept.set(name, { server, models: listing.models })
        hasChanged = true
      } else {
        Object.assign(listing, unlisted)
        if (this.#kept.delete(name)) hasChanged = true
      }
    }
    for (const name of this.#kept.keys()) {
      if (!this.#services.has(name)) hasChanged = this.#kept.delete(name)
    }
    if (hasChanged) this.#parts.onKept?.()
  }

  #keep(name: string, models: readonly ListedModel[]): void {
    const server = this.#services.get(name)
    if (server === undefined) return
    this.#kept.set(name, { server, models })
    this.#parts.onKept?.()
  }

  /**
   * Requests the lists again that may contain a model that is still unknown. Resolves when they have arrived, immediately
   * if all were requested recently, and in any case after a second.
   */
  async refresh(model: string): Promise<void> {
    const { now, setTimer } = this.#parts.clock
    const owner = model.slice(0, Math.max(0, model.indexOf('/')))
    const names = this.#listings.has(owner) ? [owner] : [...this.#listings.keys()]
    const due = names
      .map((name) => this.#polls.get(name))
      .filter((poll) => poll !== undefined)
      .filter((poll) => poll.isRunning || now() - poll.startedAtMs >= freshMs)
    if (due.length === 0) return
    await new Promise<void>((resolve) => {
      const stopTimer = setTimer(resolve, maxCallWaitMs)
      void Promise.all(due.map((poll) => poll.run())).then(() => {
        stopTimer()
        resolve()
      })
    })
  }

  stop(): void {
    this.#polls.stop()
  }

  /** The whole list at once. */
  #listOf(provider: Provider): PollParts {
    const request = { path: '/models', ...limits }
    return { request, onResult: (outcome) => this.#onResult(provider, outcome, ownListIn(outcome, provider)) }
  }

  /** Page by page; it counts once all have come. */
  #pagesOf(provider: Provider): PollParts {
    let earlier: ModelList[] = []
    return {
      request: { path: modelListPath(), ...limits },
      next(outcome) {
        const page = earlier.length + 1 < maxPages ? ownListIn(outcome, provider) : undefined
        const lastId = page && outcome.kind === 'answered' ? lastIdOf(outcome.body) : undefined
        if (page === undefined || lastId === undefined) return undefined
        earlier.push(page)
        return { path: modelListPath(lastId), ...limits }
      },
      onResult: (outcome) => {
        const last = ownListIn(outcome, provider)
        const pages = earlier
        earlier = []
        return this.#onResult(provider, outcome, last && joinedLists([...pages, last]))
      },
      onGivenUp: () => void (earlier = []),
    }
  }

  /** @returns how long until it is asked again, in milliseconds. */
  #onResult(provider: Provider, outcome: ProbeOutcome, list: ModelList | undefined): number {
    const { clock, events } = this.#parts
    const { name, isLocal } = provider
    const listing = this.#listings.get(name)!
    events.emit({ kind: 'polled', provider: name, poll: 'models', is_ok: list !== undefined })
    if (list === undefined) {
      this.#onFault(provider, listing, outcome)
      return localIntervalMs
    }
    const isNews = listing.listedAtMs === undefined || listing.reportedFault !== undefined
    const before = listing.models
    listing.listedAtMs = clock.now()
    listing.listedAddress = listing.address
    listing.reportedFault = undefined
    const models = withFirstDates(list.models, before)
    if (!isDeepStrictEqual(before, models)) {
      listing.models = models
      this.#keep(name, models)
      this.#publish()
    }
    const change = changeOf(before, list.models)
    if (isNews || change.added > 0 || change.removed > 0) {
      events.emit({ kind: 'models_discovered', provider: name, ...change, skipped: list.skipped })
    }
    return isLocal ? localIntervalMs : remoteIntervalMs
  }

  #onFault({ name, isLocal }: Provider, listing: Listing, outcome: ProbeOutcome): void {
    if (outcome.kind === 'failed' && outcome.failure.kind === 'unconnectable') return
    const { clock, events } = this.#parts
    const { models, listedAtMs } = listing
    const isOfAnother = listing.listedAddress !== listing.address
    const fault = outcome.kind === 'failed' ? 'away' : 'no_list'
    if (listing.reportedFault !== fault) {
      listing.reportedFault = fault
      // Local servers are often started after the gateway. A call that needs one reports that it is away.
      const mayBeAway = isLocal || !this.#needed.has(name)
      events.emit({
        kind: 'discovery_failed',
        provider: name,
        reason: reasonOf(outcome),
        is_usual: isRefused(outcome) && listedAtMs === undefined && mayBeAway,
        ...(listedAtMs !== undefined && {
          kept_models: isOfAnother ? 0 : models.length,
          list_age_ms: Math.round(clock.now() - listedAtMs),
        }),
      })
    }
    if (!isOfAnother || models.length === 0) return
    const removed = models.length
    events.emit({ kind: 'models_discovered', provider: name, count: 0, added: 0, removed, skipped: 0 })
    listing.models = []
    this.#publish()
  }

  #publish(): void {
    this.#parts.onChange(new Map(Array.from(this.#listings, ([name, { models }]) => [name, models])))
  }
}

function ownListIn(outcome: ProbeOutcome, provider: Provider): ModelList | undefined {
  // `PROVIDER/MODEL` has to fit.
  return listIn(outcome, provider, maxModelNameLength - provider.name.length - 1)
}

function discovers(config: ProviderConfig): config is HttpProvider {
  return config.kind !== 'echo' && config.discoverModels === true
}

/**
 * vLLM and llama.cpp write the time of the request into `created`: a model keeps the one with which it was listed first, so
 * that a list is news only when its models are.
 */
function withFirstDates(models: readonly ListedModel[], before: readonly ListedModel[]): ListedModel[] {
  const dates = new Map(before.map(({ id, facts }) => [id, facts?.['created']]))
  return models.map((model) => {
    const created = dates.get(model.id)
    if (created === undefined || model.facts?.['created'] === undefined) return model
    return { ...model, facts: { ...model.facts, created } }
  })
}

/** Nothing listens at the provider's address. */
function isRefused(outcome: ProbeOutcome): boolean {
  return outcome.kind === 'failed' && outcome.failure.kind === 'unreachable'
}

function changeOf(
  before: readonly ListedModel[],
  after: readonly ListedModel[],
): { count: number; added: number; removed: number } {
  const [old, current] = [before, after].map((models) => new Set(models.map(({ id }) => id)))
  return {
    count: after.length,
    added: current!.difference(old!).size,
    removed: old!.difference(current!).size,
  }
}

/** The reason, for operators. Contains nothing of the response's content. */
function reasonOf(outcome: ProbeOutcome): string {
  if (outcome.kind === 'failed') return outcome.failure.detail
  if (outcome.head.status !== 200) return `status ${outcome.head.status}`
  return outcome.kind === 'answered'
    ? 'the response is not a list of models'
    : `the response exceeds ${limits.maxBytes} bytes`
}
