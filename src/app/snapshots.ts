// The snapshots that serve calls, one for each load of the configuration. A call keeps the snapshot that it began with; a
// replaced snapshot releases its providers when its last call has ended.
import { UnorderedList, type Indexed } from '../platform/unordered-list.ts'
import type { Call, Snapshot } from '../call/call.ts'
import { handleCall } from '../call/handle-call.ts'
import { CallRecord } from '../call/record.ts'
import type { RestCall } from '../call/rest/request.ts'
import { handleRestCall, recordOfRest } from '../call/rest-call.ts'
import type { Config, RoutesConfig } from '../config/types.ts'
import { nativeFormatNames } from '../dialects/native/formats.ts'
import type { Client } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { PriceList } from '../prices/price-list.ts'
import { readShippedList } from '../prices/shipped-list.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import type { Route } from '../routing/route.ts'
import { RouteTable } from '../routing/route-table.ts'
import { serverKindsOf } from '../routing/server-kinds.ts'
import { once, priceBookOf } from './prices.ts'
import type { ProviderPool, ProviderSet } from './provider-pool.ts'

/** What outlives every load. */
export type LongLivedParts = Omit<
  Snapshot,
  | 'routes'
  | 'findLate'
  | 'providers'
  | 'prices'
  | 'budgets'
  | 'rest'
  | 'defaultModels'
  | 'routing'
  | 'rateLimits'
  | 'sessionHeaders'
  | 'heartbeatAfterMs'
>

interface OpenCall extends Indexed {
  readonly call: Pick<Call, 'reply' | 'client' | 'requestId'>
  readonly record: CallRecord
}

/** The calls of one load. */
interface Generation {
  readonly providers: ProviderSet
  readonly calls: UnorderedList<OpenCall>
}

export class Snapshots {
  readonly #longLived: LongLivedParts
  readonly #providers: ProviderPool
  readonly #open = new Set<Generation>()
  /** Calls that have not been settled, and generations whose providers are being closed. */
  #unsettled = 0
  #onSettled: (() => void) | undefined
  readonly #refresh: (model: string) => Promise<void>
  /** Read with the first call whose price is to be looked up. */
  readonly #shippedPrices = once(() => this.#readShippedPrices())
  #config: Config
  #discovered: Discovered = new Map()
  #newest: Generation
  #current: Snapshot

  /** @param refresh requests the lists again that may contain a model that is still unknown. */
  constructor(
    config: Config,
    longLived: LongLivedParts,
    providers: ProviderPool,
    refresh: (model: string) => Promise<void>,
  ) {
    this.#config = config
    this.#longLived = longLived
    this.#refresh = refresh
    this.#providers = providers
    ;[this.#newest, this.#current] = this.#build(config)
  }

  get current(): Snapshot {
    return this.#current
  }

  /** Open calls of all loads. */
  get openCalls(): number {
    return [...this.#open].reduce((sum, { calls }) => sum + calls.size, 0)
  }

  /** Serves a call with the newest load. */
  serve(call: Call): void {
    const record = new CallRecord(call)
    this.#track(call, record, handleCall(call, this.#current, record))
  }

  /** The same for a request that is not a model call. */
  serveRest(call: RestCall): void {
    const record = recordOfRest(call)
    this.#track(call, record, handleRestCall(call, this.#current, record))
  }

  #track(call: OpenCall['call'], record: CallRecord, served: Promise<void>): void {
    const generation = this.#newest
    const open = { call, record, index: -1 }
    generation.calls.add(open)
    this.#unsettled += 1
    void served.then(() => {
      generation.calls.delete(open)
      if (generation !== this.#newest && generation.calls.size === 0) void this.#close(generation)
      this.#settle()
    })
  }

  /** Switches to another configuration from the next call on. */
  replace(config: Config): void {
    const before = this.#newest
    this.#config = config
    ;[this.#newest, this.#current] = this.#build(config)
    if (before.calls.size === 0) void this.#close(before)
  }

  /** Offers what the providers list now, from the next call on. */
  setDiscovered(discovered: Discovered): void {
    this.#discovered = discovered
    this.#current = { ...this.#current, routes: this.#routesOf(this.#config) }
  }

  /** Ends the open calls of these clients with an error for them. @returns how many. */
  interrupt(error: GatewayError, isConcerned: (client: Client) => boolean = () => true): number {
    let count = 0
    for (const { calls } of this.#open) {
      calls.forEach(({ call }) => {
        if (call.reply.isGone || !isConcerned(call.client)) return
        count += 1
        call.reply.interrupt(error)
      })
    }
    return count
  }

  /** What is known of each open call, of all loads. */
  records(): CallRecord[] {
    const records: CallRecord[] = []
    for (const { calls } of this.#open) calls.forEach(({ record }) => records.push(record))
    return records
  }

  /** Ends the open calls with this request id, which clients may choose. @returns those that have ended by it. */
  cancel(id: string, error: GatewayError): CallRecord[] {
    const cancelled: CallRecord[] = []
    for (const { calls } of this.#open) {
      calls.forEach(({ call, record }) => {
        if (call.requestId !== id || call.reply.isGone) return
        call.reply.interrupt(error)
        if (call.reply.isGone) cancelled.push(record)
      })
    }
    return cancelled
  }

  /** Resolves when every call has been settled. May be awaited once. */
  settled(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#onSettled = resolve))
  }

  /** Releases all resources; no call may be open. */
  async close(): Promise<void> {
    await this.settled()
    await this.#providers.release(this.#newest.providers)
  }

  #build(config: Config): [Generation, Snapshot] {
    const { providers: configs, budgets, routing, rateLimits, server, routes: others } = config
    const providers = this.#providers.open(configs)
    const generation: Generation = { providers, calls: new UnorderedList() }
    this.#open.add(generation)
    const routes = this.#routesOf(config)
    const findLate = (name: string) => this.#findLate(name, providers)
    const { heartbeatAfterMs } = server
    const { rest } = others
    const defaultModels = defaultModelsOf(others)
    const prices = priceBookOf(config, this.#shippedPrices)
    const { sessionHeaders } = config.tracing
    const settings = {
      rest,
      defaultModels,
      prices,
      budgets,
      routing,
      rateLimits,
      sessionHeaders,
      heartbeatAfterMs,
    }
    return [generation, { ...this.#longLived, routes, findLate, providers, ...settings }]
  }

  #routesOf({ models, providers }: Config): RouteTable {
    return new RouteTable(models, this.#discovered, serverKindsOf(providers))
  }

  /** Calls go on without it: their prices are unknown. */
  #readShippedPrices(): PriceList | undefined {
    try {
      return readShippedList()
    } catch (error) {
      this.#longLived.events.emit({ kind: 'internal_error', error, where: 'the list of prices' })
      return undefined
    }
  }

  async #findLate(name: string, providers: ProviderSet): Promise<Route | undefined> {
    await this.#refresh(name)
    const { routes } = this.#current
    const route = routes.find(name) ?? routes.discovered.unlisted(name)
    // A reload may have happened in between; the call continues with the providers that it began with.
    return route?.targets.every(({ provider }) => providers.has(provider)) === true ? route : undefined
  }

  /** Of a replaced load, when its last call has ended. */
  async #close(generation: Generation): Promise<void> {
    this.#open.delete(generation)
    this.#unsettled += 1
    await this.#providers.release(generation.providers)
    this.#settle()
  }

  #settle(): void {
    this.#unsettled -= 1
    if (this.#unsettled === 0) this.#onSettled?.()
  }
}

/** By dialect. */
function defaultModelsOf({ defaultModel }: RoutesConfig): ReadonlyMap<string, string> {
  const { images, infill, moderations, native, responses } = defaultModel
  const models = [
    ['image', images],
    ['image_edit', images],
    ['image_variation', images],
    ['infill', infill ?? native],
    ['moderation', moderations],
    ['response', responses],
    ...nativeFormatNames.filter((name) => name !== 'infill').map((name) => [name, native] as const),
  ] as const
  return new Map(models.flatMap(([dialect, model]) => (model === undefined ? [] : [[dialect, model]])))
}
