// Reports of a gateway that has just started, of a busy one, of one in which much is wrong, and of one whose every text is
// an attack. Times are fixed, so that a page always shows the same.
import type {
  MinuteCell,
  ProviderState,
  RecentCall,
  ServiceRow,
  StatusReport,
  UsageRow,
} from '../../../src/status/status-report.ts'
import { lastFailure } from '../../../src/status/last-failure.ts'
import { startWaitText } from '../../../src/status/services-text.ts'
import { shownStore } from '../../../src/status/shared-store-text.ts'
import type { MachineRow, MachineUse } from '../../../src/status/shared-store.ts'

type OpenCall = StatusReport['calls'][number]

const nowMs = Date.parse('2026-11-28T14:03:20Z')

function ago(seconds: number): string {
  return new Date(nowMs - seconds * 1000).toISOString()
}

function ahead(seconds: number): string {
  return ago(-seconds)
}

/** Nothing has happened yet. */
export const emptyReport: StatusReport = {
  version: '0.1.0',
  now: ago(0),
  started_at: ago(42),
  draining: false,
  config_file: '/home/ada/.config/llm-gateway/llm-gateway.yaml',
  workers: { wanted: 1, running: 1 },
  reload: null,
  viewer: { user: 'ada', sees_all: true, may_cancel: true, playground: true },
  attention: [],
  last_failure: null,
  calls: [],
  calls_unshown: 0,
  providers: [
    provider('echo', { kind: 'echo', origin: null, state: 'unused', key_from: null, models: 0 }),
    provider('ollama', { state: 'unused' }),
  ],
  services: [],
  limits: [],
  budgets: [],
  store: null,
  usage: { days: days(() => 0), models: [], clients: [], keys: [] },
  recent: [],
  failures: [],
}

function provider(name: string, facts: Partial<ProviderState>): ProviderState {
  return {
    name,
    origin: 'http://127.0.0.1:11434',
    kind: 'ollama',
    is_local: true,
    boundary: 'local',
    state: 'ok',
    trouble: null,
    until: null,
    reason: null,
    reason_at: null,
    last_success: null,
    in_flight: 0,
    max_parallel: null,
    slots: null,
    waiting: 0,
    is_sleeping: false,
    first_token_p50_ms: null,
    prompt_per_second: null,
    tokens_per_second: null,
    cached_share: null,
    minutes: Array.from({ length: 15 }, () => ({ calls: 0, failed: 0 })),
    models: 3,
    served: [],
    key_from: null,
    ...facts,
  }
}

function usageRow(name: string, calls: number, cost: string | null): UsageRow {
  return {
    name,
    calls,
    failed: Math.floor(calls / 23),
    prompt_tokens: calls * 2210,
    completion_tokens: calls * 431,
    cached_tokens: calls * 1540,
    cost_usd: cost,
    unpriced_calls: cost === null ? calls : Math.floor(calls / 9),
  }
}

/** The last 30, today last. */
function days(callsOn: (day: number) => number): UsageRow[] {
  return Array.from({ length: 30 }, (_, at) => {
    const calls = callsOn(at)
    const name = new Date(nowMs - (29 - at) * 86_400_000).toISOString().slice(0, 10)
    return usageRow(name, calls, calls === 0 ? null : (calls * 0.0183).toFixed(6))
  })
}

function openCall(id: string, facts: Partial<OpenCall>): OpenCall {
  return {
    id,
    model: 'qwen3:8b',
    client: 'ada',
    key: null,
    program: null,
    dialect: 'chat',
    provider: 'ollama',
    target_model: 'qwen3:8b',
    phase: 'streaming',
    started_at: ago(14),
    age_ms: 14_300,
    attempt: 1,
    wait_ms: 0,
    start_ms: 0,
    turn: null,
    stream: true,
    prompt_tokens: 2140,
    tokens: 412,
    tokens_per_second: 38.4,
    first_token_ms: 610,
    ...facts,
  }
}

function recentCall(number: number, facts: Partial<RecentCall>): RecentCall {
  return {
    id: `req_${String(number).padStart(6, '0')}`,
    at: ago(12 + number * 21),
    model: 'qwen3:8b',
    asked: null,
    client: 'ada',
    key: null,
    provider: 'ollama',
    target_model: 'qwen3:8b',
    dialect: 'chat',
    status: 200,
    outcome: 'ok',
    stream: true,
    wait_ms: number % 7 === 3 ? 4200 : 0,
    start_ms: 0,
    first_token_ms: 480 + ((number * 37) % 400),
    duration_ms: 6200 + ((number * 911) % 9000),
    prompt_tokens: 1800 + ((number * 77) % 900),
    completion_tokens: 240 + ((number * 53) % 300),
    cached_tokens: 1200,
    cache_write_tokens: null,
    prompt_per_second: 2410,
    tokens_per_second: 41.2,
    estimated: false,
    cost_usd: '0',
    attempts: 1,
    code: null,
    reason: null,
    fix: null,
    placement: 'least busy',
    placed: null,
    trace_id: null,
    trace_url: null,
    ...facts,
  }
}

const sonnet = {
  model: 'claude-sonnet-5',
  provider: 'anthropic',
  target_model: 'claude-sonnet-5-20260901',
  dialect: 'messages',
  key: 'ci-runner',
  client: 'ci-runner',
  cost_usd: '0.021470000',
} as const

const usage: StatusReport['usage'] = {
  days: days((day) => (day % 7 > 4 ? 20 : 120) + ((day * 67) % 110)),
  models: [
    usageRow('claude-sonnet-5', 812, '14.860200000'),
    usageRow('qwen3:8b', 431, '0'),
    usageRow('gpt-5.2-mini', 120, '0.084300000'),
    usageRow('nomic-embed-text', 64, null),
  ],
  clients: [usageRow('ada', 640, '3.210000000'), usageRow('ci-runner', 787, '11.734500000')],
  keys: [usageRow('ci-runner', 787, '11.734500000')],
}

/** Much goes on, and all is well but for a limit that a call waits for. */
export const busyReport: StatusReport = {
  ...emptyReport,
  started_at: ago(3 * 86_400 + 7800),
  workers: { wanted: 2, running: 2 },
  reload: { at: ago(5400), ok: true, problems: [], needs_restart: [] },
  calls: [
    openCall('req_a', {}),
    openCall('req_b', {
      ...sonnet,
      phase: 'waiting',
      tokens: 0,
      tokens_per_second: null,
      first_token_ms: null,
      age_ms: 2100,
      prompt_tokens: 18_220,
    }),
    openCall('req_c', {
      model: 'qwen3:8b',
      client: 'bob',
      tokens: 1630,
      tokens_per_second: 36.9,
      age_ms: 47_000,
    }),
    openCall('req_d', {
      client: 'bob',
      phase: 'in_line',
      provider: null,
      target_model: null,
      attempt: 0,
      tokens: 0,
      tokens_per_second: null,
      first_token_ms: null,
      wait_ms: 8200,
      age_ms: 8200,
    }),
    openCall('req_e', {
      model: 'gpt-5.2-mini',
      provider: 'openai',
      target_model: 'gpt-5.2-mini',
      attempt: 2,
      phase: 'connecting',
      tokens: 0,
      tokens_per_second: null,
      first_token_ms: null,
      age_ms: 900,
    }),
  ],
  providers: [
    provider('ollama', {
      in_flight: 2,
      max_parallel: 2,
      slots: 2,
      waiting: 1,
      prompt_per_second: 812,
      cached_share: 0.77,
      served: [
        { name: 'qwen3:8b', context_length: 32_768, state: 'loaded', takes: ['text', 'tools'] },
        { name: 'gemma3:4b', context_length: 8_192, state: 'unloaded', takes: ['text', 'image'] },
      ],
      last_success: ago(4),
      first_token_p50_ms: 590,
      tokens_per_second: 38.1,
      minutes: cells((at) => [6 + ((at * 5) % 7), 0]),
    }),
    provider('anthropic', {
      kind: 'anthropic',
      is_local: false,
      boundary: 'any',
      origin: 'https://api.anthropic.com',
      key_from: 'credential anthropic_api_key',
      models: 14,
      in_flight: 1,
      last_success: ago(30),
      first_token_p50_ms: 1240,
      tokens_per_second: 71.5,
      minutes: cells((at) => [9 + ((at * 3) % 5), at === 4 ? 2 : 0]),
      reason: '529 overloaded_error: Overloaded',
      reason_at: ago(640),
    }),
    provider('openai', {
      kind: 'openai',
      is_local: false,
      boundary: 'any',
      origin: 'https://api.openai.com',
      key_from: 'credential openai',
      models: 61,
      in_flight: 1,
      last_success: ago(200),
      first_token_p50_ms: 830,
      tokens_per_second: 92.3,
      minutes: cells((at) => [at % 4, 0]),
    }),
    provider('echo', { kind: 'echo', origin: null, state: 'unused', models: 0 }),
  ],
  limits: [
    {
      model: 'qwen3:8b',
      dimension: 'parallel',
      used: 2,
      limit: 2,
      waiting: 1,
      frees_in_ms: null,
      resets_in_ms: null,
      full_at: null,
    },
    {
      model: 'claude-sonnet-5',
      dimension: 'requests',
      used: 31,
      limit: 50,
      waiting: 0,
      frees_in_ms: 0,
      resets_in_ms: 48_000,
      full_at: null,
    },
    {
      model: 'claude-sonnet-5',
      dimension: 'tokens',
      used: 148_200,
      limit: 200_000,
      waiting: 0,
      frees_in_ms: 0,
      resets_in_ms: 48_000,
      full_at: null,
    },
    {
      model: 'gpt-5.2-mini',
      dimension: 'requests',
      used: 60,
      limit: 60,
      waiting: 0,
      frees_in_ms: 7400,
      resets_in_ms: 58_000,
      full_at: null,
    },
  ],
  budgets: [
    {
      of: 'all clients',
      unit: 'usd',
      per: 'month',
      limit: '50',
      spent: '14.9445',
      reserved: '0.03',
      resets_at: '2026-12-01T00:00:00Z',
    },
    {
      of: 'ci-runner',
      unit: 'usd',
      per: 'day',
      limit: '2',
      spent: '1.7120',
      reserved: '0.03',
      resets_at: '2026-11-29T00:00:00Z',
    },
  ],
  usage,
  recent: Array.from({ length: 120 }, (_, at) =>
    at % 3 === 1
      ? recentCall(at, sonnet)
      : at === 5
        ? recentCall(at, { outcome: 'client_gone', status: 499, code: null, completion_tokens: 96 })
        : recentCall(at, {}),
  ),
}

function cells(of: (minute: number) => readonly [calls: number, failed: number]): MinuteCell[] {
  return Array.from({ length: 15 }, (_, at) => {
    const [calls, failed] = of(at)
    return { calls, failed }
  })
}

const refusedKey = {
  code: 'provider_auth_failed',
  reason: '401 authentication_error: invalid x-api-key',
  fix: 'Set the key again: llm-gateway credential set anthropic, then llm-gateway systemd restart.',
} as const

const brokenCalls: readonly RecentCall[] = [
  recentCall(0, { outcome: 'ok' }),
  recentCall(1, {
    ...sonnet,
    ...refusedKey,
    outcome: 'provider_auth',
    status: 502,
    cost_usd: null,
    first_token_ms: null,
    completion_tokens: null,
    prompt_tokens: null,
    cached_tokens: null,
    prompt_per_second: null,
    tokens_per_second: null,
    duration_ms: 412,
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    trace_url: 'https://traces.example/4bf92f3577b34da6a3ce929d0e0e4736',
    attempts: 2,
  }),
  recentCall(2, {
    outcome: 'provider_unreachable',
    status: 502,
    code: 'provider_unreachable',
    reason: 'connect ECONNREFUSED 127.0.0.1:11434',
    fix: 'Start ollama: systemctl start ollama.',
    first_token_ms: null,
    duration_ms: 3,
  }),
  recentCall(3, {
    outcome: 'limited',
    status: 429,
    code: 'rate_limit_exceeded',
    reason: 'qwen3:8b: 60 of 60 requests of the last minute are used',
    fix: 'Retry in 7 s, or raise rpm.',
    provider: null,
    duration_ms: 1,
  }),
  ...Array.from({ length: 8 }, (_, at) => recentCall(at + 4, {})),
]

/** A key is refused, a server is away, a budget is nearly spent and the last reload was rejected. */
export const brokenReport: StatusReport = {
  ...busyReport,
  draining: true,
  workers: { wanted: 2, running: 1 },
  reload: {
    at: ago(300),
    ok: false,
    problems: [
      'llm-gateway.yaml:14:3 models.gpt-5.provider: there is no provider "opnai". Did you mean "openai"?',
    ],
    needs_restart: ['server.port'],
  },
  viewer: { user: 'ada', sees_all: true, may_cancel: false, playground: false },
  attention: [
    {
      rule: 'provider_auth',
      subject: 'anthropic',
      severity: 'critical',
      state: 'firing',
      since: ago(260),
      what: 'anthropic refuses its key',
      why: 'The last 6 calls ended with 401. Calls for claude-sonnet-5 have no other provider.',
      fix: 'Set the key again: llm-gateway credential set anthropic.',
    },
    {
      rule: 'budget',
      subject: 'ci-runner, day',
      severity: 'warning',
      state: 'pending',
      since: ago(1900),
      what: 'A budget is nearly spent',
      why: '1.88 of 2 USD are spent. At this rate it lasts until 15:10.',
      fix: 'Raise the budget of the key, or wait until midnight.',
    },
  ],
  calls: [
    openCall('req_z', {
      attempt: 3,
      phase: 'connecting',
      tokens: 0,
      tokens_per_second: null,
      first_token_ms: null,
    }),
  ],
  calls_unshown: 12,
  providers: [
    provider('anthropic', {
      kind: 'anthropic',
      is_local: false,
      boundary: 'any',
      origin: 'https://api.anthropic.com',
      key_from: 'credential anthropic_api_key',
      models: 14,
      state: 'cooling',
      trouble: 'auth',
      until: ahead(280),
      reason: refusedKey.reason,
      reason_at: ago(12),
      last_success: ago(7200),
      minutes: cells((at) => [at > 9 ? 2 : 8, at > 9 ? 2 : 0]),
    }),
    provider('ollama', {
      state: 'unwell',
      trouble: 'unreachable',
      reason: 'connect ECONNREFUSED 127.0.0.1:11434',
      reason_at: ago(33),
      last_success: ago(900),
      minutes: cells((at) => [4, at > 11 ? 4 : 0]),
    }),
  ],
  usage: null,
  recent: brokenCalls,
  last_failure: lastFailure(brokenCalls, nowMs),
  failures: [
    { ...refusedKey, provider: 'anthropic', count: 6, last_at: ago(33) },
    {
      code: 'provider_unreachable',
      provider: 'ollama',
      count: 14,
      last_at: ago(54),
      reason: 'connect ECONNREFUSED 127.0.0.1:11434',
      fix: 'Start ollama: systemctl start ollama.',
    },
    {
      code: 'rate_limit_exceeded',
      provider: null,
      count: 3,
      last_at: ago(75),
      reason: 'qwen3:8b: 60 of 60 requests of the last minute are used',
      fix: 'Retry in 7 s, or raise rpm.',
    },
  ],
}

/** What runs a script, loads something or changes the page when text is taken for markup. */
const attack =
  '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\'"><svg/onload=window.pwned=1>javascript:window.pwned=1\u202egnp.exe\u0007'

const gpuTurn = { group: 'gpu0', running: ['qwen'] }

/** Two model servers share a GPU: one runs, calls wait for the other, and a third has failed. */
export const servicesReport: StatusReport = {
  ...busyReport,
  calls: [
    openCall('req_s', {
      model: 'gemma3:27b',
      provider: 'gemma',
      target_model: 'gemma3:27b',
      phase: 'starting',
      attempt: 0,
      tokens: 0,
      tokens_per_second: null,
      first_token_ms: null,
      wait_ms: 8200,
      start_ms: 8200,
      turn: gpuTurn,
      waits_for: startWaitText({ provider: 'gemma', turn: gpuTurn }),
      age_ms: 8300,
    }),
    ...busyReport.calls,
  ],
  services: [
    service('whisper', {
      state: 'failed',
      unit: 'llm-gateway-run-whisper.service',
      group: null,
      memory_bytes: null,
      failure: 'exit-code 1',
      retry_at: ahead(4),
      failures: 3,
    }),
    service('gemma', { state: 'stopped', since: ago(8), waiting: 1, memory_bytes: null }),
    service('qwen', { state: 'draining', calls: 2 }),
  ],
}

function service(provider: string, facts: Partial<ServiceRow>): ServiceRow {
  return {
    provider,
    unit: `llama-server@${provider}.service`,
    group: 'gpu0',
    state: 'ready',
    since: ago(320),
    calls: 0,
    waiting: 0,
    memory_bytes: 19.4 * 2 ** 30,
    last_start_ms: 6400,
    failure: null,
    probe: null,
    retry_at: null,
    starts: 4,
    stops: 3,
    failures: 0,
    ...facts,
  }
}

const wordyReason =
  'connect ECONNREFUSED 192.168.178.120:11434 (http://models.backend.internal.example:11434/v1/chat/completions): ' +
  'No target of the model is available. cloud: its key is refused; gpu: unreachable, next try in 12 s. ' +
  'The_server_has_said: {"error":{"message":"model_is_not_loaded","type":"server_error","param":null}}'

/** Everything that can be there is, and each reason is long. */
export const wordyReport: StatusReport = {
  ...servicesReport,
  calls: servicesReport.calls.map((call) => ({
    ...call,
    client: 'continuous-integration',
    program: 12,
    key: 'nightly-evaluation',
  })),
  providers: busyReport.providers.map((each) => ({
    ...each,
    origin: each.origin && 'http://models.backend.internal.example:11434',
    key_from: 'credential anthropic_api_key',
    state: 'failing',
    trouble: 'unreachable',
    until: ahead(12),
    reason: wordyReason,
    reason_at: ago(12),
    prompt_per_second: 523,
    cached_share: 0.53,
    first_token_p50_ms: 12_590,
    in_flight: 12,
    max_parallel: 16,
    waiting: 11,
    last_success: ago(86_400),
    served: [{ name: 'qwen3-coder:30b', context_length: 131_072, state: 'unloaded', takes: ['text'] }],
  })),
  services: servicesReport.services.map((each) => ({ ...each, failure: wordyReason })),
  recent: busyReport.recent.map((each, at) => ({
    ...each,
    at: ago(86_400 + at),
    model: 'qwen3-coder-30b-instruct',
    client: 'continuous-integration',
    outcome: 'provider_unreachable',
    status: 502,
    code: 'provider_unreachable',
    reason: wordyReason,
    fix: wordyReason,
    wait_ms: 12_400,
    cost_usd: '12.4512',
  })),
  failures: brokenReport.failures.map((each) => ({ ...each, reason: wordyReason, fix: wordyReason })),
}

/** The same with the attack in every text that the gateway does not choose itself. */
export function hostile<Value>(value: Value): Value {
  const chosen = new Set([
    'now',
    'started_at',
    'at',
    'since',
    'until',
    'reason_at',
    'last_success',
    'last_at',
    'resets_at',
    'phase',
    'state',
    'severity',
    'dimension',
    'unit',
    'limit',
    'spent',
    'reserved',
    'cost_usd',
    'outcome',
  ])
  const text = JSON.stringify(value, (name, each: unknown) => {
    if (typeof each !== 'string' || chosen.has(name)) return each
    if (name === 'trace_url') return 'javascript:window.pwned=1'
    return `${each} ${attack}`
  })
  return JSON.parse(text) as Value
}

/** One of three machines that share limits. */
export const sharedReport: StatusReport = {
  ...busyReport,
  store: shownStore({
    up: true,
    fault: null,
    server: 'Valkey 8.0.1',
    in_force: 'all',
    members: 3,
    here: 2,
    conflicts: ['2 gateways have the same machine id, a1b2 (box-a, box-d).'],
    machines: [
      machine('box-a', { is_this: true, uses: [use('gpt-5.2-mini', 38, 41_200, 1)] }),
      machine('box-b', { uses: [use('gpt-5.2-mini', 22, 20_900, 0), use('claude-sonnet-5', 4, 9_300, 2)] }),
      machine('box-c', { state: 'silent', last_seen: ago(400) }),
    ],
  }),
}

function machine(name: string, facts: Partial<MachineRow>): MachineRow {
  const times = { since: ago(7200), last_seen: ago(1) }
  const id = Buffer.from(name.padEnd(12)).toString('hex')
  return { name, id, version: '0.1.0', state: 'here', is_this: false, ...times, uses: [], ...facts }
}

function use(name: string, requests: number, tokens: number, parallel: number): MachineUse {
  return { kind: 'model', name, requests, tokens, parallel }
}
