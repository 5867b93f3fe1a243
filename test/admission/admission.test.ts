// Behaviours of admission as a whole; each of the bugs that gateways of this kind have had is named here.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from '../../src/admission/admission.ts'
import type { AdmissionParts, Decision } from '../../src/admission/admission.ts'
import { Calibration } from '../../src/admission/estimate.ts'
import { providerScope } from '../../src/admission/scopes.ts'
import { MemoryStore } from '../../src/admission/stores/memory.ts'
import type { Outcome } from '../../src/admission/outcome.ts'
import type { Limited } from '../../src/admission/stores/store.ts'
import type { RateLimitConfig } from '../../src/config/types.ts'
import type { ModelLimits } from '../../src/domain.ts'
import type { CallDemand } from '../../src/admission/waiting-line.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type Held, heldBy } from './held.ts'

type Limits = Omit<ModelLimits, 'whenLimited' | 'maxWaitMs'>

function config(limits: Readonly<Record<string, Limits>>, otherwise: Limits = {}): RateLimitConfig {
  const complete = (of: Limits): ModelLimits => ({ whenLimited: 'reject', maxWaitMs: 0, ...of })
  return {
    enabled: true,
    perClientRpm: undefined,
    perClientMaxWaitMs: 0,
    default: complete(otherwise),
    limits: new Map(Object.entries(limits).map(([model, of]) => [model, complete(of)])),
  }
}

function make(
  limits: Readonly<Record<string, Limits>>,
  of: Partial<AdmissionParts> = {},
): { admission: Admission; clock: FakeClock } {
  const clock = new FakeClock()
  const { now, setTimer } = clock
  const calibration = new Calibration()
  const parts = { store: new MemoryStore(), limits: config(limits), calibration, now, setTimer, ...of }
  return { admission: new Admission(parts), clock }
}

function ask(of: Partial<CallDemand> = {}): CallDemand {
  const disconnect = { isGone: false, onGone: undefined }
  return { client: { id: 'user:a' }, model: 'm', tokens: 10, minTokens: 1, providers: [], disconnect, ...of }
}

function now(decision: Decision | Promise<Decision>): Decision {
  assert.ok(!(decision instanceof Promise))
  return decision
}

function admit(admission: Admission, of: Partial<CallDemand> = {}): Held {
  const decision = now(admission.reserve(ask(of)))
  assert.ok(decision.kind === 'admitted', decision.kind)
  return heldBy(admission, decision)
}

function refuse(admission: Admission, of: Partial<CallDemand> = {}): Limited {
  const decision = now(admission.reserve(ask(of)))
  assert.ok(decision.kind === 'limited', decision.kind)
  return decision
}

async function used(admission: Admission, model = 'm'): Promise<readonly number[]> {
  const [report] = await admission.describe([model])
  return [report!.used.requests, report!.used.tokens, report!.used.parallel]
}

test('five parallel calls under 100 tokens a minute: the admitted estimates stay within the limit', () => {
  const { admission } = make({ m: { tpm: 100 } })
  const decisions = [58, 90, 175, 60, 42].map((tokens) => now(admission.reserve(ask({ tokens }))))
  const admitted = decisions.flatMap((decision) =>
    decision.kind === 'admitted' ? [decision.reservation.tokens] : [],
  )
  assert.deepEqual(admitted, [58, 42])
})

test('a call that is refused for want of a slot consumes no request', async () => {
  const { admission } = make({ m: { rpm: 3, maxParallelRequests: 1 } })
  const hold = admit(admission)
  for (let count = 0; count < 50; count++) assert.equal(refuse(admission).dimension, 'parallel')
  assert.deepEqual(await used(admission), [1, 10, 1])
  hold.settle({ kind: 'used', tokens: 10 })
  admit(admission)
})

test('calls that the provider refuses count as requests: a client cannot loop on its own mistake', async () => {
  const { admission } = make({ m: { rpm: 50, tpm: 1000 } })
  let admitted = 0
  for (let count = 0; count < 200; count++) {
    const decision = now(admission.reserve(ask()))
    if (decision.kind !== 'admitted') continue
    admitted++
    admission.settle(decision.reservation, { kind: 'refused' })
  }
  assert.equal(admitted, 50)
  assert.deepEqual(await used(admission), [50, 0, 0])
})

const outcomes: readonly Outcome[] = [
  { kind: 'used', tokens: 10 },
  { kind: 'cut', tokens: 4 },
  { kind: 'failed', tokens: 0 },
  { kind: 'refused' },
  { kind: 'auth_failed' },
  { kind: 'unreachable' },
  { kind: 'unsent' },
]
for (const outcome of outcomes) {
  test(`the slots of model and provider are free again after a call that ended as ${outcome.kind}`, () => {
    const { admission } = make({ m: { maxParallelRequests: 1 } })
    const providers = [providerScope('p', 1)]
    for (let count = 0; count < 5; count++) admit(admission, { providers }).settle(outcome)
    admit(admission, { providers })
  })
}

test('a stream that its client cancels frees the slot and is charged for what it used', async () => {
  const { admission } = make({ m: { tpm: 1000, maxParallelRequests: 1 } })
  admit(admission, { tokens: 300 }).settle({ kind: 'cut', tokens: 120 })
  assert.deepEqual(await used(admission), [1, 120, 0])
  admit(admission)
})

test('settling twice changes neither counts nor slots', async () => {
  const { admission } = make({ m: { tpm: 1000, maxParallelRequests: 2 } })
  const hold = admit(admission)
  admit(admission)
  hold.settle({ kind: 'used', tokens: 20 })
  hold.settle({ kind: 'unreachable' })
  hold.settle({ kind: 'used', tokens: 500 })
  assert.deepEqual(await used(admission), [2, 30, 1])
})

test('a call without max_tokens is admitted under a tiny limit, not refused for ever', () => {
  const { admission } = make({ m: { tpm: 100 } })
  const size = { textBytes: 40, mediaCount: 0, messageCount: 1, tokenIdCount: 0, promptCount: 0, choices: 1 }
  const estimate = new Calibration().estimate('m', 'p', { ...size, maxOutputTokens: undefined }, 100)
  admit(admission, estimate)
})

test('a call that asks for no tokens is still checked against the token limit', () => {
  const { admission } = make({ m: { tpm: 100 } })
  admit(admission, { tokens: 50 }).settle({ kind: 'used', tokens: 101 })
  assert.equal(refuse(admission, { tokens: 0 }).dimension, 'tokens')
})

test('a stream that used more than reserved holds later calls off until it slides out', () => {
  const { admission, clock } = make({ m: { tpm: 100 } })
  const hold = admit(admission, { tokens: 30 })
  clock.advance(500)
  hold.settle({ kind: 'used', tokens: 90 })
  assert.equal(refuse(admission, { tokens: 20 }).retryAfterMs, 59_500)
})

test('every refusal for the moment says when to come back, exactly', () => {
  const { admission, clock } = make({ m: { rpm: 2 } })
  admit(admission)
  clock.advance(1234)
  admit(admission)
  const { retryAfterMs } = refuse(admission)
  assert.equal(retryAfterMs, 58_766)
  clock.advance(retryAfterMs - 1)
  assert.equal(refuse(admission).retryAfterMs, 1)
  clock.advance(1)
  admit(admission)
})

test('a thousand refused calls cost nothing: the first that leaves lets one in', () => {
  const { admission, clock } = make({ m: { rpm: 1 } })
  admit(admission)
  for (let count = 0; count < 1000; count++) refuse(admission)
  clock.advance(60_000)
  admit(admission)
})

test('what can never fit is refused for good; what fits an empty window is not', () => {
  const { admission } = make({ m: { tpm: 100 } })
  const decision = now(admission.reserve(ask({ tokens: 150, minTokens: 101 })))
  assert.equal(decision.kind, 'too_large')
  assert.equal(admit(admission, { tokens: 100, minTokens: 100 }).tokens, 100)
})

test('no connection: everything is refunded, and the second provider takes over the same reservation', async () => {
  const { admission } = make({ m: { rpm: 10, tpm: 1000 } })
  const p = providerScope('p', 1)
  const q = providerScope('q', 1)
  const hold = admit(admission, { providers: [p] })
  assert.equal(hold.moveTo([q]), true)
  assert.equal(hold.provider, 'q')
  assert.deepEqual(await used(admission), [1, 10, 1])
  admit(admission, { providers: [p] }).settle({ kind: 'unreachable' })
  hold.settle({ kind: 'unreachable' })
  assert.deepEqual(await used(admission), [0, 0, 0])
})

test('a fallback is charged to the model that answered', async () => {
  const { admission } = make({ m: { tpm: 1000 }, other: { tpm: 1000 } })
  admit(admission, { tokens: 70 }).settle({ kind: 'unreachable' })
  admit(admission, { model: 'other', tokens: 70 }).settle({ kind: 'used', tokens: 60 })
  assert.deepEqual(await used(admission), [0, 0, 0])
  assert.deepEqual(await used(admission, 'other'), [1, 60, 0])
})

const shipped = {
  'llama3.1:8b': [100, 50_000],
  'qwen-coder': [80, 40_000],
  'llama2-13b-vllm': [50, 100_000],
  'llama-cpp-native': [150, 75_000],
} as const
for (const [model, [rpm, tpm]] of Object.entries(shipped)) {
  test(`${model}: ${rpm} calls are admitted, the next is not, and other models do not notice`, () => {
    const { admission } = make({ [model]: { rpm, tpm }, m: { rpm: 1 } })
    for (let count = 0; count < rpm; count++) admit(admission, { model })
    const { limit, used, limitStatus } = refuse(admission, { model })
    assert.deepEqual([limit, used], [rpm, rpm])
    assert.equal(limitStatus.tokens?.remaining, tpm - 10 * rpm)
    admit(admission)
  })
}

test('models that are not named share the default limits but not the counts', () => {
  const { admission } = make({}, { limits: config({}, { rpm: 1 }) })
  admit(admission, { model: 'x' })
  admit(admission, { model: 'y' })
  refuse(admission, { model: 'x' })
})

test('a model without limits is held by the slots of its provider alone', () => {
  const { admission } = make({})
  const providers = [providerScope('p', 1)]
  const hold = admit(admission, { providers })
  assert.deepEqual(hold.limitStatus, { requests: undefined, tokens: undefined })
  assert.equal(refuse(admission, { providers }).scope.name, 'p')
})

test('switched off, nothing limits', () => {
  const { admission } = make({}, { limits: { ...config({ m: { rpm: 1 } }), enabled: false } })
  for (let count = 0; count < 100; count++) admit(admission)
})

test('a reload that lowers or raises a limit keeps what was counted', () => {
  const { admission } = make({ m: { rpm: 5 } })
  for (let count = 0; count < 4; count++) admit(admission)
  admission.applyLimits(config({ m: { rpm: 2 } }))
  assert.equal(refuse(admission).used, 4)
  admission.applyLimits(config({ m: { rpm: 5 } }))
  admit(admission)
  refuse(admission)
})

test('once stopped, nothing is admitted', () => {
  const { admission } = make({ m: { rpm: 5 } })
  admission.close()
  assert.equal(now(admission.reserve(ask())).kind, 'shutting_down')
})

test('a client that has left already costs nothing', async () => {
  const { admission } = make({ m: { rpm: 5 } })
  const disconnect = { isGone: true, onGone: undefined }
  assert.equal(now(admission.reserve(ask({ disconnect }))).kind, 'gone')
  assert.deepEqual(await used(admission), [0, 0, 0])
})

test('each change of the counts is announced, a refusal is none', () => {
  let changes = 0
  const { admission } = make({ m: { rpm: 1 } }, { onChange: () => changes++ })
  const hold = admit(admission)
  refuse(admission)
  assert.equal(changes, 1)
  hold.settle({ kind: 'used', tokens: 5 })
  assert.equal(changes, 2)
})

test('a report tells limits, use, what remains and what was learnt', async () => {
  const calibration = new Calibration()
  const size = { textBytes: 100, mediaCount: 0, messageCount: 1, tokenIdCount: 0, promptCount: 0, choices: 1 }
  calibration.learn(
    'm',
    'p',
    { ...size, maxOutputTokens: undefined },
    { promptTokens: 30, completionTokens: 5 },
  )
  const { admission, clock } = make({ m: { rpm: 5, tpm: 100 } }, { calibration })
  admit(admission)
  clock.advance(20_000)
  assert.deepEqual(await admission.describe(['m', 'unlimited']), [
    {
      model: 'm',
      limits: { rpm: 5, tpm: 100, whenLimited: 'reject', maxWaitMs: 0 },
      used: { requests: 1, tokens: 10, parallel: 1 },
      limitStatus: {
        requests: { limit: 5, remaining: 4, resetMs: 40_000 },
        tokens: { limit: 100, remaining: 90, resetMs: 40_000 },
      },
      nextMs: { requests: 0, tokens: 0 },
      waiting: 0,
      calibration: calibration.describe('m'),
    },
  ])
})

test('a call that grows is saved, and what it used is charged even if nobody says how it ended', async () => {
  let changes = 0
  const { admission } = make({ m: { tpm: 100 } }, { onChange: () => changes++ })
  const hold = admit(admission, { tokens: 20 })
  const before = changes
  hold.grow(80)
  assert.equal(changes, before + 1)
  assert.equal(hold.tokens, 80)
  assert.equal(refuse(admission, { tokens: 30 }).used, 80)
  hold.settle({ kind: 'cut', tokens: 0 })
  assert.deepEqual((await used(admission)).slice(0, 2), [1, 80])
})
