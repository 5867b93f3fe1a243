import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { CallHistory } from '../../src/status/call-history.ts'
import { failureRows, recentCalls } from '../../src/status/past-rows.ts'
import { mergedPast } from '../../src/status/provider-past.ts'
import { factsOf } from './facts.ts'

const minuteMs = 60_000
const startMs = Date.parse('2026-11-28T12:00:00Z')
const all = { isVisible: () => true, isAll: true }

function historyAt(start = startMs, maxCalls = 3) {
  let nowMs = start
  const history = new CallHistory({ maxCalls, wallNow: () => nowMs })
  return {
    history,
    at: (ms: number) => {
      nowMs = ms
    },
    call: (chosen: Parameters<typeof factsOf>[0] = {}) =>
      history.receive({ kind: 'call_ended', call: factsOf(chosen) }),
    attempt: (
      chosen: {
        provider?: string
        outcome?: 'answered' | 'refused' | 'failed' | 'gone'
        status?: number
        trouble?: 'unreachable'
      } = {},
    ) =>
      history.receive({
        kind: 'attempt_ended',
        request_id: 'req_1',
        provider: 'local',
        target_model: 'm',
        way: 'pass',
        outcome: 'answered',
        status: undefined,
        code: undefined,
        ms: 1,
        ...chosen,
      }),
  }
}

const unreachable = {
  status: 502,
  code: 'provider_unreachable',
  reason: 'Provider "local" cannot be reached.',
  stream: false,
} as const

suite('the history of a thread', () => {
  test('keeps the last calls by reference, and shows the newest first', () => {
    const { history, call } = historyAt()
    const facts = ['a', 'b', 'c', 'd'].map((id) => factsOf({ request_id: id }))
    for (const each of facts) history.receive({ kind: 'call_ended', call: each })
    call({ request_id: 'e' })
    const { calls } = history.look()
    assert.deepEqual(
      calls.map(({ call: { request_id: id } }) => id),
      ['c', 'd', 'e'],
    )
    assert.equal(calls[0]!.call, facts[2])
    const rows = recentCalls([history.look()], { ...all, maxCalls: 2 })
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['e', 'd'],
    )
  })

  test('shows both rates of a stream and why it went to its target, and none of a whole response', () => {
    const { history, call } = historyAt()
    call({ placement: 'cached' })
    call({
      stream: false,
      first_token_ms: undefined,
      prompt_per_second: undefined,
      tokens_per_second: undefined,
    })
    const [whole, stream] = recentCalls([history.look()], { ...all, maxCalls: 9 })
    assert.deepEqual(
      [stream!.first_token_ms, stream!.prompt_per_second, stream!.tokens_per_second, stream!.placement],
      [100, 1_000, 50, 'cached'],
    )
    assert.deepEqual(
      [whole!.first_token_ms, whole!.prompt_per_second, whole!.tokens_per_second, whole!.placement],
      [null, null, null, null],
    )
  })

  test('counts attempts by the minute, and forgets them after 15', () => {
    const { history, at, attempt } = historyAt()
    attempt()
    attempt({ outcome: 'failed', trouble: 'unreachable' })
    attempt({ outcome: 'refused', status: 400 })
    attempt({ outcome: 'gone' })
    at(startMs + 14 * minuteMs)
    attempt()
    const look = () => history.look().providers[0]![1]
    assert.deepEqual(look().minutes[0], { calls: 3, failed: 1 })
    assert.deepEqual(look().minutes[14], { calls: 1, failed: 0 })
    at(startMs + 15 * minuteMs)
    assert.deepEqual(look().minutes[0], { calls: 0, failed: 0 })
    assert.deepEqual(look().minutes[13], { calls: 1, failed: 0 })
    assert.equal(look().lastSuccessMs, startMs + 14 * minuteMs)
  })

  test('counts as failed what metrics count as trouble with the provider, and nothing else', () => {
    const { history, attempt } = historyAt()
    attempt({ outcome: 'refused', status: 404 })
    attempt({ outcome: 'failed' })
    const [, past] = history.look().providers[0]!
    assert.deepEqual(past.minutes[14], { calls: 1, failed: 0 })
    assert.equal(past.reason, undefined)
  })

  test('holds nothing against a provider for a refusal that shows nothing bad of it', () => {
    const { history, at, attempt, call } = historyAt()
    for (const status of [400, 501]) {
      attempt({ outcome: 'refused', status })
      at(startMs + status)
      call({ status, reason: 'Provider "local": not supported.' })
    }
    const [, past] = history.look().providers[0]!
    assert.equal(past.reason, undefined)
    assert.equal(past.lastSuccessMs, startMs + 400)
  })

  test('counts a response that broke off as a failure of its attempt', () => {
    const { history, attempt, call } = historyAt()
    attempt()
    call({ code: 'provider_bad_response', reason: 'The stream ended early.' })
    const [, past] = history.look().providers[0]!
    assert.deepEqual(past.minutes[14], { calls: 1, failed: 1 })
    assert.equal(past.reason, 'The stream ended early.')
  })

  test('has no provider for calls that reached none', () => {
    const { history, call } = historyAt()
    call({
      provider: undefined,
      attempts: 0,
      status: 404,
      code: 'model_not_found',
      reason: 'There is no model "x".',
    })
    assert.deepEqual(history.look().providers, [])
    const [row] = failureRows([history.look()], all, startMs)
    assert.equal(row!.provider, null)
    assert.match(row!.fix!, /GET \/v1\/models/)
  })

  test('blames no provider where all of several have failed', () => {
    const { history, attempt, call } = historyAt()
    attempt({ outcome: 'failed', trouble: 'unreachable' })
    call({ status: 503, code: 'no_target_available', trouble: 'unreachable', reason: 'a: x; b: y.' })
    assert.deepEqual(
      [all, { ...all, isAll: false }].map(
        (view) => failureRows([history.look()], view, startMs)[0]!.provider,
      ),
      [null, null],
    )
    assert.equal(history.look().providers[0]![1].reason, 'failed')
  })

  test('adds failures up by code and provider, for a day', () => {
    const { history, at, call } = historyAt()
    call(unreachable)
    at(startMs + 23 * 60 * minuteMs)
    call(unreachable)
    call({ status: 499, code: undefined })
    const rows = () => failureRows([history.look(), history.look()], all, 0)
    assert.deepEqual(
      rows().map(({ code, provider, count }) => [code, provider, count]),
      [['provider_unreachable', 'local', 4]],
    )
    assert.match(rows()[0]!.fix!, /doctor --provider local/)
    at(startMs + 24 * 60 * minuteMs)
    assert.equal(rows()[0]!.count, 2)
    at(startMs + 48 * 60 * minuteMs)
    assert.deepEqual(rows(), [])
  })

  test('shows others only what is theirs', () => {
    const { history, call } = historyAt()
    call({ client: 'user:eve', ...unreachable })
    call({
      client: 'key:app',
      via: 'user:ann',
      request_id: 'mine',
      placement: 'cached',
      placed: 'cached 1.0 KB',
    })
    const isVisible = ({ client, via }: { client: string; via?: string | undefined }) =>
      client === 'user:ann' || via === 'user:ann'
    const rows = recentCalls([history.look()], { isVisible, isAll: false, maxCalls: 9 })
    assert.deepEqual(
      rows.map(({ id, placement, placed }) => [id, placement, placed]),
      [['mine', null, null]],
    )
    assert.deepEqual(recentCalls([history.look()], { ...all, maxCalls: 9 })[0]!.placed, 'cached 1.0 KB')
    assert.deepEqual(failureRows([history.look()], { isVisible, isAll: false }, startMs), [])
  })

  test('links the trace of a call where there is a page for it', () => {
    const { history, call } = historyAt()
    call({ trace_id: '4bf92f3577b34da6a3ce929d0e0e4736' })
    const urlOf = (viewUrl?: string) =>
      recentCalls([history.look()], { ...all, maxCalls: 1, viewUrl })[0]!.trace_url
    assert.equal(urlOf(), null)
    assert.equal(
      urlOf('https://traces.example/t/{trace_id}?tab=1'),
      'https://traces.example/t/4bf92f3577b34da6a3ce929d0e0e4736?tab=1',
    )
  })

  test('bounds foreign text, and makes it printable', () => {
    const { history, call } = historyAt()
    call({ ...unreachable, reason: `\u202E\n${'x'.repeat(5_000)}` })
    const { reason } = recentCalls([history.look()], { ...all, maxCalls: 1 })[0]!
    assert.ok(reason!.length <= 300)
    assert.match(reason!, /^\\u202e\\u000ax+…$/)
    const [failure] = failureRows([history.look()], all, startMs)
    assert.ok(failure!.reason!.length <= 300)
  })
})

test('what several threads have seen of a provider is one', () => {
  const [one, other] = [historyAt(), historyAt()]
  one.attempt()
  other.at(startMs + minuteMs)
  other.attempt({ outcome: 'failed', status: 503, trouble: 'unreachable' })
  one.at(startMs + minuteMs)
  const merged = mergedPast([one, other].map(({ history }) => history.look().providers[0]![1]))
  assert.deepEqual(merged.minutes.slice(-2), [
    { calls: 1, failed: 0 },
    { calls: 1, failed: 1 },
  ])
  assert.equal(merged.lastSuccessMs, startMs)
  assert.equal(merged.reason, 'status 503')
})
