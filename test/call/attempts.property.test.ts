// However targets fail, in whatever order, and whenever the client leaves: a call ends once and leaves nothing behind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'

import { Admission } from '../../src/admission/admission.ts'
import { Calibration } from '../../src/admission/estimate.ts'
import { modelScope } from '../../src/admission/scopes.ts'
import { MemoryStore } from '../../src/admission/stores/memory.ts'
import type { Reply, Snapshot } from '../../src/call/call.ts'
import { handleCall } from '../../src/call/handle-call.ts'
import { LocalCoordinator } from '../../src/call/local-coordinator.ts'
import { CallRecord } from '../../src/call/record.ts'
import { createTicker } from '../../src/call/ticker.ts'
import type { ModelConfig } from '../../src/config/types.ts'
import { dialects } from '../../src/dialects/table.ts'
import type { AttemptEnded, CallFacts } from '../../src/observe/events/calls.ts'
import { MemoryObjectOwners } from '../../src/routing/object-owners.ts'
import { PriceBook } from '../../src/prices/price-book.ts'
import { RouteTable } from '../../src/routing/route-table.ts'
import { createMask } from '../../src/upstream/mask.ts'
import type { ResponseHandler, Provider } from '../../src/upstream/provider.ts'
import { errorReaders } from '../../src/upstream/providers/kinds.ts'
import { openServerTraits } from '../../src/upstream/providers/traits.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { unknownFormats } from '../support/unknown-formats.ts'

const json = { 'content-type': 'application/json' }
const events = { 'content-type': 'text/event-stream' }
const refuse =
  (status: number, headers = {}) =>
  (sink: ResponseHandler) => {
    sink.onHead({ status, headers: { ...json, ...headers } })
    sink.onData(Buffer.from('{"error":{"message":"no"}}'))
    sink.onEnd()
  }
const fail = (kind: 'unreachable' | 'broken') => (sink: ResponseHandler) =>
  sink.onFailure({ kind, code: 'ECONNRESET', detail: 'no' })
const stream =
  (...data: string[]) =>
  (sink: ResponseHandler) => {
    sink.onHead({ status: 200, headers: events })
    for (const each of data) sink.onData(Buffer.from(`data: ${each}\n\n`))
  }
const chunk = '{"choices":[{"index":0,"delta":{"content":"a"}}]}'

/** What a provider may do with a request. */
const deeds: Readonly<Record<string, (sink: ResponseHandler) => void>> = {
  answers(sink) {
    stream(chunk, '[DONE]')(sink)
    sink.onEnd()
  },
  breaksEarly(sink) {
    stream()(sink)
    fail('broken')(sink)
  },
  breaksLate(sink) {
    stream(chunk)(sink)
    fail('broken')(sink)
  },
  endsEarly(sink) {
    stream()(sink)
    sink.onEnd()
  },
  errorFirst: stream('{"error":{"code":503}}'),
  hangs() {},
  hangsAfterHead: stream(),
  hangsLate: stream(chunk),
  json(sink) {
    sink.onHead({ status: 200, headers: json })
    sink.onData(Buffer.from('{"choices":[]}'))
    sink.onEnd()
  },
  lost: fail('broken'),
  refusesKey: refuse(401),
  mistake: refuse(400),
  own500: refuse(500),
  busy: refuse(503),
  limited: refuse(429, { 'retry-after': '1' }),
  unreachable: fail('unreachable'),
}

class FakeReply implements Reply {
  isStarted = false
  isGone = false
  readonly interruption = undefined
  ends = 0
  onGone: (() => void) | undefined
  onDrain: (() => void) | undefined

  set(): void {}
  setMissing(): void {}
  flush(): void {}

  start(): void {
    this.isStarted = true
  }

  write(): boolean {
    assert.equal(this.ends, 0, 'nothing after the end')
    return true
  }

  end(): void {
    this.ends += 1
  }

  fail(): void {
    if (!this.isGone) this.ends += 1
  }

  cut(): void {
    this.ends += 1
  }

  interrupt(): void {}

  leave(): void {
    if (this.ends > 0 || this.isGone) return
    this.isGone = true
    this.onGone?.()
  }
}

function fakeProvider(name: string, next: () => string): Provider {
  return {
    name,
    kind: 'openai',
    allowsManagement: false,
    host: '127.0.0.1',
    boundary: 'local',
    staysIn: 'local',
    hasService: false,
    timeouts: { connectMs: 0, firstByteMs: 3000, idleMs: 3000, totalMs: 20_000 },
    isLocal: true,
    traceContext: 'auto',
    includeUsage: 'never',
    maxParallelRequests: 1,
    speaks: () => true,
    traitsOf: () => openServerTraits,
    meaningOf: errorReaders.openai,
    mask: createMask([]),
    close: () => Promise.resolve(),
    get: () => assert.fail('calls ask for no pages'),
    pass: () => assert.fail('calls pass nothing on'),
    send(_, sink) {
      let isOver = false
      const only = (action: () => void) => {
        if (!isOver) action()
      }
      const over = (action: () => void) =>
        only(() => {
          isOver = true
          action()
        })
      const deed = deeds[next()]!
      setImmediate(() =>
        deed({
          onHead: (head) => only(() => sink.onHead(head)),
          onData: (bytes) => only(() => sink.onData(bytes)),
          onEnd: () => over(() => sink.onEnd()),
          onFailure: (failure) => over(() => sink.onFailure(failure)),
        }),
      )
      return {
        wasSent: true,
        pause() {},
        resume() {},
        abort: () => void (isOver = true),
      }
    },
  }
}

const model = (
  name: string,
  providers: readonly string[],
  fallbacks: readonly string[] = [],
): ModelConfig => ({
  name,
  aliases: [],
  fallbacks,
  targets: providers.map((provider) => ({ provider, model: name, tier: 1, weight: 1 })),
})

function startScene(next: () => string) {
  const clock = new FakeClock()
  const { now, wallNow, setTimer } = clock
  const calls: CallFacts[] = []
  const attempts: AttemptEnded[] = []
  const store = new MemoryStore()
  const calibration = new Calibration()
  const limits = { rpm: 10_000, whenLimited: 'reject', maxWaitMs: 0 } as const
  const models = new Map([
    ['m', model('m', ['a', 'b'], ['n'])],
    ['n', model('n', ['b', 'c'])],
  ])
  const rateLimits = {
    enabled: true,
    perClientRpm: undefined,
    perClientMaxWaitMs: 0,
    default: limits,
    limits: new Map(),
  }
  const admission = new Admission({ store, calibration, limits: rateLimits, now, setTimer })
  const coordinator = new LocalCoordinator({ admission, calibration, now, chance: () => 0.5 })
  const routing = {
    retries: 2,
    maxRetryWaitMs: 2000,
    restartWaitMs: 3000,
    cooldownMs: 30_000,
    placement: 'expected_time' as const,
    hasSharedPrefixes: false,
  }
  const providers = new Map(['a', 'b', 'c'].map((name) => [name, fakeProvider(name, next)]))
  coordinator.follow({ providers: new Map(), routing, rateLimits }, providers.values())
  const on: Snapshot = {
    routes: new RouteTable(models),
    findLate: () => Promise.resolve(undefined),
    providers,
    prices: new PriceBook(new Map(), () => undefined),
    budgets: { timeZone: 'UTC', reserve: 'predicted', whenExhausted: 'finish', total: [] },
    dialects,
    coordinator,
    formats: unknownFormats,
    owners: new MemoryObjectOwners(),
    tracing: { begin: () => undefined },
    rest: undefined,
    defaultModels: new Map(),
    hasSeveralClients: false,
    routing,
    rateLimits,
    sessionHeaders: [],
    heartbeatAfterMs: 15_000,
    events: {
      emit(event) {
        if (event.kind === 'call_ended') calls.push(event.call)
        else if (event.kind === 'attempt_ended') attempts.push(event)
      },
    },
    ticker: createTicker(clock),
    timeSlices: { startSlice: () => true, sliceIsOver: () => false, yieldTo: setImmediate },
    now,
    wallNow,
    setTimer,
    chance: () => 0.5,
  }
  return { on, coordinator, clock, calls, attempts, store, limits }
}

const chat = [...dialects.keys()].find(({ name }) => name === 'chat')!
const body = Buffer.from('{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}')

test('a call ends once, gives back its slots, and leaves no target busy or on trial', async () => {
  const plan = fc.record({
    deeds: fc.array(fc.constantFrom(...Object.keys(deeds)), { minLength: 1, maxLength: 12 }),
    leavesAfter: fc.option(fc.nat(60), { nil: undefined }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 4 }), async (plans) => {
      let left: string[] = []
      const { on, coordinator, clock, calls, attempts, store, limits } = startScene(
        () => left.shift() ?? 'answers',
      )
      for (const { deeds: queue, leavesAfter } of plans) {
        left = [...queue]
        const reply = new FakeReply()
        const before = calls.length
        attempts.length = 0
        const call = {
          dialect: chat,
          body,
          contentType: 'application/json',
          model: undefined,
          query: '',
          rawHeaders: [],
          boundary: undefined,
          requestId: 'req_1',
          reply,
        }
        const client = { id: 'user:me' }
        let isBodyReleased = false
        const bodyShare = { release: () => void (isBodyReleased = true) }
        const begun = { ...call, bodyShare, client, startedAtMs: clock.now() }
        void handleCall(begun, on, new CallRecord(begun))
        for (let step = 0; calls.length === before; step++) {
          assert.ok(step < 2000, 'the call never ends')
          if (step === leavesAfter) reply.leave()
          await settled()
          clock.advance(100)
        }
        await settled()
        if (!reply.isGone) assert.equal(reply.ends, 1)
        assert.ok(isBodyReleased)
        assert.equal(attempts.length, calls.at(-1)!.attempts)
        assert.ok(attempts.slice(0, -1).every(({ outcome }) => outcome === 'refused' || outcome === 'failed'))
        for (const provider of ['a', 'b', 'c']) assert.equal(coordinator.load.of(provider), 0)
        for (const name of ['m', 'n']) {
          assert.equal(store.use(modelScope(name, limits), clock.now()).parallel, 0)
        }
        clock.advance(600_000)
        for (const { targets } of on.routes.list().map((name) => on.routes.find(name)!)) {
          for (const target of targets) assert.ok(coordinator.health.stateOf(target, clock.now()).isReady)
        }
      }
      assert.equal(calls.length, plans.length)
      assert.ok(calls.every(({ code }) => code !== 'internal_error'))
      assert.equal(clock.pendingTimers, 0)
    }),
    { numRuns: 60 },
  )
})
