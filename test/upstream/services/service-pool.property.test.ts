// Any calls, crashes, people and reloads: what always holds of the pool.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fc } from '../../support/properties.ts'
import type { UnitBehaviour } from '../../support/simulated-units.ts'
import { Scene, type SceneGroup, type SceneService, type TestCall } from './scene.ts'

const names = ['one', 'two', 'three', 'alone'] as const
const members = ['one', 'two', 'three']
const startTimeoutMs = 10_000
const maxRunMs = 8000

const name = fc.constantFrom(...names)
const pauseMs = fc.constantFrom(0, 1, 7, 30, 60, 250, 900, 2500, 9000)

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('call' as const),
      name,
      client: fc.constantFrom('a', 'b', 'c'),
      maxWaitMs: fc.constantFrom(undefined, 500, 4000),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('leave', 'abandon'), index: fc.nat(20) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('pause' as const), pauseMs }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('crash', 'startUnit', 'stopUnit', 'start', 'stop', 'wake', 'suspect'),
      name,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), pauseMs }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('reload' as const), running: fc.constantFrom(1, 2) }),
  },
)

const behaviour: fc.Arbitrary<UnitBehaviour> = fc.record(
  {
    activatingMs: fc.constantFrom(0, 100, 3000),
    loadMs: fc.constantFrom(0, 50, 2000, 9000, Infinity),
    stopMs: fc.constantFrom(1, 20, 300, 12_000),
    restartMs: fc.constantFrom(1, 100, 2000),
    refusesStop: fc.constant('not-permitted'),
    refusesStart: fc.constant('masked'),
  },
  { requiredKeys: [] },
)

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** The pool with what a test knows of it. */
class Run {
  readonly scene: Scene
  readonly calls: { readonly name: string; readonly call: TestCall; readonly endsByMs: number }[] = []
  readonly #services: Readonly<Record<string, SceneService>>
  #running = 1
  /** A start that is on its way was allowed by the former limit. */
  #former = { running: 1, untilMs: 0 }
  #changedAtMs = 0
  /** When the starter is back after its last loss. */
  #backAtMs = 1000

  constructor(behaviours: readonly UnitBehaviour[]) {
    const service = { startTimeoutMs, stopAfterIdleMs: 6000 }
    this.#services = Object.fromEntries(
      names.map((each, i) => [each, { ...service, behaviour: behaviours[i] ?? {} }]),
    )
    this.scene = new Scene(this.#services, this.#groups)
    const { units, clock } = this.scene
    units.onChange = () => {
      this.#changedAtMs = clock.now()
    }
    units.onCommand = (verb, each) => this.#judgeCommand(verb, each)
  }

  async do(step: Step): Promise<void> {
    const { pool, units, clock } = this.scene
    if (step.kind === 'call') this.#call(step.name, step.client, step.maxWaitMs)
    else if (step.kind === 'pause') await clock.run(step.pauseMs)
    else if (step.kind === 'lose') {
      this.#backAtMs = Math.max(this.#backAtMs, clock.now() + step.pauseMs + 20)
      units.lose(step.pauseMs + 20)
    } else if (step.kind === 'reload') {
      this.#former = { running: this.#limit, untilMs: clock.now() + 10 }
      this.#running = step.running
      this.scene.follow(this.#services, this.#groups)
    } else if ('index' in step) {
      const { call } = this.calls[step.index % Math.max(1, this.calls.length)] ?? {}
      if (step.kind === 'leave') call?.visit?.leave()
      else if (call?.entry === undefined) call?.caller.leave()
    } else if (step.kind === 'crash') units.crash(step.name, 'signal', 11)
    else if (step.kind === 'startUnit') units.startUnit(step.name)
    else if (step.kind === 'stopUnit') units.stopUnit(step.name)
    else if (step.kind === 'wake') pool.wake(step.name)
    else if (step.kind === 'suspect') pool.suspect(step.name)
    else void pool[step.kind](step.name)
    await clock.run(0)
    this.#judge()
  }

  /** All leave, and the units behave. */
  async end(): Promise<void> {
    const { clock, units, pool } = this.scene
    for (const each of names) {
      for (const key of ['restartMs', 'refusesStop', 'refusesStart'] as const)
        delete units.behaviourOf(each)[key]
    }
    for (const { call } of this.calls) call.visit?.leave()
    for (let i = 0; i < 30; i++) {
      await clock.run(5000)
      for (const { call } of this.calls) call.visit?.leave()
      this.#judge()
    }
    for (const { call } of this.calls) assert.ok(call.entry !== undefined || call.visit !== undefined)
    for (const each of pool.describe()) {
      assert.equal(each.waiting, 0)
      assert.equal(each.calls, 0)
      assert.ok(each.state === 'stopped' || each.state === 'failed', `${each.provider} is ${each.state}`)
    }
    assert.deepEqual(units.running, [])
    assert.equal(clock.pendingTimers, 0)
    pool.close()
    assert.equal(clock.pendingTimers, 0)
  }

  get #groups(): Readonly<Record<string, SceneGroup>> {
    return { gpu0: { members, running: this.#running, minRunMs: 3000, maxRunMs } }
  }

  /** What a command that is carried out now may have been allowed by. */
  get #limit(): number {
    const { running, untilMs } = this.#former
    return this.scene.clock.now() < untilMs ? Math.max(running, this.#running) : this.#running
  }

  #call(each: string, client: string, maxWaitMs: number | undefined): void {
    const boundMs = Math.min(maxWaitMs ?? Infinity, startTimeoutMs + (each === 'alone' ? 0 : maxRunMs))
    const call = this.scene.call(each, client, { maxWaitMs })
    this.calls.push({ name: each, call, endsByMs: this.scene.clock.now() + boundMs })
  }

  #judgeCommand(verb: string, each: string): void {
    const { units, clock } = this.scene
    this.#changedAtMs = clock.now()
    if (verb === 'stop') {
      const valid = this.calls.filter(({ name, call }) => name === each && call.visit?.isValid === true)
      assert.equal(valid.length, 0, `${each} is stopped under a visit`)
    } else if (members.includes(each)) {
      const own = new Set(units.running.filter((other) => members.includes(other) && !units.isByHand(other)))
      assert.ok(own.add(each).size <= this.#limit, `${[...own].join()} run`)
    }
  }

  #judge(): void {
    const { clock, pool, units } = this.scene
    const nowMs = clock.now()
    for (const { name, call, endsByMs } of this.calls) {
      const isWaiting = call.entry === undefined && call.visit === undefined
      assert.ok(!isWaiting || nowMs <= endsByMs, `a call of ${name} waits for too long`)
    }
    const movedAtMs = this.scene.changes.at(-1)?.atMs ?? 0
    const isSettled = nowMs - Math.max(movedAtMs, this.#changedAtMs) > 1100 && nowMs - this.#backAtMs > 100
    if (!isSettled || !units.isConnected) return
    const states = pool.describe()
    for (const { provider, state, waiting } of states) {
      // Its own unit is still being stopped.
      if (units.running.includes(provider)) continue
      if (waiting === 0 || (state !== 'stopped' && state !== 'failed')) continue
      const group = states.filter((other) => members.includes(other.provider) === members.includes(provider))
      const held = group.filter(
        (other) =>
          (other.state !== 'stopped' && other.state !== 'failed') || units.running.includes(other.provider),
      )
      const limit = members.includes(provider) ? this.#running : 1
      assert.ok(held.length >= limit, `a call waits for ${provider} while there is room`)
    }
  }
}

test('whatever happens, places are kept, no visit is cut, all waits end, and nothing is left', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(behaviour, { minLength: names.length, maxLength: names.length }),
      fc.array(step, { maxLength: 60, size: 'max' }),
      async (behaviours, steps) => {
        const run = new Run(behaviours)
        for (const each of steps) await run.do(each)
        await run.end()
      },
    ),
    { numRuns: 200 },
  )
})
