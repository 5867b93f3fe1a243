// What calls are served by, from one load of the configuration to the next. A call keeps the snapshot that it began
// with; a snapshot that was replaced gives its providers back when its last call has ended.
import type { Call, Snapshot } from '../call/call.ts'
import { handleCall } from '../call/handle-call.ts'
import type { Config } from '../config/types.ts'
import type { GatewayError } from '../errors.ts'
import { type Discovered, type Route, RouteTable } from '../routing/route-table.ts'
import type { Providers, ProviderSet } from './providers.ts'

/** What outlives every load. */
export type Lasting = Omit<Snapshot, 'routes' | 'findLate' | 'providers' | 'routing'>

/** The calls of one load. */
interface Generation {
  readonly providers: ProviderSet
  readonly calls: Set<Call>
}

export class Snapshots {
  readonly #lasting: Lasting
  readonly #providers: Providers
  readonly #open = new Set<Generation>()
  /** Ends of calls and of what they used. */
  readonly #ends = new Set<Promise<void>>()
  readonly #refresh: (model: string) => Promise<void>
  #config: Config
  #discovered: Discovered = new Map()
  #newest: Generation
  #current: Snapshot

  /** @param refresh has the providers asked again that may have a model that is unknown so far. */
  constructor(
    config: Config,
    lasting: Lasting,
    providers: Providers,
    refresh: (model: string) => Promise<void>,
  ) {
    this.#config = config
    this.#lasting = lasting
    this.#refresh = refresh
    this.#providers = providers
    ;[this.#newest, this.#current] = this.#build(config)
  }

  get current(): Snapshot {
    return this.#current
  }

  /** Calls under way, of all loads. */
  get openCalls(): number {
    return [...this.#open].reduce((sum, { calls }) => sum + calls.size, 0)
  }

  /** Serves a call by the newest load. */
  serve(call: Call): void {
    const generation = this.#newest
    generation.calls.add(call)
    this.#await(
      handleCall(call, this.#current).then(() => {
        generation.calls.delete(call)
        return this.#endUnused(generation)
      }),
    )
  }

  /** Serves by another configuration from the next call on. */
  replace(config: Config): void {
    const before = this.#newest
    this.#config = config
    ;[this.#newest, this.#current] = this.#build(config)
    // What is known of a provider's health was learnt at its old address, or with its old key.
    for (const [name, provider] of before.providers) {
      if (this.#newest.providers.get(name) !== provider) this.#lasting.health.forget(name)
    }
    this.#await(this.#endUnused(before))
  }

  /** Offers what the providers list now, from the next call on. */
  offer(discovered: Discovered): void {
    this.#discovered = discovered
    this.#current = { ...this.#current, routes: new RouteTable(this.#config.models, discovered) }
  }

  /** Ends every call under way with an error that its client can see. */
  interrupt(error: GatewayError): void {
    for (const { calls } of this.#open) for (const call of calls) call.reply.interrupt(error)
  }

  /** Resolves when every call has been settled. */
  async settled(): Promise<void> {
    while (this.#ends.size > 0) await Promise.all(this.#ends)
  }

  /** Ends what is left; no call may be under way. */
  async close(): Promise<void> {
    await this.settled()
    await this.#providers.release(this.#newest.providers)
  }

  #build({ models, providers: configs, routing }: Config): [Generation, Snapshot] {
    const providers = this.#providers.open(configs)
    const generation: Generation = { providers, calls: new Set() }
    this.#open.add(generation)
    const routes = new RouteTable(models, this.#discovered)
    const findLate = (name: string) => this.#findLate(name, providers)
    return [generation, { ...this.#lasting, routes, findLate, providers, routing }]
  }

  async #findLate(name: string, providers: ProviderSet): Promise<Route | undefined> {
    await this.#refresh(name)
    const route = this.#current.routes.find(name)
    // A reload may have come in between; the call goes on with the providers that it began with.
    return route?.targets.every(({ provider }) => providers.has(provider)) === true ? route : undefined
  }

  async #endUnused(generation: Generation): Promise<void> {
    if (generation === this.#newest || generation.calls.size > 0) return
    this.#open.delete(generation)
    await this.#providers.release(generation.providers)
  }

  #await(end: Promise<void>): void {
    this.#ends.add(end)
    void end.then(() => this.#ends.delete(end))
  }
}
