// Any calls, crashes, people and reloads: what always holds of the pool.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fc } from '../../support/properties.ts'
import type { UnitBehaviour } from '../../support/simulated-units.ts'
import { Scene, type SceneGroup, type SceneService, type TestCall } from './scene.ts'

const names = ['one', 'two', 'three', 'alone'] as const
const members = ['one', 'two', 'three']
const origins = ['http://127.0.0.1:8081', 'http://127.0.0.1:9999'] as const
const startTimeoutMs = 10_000
const maxRunMs = 8000

const name = fc.constantFrom(...names)
const pauseMs = fc.constantFrom(0, 1, 7, 30, 60, 250, 900, 2500, 9000)

type Deed = 'crash' | 'startUnit' | 'stopUnit' | 'start' | 'stop' | 'wake' | 'suspect'

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
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom('leave' as const, 'abandon' as const), index: fc.nat(20) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('pause' as const), pauseMs }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom<Deed>('crash', 'startUnit', 'stopUnit', 'start', 'stop', 'wake', 'suspect'),
      name,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), pauseMs }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('reload' as const),
      running: fc.constantFrom(1, 2, 3),
      members: fc.subarray([...members]),
      removed: fc.subarray([...names], { maxLength: 2 }),
      renamed: fc.subarray([...names], { maxLength: 2 }),
      /** They have another unit from now on. */
      moved: fc.subarray([...names], { maxLength: 1 }),
      /** They have the other one of two addresses. */
      elsewhere: fc.subarray([...names], { maxLength: 2 }),
    }),
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

/** What a service is called in the configuration now. Its unit does not depend on that. */
interface Configured {
  readonly provider: string
  readonly unit: string
  readonly origin: string
  readonly isRemoved: boolean
  readonly isMember: boolean
}

interface ObservedCall {
  readonly name: string
  readonly call: TestCall
  readonly endsByMs: number
  /** The server that it is in. Undefined: that which its service has now. */
  server: { readonly unit: string; readonly process: number | undefined } | undefined
  hasLeft: boolean
}

/** The pool with what a test knows of it. */
class Run {
  readonly scene: Scene
  readonly calls: ObservedCall[] = []
  readonly #behaviours: ReadonlyMap<string, UnitBehaviour>
  #configured: ReadonlyMap<string, Configured>
  #running = 1
  /** A command that is on its way was allowed by the former configuration. */
  #reloadedAtMs = -Infinity
  #changedAtMs = 0
  /** When the starter is back after its last loss. */
  #backAtMs = 1000
  #wasLost = false
  readonly #mayRefuse: boolean

  constructor(behaviours: readonly UnitBehaviour[]) {
    this.#behaviours = new Map(names.map((each, i) => [each, behaviours[i] ?? {}]))
    this.#mayRefuse = behaviours.some(({ refusesStop }) => refusesStop !== undefined)
    this.#configured = new Map(
      names.map((each) => {
        const isMember = members.includes(each)
        const unit = `${each}.service`
        return [each, { provider: each, unit, origin: origins[0], isRemoved: false, isMember }] as const
      }),
    )
    this.scene = new Scene(this.#services, this.#groups)
    const { units, clock } = this.scene
    units.onChange = () => {
      this.#changedAtMs = clock.now()
    }
    units.onCommand = (verb, each) => this.#judgeCommand(verb, each)
  }

  async do(step: Step): Promise<void> {
    const { units, clock } = this.scene
    if (step.kind === 'call') this.#call(step.name, step.client, step.maxWaitMs)
    else if (step.kind === 'pause') await clock.run(step.pauseMs)
    else if (step.kind === 'lose') {
      this.#wasLost = true
      this.#backAtMs = Math.max(this.#backAtMs, clock.now() + step.pauseMs + 20)
      units.lose(step.pauseMs + 20)
    } else if (step.kind === 'reload') this.#reload(step)
    else if ('index' in step) {
      const each = this.calls[step.index % Math.max(1, this.calls.length)]
      if (each !== undefined && step.kind === 'leave') leave(each)
      else if (each?.call.entry === undefined) each?.call.caller.leave()
    } else if (step.kind === 'crash') units.crash(step.name, 'signal', 11)
    else if (step.kind === 'startUnit') units.startUnit(step.name)
    else if (step.kind === 'stopUnit') units.stopUnit(step.name)
    else this.#steer(step.kind, step.name)
    await clock.run(0)
    this.#observe()
    this.#judge()
  }

  /** All leave, and the units behave. */
  async end(): Promise<void> {
    const { clock, units, pool } = this.scene
    for (const each of units.behaviours) {
      for (const key of ['restartMs', 'refusesStop', 'refusesStart'] as const) delete each[key]
    }
    this.#reload({ running: 1, members, removed: [], renamed: [], moved: [], elsewhere: [] })
    for (const each of this.calls) leave(each)
    for (let i = 0; i < 30; i++) {
      await clock.run(5000)
      for (const each of this.calls) leave(each)
      this.#judge()
    }
    for (const { call } of this.calls) assert.ok(call.entry !== undefined || call.visit !== undefined)
    for (const each of pool.describe()) {
      assert.equal(each.waiting, 0)
      assert.equal(each.calls, 0)
      assert.ok(each.state === 'stopped' || each.state === 'failed', `${each.provider} is ${each.state}`)
    }
    const configured = new Set(Array.from(this.#configured.values(), ({ unit }) => unit))
    // One that the configuration has no longer is left alone after a refusal, and if somebody else has started it.
    const mayBeLeft = (unit: string) =>
      !configured.has(unit) && (this.#mayRefuse || this.#wasLost || units.isByHand(unit))
    assert.deepEqual(
      units.runningUnits.filter((unit) => !mayBeLeft(unit)),
      [],
    )
    assert.equal(clock.pendingTimers, 0)
    pool.close()
    assert.equal(clock.pendingTimers, 0)
  }

  get #services(): Readonly<Record<string, SceneService>> {
    const service = { startTimeoutMs, stopAfterIdleMs: 6000 }
    const entries = Array.from(this.#configured).flatMap(([each, { provider, unit, origin, isRemoved }]) => {
      const behaviour = this.#behaviours.get(each)!
      return isRemoved ? [] : [[provider, { ...service, unit, origin, behaviour }] as const]
    })
    return Object.fromEntries(entries)
  }

  get #groups(): Readonly<Record<string, SceneGroup>> {
    const configured = [...this.#configured.values()]
    const inGroup = configured.filter(({ isMember, isRemoved }) => isMember && !isRemoved)
    if (inGroup.length === 0) return {}
    const providers = inGroup.map(({ provider }) => provider)
    return { gpu0: { members: providers, running: this.#running, minRunMs: 3000, maxRunMs } }
  }

  #reload(to: Omit<Extract<Step, { kind: 'reload' }>, 'kind'>): void {
    this.#reloadedAtMs = this.scene.clock.now()
    this.#running = to.running
    this.#configured = new Map(
      Array.from(this.#configured, ([each, { unit }]) => {
        const is = (list: readonly string[]) => list.includes(each)
        const changed = {
          provider: is(to.renamed) ? `${each}-renamed` : each,
          unit: is(to.moved) ? `moved-${unit}` : unit,
          origin: origins[is(to.elsewhere) ? 1 : 0],
          isRemoved: is(to.removed),
          isMember: is(to.members),
        }
        return [each, changed] as const
      }),
    )
    this.scene.follow(this.#services, this.#groups)
  }

  #steer(kind: 'start' | 'stop' | 'wake' | 'suspect', each: string): void {
    void this.scene.pool[kind](this.#configured.get(each)!.provider)
  }

  #call(each: string, client: string, maxWaitMs: number | undefined): void {
    const { provider, isRemoved, isMember } = this.#configured.get(each)!
    if (isRemoved) return
    const boundMs = Math.min(maxWaitMs ?? Infinity, startTimeoutMs + (isMember ? maxRunMs : 0))
    const call = this.scene.call(provider, client, { maxWaitMs })
    const endsByMs = this.scene.clock.now() + boundMs
    this.calls.push({ name: each, call, endsByMs, server: undefined, hasLeft: false })
  }

  #judgeCommand(verb: string, unit: string): void {
    const { units, clock } = this.scene
    this.#changedAtMs = clock.now()
    if (verb === 'stop') {
      const cut = this.calls.filter((each) => this.#isUnderWay(each, unit))
      assert.equal(cut.length, 0, `${unit} is stopped under a visit`)
      return
    }
    const inGroup = this.#unitsInGroup()
    if (!inGroup.has(unit) || clock.now() - this.#reloadedAtMs < 10) return
    const own = new Set(units.runningUnits.filter((each) => inGroup.has(each) && !units.isByHand(each)))
    assert.ok(own.add(unit).size <= this.#running, `${[...own].join()} run`)
  }

  /** Remembers in which server each call is that is in since the last time. */
  #observe(): void {
    const { units } = this.scene
    for (const each of this.calls) {
      if (each.server !== undefined || each.call.visit === undefined) continue
      const { unit } = this.#configured.get(each.name)!
      const process = each.call.visit.isValid ? units.servingOf(unit) : undefined
      each.server = { unit, process }
    }
  }

  #isUnderWay({ name, call, server, hasLeft }: ObservedCall, unit: string): boolean {
    if (hasLeft || call.visit === undefined) return false
    if (server === undefined) return this.#configured.get(name)!.unit === unit && call.visit.isValid
    return (
      server.unit === unit &&
      server.process !== undefined &&
      server.process === this.scene.units.servingOf(unit)
    )
  }

  #unitsInGroup(): ReadonlySet<string> {
    const configured = [...this.#configured.values()]
    const inGroup = configured.filter(({ isMember, isRemoved }) => isMember && !isRemoved)
    return new Set(inGroup.map(({ unit }) => unit))
  }

  #judge(): void {
    const { clock, pool, units } = this.scene
    const nowMs = clock.now()
    for (const { name, call, endsByMs } of this.calls) {
      const isWaiting = call.entry === undefined && call.visit === undefined
      assert.ok(!isWaiting || nowMs <= endsByMs, `a call of ${name} waits for too long`)
    }
    for (const { provider, unit, origin, isRemoved } of this.#configured.values()) {
      if (isRemoved || !pool.isOpen(provider)) continue
      assert.equal(this.scene.answeredAt.get(unit), origin, `${unit} is open where it has not answered`)
    }
    const movedAtMs = this.scene.changes.at(-1)?.atMs ?? 0
    const isSettled = nowMs - Math.max(movedAtMs, this.#changedAtMs, this.#reloadedAtMs) > 1100
    if (!isSettled || nowMs - this.#backAtMs <= 100 || !units.isConnected) return
    const inGroup = this.#unitsInGroup()
    const states = pool.describe()
    const configured = new Set(states.map(({ unit }) => unit))
    const running = new Set(units.runningUnits)
    // A unit that the configuration has no longer may have a place until it is down.
    const leaving = [...running].filter((unit) => !configured.has(unit)).length
    for (const { provider, unit, state, waiting } of states) {
      // Its own unit is still being stopped.
      if (running.has(unit)) continue
      if (waiting === 0 || (state !== 'stopped' && state !== 'failed')) continue
      const group = states.filter(
        (each) => each.unit === unit || (inGroup.has(each.unit) && inGroup.has(unit)),
      )
      const held = group.filter(
        (each) => (each.state !== 'stopped' && each.state !== 'failed') || running.has(each.unit),
      )
      const limit = inGroup.has(unit) ? this.#running : 1
      assert.ok(held.length + leaving >= limit, `a call waits for ${provider} while there is room`)
    }
  }
}

function leave(each: ObservedCall): void {
  if (each.call.visit === undefined) return
  each.hasLeft = true
  each.call.visit.leave()
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
