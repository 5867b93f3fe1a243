// What services receive, on real sockets: at once, summed up, later, and over a restart.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type { NotifyConfig, NotifySink } from '../../../src/config/observe-types.ts'
import { HeldSecret } from '../../../src/config/secrets.ts'
import { Notifier } from '../../../src/observe/alerts/notifier.ts'
import type { GatewayEvent } from '../../../src/observe/events.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { soon, until } from '../../support/deadline.ts'
import { type Receiver, startReceiver } from '../../support/receiver.ts'
import { refusingUrl } from '../../support/scripted-upstream.ts'
import { minuteMs, TestCounters, usualSettings } from './scene.ts'

interface Started {
  readonly notifier: Notifier
  readonly clock: FakeClock
  readonly counters: TestCounters
  readonly events: GatewayEvent[]
  /** The next event of a kind. */
  readonly event: (kind: GatewayEvent['kind']) => Promise<GatewayEvent>
  readonly refuse: (provider: string) => void
  readonly answer: (provider: string) => void
}

const secretPath = '/services/T0/secret-path'

function sinkAt(
  url: string,
  kind: NotifySink['kind'] = 'webhook',
  more: Partial<NotifySink> = {},
): NotifySink {
  const token = kind === 'pagerduty' ? new HeldSecret('routing-key-1', 'env ROUTING') : undefined
  return {
    name: kind,
    kind,
    url: new HeldSecret(`${url}${secretPath}`, 'env HOOK'),
    token,
    minSeverity: 'warning',
    ...more,
  }
}

function configOf(sinks: readonly NotifySink[], more: Partial<NotifyConfig> = {}): NotifyConfig {
  return { ...usualSettings, sinks, quietStartMs: 0, heartbeat: undefined, ...more }
}

function start(
  t: TestContext,
  config: NotifyConfig,
  { clock = new FakeClock(), stateDirectory }: { clock?: FakeClock; stateDirectory?: string } = {},
): Started {
  const counters = new TestCounters()
  const events: GatewayEvent[] = []
  const waiting = new Set<() => void>()
  const notifier = new Notifier({
    clock,
    counters,
    host: 'box',
    stateDirectory,
    stateOf: () => ({
      providers: [],
      services: [],
      reload: { isRefused: false, problems: 0 },
      budgets: [],
      degraded: [],
    }),
    emit(event) {
      events.push(event)
      for (const look of waiting) look()
    },
  })
  notifier.follow(config, true)
  t.after(() => notifier.stop())
  return {
    notifier,
    clock,
    counters,
    events,
    event(kind) {
      const seen = events.filter((event) => event.kind === kind).length
      const come = new Promise<GatewayEvent>((resolve) =>
        waiting.add(() => {
          const found = events.filter((event) => event.kind === kind)[seen]
          if (found !== undefined) resolve(found)
        }),
      )
      return soon(come, () => `the event ${kind}`)
    },
    refuse: (provider) => counters.add('attempts_total', { provider, result: 'auth' }),
    answer: (provider) => counters.add('attempts_total', { provider, result: 'ok' }),
  }
}

interface WebhookBody {
  readonly notices: readonly { readonly kind: string; readonly rule: string; readonly subject: string }[]
}

function noticesOf({ received }: Receiver, index: number): string[] {
  return (received[index]!.body as WebhookBody).notices.map(
    (each) => `${each.kind} ${each.rule} of ${each.subject}`,
  )
}

suite('a service', () => {
  test('receives a condition within five seconds, and its end', async (t) => {
    const receiver = await startReceiver(t)
    const { clock, refuse, answer, event } = start(t, configOf([sinkAt(receiver.url)]))
    refuse('openai')
    const sent = event('notification_sent')
    clock.advance(2_000)
    await sent
    assert.deepEqual(noticesOf(receiver, 0), ['firing ProviderAuth of openai'])
    const [first] = receiver.received
    assert.equal(first?.method, 'POST')
    assert.equal(first?.path, secretPath)
    assert.equal(first?.headers['content-type'], 'application/json')
    answer('openai')
    const ended = event('notification_sent')
    clock.advance(40_000)
    await ended
    assert.deepEqual(noticesOf(receiver, 1), ['recovered ProviderAuth of openai'])
  })

  test('receives one message of what fires together, and of what comes within 30 seconds', async (t) => {
    const receiver = await startReceiver(t)
    const { clock, refuse, event } = start(t, configOf([sinkAt(receiver.url)]))
    for (const provider of ['a', 'b', 'c', 'd', 'e']) refuse(provider)
    const sent = event('notification_sent')
    clock.advance(2_000)
    await sent
    assert.equal(noticesOf(receiver, 0).length, 5)
    refuse('f')
    clock.advance(10_000)
    refuse('g')
    clock.advance(10_000)
    assert.equal(receiver.received.length, 1)
    const later = event('notification_sent')
    clock.advance(12_000)
    await later
    assert.deepEqual(noticesOf(receiver, 1), ['firing ProviderAuth of f', 'firing ProviderAuth of g'])
  })

  test('receives at most 20 messages an hour, and then what has come meanwhile', async (t) => {
    const receiver = await startReceiver(t)
    const { clock, refuse, event } = start(t, configOf([sinkAt(receiver.url)]))
    for (let index = 0; index < 20; index++) {
      refuse(`p${index}`)
      const sent = event('notification_sent')
      clock.advance(32_000)
      await sent
    }
    for (let index = 20; index < 30; index++) {
      refuse(`p${index}`)
      clock.advance(32_000)
    }
    assert.equal(receiver.received.length, 20)
    const sent = event('notification_sent')
    clock.advance(46 * minuteMs)
    await sent
    assert.equal(receiver.received.length, 21)
    assert.ok(noticesOf(receiver, 20).includes('firing ProviderAuth of p29'))
  })

  test('receives what is as severe as it asks for', async (t) => {
    const receiver = await startReceiver(t)
    const { clock, counters, refuse, event } = start(
      t,
      configOf([sinkAt(receiver.url, 'webhook', { minSeverity: 'critical' })]),
    )
    counters.add('refusals_total', { code: 'user_not_allowed' }, 50)
    refuse('openai')
    const sent = event('notification_sent')
    clock.advance(2_000)
    await sent
    assert.deepEqual(noticesOf(receiver, 0), ['firing ProviderAuth of openai'])
  })

  const failures = [
    ['429 with Retry-After', { status: 429, headers: { 'retry-after': '600' } }, 'status 429', 600_000],
    ['500', { status: 500, text: 'token routing-key-1' }, 'status 500', 60_000],
    [
      'a redirect',
      { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
      'status 302, and redirects are not followed',
      60_000,
    ],
  ] as const
  for (const [what, answer, reason, retryInMs] of failures) {
    test(`that answers with ${what} is asked again later`, async (t) => {
      const receiver = await startReceiver(t)
      const { clock, refuse, event, events } = start(t, configOf([sinkAt(receiver.url)]))
      receiver.answer = answer
      refuse('openai')
      const failed = event('notification_failed')
      clock.advance(2_000)
      assert.deepEqual(await failed, {
        kind: 'notification_failed',
        sink: 'webhook',
        reason,
        retry_in_ms: retryInMs,
      })
      receiver.answer = {}
      clock.advance(retryInMs - 4_000)
      assert.equal(receiver.received.length, 1)
      const sent = event('notification_sent')
      clock.advance(8_000)
      await sent
      assert.deepEqual(noticesOf(receiver, 1), ['firing ProviderAuth of openai'])
      assert.doesNotMatch(JSON.stringify(events), /secret-path|routing-key|127\.0\.0\.1/)
    })
  }

  test('that is not there is asked less and less often, and what it misses is given up after six attempts', async (t) => {
    const { clock, refuse, event } = start(t, configOf([sinkAt(await refusingUrl(t))]))
    refuse('openai')
    const waits: number[] = []
    const suppressed = event('notification_suppressed')
    for (let attempt = 0; attempt < 6; attempt++) {
      const failed = event('notification_failed')
      clock.advance((waits.at(-1) ?? 0) + 2_000)
      const event_ = await failed
      assert.ok(event_.kind === 'notification_failed')
      assert.equal(event_.reason, 'ECONNREFUSED')
      waits.push(event_.retry_in_ms)
    }
    assert.deepEqual(waits, [60_000, 300_000, 1_800_000, 3_600_000, 3_600_000, 3_600_000])
    assert.equal((await suppressed).kind, 'notification_suppressed')
  })

  test('with states of its own receives each change by itself', async (t) => {
    const receiver = await startReceiver(t)
    const { clock, refuse, event } = start(t, configOf([sinkAt(receiver.url, 'pagerduty')]))
    for (const provider of ['a', 'b', 'c']) refuse(provider)
    for (let index = 0; index < 3; index++) {
      const sent = event('notification_sent')
      clock.advance(2_000)
      await sent
    }
    assert.deepEqual(
      receiver.received.map(({ body }) => (body as { dedup_key: string }).dedup_key),
      ['a', 'b', 'c'].map((provider) => `llm-gateway/box/ProviderAuth/${provider}`),
    )
  })

  test('Alertmanager receives each minute what is firing', async (t) => {
    const receiver = await startReceiver(t)
    const { clock, refuse, answer } = start(t, configOf([sinkAt(receiver.url, 'alertmanager')]))
    refuse('openai')
    clock.advance(2_000)
    await receiver.count(1)
    for (let count = 2; count <= 4; count++) {
      const before = clock.now()
      await passing(clock, receiver, count)
      assert.ok(clock.now() - before >= 58_000)
    }
    answer('openai')
    await passing(clock, receiver, 5)
    const [alert] = receiver.received[4]!.body as { endsAt?: string }[]
    assert.ok(alert?.endsAt)
    clock.advance(5 * minuteMs)
    assert.equal(receiver.received.length, 5)
  })
})

/** Lets time go by until so many messages have come in all. */
function passing(clock: FakeClock, { received }: Receiver, count: number): Promise<void> {
  const hasCome = () => {
    if (received.length < count) clock.advance(2_000)
    return received.length >= count
  }
  return until(hasCome, `${count} messages`)
}

suite('over a restart', () => {
  test('nothing is sent again, what waits is sent, and the end is', async (t) => {
    const receiver = await startReceiver(t)
    const stateDirectory = scratchDirectory(t)
    const config = configOf([sinkAt(receiver.url)])
    const first = start(t, config, { stateDirectory })
    first.refuse('openai')
    const sent = first.event('notification_sent')
    first.clock.advance(2_000)
    await sent
    first.refuse('anthropic')
    first.clock.advance(4_000)
    first.notifier.stop()
    await first.notifier.saved()

    const second = start(t, config, { stateDirectory, clock: first.clock })
    const waiting = second.event('notification_sent')
    second.clock.advance(2_000)
    await waiting
    assert.deepEqual(noticesOf(receiver, 1), ['firing ProviderAuth of anthropic'])
    second.refuse('openai')
    second.clock.advance(5 * minuteMs)
    assert.equal(receiver.received.length, 2)
    assert.deepEqual(
      second.notifier.attention().map(({ subject, state }) => [subject, state]),
      [
        ['openai', 'firing'],
        ['anthropic', 'firing'],
      ],
    )
    second.answer('openai')
    const ended = second.event('notification_sent')
    second.clock.advance(2_000)
    await ended
    assert.deepEqual(noticesOf(receiver, 2), ['recovered ProviderAuth of openai'])
  })

  test('what waited is sent once, also to a service that a reload takes away and brings back', async (t) => {
    const receiver = await startReceiver(t)
    const stateDirectory = scratchDirectory(t)
    const config = configOf([sinkAt(receiver.url)], { quietStartMs: 10 * minuteMs })
    const first = start(t, configOf([sinkAt(await refusingUrl(t))]), { stateDirectory })
    const failed = first.event('notification_failed')
    first.refuse('openai')
    first.clock.advance(2_000)
    await failed
    first.notifier.stop()
    await first.notifier.saved()

    const { notifier, clock, refuse, event } = start(t, config, { stateDirectory, clock: first.clock })
    const waiting = event('notification_sent')
    clock.advance(10 * minuteMs)
    await waiting
    notifier.follow(configOf([]), true)
    notifier.follow(config, true)
    refuse('anthropic')
    const sent = event('notification_sent')
    clock.advance(2_000)
    await sent
    assert.deepEqual(noticesOf(receiver, 1), ['firing ProviderAuth of anthropic'])
  })

  test('nothing is sent while other services may still be starting', async (t) => {
    const receiver = await startReceiver(t)
    const { clock, refuse, event } = start(t, configOf([sinkAt(receiver.url)], { quietStartMs: 60_000 }))
    refuse('openai')
    clock.advance(58_000)
    assert.equal(receiver.received.length, 0)
    const sent = event('notification_sent')
    clock.advance(2_000)
    await sent
    assert.equal(receiver.received.length, 1)
  })
})

suite('a heartbeat', () => {
  test('is a GET at each interval, and is reported once when nobody answers', async (t) => {
    const receiver = await startReceiver(t)
    const url = new HeldSecret(`${receiver.url}/ping/secret-path`, 'env PING')
    const { clock, event, events } = start(t, configOf([], { heartbeat: { url, intervalMs: 60_000 } }))
    await receiver.count(1)
    receiver.answer = { status: 404 }
    const failed = event('heartbeat_failed')
    await passing(clock, receiver, 2)
    assert.deepEqual(await failed, { kind: 'heartbeat_failed', reason: 'status 404' })
    await passing(clock, receiver, 4)
    assert.deepEqual(
      receiver.received.map(({ method, path }) => `${method} ${path}`),
      Array.from({ length: 4 }, () => 'GET /ping/secret-path'),
    )
    assert.equal(events.length, 1)
  })
})
