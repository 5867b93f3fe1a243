// The configurations that a run changes between: targets, limits, time limits, addresses, providers that go and come.
// What the limits are checked by stays the same in all of them.
import type { Conversation } from '../dialects/translate/client-rules.ts'
import type { RawPriceSetting } from '../../src/config/raw.ts'
import { configText, type Setup } from '../support/gateway-config.ts'
import type { Random } from '../support/random.ts'

export interface Fixed {
  /** Of `steady`, exact in any 60 seconds. */
  readonly rpm: number
  /** Calls at once of `steady`. */
  readonly parallel: number
  /** Calls at once at each provider. */
  readonly providerParallel: number
  /** Threads that serve. Absent: one. */
  readonly workers?: number
  /** Of what each provider answers. Absent: none is known. */
  readonly prices?: Readonly<Record<string, RawPriceSetting>>
}

/** Provider → its URL. */
export type Addresses = ReadonlyMap<string, string>

/** The formats that the upstreams speak, so that calls of each format pass or are translated. */
export const spoken: Readonly<Record<string, readonly Conversation[]>> = {
  a: ['chat'],
  b: ['messages'],
  c: ['chat', 'messages', 'response'],
}

/** The name of the model that only this provider has. */
export function probeModel(provider: string): string {
  return `probe-${provider}`
}

/** With all that may vary at rest. */
export function plainConfiguration(addresses: Addresses, fixed: Fixed, more: Setup = {}): string {
  return configuration(addresses, fixed, undefined, more)
}

export function variedConfiguration(
  addresses: Addresses,
  fixed: Fixed,
  random: Random,
  more: Setup = {},
): string {
  const names = [...addresses.keys()]
  const without = random.has(0.3) ? random.pick(names.slice(0, -1)) : undefined
  return configuration(new Map([...addresses].filter(([name]) => name !== without)), fixed, random, more)
}

/** One that must be refused. Were it taken, its only model would not be the one that clients ask for. */
export function spoiltConfiguration(addresses: Addresses, random: Random): string {
  const [url] = addresses.values()
  const good = {
    server: { hosts: ['127.0.0.1'] },
    providers: { a: { base_url: `${url}/v1` } },
    models: { other: { provider: 'a' } },
  }
  return random.pick([
    JSON.stringify({ ...good, models: { other: { provider: 'nobody' } } }),
    JSON.stringify({ ...good, rate_limit_setings: {} }),
    JSON.stringify({ ...good, server: { hosts: ['0.0.0.0'] } }),
    JSON.stringify({ ...good, providers: { a: { base_url: `${url}/v1`, api_key: 'literal' } } }),
    JSON.stringify(good).slice(0, 60),
    'models: &a [*a',
  ])
}

/** What is held at rest must not run out of time. */
const patient = { connect_ms: 10_000, first_byte_ms: 20_000, idle_ms: 20_000, total_ms: 30_000 }

function impatient(random: Random): typeof patient {
  const total_ms = random.pick([8_000, 3_000])
  return { connect_ms: 500, first_byte_ms: random.pick([1_000, 700]), idle_ms: 800, total_ms }
}

function configuration(
  addresses: Addresses,
  fixed: Fixed,
  random: Random | undefined,
  { server, ...more }: Setup,
): string {
  const { rpm, parallel, providerParallel, prices, workers = 1 } = fixed
  const names = [...addresses.keys()]
  const vary = <T>(plain: T, ...others: readonly T[]) => random?.pick([plain, ...others]) ?? plain
  const targets = () =>
    names
      .map((provider) => ({ provider, model: 'deep', tier: vary(1, 1, 2), weight: vary(1, 2, 5) }))
      .toSorted(() => vary(0, 1, -1))
  const provider = (name: string, url: string) => ({
    base_url: `${url}/v1`,
    speaks: spoken[name]!.map((format) => (format === 'response' ? 'responses' : format)),
    max_parallel_requests: providerParallel,
    ...(prices !== undefined && { price: prices[name]! }),
    include_usage: vary<'auto' | 'always' | 'never'>('auto', 'auto', 'always', 'never'),
    timeouts: random === undefined ? patient : impatient(random),
  })
  return configText({
    server: {
      workers,
      shutdown_grace_ms: 5_000,
      heartbeat_after_ms: vary(15_000, 300, 1_000),
      ...server,
    },
    rate_limit_settings: {
      per_client: {},
      limits: {
        steady: { rpm, max_parallel_requests: parallel, when_limited: 'reject' },
        queue: {
          rpm: vary(rpm * 4, rpm * 2, rpm * 8),
          tpm: vary(rpm * 400, rpm * 100, rpm * 1_000),
          max_parallel_requests: vary(10, 4, 20),
          when_limited: 'wait',
          max_wait_ms: vary(1_000, 200, 3_000),
        },
        free: { when_limited: 'wait', max_wait_ms: vary(500, 100) },
        lonely: { rpm, when_limited: vary<'reject' | 'wait'>('reject', 'wait'), max_wait_ms: 1_000 },
      },
    },
    providers: Object.fromEntries(Array.from(addresses, ([name, url]) => [name, provider(name, url)])),
    models: {
      steady: { targets: targets() },
      queue: { targets: targets() },
      free: { targets: targets().slice(0, 2), fallbacks: ['queue'] },
      lonely: { provider: names.at(-1)!, model: 'deep' },
      ...Object.fromEntries(names.map((name) => [probeModel(name), { provider: name, model: 'deep' }])),
    },
    routing: { retries: vary(2, 0, 1, 3), cooldown_ms: vary(500, 0, 2_000) },
    ...more,
  })
}
