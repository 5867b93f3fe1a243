// Do limits hold? A running gateway on real sockets under 64 connections that send as fast as they can, in bursts timed
// for the weak spots of each way of counting. What was really used is counted by the provider.
//
// Time runs 60 times faster, for the gateway, the clients and the provider alike; the code is the one that serves.
import { noServices } from '../src/config/service-types.ts'
import { Agent, request as httpRequest } from 'node:http'
import { PassThrough } from 'node:stream'
import type { Scope } from '../src/admission/scopes.ts'
import { MemoryStore } from '../src/admission/stores/memory.ts'
import type { Charge } from '../src/admission/outcome.ts'
import type { AdmissionStore, Refusal, Demand, Reservation, Reserved } from '../src/admission/stores/store.ts'
import { startApp } from '../src/app/app.ts'
import type { Clock } from '../src/platform/clock.ts'
import { resolveTracing } from '../src/config/resolve-tracing.ts'
import type { Config } from '../src/config/types.ts'
import type { ModelLimits } from '../src/domain.ts'
import { fastClock } from './fast-clock.ts'
import { randomFrom } from './gateways/statistics.ts'
import { fixedWindowStore, postHocStore, tokenBucketStore } from './limit-stores.ts'
import { type RealUse, startCountingProvider } from './limits-provider.ts'

/** Minutes begin where the bursts expect them. */
const speed = 60
const rpm = 100
const tpm = 50_000
const connections = 64
const windowMs = 60_000
/** A client that was refused asks again after this; it does not care for what it was told. */
const impatienceMs = 1_500

/**
 * Small calls run into the limit of requests, large ones into that of tokens: first when answers have been short so far,
 * then when it is known how long they get. Each burst begins late in a minute, and the last one is forgotten by then.
 */
const bursts = [
  { fromMs: 45_000, toMs: 120_000, maxPromptBytes: 400, maxOutput: 60 },
  { fromMs: 225_000, toMs: 300_000, maxPromptBytes: 4000, maxOutput: 1200 },
  { fromMs: 405_000, toMs: 480_000, maxPromptBytes: 4000, maxOutput: 1200 },
] as const

const stores: readonly [string, () => AdmissionStore][] = [
  ['fixed window', fixedWindowStore],
  ['token bucket', tokenBucketStore],
  ['charge afterwards', postHocStore],
  ['llm-gateway', () => new MemoryStore()],
]

/** Prints a Markdown table: for each way of counting the worst 60 seconds, in requests and in tokens. */
export async function benchLimits(): Promise<void> {
  const print = (line: string) => void process.stdout.write(`${line}\n`)
  print(`Limits of ${rpm} requests and ${tpm} tokens in any 60 seconds, ${connections} connections.\n`)
  print('In the worst 60 seconds:\n')
  print(
    '| counted by | requests | tokens, answers longer than before | tokens, as long as before | served | refused |',
  )
  print('|---|--:|--:|--:|--:|--:|')
  for (const [name, createStore] of stores) {
    const { worst, served, refused } = await run(createStore())
    const requests = Math.max(...worst.map((span) => span.requests))
    const [, longer, known] = worst.map(({ tokens }) => `${tokens} (${percent(tokens, tpm)})`)
    print(
      `| ${name} | ${requests} (${percent(requests, rpm)}) | ${longer} | ${known} | ${served} | ${refused} |`,
    )
  }
}

async function run(store: AdmissionStore) {
  const clock = fastClock(speed)
  const provider = await startCountingProvider(clock)
  const witness = new Witness(store)
  const log = new PassThrough().resume()
  const app = await startApp(configFor(provider.url), {
    stdout: log,
    version: 'bench',
    configFile: 'bench',
    stateDirectory: undefined,
    clock,
    store: witness,
  })
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const tally = { served: 0, refused: 0 }
  const clients = Array.from({ length: connections }, async (_, index) => {
    await hammer({ url: app.addresses[0]!, agent, clock, random: randomFrom(index + 1), tally })
  })
  await Promise.all(clients)
  agent.destroy()
  await app.stop('bench')
  provider.close()
  return { worst: worstSpans(witness.admittedAtMs(), provider.calls), ...tally }
}

function configFor(url: string): Config {
  const timeouts = { connectMs: 60_000, firstByteMs: 0, idleMs: 0, totalMs: 0 }
  const limits: ModelLimits = { rpm, tpm, whenLimited: 'reject', maxWaitMs: 0 }
  return {
    services: noServices,
    server: {
      hosts: ['127.0.0.1'],
      port: 0,
      unixSocket: undefined,
      allowedHosts: [],
      trustedProxies: { users: [], cidrs: [] },
      maxRequestBodyBytes: 1_000_000,
      bodyMemoryBytes: 8_000_000,
      shutdownGraceMs: 1000,
      heartbeatAfterMs: 15_000,
      watchConfig: false,
      workers: 1,
    },
    access: { allowedUsers: ['any'], allowedIps: [] },
    cors: { enabled: false, allowedOrigins: [], allowAll: false, allowNullOrigin: false },
    rateLimits: {
      enabled: true,
      perClientRpm: undefined,
      perClientMaxWaitMs: 0,
      default: limits,
      limits: new Map(),
    },
    store: { kind: 'memory' },
    keys: { mode: 'off', file: undefined, prefix: 'gw_', keylessUsers: [] },
    identity: { isRequired: false, sources: [] },
    clients: { byPattern: new Map(), default: undefined },
    budgets: { timeZone: 'UTC', reserve: 'predicted', whenExhausted: 'finish', total: [] },
    providers: new Map([
      [
        'p',
        {
          kind: 'openai',
          name: 'p',
          origin: url,
          basePath: '/v1',
          isLocal: true,
          apiKey: undefined,
          auth: 'bearer',
          headers: [],
          includeUsage: 'auto',
          timeouts,
          maxParallelRequests: undefined,
        },
      ],
    ]),
    prices: { list: 'off' },
    models: new Map([
      [
        'm',
        {
          name: 'm',
          aliases: [],
          targets: [{ provider: 'p', model: 'm', tier: 1, weight: 1 }],
          fallbacks: [],
        },
      ],
    ]),
    routing: {
      retries: 0,
      maxRetryWaitMs: 0,
      restartWaitMs: 0,
      cooldownMs: 0,
      placement: 'expected_time',
      hasSharedPrefixes: false,
    },
    routes: { rest: undefined, defaultModel: {} },
    usage: {
      enabled: false,
      isPseudonymous: false,
      pseudonymKey: undefined,
      keepCallsDays: 1,
      keepHoursDays: 1,
    },
    audit: { enabled: false, keepDays: 31 },
    notify: { sinks: [], repeatMs: 0, quietStartMs: 0, rules: new Map(), heartbeat: undefined },
    metrics: {
      enabled: false,
      allowedUsers: [],
      hasClientLabel: false,
      maxModels: 200,
      maxSeries: 20_000,
    },
    tracing: resolveTracing(undefined, new Map()),
    status: {
      enabled: false,
      allowedUsers: [],
      hasPlayground: false,
      isServedViaProxy: false,
      recentCalls: 1,
    },
    logging: { level: 'error', format: 'json' },
  }
}

interface Hammering {
  readonly url: string
  readonly agent: Agent
  readonly clock: Clock
  readonly random: () => number
  readonly tally: { served: number; refused: number }
}

/** One connection's calls through all bursts: a third streamed, a third whole, a third given up on the way. */
async function hammer({ url, agent, clock, random, tally }: Hammering): Promise<void> {
  const until = (atMs: number) =>
    new Promise<void>((resolve) => void clock.setTimer(resolve, Math.max(0, atMs - clock.now())))
  for (const { fromMs, toMs, maxPromptBytes, maxOutput } of bursts) {
    await until(fromMs + random() * 100)
    while (clock.now() < toMs) {
      const kind = random()
      const body = JSON.stringify({
        model: 'm',
        stream: kind < 0.5,
        user: String(1 + Math.floor(random() * maxOutput)),
        messages: [{ role: 'user', content: 'x'.repeat(Math.floor(random() * maxPromptBytes)) }],
      })
      const giveUpMs = random() < 1 / 3 ? 300 + random() * 3000 : undefined
      const status = await send({ url, agent, clock, body, giveUpMs })
      if (status === 429) {
        tally.refused += 1
        await until(clock.now() + impatienceMs)
      } else {
        tally.served += 1
      }
    }
  }
}

interface Sending extends Pick<Hammering, 'url' | 'agent' | 'clock'> {
  readonly body: string
  readonly giveUpMs: number | undefined
}

/** The status; 0 for a call that was given up. */
function send({ url, agent, clock, body, giveUpMs }: Sending): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const request = httpRequest(
      `${url}/v1/chat/completions`,
      { method: 'POST', agent, headers },
      (response) => {
        response.resume()
        response.on('end', () => end(response.statusCode ?? 0))
        response.on('error', () => end(0))
      },
    )
    const stopTimer = giveUpMs === undefined ? undefined : clock.setTimer(() => request.destroy(), giveUpMs)
    const end = (status: number): void => {
      stopTimer?.()
      resolve(status)
    }
    request.on('error', () => end(0))
    request.end(body)
  })
}

/** Passes everything on, and notes when calls were admitted that then reached the provider. */
class Witness implements AdmissionStore {
  readonly #store: AdmissionStore
  readonly #atMs = new Map<Reservation, number>()

  constructor(store: AdmissionStore) {
    this.#store = store
  }

  get onFreed(): (() => void) | undefined {
    return this.#store.onFreed
  }

  set onFreed(listener: (() => void) | undefined) {
    this.#store.onFreed = listener
  }

  admittedAtMs(): number[] {
    return [...this.#atMs.values()]
  }

  reserve(demand: Demand, nowMs: number): Reserved | Refusal {
    const result = this.#store.reserve(demand, nowMs) as Reserved | Refusal
    if (result.kind === 'admitted') this.#atMs.set(result.reservation, nowMs)
    return result
  }

  probe(demand: Demand, nowMs: number) {
    return this.#store.probe(demand, nowMs)
  }

  grow(reservation: Reservation, tokens: number, nowMs: number) {
    return this.#store.grow(reservation, tokens, nowMs)
  }

  settle(reservation: Reservation, charge: Charge, nowMs: number) {
    if (charge.requests === 0) this.#atMs.delete(reservation)
    return this.#store.settle(reservation, charge, nowMs)
  }

  move(reservation: Reservation, oneOf: readonly Scope[], nowMs: number) {
    return this.#store.move(reservation, oneOf, nowMs)
  }

  use(scope: Scope, nowMs: number) {
    return this.#store.use(scope, nowMs)
  }
}

/**
 * Most requests and tokens in 60 seconds, for each burst. The n-th call that was admitted is the n-th that the provider
 * saw; its tokens count from its admission on.
 */
function worstSpans(admittedAtMs: readonly number[], calls: readonly RealUse[]) {
  if (Math.abs(admittedAtMs.length - calls.length) > connections) {
    throw new Error(`${admittedAtMs.length} calls were admitted, the provider saw ${calls.length}`)
  }
  const worst = bursts.map(() => ({ requests: 0, tokens: 0 }))
  let [oldest, tokens] = [0, 0]
  for (const [index, atMs] of admittedAtMs.entries()) {
    tokens += tokensOf(calls[index])
    for (; admittedAtMs[oldest]! <= atMs - windowMs; oldest += 1) tokens -= tokensOf(calls[oldest])
    const span = worst[bursts.findLastIndex(({ fromMs }) => fromMs <= atMs)]!
    span.requests = Math.max(span.requests, index - oldest + 1)
    span.tokens = Math.max(span.tokens, tokens)
  }
  return worst
}

function tokensOf(call: RealUse | undefined): number {
  return call === undefined ? 0 : call.promptTokens + call.outputTokens
}

function percent(part: number, whole: number): string {
  return `${Math.round((part / whole) * 100)} %`
}
