// The services that share places, and who waits for one. A service of no group is alone in one with a place for it.
// The group is examined after each change, and at the exact moment when something is due. It never polls.
import type { ServiceGroupConfig } from '../../config/service-types.ts'
import type { Clock } from '../../platform/clock.ts'
import { FairQueue } from '../../platform/fair-queue.ts'
import { planGroup, type Wanted } from './group-policy.ts'
import type { WaitEnd, Waiting, WaitReason } from './service-line.ts'
import type { Service } from './service.ts'
import type { ServiceCaller, ServiceEntry } from './services.ts'

/** So long calls wait for a starter that does not answer: it may be about to be started itself. */
const starterGraceMs = 2000
/** When another try is worth while after one of which nothing better is known. */
const retryAfterMs = 1000
/** Longer delays are split: beyond 2^31 − 1 ms a timer of Node's fires at once. */
const maxTimerMs = 2 ** 31 - 1

const alone: ServiceGroupConfig = { members: [], running: 1, minRunMs: 0, maxRunMs: 0 }

export class ServiceGroup {
  /** Undefined: of a service that is alone. */
  readonly name: string | undefined
  readonly #limits: ServiceGroupConfig
  #members: readonly Service[]
  readonly #clock: Clock
  readonly #turns = new FairQueue<Waiting>()
  #stopTimer: (() => void) | undefined
  /** More members run than may. */
  #isCrowded = false
  /** Something changes while the group is examined. */
  #isExamining = false

  constructor(
    name: string | undefined,
    limits: ServiceGroupConfig | undefined,
    members: readonly Service[],
    clock: Clock,
  ) {
    this.name = name
    this.#limits = limits ?? alone
    this.#members = members
    this.#clock = clock
  }

  /** Only for a service that is not open. */
  wait(service: Service, caller: ServiceCaller, reason: WaitReason = 'call'): Promise<ServiceEntry> {
    const { line, config } = service
    const failure = service.refusal() ?? this.#makeRoom(service, caller)
    if (failure !== undefined) return Promise.resolve({ kind: 'not_started', failure, waitedMs: 0 })
    const isForStart = this.name === undefined || service.state === 'starting'
    const boundMs = config.startTimeoutMs + (isForStart ? 0 : this.#limits.maxRunMs)
    const entry = line.join(caller, Math.min(boundMs, caller.maxWaitMs ?? Infinity), reason)
    this.examine()
    return entry
  }

  onEmpty(service: Service): void {
    const isAwaited = service.state === 'draining' || this.#turns.length > 0 || this.#isCrowded
    // It has been idle for its time, but for a question.
    if (isAwaited || service.nextMs() <= this.#clock.now()) this.examine()
  }

  examine(): void {
    if (this.#isExamining) return
    this.#isExamining = true
    this.#stopTimer?.()
    this.#stopTimer = undefined
    for (const each of this.#members) each.tick()
    for (const each of this.#members) this.#settle(each)
    const nextMs = Math.min(
      this.#expire(),
      this.#isKnown ? this.#carryOut() : Infinity,
      ...this.#members.map((each) => each.nextMs()),
    )
    this.#isExamining = false
    if (nextMs === Infinity) return
    const delayMs = Math.max(0, Math.ceil(nextMs - this.#clock.now()))
    this.#stopTimer = this.#clock.setTimer(() => this.examine(), Math.min(maxTimerMs, delayMs))
  }

  /** It does not belong to the group any more. */
  drop(service: Service): void {
    this.#members = this.#members.filter((each) => each !== service)
    this.examine()
  }

  /** It is examined no longer. Who waits goes on waiting, for whatever group comes after it. */
  close(): void {
    this.#isExamining = true
    this.#stopTimer?.()
    for (const { line } of this.#members) line.waitIn(undefined)
  }

  get #isKnown(): boolean {
    return this.#members.every(({ situation }) => situation.isKnown)
  }

  get #room(): number {
    return this.#limits.running - this.#members.filter(({ situation }) => situation.holdsPlace).length
  }

  /** Lets in who waits for a service that is ready; keeps in the turns who waits for a place. */
  #settle(service: Service): void {
    const { line, state } = service
    line.waitIn(state === 'starting' || state === 'ready' ? undefined : this.#turns)
    if (line.length === 0 || state !== 'ready') return
    for (const waiting of line) line.end(waiting, { kind: 'entered', visit: service.enterIfOpen()! })
  }

  /** In a line that is full, another call may have to do without. Otherwise this one has, for the reason returned. */
  #makeRoom(service: Service, caller: ServiceCaller) {
    if (!service.line.isFull) return undefined
    const waiting = service.line.givesWayTo(caller)
    const busy = this.#failure(service, 'busy')
    if (waiting === undefined) return busy
    service.line.end(waiting, { kind: 'not_started', failure: busy })
    return undefined
  }

  /** Ends waits that have taken too long. @returns when the next one has. */
  #expire(): number {
    const nowMs = this.#clock.now()
    let nextMs = Infinity
    for (const service of this.#members) {
      const { line, situation } = service
      const lost = situation.state === 'starting' ? undefined : situation.unknown
      for (const waiting of line) {
        const lostAtMs =
          lost === undefined ? Infinity : Math.max(lost.sinceMs, waiting.sinceMs) + starterGraceMs
        if (lostAtMs <= nowMs) line.end(waiting, this.#end(service, lost!.reason))
        else if (waiting.deadlineMs <= nowMs) line.end(waiting, this.#end(service, this.#lateness(service)))
        else nextMs = Math.min(nextMs, lostAtMs, waiting.deadlineMs)
      }
    }
    return nextMs
  }

  #end(service: Service, result: string): WaitEnd {
    return { kind: 'not_started', failure: this.#failure(service, result) }
  }

  #failure(service: Service, result: string) {
    const failure = service.failure(result, retryAfterMs)
    return result !== 'busy' || this.name === undefined ? failure : { ...failure, group: this.name }
  }

  /** Why a wait has taken too long: the service's own start or stop did, or it has no place. */
  #lateness(service: Service): string {
    return this.name === undefined || service.state === 'starting' ? 'timeout' : 'busy'
  }

  /** Starts and stops members as far as those who wait need it. @returns when there is more to do. */
  #carryOut(): number {
    if (this.#room < 1) this.#refuseUnloadable()
    const turns = this.#turnsOfServices()
    const wanted: Wanted[] = []
    for (const unit of turns.keys())
      wanted.push({ name: unit, canStart: this.#find(unit).situation.canStart })
    const members = this.#members.map((each) => each.asMember())
    const plan = planGroup(this.#limits, members, wanted, this.#clock.now())
    for (const name of plan.resumes) {
      this.#find(name).life.resume()
      this.#settle(this.#find(name))
    }
    for (const name of plan.stops) this.#find(name).life.beginStop('group')
    for (const name of plan.drains) this.#find(name).life.drain('group')
    for (const name of plan.starts) {
      const waiting = turns.get(name)!
      this.#turns.passTurnOf(waiting.caller.client.id, waiting)
      this.#find(name).life.start(waiting.reason === 'command' ? 'command' : 'call')
      this.#settle(this.#find(name))
    }
    this.#startAtBoot()
    this.#isCrowded = this.#room < 0
    return plan.nextMs
  }

  /** Otherwise another member would be stopped for one that can't start. With room for it the starter looks anew. */
  #refuseUnloadable(): void {
    for (const each of this.#members) {
      if (each.line.length > 0) each.life.refuseIfUnloadable()
    }
  }

  #startAtBoot(): void {
    for (const { life, situation } of this.#members) {
      if (!life.startsNow) continue
      life.startsNow = false
      if (situation.canStart && this.#room > 0) life.start('boot')
    }
  }

  /** The unit of each service that calls wait for a place of, with the call whose turn it is, in the order of their turns. */
  #turnsOfServices(): ReadonlyMap<string, Waiting> {
    const first = new Map<string, Waiting>()
    if (this.#turns.length === 0) return first
    const count = this.#members.filter((each) => each.line.length > 0 && each.state !== 'starting').length
    for (const waiting of this.#turns.inTurn()) {
      const { unit } = waiting.line
      if (!first.has(unit)) first.set(unit, waiting)
      if (first.size === count) break
    }
    return first
  }

  #find(unit: string): Service {
    return this.#members.find((each) => each.unit === unit)!
  }
}
