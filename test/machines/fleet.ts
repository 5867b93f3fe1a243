// Several gateways as processes, before one provider and one store: what a team's machines are.
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

import type { RawConfig } from '../../src/config/raw.ts'
import { configText } from '../support/gateway-config.ts'
import { type GatewayProcess, type Launch, runGateway } from '../support/gateway-process.ts'
import { type RedisOptions, type RedisServer, startRedis } from '../support/redis.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { call, type Calls, type Load, startCallers } from './callers.ts'
import { type Provider, startProvider } from './provider.ts'
import { startStoreRelay, type StoreRelay } from './store-relay.ts'
import { mostAtOnce, worstWindow } from './worst-window.ts'

type Limits = NonNullable<NonNullable<RawConfig['rate_limit_settings']>['limits']>[string]

export interface FleetOptions {
  readonly count: number
  /** Of the one model. */
  readonly limits: Limits
  /** Default: `share`. */
  readonly whenUnavailable?: 'share' | 'refuse' | 'local'
  readonly redis?: RedisOptions
  /** In the environment of a gateway. */
  readonly env?: (index: number) => Readonly<Record<string, string>>
  readonly launch?: (index: number) => Launch
}

/** How one gateway is called; 0 callers: not at all. */
export const usualLoad: Load = { callers: 4, pauseMs: 5, refusedPauseMs: 25, maxTokens: 1, model: 'plain' }

export interface Seen {
  /** Of the provider's arrivals, in any 60 s. */
  readonly requests: number
  readonly tokens: number
  readonly atOnce: number
  readonly total: number
  readonly perGateway: readonly number[]
  /** Responses of all gateways by status; 0: there was none. */
  readonly statuses: Readonly<Record<string, number>>
  /** The longest time from a call's start to its arrival, for calls that a stopped process did not hold up. */
  readonly delayMs: number
}

export class Fleet {
  readonly redis: RedisServer
  readonly provider: Provider
  readonly gateways: GatewayProcess[] = []
  readonly relays: StoreRelay[] = []
  /** Where the relays lead to. */
  storePort: number
  readonly #t: Cleanup
  readonly #options: FleetOptions
  readonly #calls: Calls[] = []

  private constructor(t: Cleanup, options: FleetOptions, redis: RedisServer, provider: Provider) {
    this.#t = t
    this.#options = options
    this.redis = redis
    this.storePort = redis.port
    this.provider = provider
  }

  /** Gateways that all have reached the store, and have settled with it. */
  static async start(t: Cleanup, options: FleetOptions): Promise<Fleet> {
    const [redis, provider] = await Promise.all([startRedis(t, options.redis), startProvider(t)])
    const fleet = new Fleet(t, options, redis, provider)
    await Promise.all(Array.from({ length: options.count }, (_, index) => fleet.startGateway(index)))
    return fleet
  }

  /** Starts the gateway of this number, in place of an earlier one. */
  async startGateway(index: number, launch: Launch = this.#options.launch?.(index) ?? {}): Promise<void> {
    const { limits, whenUnavailable = 'share', count, env } = this.#options
    const relay = (this.relays[index] ??= await startStoreRelay(this.#t, () => this.storePort))
    const store = {
      kind: 'valkey',
      url: { env: 'STORE_URL' },
      members: count,
      when_unavailable: whenUnavailable,
    } as const
    const text = configText({
      providers: {
        cloud: { base_url: `http://127.0.0.1:${this.provider.port}/${index}/v1`, speaks: ['chat'] },
      },
      models: { plain: { provider: 'cloud' }, free: { provider: 'cloud', model: 'free' } },
      rate_limit_settings: { store, limits: { plain: limits }, per_client: {} },
    })
    const variables = { STORE_URL: `redis://127.0.0.1:${relay.port}`, ...env?.(index) }
    const gateway = await runGateway(this.#t, text, variables, launch)
    this.gateways[index] = gateway
    await gateway.says(/limits_store_(?:up|down)/)
    // The first call of a process takes longer than others.
    const agent = new Agent()
    await call(agent, gateway.url, { model: 'free', maxTokens: 1 }, new AbortController().signal)
    agent.destroy()
  }

  /** Calls each gateway; the load of a gateway may be its own. */
  call(load: (index: number) => Partial<Load> = () => ({})): void {
    for (const index of this.gateways.keys()) this.callOne(index, load(index))
  }

  callOne(index: number, load: Partial<Load> = {}): void {
    const each = { ...usualLoad, ...load }
    if (each.callers > 0) this.#calls.push(startCallers(this.gateways[index]!.url, each))
  }

  /** Sends calls to one gateway, one after the other. @returns how many had which status. */
  async take(index: number, count: number, maxTokens = 1): Promise<Readonly<Record<number, number>>> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const statuses: Record<number, number> = {}
    for (let left = count; left > 0; left--) {
      const order = { model: 'plain', maxTokens }
      const { status } = await call(agent, this.gateways[index]!.url, order, new AbortController().signal)
      statuses[status] = (statuses[status] ?? 0) + 1
    }
    agent.destroy()
    return statuses
  }

  /** Resolves when the gateway next reports that, from `from` on in its log. */
  async hears(index: number, event: 'down' | 'up', from: number): Promise<void> {
    await this.gateways[index]!.says(new RegExp(`limits_store_${event}`), from)
  }

  /** Has the relays cut or mended of these gateways, or otherwise takes the store away or back, until all know. */
  async all(event: 'down' | 'up', act: () => unknown, indexes = [...this.gateways.keys()]): Promise<void> {
    const from = this.gateways.map((each) => each.stdout().length)
    await act()
    await Promise.all(indexes.map((index) => this.hears(index, event, from[index]!)))
  }

  /** Of the last refusal that a caller has seen. */
  get refusals(): readonly string[] {
    return this.#calls.map(({ refusal }) => refusal)
  }

  /** Resolves after so many more calls have reached the provider, or when none has for as long as calls may wait. */
  async arrived(count: number): Promise<void> {
    const { arrivals } = this.provider
    const wanted = arrivals.length + count
    for (let idleMs = 0, last = 0; arrivals.length < wanted && idleMs < 10_000; idleMs += 20) {
      if (arrivals.length !== last) idleMs = 0
      last = arrivals.length
      await sleep(20)
    }
  }

  /** Ends the calls, and returns what has come of all. */
  async end(): Promise<Seen> {
    await Promise.all(this.#calls.map((each) => each.stop()))
    const { arrivals } = this.provider
    const statuses: Record<string, number> = {}
    for (const each of this.#calls) {
      for (const [status, count] of each.statuses) statuses[status] = (statuses[status] ?? 0) + count
    }
    const delays = arrivals.map(({ atMs, sentMs }) => atMs - sentMs)
    return {
      requests: worstWindow(arrivals.map(({ atMs }) => ({ atMs, amount: 1 }))),
      tokens: worstWindow(arrivals.map(({ atMs, tokens }) => ({ atMs, amount: tokens }))),
      atOnce: mostAtOnce(arrivals.map(({ atMs, endMs = Infinity }) => [atMs, endMs])),
      total: arrivals.length,
      perGateway: this.gateways.map((_, index) => arrivals.filter(({ gateway }) => gateway === index).length),
      statuses,
      delayMs: Math.max(0, ...delays.filter((each) => each < 1_000)),
    }
  }
}
