import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { StatusReport, UsageRow } from '../../src/status/status-report.ts'
import { serviceRows } from '../../src/status/service-rows.ts'
import { recentCalls } from '../../src/status/past-rows.ts'
import { statusText } from '../../src/status/status-text.ts'
import { serviceState } from '../support/service-state.ts'
import { factsOf } from './facts.ts'

const now = '2026-11-28T12:00:00.000Z'
const minutesAgo = (minutes: number) => new Date(Date.parse(now) - minutes * 60_000).toISOString()

const quiet: StatusReport = {
  version: '1.2.3',
  now,
  started_at: minutesAgo(3),
  draining: false,
  config_file: '/etc/gateway.yaml',
  workers: { wanted: 1, running: 1 },
  reload: null,
  viewer: { user: 'user:ann', sees_all: true, may_cancel: true, playground: false },
  attention: [],
  last_failure: null,
  calls: [],
  calls_unshown: 0,
  providers: [],
  services: [],
  limits: [],
  budgets: [],
  store: null,
  usage: null,
  recent: [],
  failures: [],
}

const used: UsageRow = {
  name: 'qwen',
  calls: 4,
  failed: 1,
  prompt_tokens: 100,
  completion_tokens: 20,
  cached_tokens: 0,
  cost_usd: '0.5',
  unpriced_calls: 0,
}

const text = (chosen: Partial<StatusReport> = {}) =>
  statusText({ ...quiet, ...chosen }, Date.parse(now)).join('\n')

test('a quiet gateway is three lines', () => {
  assert.equal(
    text(),
    `llm-gateway 1.2.3 serves, started 3 min ago\nconfiguration /etc/gateway.yaml\n\nNo call is under way.`,
  )
})

const cooling: StatusReport['providers'][number] = {
  name: 'local',
  origin: 'http://127.0.0.1:8080',
  kind: 'ollama',
  is_local: true,
  boundary: 'local',
  state: 'cooling',
  trouble: 'unreachable',
  until: new Date(Date.parse(now) + 5_000).toISOString(),
  reason: 'connection refused',
  reason_at: now,
  last_success: minutesAgo(60 * 72),
  in_flight: 1,
  max_parallel: 2,
  slots: 2,
  waiting: 1,
  is_sleeping: false,
  prompt_per_second: 812,
  cached_share: 0.77,
  served: [],
  first_token_p50_ms: 340,
  tokens_per_second: 31.5,
  minutes: [],
  models: 3,
  key_from: null,
}

test('a busy one has a section for each thing', () => {
  const busy = text({
    draining: true,
    workers: { wanted: 4, running: 3 },
    reload: { at: minutesAgo(1), ok: false, problems: ['line 3: no such key'], needs_restart: [] },
    attention: [
      {
        rule: 'ProviderDown',
        subject: 'local',
        severity: 'critical',
        state: 'firing',
        since: minutesAgo(90),
        what: 'The provider local cannot be used.',
        why: 'connection refused',
        fix: 'Start it.',
      },
    ],
    last_failure: {
      id: 'req_0',
      at: minutesAgo(2),
      client: 'user:ann',
      status: 503,
      code: 'no_target_available',
      severity: 'critical',
      what: 'safe → qwen: no provider works',
      why: 'No target of the model is available.',
      fix: 'Look at the providers.',
      after: 'No call has succeeded since.',
    },
    calls: [
      {
        id: 'req_1',
        model: 'qwen',
        client: 'user:ann',
        key: null,
        program: 4711,
        dialect: 'chat',
        provider: 'local',
        target_model: 'qwen3',
        phase: 'in_line',
        started_at: now,
        age_ms: 1_234,
        attempt: 0,
        wait_ms: 1_234,
        start_ms: 0,
        turn: null,
        stream: true,
        prompt_tokens: null,
        tokens: 0,
        tokens_per_second: null,
        first_token_ms: null,
      },
    ],
    calls_unshown: 2,
    providers: [cooling],
    limits: [
      {
        model: 'qwen',
        dimension: 'requests',
        used: 5,
        limit: 5,
        waiting: 1,
        frees_in_ms: 12_000,
        resets_in_ms: 60_000,
        full_at: null,
      },
      {
        model: 'qwen',
        dimension: 'parallel',
        used: 0,
        limit: 2,
        waiting: 1,
        full_at: null,
        frees_in_ms: null,
        resets_in_ms: null,
      },
    ],
    budgets: [
      {
        of: 'all clients',
        unit: 'usd',
        per: 'day',
        limit: '5',
        spent: '1.25',
        reserved: '0',
        resets_at: null,
      },
    ],
    usage: {
      days: [used],
      models: [{ ...used, prompt_tokens: 0, completion_tokens: 0, cost_usd: null }],
      clients: [],
      keys: [],
    },
    failures: [
      {
        code: 'provider_unreachable',
        provider: 'local',
        count: 3,
        last_at: minutesAgo(2),
        reason: 'connection refused',
        fix: 'Start the server.',
      },
    ],
  })
  assert.equal(
    busy,
    `llm-gateway 1.2.3 finishes its last calls, started 3 min ago
configuration /etc/gateway.yaml
3 of 4 worker threads
last reload 1 min ago: refused, the old one stays in use
  line 3: no such key

Last failed call
  critical safe → qwen: no provider works, 2 min ago
    No target of the model is available.
    Look at the providers.
    req_0 of user:ann, status 503 no_target_available. No call has succeeded since.

Needs attention
  critical local: The provider local cannot be used. It began 1 h 30 min ago.
    connection refused
    Start it.

Calls under way
  id     model  client    provider  phase    age    so far    speed
  req_1  qwen   user:ann  local     in line  1.2 s  0 tokens  -
  and 2 more

Providers
  provider  state                       under way  first token  speed          last success
  local     cooling down (unreachable)  1/2        340 ms       31.5 tokens/s  3 d ago
  local: connection refused; tried again in 5 s

Limits of the last 60 seconds
  model  of                   used  in line  room again
  qwen   requests per minute  5/5   1        in 12 s
  qwen   at the same time     0/2   1        now

Budgets
  of           spent                   starts anew
  all clients  $1.25 of $5.00 per day  -

Failures of the last 24 hours
  3 × provider_unreachable at local, last 2 min ago
    connection refused
    Start the server.

Usage
  today: 4 calls, 1 failed, 100 tokens of prompts, 20 of answers, $0.5
  qwen: 4 calls, 1 failed`,
  )
})

test('model servers have a section of their own, where there are any', () => {
  const services = serviceRows(
    [
      serviceState({ sinceMs: Date.parse(minutesAgo(3)) }),
      serviceState({
        provider: 'gemma',
        unit: 'llama-server@gemma.service',
        state: 'failed',
        sinceMs: Date.parse(minutesAgo(1)),
        calls: 0,
        waiting: 1,
        memoryBytes: undefined,
        lastStartMs: undefined,
        failure: 'oom-kill',
        retryAtMs: Date.parse(now) + 8_000,
      }),
    ],
    true,
  )
  assert.equal(
    text({ services }).split('\n\n').at(-1),
    `Services
  provider  state   since      calls  waiting  memory  last start  group  unit
  gemma     failed  1 min ago  0      1        -       -           gpu0   llama-server@gemma.service
  qwen      ready   3 min ago  2      0        4.5G    4.2 s       gpu0   llama-server@qwen.service
  gemma failed: oom-kill; calls start it again in 8 s`,
  )
  const ofOthers = text({ services: serviceRows([serviceState({ failure: 'oom-kill' })], false) })
  assert.doesNotMatch(ofOthers, /oom-kill/)
})

test('the last calls are told in the words of the page', () => {
  const rows = recentCalls(
    [
      {
        calls: [
          { status: 499, model: 'qwen', stream: false },
          { status: 503, code: 'no_target_available', model: 'safe', fallback_model: 'qwen' },
          { status: 403, code: 'call_cancelled', model: 'qwen' },
        ].map((facts) => ({ endedMs: Date.parse(now), call: factsOf(facts) })),
        providers: [],
        failures: [],
      },
    ],
    { isVisible: () => true, isAll: true, maxCalls: 9 },
  )
  const lines = text({ recent: rows }).split('\n')
  assert.match(lines.at(-4)!, /^ {2}ended +model +client +provider +outcome /)
  assert.match(lines.at(-3)!, / qwen +user:ann +local +cancelled 403 /)
  assert.match(lines.at(-2)!, / safe → qwen +user:ann +local +no provider works 503 /)
  assert.match(lines.at(-1)!, / qwen +user:ann +local +client left 499 /)
})

test('a reason that is a sentence is followed by one', () => {
  const reason = 'Provider "local" cannot be reached: connect ECONNREFUSED.'
  assert.match(
    text({ providers: [{ ...cooling, reason }] }),
    /^ {2}local: Provider "local" cannot be reached: connect ECONNREFUSED\. It is tried again in 5 s\.$/m,
  )
})
