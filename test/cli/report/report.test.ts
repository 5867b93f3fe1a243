// `llm-gateway report`: what it finds, where from, and what it says of what it lacks.
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'

import type { ServiceStep } from '../../../src/ledger/service-steps.ts'
import { startReceiver } from '../../support/receiver.ts'
import { report, type Scene, type SceneCall, sceneOf } from './scene.ts'

const golden = join(import.meta.dirname, '../../fixtures/report')

const ok = (at: string, more: Partial<SceneCall> = {}): SceneCall => ({
  at,
  stream: true,
  first_byte_ms: 500,
  duration_ms: 2500,
  completion_tokens: 101,
  cost_nano: 1_000_000,
  ...more,
})

/** In the week from 2026-11-16 on, unless another day is named. */
const calls: readonly SceneCall[] = [
  ok('2026-11-10T09:00:00Z'),
  ok('2026-11-11T09:00:00Z'),
  // Monday has begun in Berlin, and not yet in UTC.
  ok('2026-11-15T23:30:00Z'),
  ok('2026-11-16T09:00:00Z', { model: 'gpt', provider: 'openai', first_byte_ms: 900 }),
  ok('2026-11-17T09:00:00Z', { model: 'gpt', fallback_model: 'qwen' }),
  ok('2026-11-18T09:00:00Z', { client: 'user:bob', wait_ms: 1_000, start_ms: 1_000 }),
  {
    at: '2026-11-18T10:00:00Z',
    model: 'gpt',
    provider: 'openai',
    status: 502,
    code: 'provider_auth_failed',
    provider_status: 401,
    reason: 'Incorrect API key provided',
    completion_tokens: 0,
  },
  {
    at: '2026-11-19T10:00:00Z',
    status: 429,
    code: 'rate_limit_exceeded',
    provider: undefined,
    prompt_tokens: 0,
    completion_tokens: 0,
  },
  { at: '2026-11-20T10:00:00Z', status: 499 },
  // Monday of the next week in Berlin.
  ok('2026-11-22T23:30:00Z'),
]

const lines = [
  { at: '2026-11-01T00:00:00Z', event: 'listening', config: '/etc/llm-gateway/llm-gateway.yaml' },
  {
    at: '2026-11-17T12:00:00Z',
    event: 'host_not_allowed',
    client: 'user:ann',
    method: 'POST',
    status: 403,
    reason: 'The Host header is evil.example.',
    unlogged: 11,
  },
  {
    at: '2026-11-17T13:00:00Z',
    level: 'WARN',
    event: 'provider_unhealthy',
    provider: 'openai',
    reason: 'its health check answered 503',
  },
  {
    at: '2026-11-18T12:00:00Z',
    level: 'ERROR',
    event: 'reload_refused',
    config: 'x',
    problems: ['4:2 models.gpt: unknown key'],
  },
  { at: '2026-11-18T12:05:00Z', event: 'reloaded', config: 'x', needs_restart: ['server.port'] },
] as const

const audit = [
  { at: '2026-11-01T00:00:00Z', name: 'gateway.started', attributes: { 'config.sha256': 'a'.repeat(64) } },
  {
    at: '2026-11-17T12:00:00Z',
    name: 'request.refused',
    attributes: { client: 1, code: 'host_not_allowed' },
  },
  {
    at: '2026-11-17T12:01:00Z',
    name: 'request.refused',
    attributes: { client: 1, code: 'host_not_allowed', repeated: 11 },
  },
  {
    at: '2026-11-18T12:00:00Z',
    name: 'config.refused',
    attributes: { 'config.sha256': 'b'.repeat(64), problems: 1 },
  },
  {
    at: '2026-11-18T12:05:00Z',
    name: 'config.reloaded',
    attributes: { 'config.sha256': 'c'.repeat(64), needs_restart: ['server.port'] },
  },
  {
    at: '2026-11-19T08:00:00Z',
    name: 'key.created',
    attributes: { 'key.id': 'k1', client: 1, actor: 1, via: 'cli' },
  },
] as const

const step = (at: string, what: ServiceStep['what'], more: Partial<ServiceStep> = {}): ServiceStep => ({
  atMs: Date.parse(at),
  provider: 'local',
  unit: 'local.service',
  what,
  ...more,
})
const steps = [
  step('2026-11-17T08:59:00Z', 'started', { reason: 'call' }),
  step('2026-11-17T08:59:04Z', 'ready', { readyMs: 4_250 }),
  step('2026-11-18T08:59:00Z', 'started', { reason: 'call' }),
  step('2026-11-18T08:59:01Z', 'failed', { reason: 'exit-code 1' }),
]

interface Json {
  readonly is_whole: boolean
  readonly since: string
  readonly until: string
  readonly sources: readonly {
    readonly name: string
    readonly place: string
    readonly state: string
    readonly note: string | null
  }[]
  readonly crossed: readonly { readonly rule: string; readonly subject: string; readonly detail: string }[]
  readonly calls: {
    readonly from: string
    readonly total: number
    readonly total_before: number
    readonly failed: number
    readonly outcomes: Readonly<Record<string, number>>
  }
  readonly failures: readonly {
    readonly provider: string
    readonly outcome: string
    readonly reason: string | null
  }[]
  readonly limit_hits: readonly object[]
  readonly fallbacks: readonly object[]
  readonly refusals: { readonly from: string; readonly data: readonly object[] }
  readonly changes: { readonly from: string; readonly data: readonly { readonly event: string }[] }
  readonly usage: {
    readonly total: { readonly calls: number }
    readonly by: readonly { readonly data: readonly { readonly day: string; readonly calls: number }[] }[]
  } | null
}

async function json(scene: Scene, options: Parameters<typeof report>[1] = {}): Promise<Json> {
  const { status, stdout, stderr } = await report(scene, { period: 'weekly', ...options, isJson: true })
  assert.deepEqual([status, stderr], [0, ''])
  return JSON.parse(stdout) as Json
}

suite('the report of a week', () => {
  test('for people', async () => {
    const scene = sceneOf({ calls, lines, audit, steps })
    const { status, stdout } = await report(scene, { period: 'weekly' })
    assert.equal(status, 0)
    assert.equal(
      stdout.replaceAll(dirname(scene.db), 'STATE'),
      readFileSync(join(golden, 'weekly.txt'), 'utf8'),
    )
  })

  test('for programs', async () => {
    const scene = sceneOf({ calls, lines, audit, steps })
    const { stdout } = await report(scene, { period: 'weekly', isJson: true })
    assert.equal(
      stdout.replaceAll(dirname(scene.db), 'STATE'),
      readFileSync(join(golden, 'weekly.json'), 'utf8'),
    )
  })

  test('counts the same calls from the ledger as from the log', async () => {
    const whole = sceneOf({ calls, lines, audit })
    const fromLog = await json(whole)
    const fromLedger = await json({ ...whole, log: `${whole.log}.absent` })
    assert.deepEqual([fromLog.calls.from, fromLedger.calls.from], ['log', 'ledger'])
    assert.deepEqual({ ...fromLog.calls, from: '' }, { ...fromLedger.calls, from: '' })
    assert.deepEqual(fromLog.limit_hits, fromLedger.limit_hits)
    assert.deepEqual(fromLog.fallbacks, fromLedger.fallbacks)
    assert.equal(fromLog.calls.total, 7)
    assert.equal(fromLog.usage?.total.calls, 7)
  })

  test('counts the same refusals from the audit log as from the log', async () => {
    const whole = sceneOf({ calls, lines, audit })
    const fromLog = await json(whole)
    const fromAudit = await json({ ...whole, log: `${whole.log}.absent` })
    assert.deepEqual([fromLog.refusals.from, fromAudit.refusals.from], ['log', 'audit log'])
    assert.deepEqual(fromLog.refusals.data, fromAudit.refusals.data)
    assert.deepEqual(fromLog.refusals.data, [
      { code: 'host_not_allowed', requests: 12, clients: { 'user:ann': 12 } },
    ])
  })

  test('has the last reason of a failure from the log, though the ledger counts it', async () => {
    const scene = sceneOf({ calls, lines, audit, logged: calls.slice(0, -3) })
    const found = await json(scene)
    assert.equal(found.calls.from, 'ledger')
    const auth = found.failures.find(({ outcome }) => outcome === 'provider_auth')
    assert.equal(auth?.reason, 'Incorrect API key provided')
  })
})

suite('what is missing', () => {
  test('lines that the journal has lost are found out by the ledger', async () => {
    const { sources } = await json(sceneOf({ calls, lines, audit, logged: calls.slice(0, -4) }))
    assert.deepEqual(
      sources.find(({ name }) => name === 'log'),
      {
        name: 'log',
        place: sources.find(({ name }) => name === 'log')?.place,
        state: 'partial',
        note: 'it has 4 of the 7 calls that the ledger has',
        begin: '2026-11-01T00:00:00.000Z',
      },
    )
  })

  test('a log that begins within the period is partial, and says from when on it has data', async () => {
    const scene = sceneOf({ lines: lines.slice(1), logged: calls.slice(4) })
    const found = await json(scene)
    assert.equal(found.is_whole, false)
    const log = found.sources.find(({ name }) => name === 'log')
    assert.match(log?.note ?? '', /begin within the period/)
    const { status, stdout } = await report(scene, { period: 'weekly', isCheck: true })
    assert.match(stdout, /^log \(.*\): partial, from 2026-11-17 10:00 on/m)
    assert.equal(status, 1, 'what was crossed counts more than what is missing')
  })

  test('torn, long and foreign lines stop nothing, and are counted', async () => {
    const scene = sceneOf({ calls, lines, audit })
    const journal = JSON.stringify({
      PRIORITY: '6',
      MESSAGE: JSON.stringify({ ...lines[1], at: undefined, time: '2026-11-17T12:30:00Z', unlogged: 0 }),
    })
    appendFileSync(
      scene.log,
      `Started llm-gateway.service.\n<6>${journal}\n{"torn":\n{"long":"${'x'.repeat(70_000)}"}\n`,
    )
    const found = await json(scene)
    const log = found.sources.find(({ name }) => name === 'log')
    assert.deepEqual([log?.state, log?.note], ['partial', '2 lines cannot be read'])
    assert.equal(found.refusals.from, 'audit log')
    const alone = await json({ db: `${scene.db}.absent`, log: scene.log })
    assert.deepEqual(alone.refusals.from, 'audit log')
  })

  test('lines whose members are of other types stop nothing', async () => {
    const scene = sceneOf({ calls, lines, audit })
    const noText = { toString: 1 }
    const time = '2026-11-17T12:30:00Z'
    const odd = [
      { event: 'keys_loaded', generation: noText, keys: noText },
      {
        event: 'call',
        duration_ms: 1,
        attempts: 1,
        client: noText,
        model: noText,
        code: noText,
        status: noText,
      },
      { event: 'reload_refused', problems: [noText, 1] },
      { event: 'origin_not_allowed', status: 403, client: 'user:eve', unlogged: -1e9 },
    ]
    appendFileSync(scene.log, odd.map((line) => `${JSON.stringify({ time, ...line })}\n`).join(''))
    const attributes = { code: noText, 'x.y': noText, list: [noText] }
    const record = {
      seq: 1,
      severity_number: 9,
      time,
      time_unix_nano: '0',
      outcome: 'success',
      prev: '',
      mac: '',
    }
    const records = ['llm_gateway.request.refused', 'llm_gateway.keys.loaded', 'llm_gateway.budget.exhausted']
    const file = join(dirname(scene.db), 'audit-2026-11.jsonl')
    for (const event_name of records) {
      appendFileSync(file, `${JSON.stringify({ ...record, event_name, attributes })}\n`)
    }
    const { status, stderr } = await report(scene, { period: 'weekly' })
    assert.deepEqual([status, stderr], [0, ''])
    const found = await json({ db: `${scene.db}.absent`, log: scene.log })
    for (const { requests } of found.refusals.data as { requests: number }[]) assert.ok(requests > 0)
  })

  test('without any source, there is a report that says so', async () => {
    const scene = sceneOf({})
    const { status, stdout } = await report(scene, { period: 'weekly', isCheck: true })
    assert.equal(status, 2)
    assert.match(stdout, /Unknown: neither the ledger nor the log can be read\./)
    assert.match(stdout, /Unknown: neither the log nor the audit log can be read\./)
    assert.match(stdout, /The data is not whole\./)
  })

  test('lines are read from standard input too', async () => {
    const { log } = sceneOf({ calls, lines })
    const empty = sceneOf({})
    const found = await json({ ...empty, log: '-' }, { stdin: readFileSync(log, 'utf8') })
    assert.deepEqual([found.calls.from, found.calls.total], ['log', 7])
  })
})

suite('--check', () => {
  const statusOf = async (scene: Scene) => (await report(scene, { period: 'weekly', isCheck: true })).status
  const quiet = lines.slice(0, 1)

  test('is 0 for a week without an event', async () => {
    assert.equal(await statusOf(sceneOf({ calls: [ok('2026-11-17T09:00:00Z')], lines: quiet })), 0)
    assert.equal(await statusOf(sceneOf({ calls: [], lines: quiet })), 0)
  })

  test('is 1 where a threshold was crossed, and 2 where data is missing', async () => {
    assert.equal(await statusOf(sceneOf({ calls, lines, audit })), 1)
    assert.equal(await statusOf(sceneOf({ calls: [ok('2026-11-17T09:00:00Z')] })), 2)
  })

  const many = (count: number, more: Partial<SceneCall>, seconds = 1): SceneCall[] =>
    Array.from({ length: count }, (_, index) => ({
      at: new Date(Date.UTC(2026, 10, 17, 9) + index * seconds * 1000).toJSON(),
      ...more,
    }))
  const failing = { status: 502, code: 'provider_unreachable', completion_tokens: 0 }
  const cases: readonly (readonly [string, readonly SceneCall[], readonly string[]])[] = [
    ['one failed call of a quiet model', many(1, failing), []],
    ['two failed calls of nine', [...many(7, {}), ...many(2, failing)], []],
    ['two failed calls of eleven', [...many(9, {}), ...many(2, failing)], ['ErrorRate qwen']],
    ['two failed calls of twenty over a day', [...many(18, {}, 4800), ...many(2, failing, 4800)], []],
    [
      'three calls without a target within a minute',
      many(3, { status: 503, code: 'no_target_available', provider: undefined }),
      ['NoTarget qwen'],
    ],
    [
      'two calls without a target',
      many(2, { status: 503, code: 'no_target_available', provider: undefined }),
      [],
    ],
    ['a refused key', many(1, { status: 502, code: 'provider_auth_failed' }), ['ProviderAuth local']],
    ['no credit', many(1, { status: 402 }), ['ProviderQuota local']],
    ['twenty-one limited calls', many(21, { status: 429 }), ['ErrorRate qwen', 'ProviderRateLimited local']],
    [
      'thirty-one calls beyond a limit',
      many(31, { status: 429, code: 'rate_limit_exceeded', provider: undefined }),
      ['LimitReached qwen'],
    ],
    [
      'thirty calls beyond a limit',
      many(30, { status: 429, code: 'rate_limit_exceeded', provider: undefined }),
      [],
    ],
    ['slow streams', many(10, { stream: true, first_byte_ms: 31_000 }), ['SlowFirstToken qwen']],
    ['a few slow streams', many(9, { stream: true, first_byte_ms: 31_000 }), []],
    ['long waits', many(10, { wait_ms: 16_000 }), ['QueueLong qwen']],
    ['long starts of a server', many(10, { wait_ms: 16_000, start_ms: 15_900 }), []],
  ]
  for (const [name, ended, expected] of cases) {
    test(`${name}: ${expected.join(', ') || 'nothing'}`, async () => {
      const { crossed } = await json(sceneOf({ calls: ended, lines: quiet }))
      assert.deepEqual(
        crossed.map(({ rule, subject }) => `${rule} ${subject}`),
        expected,
      )
    })
  }
})

suite('days', () => {
  const everyQuarter = (from: string, count: number): SceneCall[] =>
    Array.from({ length: count }, (_, index) => ok(new Date(Date.parse(from) + index * 900_000).toJSON()))

  for (const zone of ['Asia/Kolkata', 'Pacific/Chatham', 'America/New_York', 'UTC']) {
    test(`of a month in ${zone} add up to its total`, async () => {
      // The month in which the clocks change in New York, and a day more at each end.
      const scene = sceneOf({ calls: everyQuarter('2026-10-30T00:00:00Z', 33 * 96) })
      const late = { nowMs: Date.UTC(2026, 11, 2, 12), period: 'monthly' as const, zone, by: 'day' }
      const { usage, calls: counted } = await json(scene, late)
      const days = usage!.by[0]!.data
      assert.equal(days.length, 30)
      assert.equal(
        days.reduce((sum, day) => sum + day.calls, 0),
        usage!.total.calls,
      )
      assert.equal(counted.total, usage!.total.calls)
      const hours = zone === 'America/New_York' ? 25 : 24
      assert.equal(days[0]!.calls, hours * 4)
    })
  }
})

test('the ledger alone tells missing credit from a rate limit, and has the first token of a stream', async () => {
  const refused = { code: undefined, status: 429, provider_status: 429, completion_tokens: 0 } as const
  const scene = sceneOf({
    calls: [
      ok('2026-11-17T09:00:00Z', { first_byte_ms: 10, first_token_ms: 700 }),
      { at: '2026-11-17T10:00:00Z', ...refused, trouble: 'billing' },
      { at: '2026-11-17T11:00:00Z', ...refused, trouble: 'rate_limit' },
    ],
  })
  const { stdout } = await report(scene, { period: 'weekly', isJson: true })
  const { calls: counted, models } = JSON.parse(stdout) as Json & {
    readonly models: readonly { readonly first_p50_ms: number | null }[]
  }
  assert.deepEqual([counted.outcomes['provider_billing'], counted.outcomes['provider_limited']], [1, 1])
  assert.equal(models[0]!.first_p50_ms, 700)
})

suite('--notify', () => {
  const configOf = (scene: Scene, sinks: string): string => {
    const file = join(dirname(scene.db), 'gateway.yaml')
    const rest = 'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'
    writeFileSync(file, `${rest}notify: { sinks: { ${sinks} } }\n`, { mode: 0o600 })
    return file
  }

  test('sends a summary without clients and without words of providers', async (t) => {
    const receiver = await startReceiver(t)
    const scene = sceneOf({ calls, lines, audit })
    const config = configOf(scene, 'team: { kind: webhook, url: { env: HOOK } }')
    const hook = `${receiver.url}/in`
    const { status, stderr } = await report(scene, { period: 'weekly', config, hook, notify: 'team' })
    assert.deepEqual([status, stderr], [0, ''])
    const { notices } = receiver.received[0]!.body as { notices: readonly Record<string, string>[] }
    assert.partialDeepStrictEqual(notices, [
      {
        kind: 'message',
        rule: 'Report',
        severity: 'critical',
        what: 'Report of 2026-11-16 to 2026-11-22: 3 thresholds crossed',
      },
    ])
    const why = notices[0]!['why'] ?? ''
    assert.match(why, /^ProviderAuth openai: 1 call in 15 min, first at 2026-11-18 11:00$/m)
    assert.match(why, /^7 calls, 1 failed, 12 requests refused$/m)
    assert.doesNotMatch(why, /ann|bob|Incorrect/)
  })

  test('ends with 1 where it was not sent, and says why', async (t) => {
    const receiver = await startReceiver(t)
    receiver.answer = { status: 403, text: 'no' }
    const scene = sceneOf({ calls, lines, audit })
    const sinks = `team: { kind: webhook, url: { env: HOOK } }, pager: { kind: alertmanager, url: "${receiver.url}" }`
    const hook = `${receiver.url}/in`
    const config = configOf(scene, sinks)
    const reasons = { team: /403/, pager: /keeps incidents/, nobody: /no sink nobody/ }
    for (const [notify, reason] of Object.entries(reasons)) {
      const { status, stderr } = await report(scene, {
        period: 'weekly',
        config,
        hook,
        notify,
        isCheck: true,
      })
      assert.equal(status, 1)
      assert.match(stderr, reason)
    }
    assert.equal(receiver.received.length, 1)
  })
})
