// The line of each event. People and programs read them: members keep their names, order and types.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { GatewayEvent } from '../../../src/observe/events.ts'
import type { CallFacts } from '../../../src/observe/events/calls.ts'
import { createLog } from '../../../src/observe/log/log.ts'
import { logSink } from '../../../src/observe/sinks/log.ts'

const boom = new Error('boom "x"')
boom.stack = 'Error: boom\n    at x'

const unreadable = { kind: 'unreadable', reason: 'r' }

function ended(more: Partial<CallFacts>): GatewayEvent {
  const call: CallFacts = {
    event: 'call',
    request_id: 'req_1',
    client: 'user:ann',
    dialect: 'chat',
    route: undefined,
    model: 'm',
    provider: 'p',
    target_model: 't',
    fallback_model: undefined,
    asked: undefined,
    passed_over: undefined,
    way: undefined,
    earlier_ways: undefined,
    dropped: undefined,
    status: 200,
    stream: true,
    prompt_tokens: 12,
    completion_tokens: 34,
    cached_tokens: undefined,
    cache_write_tokens: undefined,
    reasoning_tokens: undefined,
    estimated: false,
    cost_nano: undefined,
    price: undefined,
    wait_ms: 0,
    first_byte_ms: 1.23,
    duration_ms: 2.34,
    gateway_ms: 0.45,
    attempts: 1,
    code: undefined,
    reason: undefined,
    provider_status: undefined,
    provider_code: undefined,
    provider_request_id: undefined,
    ...more,
  }
  return { kind: 'call_ended', call }
}

const lines: readonly (readonly [event: GatewayEvent, level: string, rest: string])[] = [
  [
    ended({}),
    'INFO',
    '"event":"call","request_id":"req_1","client":"user:ann","dialect":"chat","model":"m","provider":"p","target_model":"t","status":200,"stream":true,"prompt_tokens":12,"completion_tokens":34,"estimated":false,"wait_ms":0,"first_byte_ms":1.23,"duration_ms":2.34,"gateway_ms":0.45,"attempts":1}',
  ],
  [
    ended({ cost_nano: 4_200_000, price: 'list' }),
    'INFO',
    '"event":"call","request_id":"req_1","client":"user:ann","dialect":"chat","model":"m","provider":"p","target_model":"t","status":200,"stream":true,"prompt_tokens":12,"completion_tokens":34,"estimated":false,"price":"list","wait_ms":0,"first_byte_ms":1.23,"duration_ms":2.34,"gateway_ms":0.45,"attempts":1,"cost_usd":"0.0042"}',
  ],
  [
    {
      kind: 'refused',
      client: 'unknown',
      method: undefined,
      code: 'user_not_allowed',
      status: 403,
      reason: 'left',
      has_left: true,
    },
    'DEBUG',
    '"event":"user_not_allowed","client":"unknown","code":"user_not_allowed","status":403,"reason":"left"}',
  ],
  [
    ended({
      way: 'messages_chat',
      earlier_ways: ['pass'],
      dropped: ['metadata', 'tools.cache_control'],
      cached_tokens: 8,
      cache_write_tokens: 2,
      reasoning_tokens: 30,
    }),
    'INFO',
    '"event":"call","request_id":"req_1","client":"user:ann","dialect":"chat","model":"m","provider":"p","target_model":"t","way":"messages_chat","earlier_ways":["pass"],"dropped":["metadata","tools.cache_control"],"status":200,"stream":true,"prompt_tokens":12,"completion_tokens":34,"cached_tokens":8,"cache_write_tokens":2,"reasoning_tokens":30,"estimated":false,"wait_ms":0,"first_byte_ms":1.23,"duration_ms":2.34,"gateway_ms":0.45,"attempts":1}',
  ],
  [
    ended({ status: 499 }),
    'INFO',
    '"event":"call","request_id":"req_1","client":"user:ann","dialect":"chat","model":"m","provider":"p","target_model":"t","status":499,"stream":true,"prompt_tokens":12,"completion_tokens":34,"estimated":false,"wait_ms":0,"first_byte_ms":1.23,"duration_ms":2.34,"gateway_ms":0.45,"attempts":1}',
  ],
  [
    ended({
      status: 404,
      code: 'model_not_found',
      event: 'model_not_found',
      reason: 'no "m"\u007f\u2028é😀\ud800',
      provider_status: 404,
      provider_code: 'x',
      fallback_model: 'f',
    }),
    'WARN',
    '"event":"model_not_found","request_id":"req_1","client":"user:ann","dialect":"chat","model":"m","provider":"p","target_model":"t","fallback_model":"f","status":404,"stream":true,"prompt_tokens":12,"completion_tokens":34,"estimated":false,"wait_ms":0,"first_byte_ms":1.23,"duration_ms":2.34,"gateway_ms":0.45,"attempts":1,"code":"model_not_found","reason":"no \\"m\\"\\u007f\\u2028é😀\\ud800","provider_status":404,"provider_code":"x"}',
  ],
  [
    ended({ status: 502, code: 'provider_unreachable' }),
    'ERROR',
    '"event":"call","request_id":"req_1","client":"user:ann","dialect":"chat","model":"m","provider":"p","target_model":"t","status":502,"stream":true,"prompt_tokens":12,"completion_tokens":34,"estimated":false,"wait_ms":0,"first_byte_ms":1.23,"duration_ms":2.34,"gateway_ms":0.45,"attempts":1,"code":"provider_unreachable"}',
  ],
  [
    ended({ status: 200, code: 'provider_stream_interrupted', reason: 'cut' }),
    'ERROR',
    '"event":"call","request_id":"req_1","client":"user:ann","dialect":"chat","model":"m","provider":"p","target_model":"t","status":200,"stream":true,"prompt_tokens":12,"completion_tokens":34,"estimated":false,"wait_ms":0,"first_byte_ms":1.23,"duration_ms":2.34,"gateway_ms":0.45,"attempts":1,"code":"provider_stream_interrupted","reason":"cut"}',
  ],
  [
    {
      kind: 'refused',
      client: '127.0.0.1',
      method: undefined,
      code: 'user_not_allowed',
      status: 403,
      reason: 'r',
      unlogged: 3,
    },
    'WARN',
    '"event":"user_not_allowed","client":"127.0.0.1","code":"user_not_allowed","status":403,"reason":"r","unlogged":3}',
  ],
  [
    {
      kind: 'refused',
      request_id: 'req_2',
      client: '127.0.0.1',
      method: 'GET',
      code: 'host_not_allowed',
      status: 403,
      reason: 'r',
    },
    'WARN',
    '"event":"host_not_allowed","request_id":"req_2","client":"127.0.0.1","method":"GET","code":"host_not_allowed","status":403,"reason":"r"}',
  ],
  [
    { kind: 'listening', addresses: ['http://127.0.0.1:4000'], config: '/etc/c.yaml' },
    'INFO',
    '"event":"listening","addresses":["http://127.0.0.1:4000"],"config":"/etc/c.yaml"}',
  ],
  [
    { kind: 'provider_checked', provider: 'p', is_reachable: true, detail: 'status 200' },
    'INFO',
    '"event":"provider_reachable","provider":"p","detail":"status 200"}',
  ],
  [
    { kind: 'provider_checked', provider: 'p', is_reachable: false, detail: 'ECONNREFUSED' },
    'WARN',
    '"event":"provider_unreachable","provider":"p","detail":"ECONNREFUSED"}',
  ],
  [
    { kind: 'models_discovered', provider: 'p', count: 3, added: 2, removed: 1, skipped: 0 },
    'INFO',
    '"event":"models_discovered","provider":"p","count":3,"added":2,"removed":1,"skipped":0}',
  ],
  [
    { kind: 'server_reported', provider: 'p', slots: 2, context_length: 2048, state: 'loaded', models: 0 },
    'INFO',
    '"event":"server_reported","provider":"p","slots":2,"context_length":2048,"state":"loaded","models":0}',
  ],
  [
    { kind: 'discovery_failed', provider: 'p', reason: 'status 500', is_usual: false },
    'WARN',
    '"event":"discovery_failed","provider":"p","reason":"status 500"}',
  ],
  [
    {
      kind: 'discovery_failed',
      provider: 'p',
      reason: 'status 500',
      is_usual: false,
      kept_models: 2,
      list_age_ms: 600_000,
    },
    'WARN',
    '"event":"discovery_failed","provider":"p","reason":"status 500","kept_models":2,"list_age_ms":600000}',
  ],
  [
    { kind: 'discovery_failed', provider: 'p', reason: 'ECONNREFUSED', is_usual: true },
    'INFO',
    '"event":"discovery_failed","provider":"p","reason":"ECONNREFUSED"}',
  ],
  [
    { kind: 'health_checked', provider: 'p', reason: undefined },
    'INFO',
    '"event":"provider_healthy","provider":"p"}',
  ],
  [
    { kind: 'health_checked', provider: 'p', reason: 'status 503' },
    'WARN',
    '"event":"provider_unhealthy","provider":"p","reason":"status 503"}',
  ],
  [
    { kind: 'reloaded', config: '/etc/c.yaml', needs_restart: [] },
    'INFO',
    '"event":"reloaded","config":"/etc/c.yaml"}',
  ],
  [
    { kind: 'reloaded', config: '/etc/c.yaml', needs_restart: ['server.port'] },
    'WARN',
    '"event":"reloaded","config":"/etc/c.yaml","needs_restart":["server.port"]}',
  ],
  [
    { kind: 'reload_refused', config: '/etc/c.yaml', problems: ['c.yaml:1:2 x'] },
    'ERROR',
    '"event":"reload_refused","config":"/etc/c.yaml","problems":["c.yaml:1:2 x"]}',
  ],
  [
    { kind: 'service_starting', provider: 'p', unit: 'p.service', reason: 'call' },
    'INFO',
    '"event":"service_starting","provider":"p","unit":"p.service","reason":"call"}',
  ],
  [
    { kind: 'service_starting', provider: 'p', unit: 'p.service', reason: 'restart', calls: 1 },
    'WARN',
    '"event":"service_starting","provider":"p","unit":"p.service","reason":"restart","calls":1}',
  ],
  [
    { kind: 'service_stop_refused', provider: 'p', unit: 'p.service', result: 'not-permitted' },
    'WARN',
    '"event":"service_stop_refused","provider":"p","unit":"p.service","result":"not-permitted"}',
  ],
  [
    { kind: 'service_ready', provider: 'p', unit: 'p.service', took_ms: 4200 },
    'INFO',
    '"event":"service_ready","provider":"p","unit":"p.service","took_ms":4200}',
  ],
  [
    { kind: 'service_adopted', provider: 'p', unit: 'p.service' },
    'INFO',
    '"event":"service_adopted","provider":"p","unit":"p.service"}',
  ],
  [
    { kind: 'service_left', provider: 'p', unit: 'p.service' },
    'INFO',
    '"event":"service_left","provider":"p","unit":"p.service"}',
  ],
  [
    { kind: 'service_stopping', provider: 'p', unit: 'p.service', reason: 'idle' },
    'INFO',
    '"event":"service_stopping","provider":"p","unit":"p.service","reason":"idle"}',
  ],
  [
    { kind: 'service_stopped', provider: 'p', unit: 'p.service' },
    'INFO',
    '"event":"service_stopped","provider":"p","unit":"p.service"}',
  ],
  [
    { kind: 'service_stopped', provider: 'p', unit: 'p.service', reason: 'outside', calls: 2 },
    'WARN',
    '"event":"service_stopped","provider":"p","unit":"p.service","reason":"outside","calls":2}',
  ],
  [
    {
      kind: 'service_failed',
      provider: 'p',
      unit: 'p.service',
      result: 'exit-code 1',
      was_ready: false,
      retry_in_ms: 1000,
    },
    'WARN',
    '"event":"service_failed","provider":"p","unit":"p.service","result":"exit-code 1","was_ready":false,"retry_in_ms":1000}',
  ],
  [
    { kind: 'starter_lost', reason: 'ECONNREFUSED' },
    'WARN',
    '"event":"starter_lost","reason":"ECONNREFUSED"}',
  ],
  [{ kind: 'starter_found' }, 'INFO', '"event":"starter_found"}'],
  [
    { kind: 'limits_store_up', server: 'Valkey 8.0.1', members: 2 },
    'INFO',
    '"event":"limits_store_up","server":"Valkey 8.0.1","members":2}',
  ],
  [
    { kind: 'limits_store_down', reason: 'x', when_unavailable: 'share' },
    'WARN',
    '"event":"limits_store_down","reason":"x","when_unavailable":"share","message":"Until the store is back, this gateway grants its part of each limit."}',
  ],
  [
    { kind: 'limits_store_down', reason: 'x', when_unavailable: 'local' },
    'ERROR',
    '"event":"limits_store_down","reason":"x","when_unavailable":"local","message":"Until the store is back, this gateway grants the whole of each limit by itself: all together may exceed it."}',
  ],
  [
    { kind: 'limits_store_evicts', policy: 'allkeys-lru' },
    'WARN',
    '"event":"limits_store_evicts","policy":"allkeys-lru","message":"When its memory is full, the store deletes keys, and with them what was granted of limits. Set its maxmemory-policy to noeviction."}',
  ],
  [
    { kind: 'service_manager_not_told', cause: boom },
    'WARN',
    '"event":"service_manager_not_told","reason":"Error: boom \\"x\\""}',
  ],
  [
    { kind: 'peer_users_unreadable', cause: boom },
    'ERROR',
    '"event":"peer_users_unreadable","reason":"boom \\"x\\"","message":"Make /proc readable. Until then the gateway refuses all connections to its ports; with access.allowed_users: [any] it serves them, but trusts no proxy."}',
  ],
  [
    { kind: 'stopping', reason: 'SIGTERM', open_calls: 2 },
    'INFO',
    '"event":"stopping","reason":"SIGTERM","open_calls":2}',
  ],
  [{ kind: 'stopped' }, 'INFO', '"event":"stopped"}'],
  [
    { kind: 'worker_ended', worker: 2, cause: boom, restart_in_ms: 100 },
    'ERROR',
    '"event":"worker_ended","worker":2,"reason":"boom \\"x\\"","restart_in_ms":100,"stack":"Error: boom\\n    at x"}',
  ],
  [{ kind: 'worker_restarted', worker: 2 }, 'INFO', '"event":"worker_restarted","worker":2}'],
  [
    { kind: 'workers_missing', workers: 1, reason: 'r' },
    'WARN',
    '"event":"workers_missing","workers":1,"reason":"r"}',
  ],
  [
    { kind: 'internal_error', error: boom, where: 'call' },
    'ERROR',
    '"event":"internal_error","where":"call","reason":"boom \\"x\\"","stack":"Error: boom\\n    at x"}',
  ],
  [{ kind: 'limits_loaded', fact: { kind: 'absent' } }, 'INFO', '"event":"limits_loaded","kind":"absent"}'],
  [
    { kind: 'limits_loaded', fact: unreadable },
    'WARN',
    '"event":"limits_loaded","kind":"unreadable","reason":"r"}',
  ],
  [
    { kind: 'budgets_lost', reason: 'r' },
    'ERROR',
    '"event":"budgets_lost","reason":"r","message":"Calls with a budget are refused."}',
  ],
  [
    { kind: 'budgets_copy_used', reason: 'r' },
    'WARN',
    '"event":"budgets_copy_used","reason":"r","message":"Budgets go on from their second copy."}',
  ],
  [
    { kind: 'budgets_not_saved', cause: boom },
    'WARN',
    '"event":"budgets_not_saved","reason":"Error: boom \\"x\\""}',
  ],
  [
    { kind: 'limits_not_saved', cause: boom },
    'WARN',
    '"event":"limits_not_saved","reason":"Error: boom \\"x\\""}',
  ],
  [
    { kind: 'log_transport_failed', target: '/t.mjs', cause: boom },
    'ERROR',
    '"event":"log_transport_failed","target":"/t.mjs","reason":"boom \\"x\\""}',
  ],
]
for (const [event, level, rest] of lines) {
  test(`${event.kind}: ${level} ${rest.slice(0, 40)}`, (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 0, 2, 3, 4, 5, 6) })
    let text = ''
    logSink(createLog('debug', { write: (line) => (text += line) })).receive(event)
    assert.equal(text, `{"level":"${level}","time":"2026-01-02T03:04:05.006Z",${rest}\n`)
  })
}

test('an attempt has no line: the line of its call says how it came out', () => {
  const attempt = {
    kind: 'attempt_ended',
    request_id: 'r',
    provider: 'p',
    target_model: 't',
    way: 'pass',
  } as const
  const log = createLog('debug', { write: assert.fail })
  logSink(log).receive({ ...attempt, outcome: 'answered', status: 200, code: undefined, ms: 1 })
})

test('a thrown value that is no error is logged by its text, with a stack', () => {
  let text = ''
  const log = createLog('debug', { write: (line) => (text += line) })
  logSink(log).receive({ kind: 'internal_error', error: 'text', where: 'server' })
  assert.match(text, /"event":"internal_error","where":"server","reason":"text","stack":"Error: text\\n/)
})
