// More than 100,000 generated operations on the whole of admission, held against the naive one after each.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'
import { Admission } from '../../src/admission/admission.ts'
import type { Decision } from '../../src/admission/admission.ts'
import { Calibration } from '../../src/admission/estimate.ts'
import { MemoryStore } from '../../src/admission/stores/memory.ts'
import type { Outcome } from '../../src/admission/outcome.ts'
import type { Disconnect } from '../../src/admission/waiting-line.ts'
import type { RateLimitConfig } from '../../src/config/types.ts'
import type { ModelLimits } from '../../src/domain.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { type Held, heldBy } from './held.ts'
import { NaiveAdmission } from './naive-admission.ts'

const model = 'm'
const runs = 250
const operationsPerRun = 450

const limitsChoice: fc.Arbitrary<ModelLimits> = fc.record(
  {
    rpm: fc.constantFrom(2, 5, 12),
    tpm: fc.constantFrom(50, 100, 400),
    maxParallelRequests: fc.constantFrom(1, 3, 20),
    whenLimited: fc.constantFrom('reject' as const, 'wait' as const),
    maxWaitMs: fc.constantFrom(1, 20_000, 90_000),
  },
  { requiredKeys: ['whenLimited', 'maxWaitMs'] },
)

const outcomeChoice = fc.constantFrom(
  'used',
  'used',
  'over',
  'cut',
  'failed',
  'refused',
  'unreachable',
  'unsent',
)

type Operation =
  | { kind: 'arrive'; client: string; tokens: number }
  | { kind: 'settle'; pick: number; outcome: string; tokens: number }
  | { kind: 'grow'; pick: number; tokens: number }
  | { kind: 'leave'; pick: number }
  | { kind: 'advance'; byMs: number }
  | { kind: 'reload'; limits: ModelLimits }
  | { kind: 'restart' }

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      client: fc.constantFrom('a', 'b', 'c'),
      tokens: fc.oneof(fc.nat(30), fc.nat(120)),
    }),
  },
  {
    weight: 30,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      pick: fc.nat(1000),
      outcome: outcomeChoice,
      tokens: fc.nat(60),
    }),
  },
  {
    weight: 25,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      byMs: fc.oneof(fc.nat(3), fc.nat(3000), fc.nat(30_000), fc.constantFrom(59_999, 60_000, 1)),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constant('grow' as const), pick: fc.nat(1000), tokens: fc.nat(200) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('leave' as const), pick: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reload' as const), limits: limitsChoice }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
)

function config(limits: ModelLimits): RateLimitConfig {
  return {
    enabled: true,
    perClientRpm: undefined,
    perClientMaxWaitMs: 0,
    default: { whenLimited: 'reject', maxWaitMs: 0 },
    limits: new Map([[model, limits]]),
  }
}

/** The real admission and the naive one, driven side by side. */
class Pair {
  readonly clock = new FakeClock()
  readonly naive: NaiveAdmission
  store = new MemoryStore()
  readonly #ends = new Map<number, { how: string; waitedMs: number }>()
  readonly #holds = new Map<number, Held>()
  readonly #departures = new Map<number, Disconnect>()
  #admission: Admission
  #limits: ModelLimits
  #arrivals = 0

  constructor(limits: ModelLimits) {
    this.#limits = limits
    this.naive = new NaiveAdmission(limits, this.clock.now())
    this.#admission = this.#start()
  }

  async run(step: Operation): Promise<void> {
    switch (step.kind) {
      case 'arrive':
        this.#arrive(this.#arrivals++, step.client, step.tokens)
        break
      case 'settle':
        // One of the latest: most are still under way, some are settled already.
        this.#settle(this.#arrivals - 1 - (step.pick % 12), step.outcome, step.tokens)
        break
      case 'grow':
        this.#grow(this.#arrivals - 1 - (step.pick % 12), step.tokens)
        break
      case 'leave': {
        const id = this.naive.waiting[step.pick % Math.max(1, this.naive.waiting.length)]
        if (id !== undefined) this.#leave(id)
        break
      }
      case 'advance':
        this.naive.advance(step.byMs)
        this.clock.advance(step.byMs)
        break
      case 'reload':
        this.#limits = step.limits
        this.naive.reload(step.limits)
        this.#admission.applyLimits(config(step.limits))
        break
      case 'restart':
        this.#restart()
        break
      default:
        step satisfies never
    }
    await settled()
  }

  async compare(): Promise<void> {
    const [report] = await this.#admission.describe([model])
    assert.deepEqual(report?.used, {
      requests: this.naive.used('requests'),
      tokens: this.naive.used('tokens'),
      parallel: this.naive.open.size,
    })
    assert.equal(report.waiting, this.naive.waiting.length)
    assert.equal(this.#ends.size, this.naive.ends.size)
    if (report.waiting === 0) assert.equal(this.clock.pendingTimers, 0)
    else assert.ok(this.clock.pendingTimers === 1)
  }

  compareEnds(): void {
    for (const [id, end] of this.naive.ends) {
      const real = this.#ends.get(id)!
      assert.equal(real.waitedMs, end.waitedMs)
      assert.ok(isSameEnd(real.how, end.how), `call ${id}: ${real.how}, not ${end.how}`)
    }
  }

  #start(): Admission {
    const { now, setTimer } = this.clock
    const parts = {
      store: this.store,
      limits: config(this.#limits),
      calibration: new Calibration(),
      now,
      setTimer,
    }
    return new Admission({ ...parts, maxLineLength: 5 })
  }

  #arrive(id: number, client: string, tokens: number): void {
    const disconnect: Disconnect = { isGone: false, onGone: undefined }
    this.#departures.set(id, disconnect)
    const ask = { client: { id: client }, model, tokens, minTokens: 0, providers: [], disconnect }
    this.naive.arrive(id, client, tokens)
    const decision = this.#admission.reserve(ask)
    if (decision instanceof Promise) void decision.then((late) => this.#note(id, late))
    else this.#note(id, decision)
  }

  #note(id: number, decision: Decision): void {
    if (decision.kind === 'admitted') {
      this.#holds.set(id, heldBy(this.#admission, decision))
      this.#ends.set(id, { how: 'admitted', waitedMs: decision.waitedMs })
    } else if (decision.kind === 'limited') {
      const { dimension, used, requested, retryAfterMs, waitedMs } = decision
      this.#ends.set(id, { how: `limited:${dimension}:${used}:${requested}:${retryAfterMs}`, waitedMs })
    } else this.#ends.set(id, { how: decision.kind, waitedMs: decision.waitedMs })
  }

  #grow(id: number, tokens: number): void {
    const hold = this.#holds.get(id)
    if (hold === undefined) return
    this.naive.grow(id, tokens)
    hold.grow(tokens)
  }

  #settle(id: number, kind: string, tokens: number): void {
    const hold = this.#holds.get(id)
    if (hold === undefined) return
    if (kind === 'refused') this.#end(id, { kind }, [1, 0])
    else if (kind === 'unreachable' || kind === 'unsent') this.#end(id, { kind }, [0, 0])
    else if (kind === 'failed') this.#end(id, { kind, tokens }, [1, tokens])
    else if (kind === 'cut') this.#end(id, { kind, tokens }, [1, tokens === 0 ? hold.tokens : tokens])
    else
      this.#end(id, { kind: 'used', tokens: kind === 'over' ? 5 * tokens : tokens }, [
        1,
        kind === 'over' ? 5 * tokens : tokens,
      ])
  }

  #end(id: number, outcome: Outcome, [requests, tokens]: readonly [number, number]): void {
    this.naive.settle(id, requests, tokens)
    this.#holds.get(id)!.settle(outcome)
  }

  #leave(id: number): void {
    this.naive.leave(id)
    const disconnect = this.#departures.get(id)!
    disconnect.isGone = true
    disconnect.onGone?.()
  }

  #restart(): void {
    this.naive.restart()
    this.#admission.close()
    this.#holds.clear()
    const saved = this.store.dump(this.clock.now())
    this.store = new MemoryStore()
    this.store.restore(structuredClone(saved), this.clock.now())
    this.#admission = this.#start()
  }
}

test('decides and counts as the naive log does, over reserve, grow, settle, cancel, wait, reload and restart', async () => {
  let operations = 0
  const steps = fc.array(operation, { minLength: operationsPerRun, maxLength: operationsPerRun, size: 'max' })
  await fc.assert(
    fc.asyncProperty(limitsChoice, steps, async (limits, steps) => {
      const pair = new Pair(limits)
      for (const step of steps) {
        await pair.run(step)
        await pair.compare()
        operations++
      }
      pair.compareEnds()
    }),
    { numRuns: runs },
  )
  assert.ok(operations >= 100_000)
})

const burst = fc.record({
  afterMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 9000, noNaN: true })),
  tokens: fc.nat(120),
  usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
})

test('no span of 60 seconds ever holds more requests or tokens than the limit, at any fraction of a millisecond', () => {
  const limits: ModelLimits = { rpm: 7, tpm: 300, whenLimited: 'reject', maxWaitMs: 0 }
  fc.assert(
    fc.property(fc.array(burst, { minLength: 300, maxLength: 300, size: 'max' }), (bursts) => {
      const clock = new FakeClock()
      const parts = {
        store: new MemoryStore(),
        calibration: new Calibration(),
        now: clock.now,
        setTimer: clock.setTimer,
      }
      const admission = new Admission({ ...parts, limits: config(limits) })
      const admitted: { timeMs: number; tokens: number }[] = []
      const disconnect: Disconnect = { isGone: false, onGone: undefined }
      for (const { afterMs, tokens, usedShare } of bursts) {
        clock.advance(afterMs)
        const ask = { client: { id: 'a' }, model, tokens, minTokens: 0, providers: [], disconnect }
        const decision = admission.reserve(ask)
        assert.ok(!(decision instanceof Promise))
        if (decision.kind !== 'admitted') continue
        const used = Math.floor(tokens * usedShare)
        admission.settle(decision.reservation, { kind: 'used', tokens: used })
        admitted.push({ timeMs: clock.now(), tokens: used })
      }
      for (const { timeMs: endMs } of admitted) {
        const span = admitted.filter(({ timeMs }) => timeMs <= endMs && timeMs + 60_000 > endMs)
        assert.ok(span.length <= 7)
        assert.ok(span.reduce((sum, { tokens }) => sum + tokens, 0) <= 300)
      }
    }),
    { numRuns: 40 },
  )
})

/** A refused caller may be told a later time than the naive one, for the sake of those that were refused before it. */
function isSameEnd(real: string, naive: string): boolean {
  const [, what, earliestMs] = /^(limited:(?:requests|tokens):\d+:\d+:)(\d+)$/.exec(naive) ?? []
  if (what === undefined) return real.startsWith(naive)
  const toldMs = Number(real.slice(what.length))
  return real.startsWith(what) && toldMs >= Number(earliestMs) && toldMs <= 60_000
}
