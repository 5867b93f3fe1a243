// Each condition: when it is reported, when it stays silent, and when it is over.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { remedyFor } from '../../../src/observe/remedies.ts'
import { minuteMs, Scene, short } from './scene.ts'

interface Case {
  readonly what: string
  /** What happens, in order. Time goes by in it. */
  readonly story: (scene: Scene) => void
  /** What is reported, in order. */
  readonly reported: readonly string[]
}

const calls = (scene: Scene, outcome: string, count: number, model = 'qwen') =>
  scene.counters.add('calls_total', { model, provider: 'ollama', dialect: 'chat', outcome }, count)
const attempts = (scene: Scene, result: string, count: number, provider = 'openai') =>
  scene.counters.add('attempts_total', { provider, result }, count)
const outage = (name: string, reason: string | undefined, isHealthy?: boolean) => ({
  providers: [{ name, outage: reason, isHealthy }],
})
const service = (failure: string | undefined) => ({
  services: [{ provider: 'qwen', unit: 'llama@qwen.service', failure }],
})
const budget = (ratio: number) => ({
  budgets: [
    {
      of: 'laptop',
      kind: 'usd per day',
      budget: '5 usd/day',
      ratio,
      spent: String(5 * ratio),
      resetsAt: '2026-11-29T00:00:00Z',
    },
  ],
})

const cases: readonly Case[] = [
  {
    what: 'a refused key is reported at once, and its end with the first answer',
    story(scene) {
      attempts(scene, 'auth', 1)
      scene.pass(4_000)
      scene.pass(5 * minuteMs)
      attempts(scene, 'ok', 1)
      scene.pass(4_000)
    },
    reported: ['firing ProviderAuth of openai', 'recovered ProviderAuth of openai'],
  },
  {
    what: 'a refused key that is not tried again is over after half an hour',
    story(scene) {
      attempts(scene, 'auth', 1)
      scene.pass(44 * minuteMs)
      assert.equal(scene.notices.length, 1)
      scene.pass(2 * minuteMs)
    },
    reported: ['firing ProviderAuth of openai', 'recovered ProviderAuth of openai'],
  },
  {
    what: 'an exhausted account is reported at once',
    story(scene) {
      attempts(scene, 'billing', 1)
      scene.pass(4_000)
    },
    reported: ['firing ProviderQuota of openai'],
  },
  {
    what: 'other failures of a provider are neither',
    story(scene) {
      for (const result of ['unreachable', 'timeout', 'broken', 'loading', 'gone', 'client_error']) {
        attempts(scene, result, 100)
      }
      scene.pass(60 * minuteMs)
    },
    reported: [],
  },
  {
    what: 'spans that no receiver accepts are reported after a minute, until one does',
    story(scene) {
      scene.counters.add('otlp_spans_total', { result: 'failed' }, 3)
      scene.pass(2 * minuteMs)
      scene.counters.add('otlp_spans_total', { result: 'sent' }, 1)
      scene.pass(4_000)
    },
    reported: ['firing Degraded of traces', 'recovered Degraded of traces'],
  },
  {
    what: 'spans of which a receiver accepts some are not reported',
    story(scene) {
      for (const result of ['sent', 'failed']) scene.counters.add('otlp_spans_total', { result }, 1)
      scene.pass(5 * minuteMs)
    },
    reported: [],
  },
  {
    what: 'one failed call in the night is no error rate',
    story(scene) {
      calls(scene, 'provider_error', 1)
      scene.pass(60 * minuteMs)
    },
    reported: [],
  },
  {
    what: 'a high error rate is reported when it has lasted for five minutes',
    story(scene) {
      for (let minute = 0; minute < 4; minute++) {
        calls(scene, 'ok', 4)
        calls(scene, 'provider_error', 4)
        scene.pass(minuteMs)
      }
      assert.equal(scene.notices.length, 0)
      calls(scene, 'ok', 4)
      calls(scene, 'provider_error', 4)
      scene.pass(5 * minuteMs)
      scene.pass(40 * minuteMs)
    },
    reported: ['firing ErrorRate of qwen', 'recovered ErrorRate of qwen'],
  },
  {
    what: 'clients that leave, requests that are refused and limits are no errors',
    story(scene) {
      for (const outcome of ['client_gone', 'refused', 'limited', 'client_error']) calls(scene, outcome, 100)
      scene.pass(20 * minuteMs)
    },
    reported: [],
  },
  {
    what: 'a model without a target is reported at the third call, and over with the next answer',
    story(scene) {
      calls(scene, 'no_target', 2)
      scene.pass(4_000)
      assert.equal(scene.notices.length, 0)
      calls(scene, 'no_target', 1)
      scene.pass(6 * minuteMs)
      calls(scene, 'ok', 1)
      scene.pass(4_000)
    },
    reported: ['firing NoTarget of qwen', 'recovered NoTarget of qwen'],
  },
  {
    what: 'a model without a target is over with the next answer, also within the minutes that count, until calls fail again',
    story(scene) {
      calls(scene, 'no_target', 3)
      scene.pass(4_000)
      calls(scene, 'ok', 1)
      scene.pass(2_000)
      assert.deepEqual(scene.conditions.attention(scene), [])
      scene.pass(minuteMs)
      calls(scene, 'no_target', 1)
      scene.pass(2_000)
    },
    reported: [
      'firing NoTarget of qwen',
      'recovered NoTarget of qwen',
      // The third change within an hour.
      'unsteady NoTarget of qwen',
    ],
  },
  {
    what: 'a provider that is away for less than five minutes is not reported',
    story(scene) {
      scene.with(outage('ollama', 'unreachable'))
      scene.pass(4 * minuteMs)
      scene.with(outage('ollama', undefined))
      scene.pass(60 * minuteMs)
    },
    reported: [],
  },
  {
    what: 'a provider that is away is reported after five minutes, and its return with the first answer',
    story(scene) {
      attempts(scene, 'unreachable', 3, 'ollama')
      scene.with(outage('ollama', 'unreachable'))
      scene.pass(7 * minuteMs)
      scene.with(outage('ollama', undefined))
      attempts(scene, 'ok', 1, 'ollama')
      scene.pass(4_000)
    },
    reported: ['firing ProviderDown of ollama', 'recovered ProviderDown of ollama'],
  },
  {
    what: 'a model server that has failed for a minute is reported until it is ready',
    story(scene) {
      scene.with(service('exit-code 1'))
      scene.pass(58_000)
      assert.equal(scene.notices.length, 0)
      scene.pass(4_000)
      assert.equal(scene.notices[0]!.why, 'llama@qwen.service: exit-code 1.')
      scene.pass(30 * minuteMs)
      scene.with(service(undefined))
      scene.pass(2_000)
    },
    reported: ['firing ServiceFailing of qwen', 'recovered ServiceFailing of qwen'],
  },
  {
    what: 'a model server that is ready again within a minute is not reported',
    story(scene) {
      scene.with(service('oom-kill'))
      scene.pass(50_000)
      scene.with(service(undefined))
      scene.pass(5 * minuteMs)
    },
    reported: [],
  },
  {
    what: 'a provider of which nothing more is known has not returned for ten minutes',
    story(scene) {
      attempts(scene, 'unreachable', 3, 'ollama')
      scene.with(outage('ollama', 'unreachable'))
      scene.pass(6 * minuteMs)
      scene.with(outage('ollama', undefined))
      scene.pass(9 * minuteMs)
      assert.equal(scene.notices.length, 1)
      scene.pass(2 * minuteMs)
    },
    reported: ['firing ProviderDown of ollama', 'recovered ProviderDown of ollama'],
  },
  {
    what: 'a health check that succeeds brings a provider back',
    story(scene) {
      scene.with(outage('ollama', 'unreachable', false))
      scene.pass(6 * minuteMs)
      scene.with(outage('ollama', undefined, true))
      scene.pass(2_000)
    },
    reported: ['firing ProviderDown of ollama', 'recovered ProviderDown of ollama'],
  },
  {
    what: 'a provider that limits the rate is reported for more than 20 attempts and 5 %',
    story(scene) {
      attempts(scene, 'ok', 1_000)
      attempts(scene, 'rate_limit', 21)
      scene.pass(20 * minuteMs)
      assert.equal(scene.notices.length, 0)
      for (let minute = 0; minute < 12; minute++) {
        attempts(scene, 'rate_limit', 10)
        scene.pass(minuteMs)
      }
    },
    reported: ['firing ProviderRateLimited of openai'],
  },
  {
    what: 'a limit that is reached often is reported by model and dimension',
    story(scene) {
      scene.counters.add('limited_total', { model: 'qwen', dimension: 'tokens' }, 31)
      scene.counters.add('limited_total', { model: 'qwen', dimension: 'requests' }, 30)
      scene.pass(6 * minuteMs)
    },
    reported: ['firing LimitReached of qwen, tokens'],
  },
  {
    what: 'refused access is reported by code, other refusals are not',
    story(scene) {
      scene.counters.add('refusals_total', { code: 'user_not_allowed' }, 11)
      scene.counters.add('refusals_total', { code: 'host_not_allowed' }, 10)
      scene.counters.add('refusals_total', { code: 'model_not_found' }, 1_000)
      scene.pass(4_000)
    },
    reported: ['firing AccessRefused of user_not_allowed'],
  },
  {
    what: 'peers that cannot be looked up are reported at once',
    story(scene) {
      scene.counters.add('peer_users_unreadable_total', {})
      scene.pass(4_000)
    },
    reported: ['firing PeersUnreadable of gateway'],
  },
  {
    what: 'the third thread that ends within an hour is reported',
    story(scene) {
      scene.counters.add('worker_restarts_total', {}, 2)
      scene.pass(4_000)
      assert.equal(scene.notices.length, 0)
      scene.counters.add('worker_restarts_total', {})
      scene.pass(4_000)
    },
    reported: ['firing WorkerRestarts of gateway'],
  },
  {
    what: 'a refused configuration is reported after five minutes, and its end with the next load',
    story(scene) {
      scene.with({ reload: { isRefused: true, problems: 2 } })
      scene.pass(6 * minuteMs)
      scene.with({})
      scene.pass(2_000)
    },
    reported: ['firing ReloadRefused of gateway', 'recovered ReloadRefused of gateway'],
  },
  {
    what: 'a budget is reported when it is nearly spent, again when it is spent, and when it is renewed',
    story(scene) {
      scene.with(budget(0.8))
      scene.pass(2_000)
      assert.equal(scene.notices.length, 0)
      scene.with(budget(0.9))
      scene.pass(minuteMs)
      scene.with(budget(1.02))
      scene.pass(minuteMs)
      assert.deepEqual(
        scene.notices.map(({ severity }) => severity),
        ['warning', 'critical'],
      )
      scene.with(budget(0))
      scene.pass(2_000)
    },
    reported: [
      'firing Budget of laptop, usd per day',
      'firing Budget of laptop, usd per day',
      'recovered Budget of laptop, usd per day',
    ],
  },
]

suite('conditions', () => {
  for (const { what, story, reported } of cases) {
    test(what, () => {
      const scene = new Scene()
      scene.pass(2_000)
      story(scene)
      assert.deepEqual(scene.notices.map(short), reported)
    })
  }

  test('what happened before the first look counts', () => {
    const scene = new Scene()
    attempts(scene, 'auth', 1)
    scene.pass(0)
    assert.deepEqual(scene.notices.map(short), ['firing ProviderAuth of openai'])
  })

  test('a recovery reports how long it lasted, and what failed', () => {
    const scene = new Scene()
    attempts(scene, 'auth', 2)
    scene.pass(10 * minuteMs)
    attempts(scene, 'auth', 5)
    scene.pass(2 * minuteMs)
    attempts(scene, 'ok', 1)
    scene.pass(2_000)
    const [, end] = scene.notices
    assert.equal(end?.why, 'It lasted 12 min 2 s; 7 attempts were refused.')
  })

  test('advises what the status page advises for a failed call', () => {
    const scene = new Scene()
    attempts(scene, 'auth', 1)
    calls(scene, 'no_target', 3)
    scene.pass(2_000)
    assert.deepEqual(
      scene.notices.map(({ fix }) => fix),
      [remedyFor('no_target'), remedyFor('provider_auth', { provider: 'openai' })],
    )
  })
})
