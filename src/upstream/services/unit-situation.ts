// What the unit of a service is in the middle of, and what is known of it. unit-life.ts changes it; what follows from it is said here.
import type { UnitReport } from '../../platform/unit-report.ts'
import { BackOff } from './back-off.ts'
import type { Member } from './group-policy.ts'
import type { ServiceStateName } from './service-change.ts'
import type { ServiceParts } from './service-parts.ts'
import { ServiceRecord } from './service-record.ts'
import type { ServiceRun } from './service-run.ts'
import type { ServiceState } from './services.ts'
import type { StartAttempt } from './start-attempt.ts'
import { unreachable } from './starter.ts'
import type { StopReason } from './stop-command.ts'
import { phaseOf, type UnitPhase } from './unit-phase.ts'
import { UnitStops } from './unit-stops.ts'

/** Why it may drain. */
export type DrainReason = Exclude<StopReason, 'failed' | 'idle'>

export class UnitSituation {
  /** The unit's name. */
  readonly unit: string
  /** Since when nothing is known of it, and why, as the failure of a call that waits. Undefined: its last report counts. */
  unknown: { readonly sinceMs: number; readonly reason: string } | undefined
  report: UnitReport | undefined
  /** While it starts. */
  attempt: StartAttempt | undefined
  /** The start that was under way when it was stopped last. */
  stoppedAttempt: StartAttempt | undefined
  /** While it is ready or drains, and after it until it is down. */
  run: ServiceRun | undefined
  drainReason: DrainReason | undefined
  /** While it stops without a command. `failure`: how it ended; undefined: it did not fail. */
  outsideStop: { readonly failure: string | undefined } | undefined
  /** This gateway has started it, rather than found it running. */
  isOurs = false
  readonly stops = new UnitStops()
  readonly backOff = new BackOff()
  readonly record: ServiceRecord
  readonly #now: () => number

  constructor(unit: string, parts: Pick<ServiceParts, 'clock' | 'lastProbe' | 'onChange'>) {
    this.unit = unit
    this.#now = parts.clock.now
    this.record = new ServiceRecord(parts)
    this.unknown = { sinceMs: this.#now(), reason: unreachable }
  }

  get state(): ServiceStateName {
    return this.record.state
  }

  /** Why it failed last. Undefined: it has been ready since. */
  get failure(): string | undefined {
    return this.record.failure
  }

  get isKnown(): boolean {
    return this.unknown === undefined
  }

  get phase(): UnitPhase {
    return phaseOf(this.report)
  }

  /** After a failure it is not started before, in milliseconds of the monotonic clock. */
  get mayStartAtMs(): number {
    return this.backOff.untilMs
  }

  /** Whether it runs, starts or stops, or is about to. */
  get holdsPlace(): boolean {
    const isAtRest = this.state === 'stopped' || this.state === 'failed'
    return this.stops.command !== undefined || this.phase !== 'down' || !isAtRest
  }

  get canStart(): boolean {
    if (!this.isKnown || this.holdsPlace) return false
    return this.state === 'stopped' || this.mayStartAtMs <= this.#now()
  }

  /** Its place becomes free by itself: it drains or stops. */
  get isLeaving(): boolean {
    return this.holdsPlace && this.state !== 'ready' && this.state !== 'starting'
  }

  get drainsForOthers(): boolean {
    return this.state === 'draining' && this.drainReason === 'group'
  }

  /** Under way in it. 0 while it is neither ready nor drains. */
  get visits(): number {
    return this.#openRun?.visits ?? 0
  }

  /** How long it has worked since it was ready, in milliseconds. 0: it was not. */
  get workedMs(): number {
    return this.run === undefined ? 0 : this.#now() - this.run.readySinceMs
  }

  endAttempt(): void {
    this.attempt?.probes.end()
    this.attempt = undefined
  }

  /** With one that an attempt carries. */
  endRun(): void {
    for (const run of [this.run, this.attempt?.carried]) if (run !== undefined) run.isOver = true
    this.run = undefined
    this.outsideStop = undefined
    this.drainReason = undefined
  }

  /** If calls of before it had another address are under way, it can only drain. @returns whether there are. */
  resumeCarriedRun(): boolean {
    if (this.attempt?.hasEarlierCalls !== true) return false
    this.run = this.attempt.carried
    this.endAttempt()
    return true
  }

  asMember(): Omit<Member, 'isKept'> {
    return {
      name: this.unit,
      holdsPlace: this.holdsPlace,
      isLeaving: this.isLeaving,
      drainsForOthers: this.drainsForOthers,
      readySinceMs: this.#openRun?.readySinceMs,
      visits: this.visits,
      lastCallEndedMs: this.run?.lastCallEndedMs,
      mayStopAtMs: this.stops.mayBeginAtMs,
    }
  }

  describe(): Omit<ServiceState, 'provider' | 'unit' | 'group' | 'calls' | 'waiting'> {
    const { unknown } = this
    return {
      ...this.record.describe(this.mayStartAtMs - this.#now()),
      memoryBytes: this.phase === 'down' ? undefined : this.report?.memoryBytes,
      ...(unknown === undefined || unknown.reason === unreachable ? {} : { failure: unknown.reason }),
      stops: this.stops.count,
    }
  }

  get #openRun(): ServiceRun | undefined {
    return this.state === 'ready' || this.state === 'draining' ? this.run : undefined
  }
}
