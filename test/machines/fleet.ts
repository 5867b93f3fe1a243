// Several gateways as processes, before one provider and one store: what a team's machines are.
import { globSync } from 'node:fs'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

import type { RawConfig } from '../../src/config/raw.ts'
import { configText } from '../support/gateway-config.ts'
import { until } from '../support/deadline.ts'
import { type GatewayProcess, type Launch, runGateway } from '../support/gateway-process.ts'
import { type RedisOptions, type RedisServer, startRedis } from '../support/redis.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { call, type Calls, type Door, type Load, startCallers } from './callers.ts'
import { type Arrival, type Provider, startProvider } from './provider.ts'
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
  /** Default: on loopback, with a relay of its own before the store. */
  readonly place?: (index: number, provider: Provider) => Promise<Place>
  /** Before there are gateways. */
  readonly onStore?: (store: RedisServer) => Promise<unknown>
}

/** Where a gateway runs, and what it reaches from there. */
export interface Place {
  readonly storeUrl: string
  /** Of the store's certificate. */
  readonly caFile?: string
  /** Of 127.0.0.1. */
  readonly providerPort: number
  /** Where it listens besides, if nobody reaches its port. */
  readonly socketPath?: string
  readonly launch?: Launch
}

/** How one gateway is called; 0 callers: not at all. */
export const usualLoad: Load = { callers: 4, pauseMs: 5, refusedPauseMs: 25, maxTokens: 1, model: 'plain' }

/** From admission to arrival. */
const longestMs = 2_000

export interface Seen {
  /**
   * That are certain to have been admitted within some 60 s. A call counts from its admission on, which is between its start
   * and its arrival at the provider; of a call that took longer than two seconds, because it waited in line or its gateway
   * stood still, in the last two.
   */
  readonly requests: number
  /** Calls that took longer than that: `requests` may be too many by so many, unless they waited in line. */
  readonly late: number
  readonly tokens: number
  readonly atOnce: number
  readonly total: number
  readonly perGateway: readonly number[]
  /** Responses of all gateways by status; 0: there was none. */
  readonly statuses: Readonly<Record<string, number>>
  /** In which 99 of 100 calls came from their callers to the provider. */
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
  readonly #places: Place[] = []
  readonly #calls: Calls[] = []
  readonly #refusals: string[] = []
  readonly #agent = new Agent({ keepAlive: true })

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
    await options.onStore?.(redis)
    const fleet = new Fleet(t, options, redis, provider)
    t.after(async () => {
      fleet.#agent.destroy()
      await Promise.all(fleet.#calls.map((each) => each.stop()))
    })
    const starts = Array.from({ length: options.count }, (_, index) => fleet.startGateway(index))
    // Also where one fails, the others are there then, and end with the test.
    await Promise.allSettled(starts)
    await Promise.all(starts)
    await fleet.settled()
    return fleet
  }

  /** Resolves when the store is sure of what gateways hold, and grants more. @param store default: the first one. */
  async settled(store: RedisServer = this.redis): Promise<void> {
    await until(async () => {
      const [seconds] = (await store.command('TIME')).split('\n')
      const graceMs = await store.command('HGET', '{llm-gateway}:epoch', 'grace_until')
      return graceMs !== '' && Number(graceMs) < Number(seconds) * 1000
    }, 'the end of grace')
  }

  /** Starts the gateway of this number, in place of an earlier one. */
  async startGateway(index: number, launch: Launch = this.#options.launch?.(index) ?? {}): Promise<void> {
    const { limits, whenUnavailable = 'share', count, env, place = this.#besideRelay } = this.#options
    const {
      storeUrl,
      caFile,
      providerPort,
      socketPath,
      launch: there,
    } = (this.#places[index] ??= await place(index, this.provider))
    const store = {
      kind: 'valkey',
      url: { env: 'STORE_URL' },
      ...(caFile !== undefined && { ca_file: caFile }),
      members: count,
      when_unavailable: whenUnavailable,
    } as const
    const text = configText({
      ...(socketPath !== undefined && { server: { unix_socket: socketPath } }),
      providers: {
        cloud: { base_url: `http://127.0.0.1:${providerPort}/${index}/v1`, speaks: ['chat'] },
      },
      models: { plain: { provider: 'cloud' }, free: { provider: 'cloud', model: 'free' } },
      rate_limit_settings: { store, limits: { plain: limits }, per_client: {} },
    })
    const variables = { STORE_URL: storeUrl, ...env?.(index) }
    const gateway = await runGateway(this.#t, text, variables, { ...there, ...launch })
    this.gateways[index] = gateway
    // On a busy machine it may listen before it has reached the store.
    await gateway.says(/limits_store_up/)
    // The first call of a process takes longer than others.
    const agent = new Agent()
    await call(agent, this.#door(index), { model: 'free', maxTokens: 1 }, new AbortController().signal)
    agent.destroy()
  }

  readonly #besideRelay = async (index: number, { port }: Provider): Promise<Place> => {
    const relay = await startStoreRelay(this.#t, () => this.storePort)
    this.relays[index] = relay
    return { storeUrl: `redis://127.0.0.1:${relay.port}`, providerPort: port }
  }

  #door(index: number): Door {
    const { url } = this.gateways[index]!
    const { socketPath } = this.#places[index]!
    return socketPath === undefined ? { url } : { url, socketPath }
  }

  /** Calls each gateway; the load of a gateway may be its own. */
  call(load: (index: number) => Partial<Load> = () => ({})): void {
    for (const index of this.gateways.keys()) this.callOne(index, load(index))
  }

  callOne(index: number, load: Partial<Load> = {}): void {
    const each = { ...usualLoad, ...load }
    if (each.callers > 0) this.#calls.push(startCallers(this.#door(index), each))
  }

  /**
   * Sends calls to one gateway, one after the other, until so many have come through; a call that is refused for want of the
   * store, which is slow where many tests run at once, is sent again.
   */
  async take(index: number, count: number): Promise<void> {
    let left = count
    const one = async () => {
      if ((await this.send(index)) === 200) left -= 1
      return left === 0
    }
    await until(one, `the admission of ${count} calls by gateway ${index}: ${this.refusals.at(-1)}`)
  }

  /** Sends one call. @returns its status. */
  async send(index: number, maxTokens = 1): Promise<number> {
    const order = { model: 'plain', maxTokens }
    const { status, text } = await call(this.#agent, this.#door(index), order, new AbortController().signal)
    if (status !== 200) this.#refusals.push(text)
    return status
  }

  /**
   * These gateways, by default all, take what they get: until so many calls in all have come through, and then once more.
   * @returns how many have then. Fewer: ten seconds have brought no more.
   */
  async exhaust(expected: number, indexes = [...this.gateways.keys()]): Promise<number> {
    const { arrivals } = this.provider
    for (let round = 0; round < 40; round++) {
      const isLast = arrivals.length >= expected
      for (const index of indexes) {
        if (this.gateways[index]!.ending() !== undefined) continue
        while ((await this.send(index)) === 200 && arrivals.length < 1_000);
      }
      if (isLast) break
      await sleep(250)
    }
    return arrivals.length
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

  /** Resolves when so many more calls have reached the provider, or none has for two seconds. */
  async arrived(count: number): Promise<void> {
    const { arrivals } = this.provider
    const wanted = arrivals.length + count
    for (let [idleMs, last] = [0, 0]; arrivals.length < wanted && idleMs < 2_000; idleMs += 20) {
      if (arrivals.length !== last) idleMs = 0
      last = arrivals.length
      await sleep(20)
    }
  }

  /** What callers have seen of refusals last. */
  get refusals(): readonly string[] {
    return [...this.#calls.map(({ refusal }) => refusal), ...this.#refusals]
  }

  /** How often the gateways have lost the store so far. */
  get losses(): number {
    const count = (text: string) => text.split('"limits_store_down"').length - 1
    return this.gateways.reduce((sum, each) => sum + count(each.stdout()), 0)
  }

  /** Ends the calls, and returns what has come of all. */
  async end(): Promise<Seen> {
    await Promise.all(this.#calls.map((each) => each.stop()))
    const { arrivals } = this.provider
    const statuses: Record<string, number> = {}
    for (const each of this.#calls) {
      for (const [status, count] of each.statuses) statuses[status] = (statuses[status] ?? 0) + count
    }
    const delays = arrivals.map(({ atMs, sentMs }) => atMs - sentMs).toSorted((one, other) => one - other)
    const worst = (amountOf: (arrival: Arrival) => number) =>
      worstWindow(
        arrivals.map((each) => ({
          fromMs: Math.max(each.sentMs, each.atMs - longestMs),
          toMs: each.atMs,
          amount: amountOf(each),
        })),
      )
    return {
      requests: worst(() => 1),
      late: delays.filter((ms) => ms > longestMs).length,
      tokens: worst(({ tokens }) => tokens),
      atOnce: mostAtOnce(arrivals.map(({ atMs, endMs = Infinity }) => [atMs, endMs])),
      total: arrivals.length,
      perGateway: this.gateways.map((_, index) => arrivals.filter(({ gateway }) => gateway === index).length),
      statuses,
      delayMs: delays[Math.floor(delays.length * 0.99)] ?? 0,
    }
  }
}

/**
 * The environment of a process with a wall clock of its own, which `FAKETIME` or `FAKETIME_TIMESTAMP_FILE` says. The library
 * needs memory while it reads such a file, and jemalloc, which Redis has, the time while it provides memory: hence libc's.
 */
export const fakeClock: Readonly<Record<string, string>> = {
  LD_PRELOAD: `${fakeClockLibrary()} libc.so.6`,
  DONT_FAKE_MONOTONIC: '1',
  FAKETIME_NO_CACHE: '1',
}

function fakeClockLibrary(): string {
  return globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0] ?? 'libfaketimeMT.so.1'
}
