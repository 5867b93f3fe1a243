import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { RawConfig } from '../../src/config/raw.ts'
import { resolve } from '../../src/config/resolve.ts'
import type { HttpProvider } from '../../src/config/provider-types.ts'

const none = new Map()
const minimal = {
  providers: { echo: { kind: 'echo' } },
  models: { echo: { provider: 'echo' } },
} satisfies RawConfig

function httpProvider(raw: NonNullable<RawConfig['providers']>[string]): HttpProvider {
  const made = resolve({ ...minimal, providers: { p: raw } }, none).providers.get('p')
  assert.ok(made?.kind === 'openai')
  return made
}

test('what the file leaves out has its default', () => {
  const { rules: usualRules } = resolve(minimal, none).notify
  assert.equal(usualRules.size, 14)
  assert.deepEqual(resolve(minimal, none), {
    server: {
      hosts: ['127.0.0.1', '::1'],
      port: 4000,
      unixSocket: undefined,
      allowedHosts: [],
      trustedProxies: { users: [], cidrs: [] },
      maxRequestBodyBytes: 33_554_432,
      bodyMemoryBytes: 268_435_456,
      shutdownGraceMs: 30_000,
      heartbeatAfterMs: 15_000,
      workers: 1,
      watchConfig: false,
    },
    access: { allowedUsers: ['self'], allowedIps: [] },
    cors: {
      enabled: true,
      allowedOrigins: ['http://localhost:*', 'http://127.0.0.1:*', 'http://[::1]:*'],
      allowAll: false,
      allowNullOrigin: false,
    },
    rateLimits: {
      enabled: true,
      perClientRpm: 600,
      perClientMaxWaitMs: 0,
      default: { whenLimited: 'reject', maxWaitMs: 30_000, isDefault: true },
      limits: new Map(),
    },
    store: { kind: 'memory' },
    keys: { mode: 'off', file: undefined, prefix: 'gw_', keylessUsers: [] },
    identity: { isRequired: false, sources: [] },
    clients: { byPattern: new Map(), default: undefined },
    providers: new Map([['echo', { kind: 'echo', name: 'echo' }]]),
    models: new Map([
      [
        'echo',
        {
          name: 'echo',
          aliases: [],
          targets: [{ provider: 'echo', model: 'echo', tier: 1, weight: 1 }],
          fallbacks: [],
        },
      ],
    ]),
    services: { manager: 'user', groups: new Map() },
    prices: { list: 'shipped' },
    budgets: { timeZone: 'UTC', reserve: 'predicted', whenExhausted: 'finish', total: [] },
    routing: {
      retries: 2,
      maxRetryWaitMs: 2000,
      restartWaitMs: 3000,
      cooldownMs: 30_000,
      placement: 'expected_time',
      hasSharedPrefixes: false,
    },
    routes: { rest: undefined, defaultModel: {} },
    usage: {
      enabled: true,
      keepCallsDays: 90,
      keepHoursDays: 400,
      isPseudonymous: false,
      pseudonymKey: undefined,
    },
    audit: { enabled: false, keepDays: 365 },
    tracing: {
      endpoint: undefined,
      protocol: 'http/protobuf',
      headers: [],
      sampleRatio: 1,
      serviceName: 'llm-gateway',
      resource: {},
      conventions: 'semconv-1.36',
      sessionHeaders: ['x-session-id', 'agent-session-id'],
      viewUrl: undefined,
    },
    notify: {
      sinks: [],
      repeatMs: 14_400_000,
      quietStartMs: 60_000,
      rules: usualRules,
      heartbeat: undefined,
    },
    metrics: {
      enabled: true,
      allowedUsers: [],
      hasClientLabel: false,
      maxModels: 200,
      maxSeries: 20_000,
    },
    status: {
      enabled: true,
      allowedUsers: ['self'],
      hasPlayground: true,
      isServedViaProxy: false,
      recentCalls: 200,
    },
    logging: { level: 'info', format: 'auto' },
  })
})

test('a provider on this machine or a private network is waited for longer than one elsewhere', () => {
  const local = { connectMs: 2000, firstByteMs: 600_000, idleMs: 600_000, totalMs: 1_800_000 }
  const remote = { connectMs: 5000, firstByteMs: 120_000, idleMs: 120_000, totalMs: 1_800_000 }
  assert.deepEqual(httpProvider({ base_url: 'http://127.0.0.1:1/v1' }).timeouts, local)
  assert.deepEqual(httpProvider({ base_url: 'https://192.168.0.1/v1' }).timeouts, local)
  assert.deepEqual(httpProvider({ base_url: 'https://a.example/v1' }).timeouts, remote)
})

test('one timeout in the file leaves the others at their defaults', () => {
  const { timeouts } = httpProvider({ base_url: 'https://a.example', timeouts: { idle_ms: 0 } })
  assert.deepEqual(timeouts, { connectMs: 5000, firstByteMs: 120_000, idleMs: 0, totalMs: 1_800_000 })
})

test('every key of a provider is carried over', () => {
  const made = httpProvider({
    base_url: 'https://a.example/openai/v1/',
    auth: { header: 'Api-Key' },
    headers: { 'X-Org': 'a' },
    include_usage: 'never',
    max_parallel_requests: 4,
    health_check: { interval_ms: 5000 },
    discover_models: true,
  })
  assert.deepEqual(
    { ...made, timeouts: undefined },
    {
      kind: 'openai',
      name: 'p',
      origin: 'https://a.example',
      basePath: '/openai/v1',
      isLocal: false,
      apiKey: undefined,
      auth: { header: 'api-key' },
      headers: [['x-org', 'a']],
      includeUsage: 'never',
      timeouts: undefined,
      maxParallelRequests: 4,
      healthCheck: { path: '/models', intervalMs: 5000 },
      discoverModels: true,
    },
  )
})

describe('the name that goes upstream is', () => {
  const cases: [name: string, given: string | undefined, expected: string][] = [
    ['llama3.1:8b', undefined, 'llama3.1:8b'],
    ['coder', 'qwen2.5-coder:7b', 'qwen2.5-coder:7b'],
    ['openrouter/*', undefined, '*'],
    ['gpt-*', undefined, 'gpt-*'],
    ['*', undefined, '*'],
    ['all/*', 'one', 'one'],
  ]
  for (const [name, model, expected] of cases) {
    test(`${expected} for ${name}${model === undefined ? '' : ` with model ${model}`}`, () => {
      const raw = { provider: 'echo', ...(model !== undefined && { model }) }
      const made = resolve({ ...minimal, models: { [name]: raw } }, none).models.get(name)
      assert.equal(made?.targets[0]?.model, expected)
    })
  }
})

test('targets keep their order, tiers and weights', () => {
  const targets = [
    { provider: 'b', tier: 2 },
    { provider: 'a', model: 'x', weight: 3 },
  ]
  const made = resolve({ ...minimal, models: { m: { targets, fallbacks: ['n'] } } }, none).models.get('m')
  assert.deepEqual(made?.targets, [
    { provider: 'b', model: 'm', tier: 2, weight: 1 },
    { provider: 'a', model: 'x', tier: 1, weight: 3 },
  ])
  assert.deepEqual(made.fallbacks, ['n'])
})

test('limits of a model have the common waiting unless they say otherwise', () => {
  const { rateLimits } = resolve(
    {
      ...minimal,
      rate_limit_settings: {
        per_client: {},
        when_limited: 'wait',
        max_wait_ms: 5,
        default: { tpm: 9 },
        limits: { a: { rpm: 1, max_parallel_requests: 2 }, b: { when_limited: 'reject', max_wait_ms: 7 } },
      },
    },
    none,
  )
  assert.equal(rateLimits.perClientRpm, undefined)
  assert.deepEqual(rateLimits.default, {
    tpm: 9,
    whenLimited: 'wait',
    maxWaitMs: 5,
    isMaxWaitSet: true,
    isDefault: true,
  })
  assert.deepEqual(
    [...rateLimits.limits],
    [
      ['a', { rpm: 1, maxParallelRequests: 2, whenLimited: 'wait', maxWaitMs: 5, isMaxWaitSet: true }],
      ['b', { whenLimited: 'reject', maxWaitMs: 7, isMaxWaitSet: true }],
    ],
  )
})

test('addresses become CIDRs, hosts and origins lower case', () => {
  const { server, access, cors } = resolve(
    {
      ...minimal,
      server: { allowed_hosts: ['LLM.Example:443'], trusted_proxies: [{ user: 'www-data' }, '10.0.0.1'] },
      access: { allowed_ips: ['::1', '10.0.0.0/8'] },
      cors: { allowed_origins: ['HTTPS://App.Example:443'] },
    },
    none,
  )
  assert.deepEqual(server.allowedHosts, ['llm.example:443'])
  assert.deepEqual(server.trustedProxies, { users: ['www-data'], cidrs: ['10.0.0.1/32'] })
  assert.deepEqual(access.allowedIps, ['::1/128', '10.0.0.0/8'])
  assert.deepEqual(cors.allowedOrigins, ['https://app.example'])
})
