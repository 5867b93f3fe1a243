// A service manager with the process that speaks to it, on a fake clock: units that start slowly, crash, never get ready.
// Commands and reports take their time, so that reports may be older than what was commanded.
import type { UnitReport } from '../../src/platform/unit-report.ts'
import type { Readiness } from '../../src/upstream/services/readiness-probes.ts'
import type { Starter } from '../../src/upstream/services/starter.ts'
import type { FakeClock } from './fake-clock.ts'

/** What a unit does. Without any of it: it is up at once, its server answers 50 ms later, and it stops within 20 ms. */
export interface UnitBehaviour {
  /** `Type=notify`: so long it is activating, in milliseconds. */
  activatingMs?: number
  /** From then on until its server answers. Infinity: never. */
  loadMs?: number
  stopMs?: number
  /** How it ends after `endsAfterMs` of each start. */
  ends?: { readonly result: string; readonly exitStatus?: number }
  endsAfterMs?: number
  /** `Restart=on-failure`, after so long. Absent: `Restart=no`. */
  restartMs?: number
  /** `LoadState`. Absent: `loaded`. */
  load?: string
  /** The manager starts nothing and reports this result. */
  startFails?: string
  /** Commands are refused with this. */
  refusesStart?: string
  refusesStop?: string
  /** Another user's program answers on its port. */
  isTaken?: boolean
  /** A command to stop changes nothing. */
  ignoresStop?: boolean
}

interface Unit {
  /** Its name in the configuration, or the last one that it had there. */
  service: string
  readonly unit: string
  readonly behaviour: UnitBehaviour
  active: string
  sub: string
  result: string
  exitStatus: number | undefined
  restarts: number
  invocation: number
  isServing: boolean
  isByHand: boolean
  /** As soon as it has stopped; the manager forgets that when it is to stop once more. */
  startsAgain: (() => void) | undefined
  /** Cancel what it would do next. */
  timers: (() => void)[]
}

export class SimulatedUnits implements Starter {
  onReports: Starter['onReports']
  onLost: Starter['onLost']
  /** How long a command takes, and a report. */
  commandMs = 5
  reportMs = 40
  /** Commands that were accepted, as `start qwen`. */
  readonly commands: string[] = []
  /** After each change of a unit. */
  onChange: (() => void) | undefined
  /** Before a command is carried out. */
  onCommand: ((verb: string, unit: string) => void) | undefined
  looks = 0
  readonly #clock: FakeClock
  /** By their names. */
  readonly #units = new Map<string, Unit>()
  /** By the services that have them now. */
  readonly #services = new Map<string, Unit>()
  #isConnected = false
  #connection = 0
  #invocations = 0

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  /** A unit that is there already belongs to this service from now on. */
  add(service: string, behaviour: UnitBehaviour = {}, unit = `${service}.service`): void {
    const known = this.#units.get(unit)
    if (known !== undefined) {
      known.service = service
      this.#services.set(service, known)
      return
    }
    const state = { active: 'inactive', sub: 'dead', result: 'success', exitStatus: undefined }
    const counts = {
      restarts: 0,
      invocation: 0,
      isServing: false,
      isByHand: false,
      startsAgain: undefined,
      timers: [],
    }
    const added = { service, unit, behaviour, ...state, ...counts }
    this.#units.set(unit, added)
    this.#services.set(service, added)
  }

  /** Nothing is reported of its unit any more. */
  forget(service: string): void {
    this.#units.delete(this.#unit(service).unit)
  }

  behaviourOf(service: string): UnitBehaviour {
    return this.#unit(service).behaviour
  }

  activeOf(service: string): string {
    return this.#unit(service).active
  }

  /** Names of those that are not down. */
  get running(): readonly string[] {
    return Array.from(this.#units.values())
      .filter(isRunning)
      .map(({ service }) => service)
  }

  /** The units themselves. */
  get runningUnits(): readonly string[] {
    return Array.from(this.#units.values())
      .filter(isRunning)
      .map(({ unit }) => unit)
  }

  /** Whether a unit that runs was started by hand. */
  isByHand(unit: string): boolean {
    return this.#units.get(unit)!.isByHand
  }

  /** The process that serves, from one start to the next. Undefined: none does. */
  servingOf(unit: string): number | undefined {
    const { isServing, invocation } = this.#units.get(unit)!
    return isServing ? invocation : undefined
  }

  /** Of all units. */
  get behaviours(): readonly UnitBehaviour[] {
    return Array.from(this.#units.values(), ({ behaviour }) => behaviour)
  }

  /** By hand, as the commands that follow. */
  startUnit(service: string): void {
    this.#start(this.#unit(service), true)
  }

  #start(unit: Unit, isByHand: boolean): void {
    if (unit.active === 'active' || unit.sub === 'start') return
    const begin = () => {
      unit.restarts = 0
      unit.isByHand = isByHand
      this.#begin(unit)
    }
    if (unit.active === 'deactivating') unit.startsAgain = begin
    else begin()
  }

  stopUnit(service: string): void {
    this.#stop(this.#unit(service))
  }

  #stop(unit: Unit): void {
    unit.startsAgain = undefined
    if (!isRunning(unit) || unit.active === 'deactivating') return
    unit.isServing = false
    this.#cancel(unit)
    this.#set(unit, 'deactivating', 'stop-sigterm', 'success')
    this.#later(unit, unit.behaviour.stopMs ?? 20, () => {
      const { startsAgain } = unit
      unit.startsAgain = undefined
      if (startsAgain === undefined) this.#set(unit, 'inactive', 'dead', 'success')
      else startsAgain()
    })
  }

  crash(service: string, result: string, exitStatus?: number): void {
    const unit = this.#unit(service)
    if (!isRunning(unit) || unit.active === 'deactivating') return
    this.#end(unit, result, exitStatus)
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** The connection breaks, and is back after so long. */
  lose(forMs: number): void {
    if (!this.#isConnected) return
    this.#isConnected = false
    this.#connection += 1
    this.onLost?.()
    this.#clock.setTimer(() => this.connect(), forMs)
  }

  connect(): void {
    this.#isConnected = true
    this.#sendAll()
  }

  close(): void {
    this.#isConnected = false
    this.#connection += 1
  }

  /** Its server runs on, and answers no probe until its next start. */
  silence(service: string): void {
    this.#unit(service).isServing = false
  }

  reload(): void {
    if (this.#isConnected) this.#sendAll()
  }

  look(): void {
    this.looks += 1
    this.#sendAll()
  }

  start(_service: string, name: string): Promise<string | undefined> {
    const unit = this.#units.get(name)
    return this.#command('start', unit, unit?.behaviour.refusesStart, (unit) => {
      const { startFails } = unit.behaviour
      if (startFails === undefined) this.#start(unit, false)
      else if (!isRunning(unit)) this.#set(unit, 'failed', 'failed', startFails)
    })
  }

  stop(_service: string, name: string): Promise<string | undefined> {
    const unit = this.#units.get(name)
    const { refusesStop, ignoresStop = false } = unit?.behaviour ?? {}
    return this.#command('stop', unit, refusesStop, (unit) => {
      if (!ignoresStop) this.#stop(unit)
    })
  }

  /** One probe of its server. */
  readonly isReady = (service: string): Promise<Readiness> =>
    new Promise((resolve) => {
      const { isServing: isReady, behaviour } = this.#unit(service)
      const { isTaken } = behaviour
      this.#clock.setTimer(() => resolve(isTaken ? 'port-taken' : isReady ? 'ready' : 'not-yet'), 1)
    })

  #unit(service: string): Unit {
    return this.#services.get(service)!
  }

  #command(verb: string, unit: Unit | undefined, refusal: string | undefined, run: (unit: Unit) => void) {
    const connection = this.#connection
    return new Promise<string | undefined>((resolve) => {
      if (!this.#isConnected) {
        resolve('starter-unreachable')
        return
      }
      this.#clock.setTimer(() => {
        if (unit !== undefined && refusal === undefined) {
          this.commands.push(`${verb} ${unit.service}`)
          this.onCommand?.(verb, unit.unit)
          run(unit)
        }
        const answer = unit !== undefined ? refusal : 'unknown-service'
        resolve(connection === this.#connection ? answer : 'starter-unreachable')
      }, this.commandMs)
    })
  }

  #begin(unit: Unit): void {
    const { activatingMs = 0, loadMs = 50, ends, endsAfterMs = 0 } = unit.behaviour
    this.#cancel(unit)
    this.#invocations += 1
    unit.invocation = this.#invocations
    unit.exitStatus = undefined
    if (activatingMs > 0) this.#set(unit, 'activating', 'start', 'success')
    const serve = () => {
      if (loadMs === Infinity) return
      this.#later(unit, loadMs, () => {
        unit.isServing = true
      })
    }
    const isUp = () => {
      this.#set(unit, 'active', 'running', 'success')
      serve()
    }
    if (activatingMs > 0) this.#later(unit, activatingMs, isUp)
    else isUp()
    if (ends !== undefined)
      this.#later(unit, endsAfterMs, () => this.#end(unit, ends.result, ends.exitStatus))
  }

  #end(unit: Unit, result: string, exitStatus: number | undefined): void {
    this.#cancel(unit)
    unit.isServing = false
    unit.exitStatus = exitStatus
    const { restartMs } = unit.behaviour
    if (restartMs === undefined) {
      this.#set(unit, result === 'success' ? 'inactive' : 'failed', 'failed', result)
      return
    }
    this.#set(unit, 'activating', 'auto-restart', result)
    this.#later(unit, restartMs, () => {
      unit.restarts += 1
      this.#begin(unit)
    })
  }

  #cancel(unit: Unit): void {
    for (const cancel of unit.timers.splice(0)) cancel()
  }

  #later(unit: Unit, afterMs: number, fn: () => void): void {
    unit.timers.push(this.#clock.setTimer(fn, afterMs))
  }

  #set(unit: Unit, active: string, sub: string, result: string): void {
    Object.assign(unit, { active, sub, result })
    this.onChange?.()
    this.#send([reportOf(unit)], false)
  }

  #sendAll(): void {
    this.#send(Array.from(this.#units.values(), reportOf), true)
  }

  #send(reports: readonly UnitReport[], isWhole: boolean): void {
    const connection = this.#connection
    if (!this.#isConnected) return
    this.#clock.setTimer(() => {
      if (connection === this.#connection) this.onReports?.(reports, isWhole)
    }, this.reportMs)
  }
}

function isRunning({ active }: Unit): boolean {
  return active !== 'inactive' && active !== 'failed'
}

function reportOf({
  service,
  unit,
  active,
  sub,
  result,
  exitStatus,
  restarts,
  invocation,
  behaviour,
}: Unit): UnitReport {
  const report = { service, unit, load: behaviour.load ?? 'loaded', active, sub, result, restarts }
  const id = invocation === 0 ? '' : `invocation-${invocation}`
  return { ...report, invocation: id, ...(exitStatus === undefined ? {} : { exitStatus }) }
}
