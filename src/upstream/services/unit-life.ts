// The life of a service's unit: the states that it passes through, by commands and by what its reports mean (judge-report.ts).
//
// The reports are the truth, but they may be older than a command: a start and a stop know which report they can trust
// (start-attempt.ts, stop-command.ts). What is due at which moment is in service-deadlines.ts.
import type { UnitReport } from '../../platform/unit-report.ts'
import { BackOff } from './back-off.ts'
import type { EarlierCalls } from './earlier-calls.ts'
import type { Member } from './group-policy.ts'
import { judgeReport } from './judge-report.ts'
import type { Readiness } from './readiness-probes.ts'
import type { ServiceStateName } from './service-change.ts'
import type { Due, DueSituation } from './service-deadlines.ts'
import type { ServiceParts } from './service-parts.ts'
import { type ServiceDetails, ServiceRecord } from './service-record.ts'
import { ServiceRun, type RunOwner } from './service-run.ts'
import type { ServiceState, ServiceVisit } from './services.ts'
import { StartAttempt, type StartReason } from './start-attempt.ts'
import { endsWithReport, unreachable } from './starter.ts'
import type { StopReason } from './stop-command.ts'
import { loadFaultOf, phaseOf } from './unit-phase.ts'
import { UnitStops } from './unit-stops.ts'

/** The service that has the unit. */
export interface UnitOwner {
  /** Of its provider. */
  readonly name: () => string
  readonly group: () => string | undefined
  /** Where calls go. Undefined: none do any more. */
  readonly origin: () => string | undefined
  /** Something has changed that may concern all members of its group. */
  readonly onChanged: () => void
  /** The last visit has left. On the way of each call. */
  readonly onEmpty: () => void
  /** It has failed, and is not started again for so long. @param result as `NotStarted` has it. */
  readonly onRefused: (result: string, retryAfterMs: number) => void
}

export class UnitLife {
  readonly unit: string
  /** Since when nothing is known of it, and why, as the failure of a call that waits. Undefined: its last report counts. */
  unknown: { readonly sinceMs: number; readonly reason: string } | undefined
  /** Starts as soon as it is known not to run. */
  startsNow = false
  readonly #earlierCalls: EarlierCalls
  readonly #parts: ServiceParts
  readonly #owner: UnitOwner
  readonly #backOff = new BackOff()
  readonly #stops = new UnitStops()
  readonly #record: ServiceRecord
  #report: UnitReport | undefined
  /** While it starts. */
  #attempt: StartAttempt | undefined
  /** The start that was under way when it was stopped last. */
  #stoppedAttempt: StartAttempt | undefined
  /** While it is ready or drains, and after it until its unit is down. */
  #run: ServiceRun | undefined
  #drainReason: Exclude<StopReason, 'failed'> | undefined
  /** While it stops without a command. `failure`: how it ended; undefined: it did not fail. */
  #outsideStop: { readonly failure: string | undefined } | undefined
  /** This gateway has started it, rather than found it running. */
  #isOurs = false
  readonly #runOwner: RunOwner

  constructor(unit: string, earlierCalls: EarlierCalls, parts: ServiceParts, owner: UnitOwner) {
    this.unit = unit
    this.#earlierCalls = earlierCalls
    this.#parts = parts
    this.#owner = owner
    const { now } = parts.clock
    this.#record = new ServiceRecord(parts)
    this.unknown = { sinceMs: now(), reason: unreachable }
    this.#runOwner = { calls: 0, now, onEmpty: (run) => this.#onEmpty(run) }
  }

  get state(): ServiceStateName {
    return this.#record.state
  }

  /** Why it failed last. Undefined: it has been ready since. */
  get failure(): string | undefined {
    return this.#record.failure
  }

  /** After a failure it is not started before, in milliseconds of the monotonic clock. */
  get mayStartAtMs(): number {
    return this.#backOff.untilMs
  }

  /** Whether it runs, starts or stops, or is about to. */
  get holdsPlace(): boolean {
    return (
      this.#stops.command !== undefined ||
      phaseOf(this.#report) !== 'down' ||
      (this.state !== 'stopped' && this.state !== 'failed')
    )
  }

  /** Under way in it. 0 while it is neither ready nor drains. */
  get visits(): number {
    return this.#openRun?.visits ?? 0
  }

  get canStart(): boolean {
    if (this.unknown !== undefined || this.holdsPlace) return false
    return this.state === 'stopped' || this.mayStartAtMs <= this.#now()
  }

  /** Undefined: it is not ready. @param isCall as `ServiceRun.enter`. */
  enter(isCall: boolean): ServiceVisit | undefined {
    return this.state === 'ready' ? this.#run!.enter(isCall) : undefined
  }

  /** Only if it can. */
  start(reason: StartReason): void {
    const attempt = this.#begin(reason)
    this.#isOurs = true
    this.#earlierCalls.forget()
    this.#record.countStart()
    void this.#parts.starter
      .start(this.#owner.name(), this.unit)
      .then((refusal) => this.#onStartAnswer(attempt, refusal))
  }

  /** It cannot be loaded, so no other unit has to make room for it. */
  refuseIfUnloadable(): void {
    const fault = loadFaultOf(this.#report)
    if (fault !== undefined && this.canStart) this.#fail(fault)
  }

  /** It may be started again at once. */
  forgetFailures(): void {
    this.#backOff.reset()
  }

  /** Takes no further calls and stops when the last one has left. */
  drain(reason: 'group' | 'command' | 'removed'): void {
    this.#drainReason = reason
    if (this.state !== 'draining') this.#become('draining', reason)
  }

  /** Goes on after it drained. */
  resume(): void {
    this.#drainReason = undefined
    this.#reopen('resumed')
  }

  /** The configuration has it no longer: one that this gateway has started is stopped once its calls have ended; another is left as it is. */
  onRemoved(): void {
    if (!this.holdsPlace || this.#stops.command !== undefined) return
    if (!this.#isOurs) {
      if (this.#drainsForOthers) this.resume()
      return
    }
    this.#resumeCarriedRun()
    if (this.#run?.isOver === false) this.drain('removed')
    else if (this.state === 'starting') this.beginStop('removed')
  }

  /** The configuration has it: perhaps again, perhaps at another address. */
  onConfigured(): void {
    if (this.state === 'draining' && this.#drainReason === 'removed') this.resume()
    else if (this.state === 'ready' && this.#isElsewhere) this.#probeNewAddress()
  }

  /** Stops it once its calls have ended. @returns why it was refused; undefined: it is stopped. */
  stopByCommand(): Promise<string | undefined> {
    if (!this.holdsPlace) return Promise.resolve(undefined)
    const end = this.#stops.ended()
    this.#resumeCarriedRun()
    if (this.#run !== undefined && !this.#run.isOver) this.drain('command')
    else if (this.#stops.command === undefined) this.beginStop('command')
    return end
  }

  /** At once: only without visits. */
  beginStop(reason: Exclude<StopReason, 'failed'>): void {
    this.#stoppedAttempt = this.#attempt
    this.#endAttempt()
    if (this.#run !== undefined) this.#run.isOver = true
    this.#outsideStop = undefined
    this.#become('stopping', reason)
    this.#sendStop(reason)
  }

  /** On which depends what is due of it. */
  get situation(): Omit<DueSituation, 'isAwaited' | 'startTimeoutMs' | 'stopAfterIdleMs'> {
    return {
      state: this.state,
      isKnown: this.unknown === undefined,
      report: this.#report,
      attempt: this.#attempt,
      run: this.#run,
      stops: this.#stops,
      mayStartAtMs: this.mayStartAtMs,
    }
  }

  onDue(due: Due): void {
    switch (due) {
      case 'start_timeout':
        return this.#fail('timeout')
      case 'start_refused':
        return this.#fail('start-limit-hit')
      case 'stop_done':
        return this.#onStopDone()
      case 'drained':
        return this.beginStop(this.#drainReason!)
      case 'idle':
        return this.beginStop('idle')
      case 'stop_again':
        return this.#sendStop(this.#stops.command?.reason ?? 'failed')
      case 'left_running':
        return this.#adopt()
      default:
        due satisfies never
    }
  }

  onReport(report: UnitReport): void {
    const last = this.#report
    this.#report = report
    this.becomeKnown()
    this.#judge(report, last)
  }

  /** The starter has reported units, whether this one was among them or not. */
  becomeKnown(): void {
    this.unknown = undefined
    if (this.state !== 'failed' || !endsWithReport.has(this.failure!)) return
    this.#backOff.reset()
    if (!this.holdsPlace) this.#become('stopped')
  }

  /** Nothing is known until the next report. @param reason absent: the starter cannot be reached. */
  onLost(reason: string = unreachable): void {
    this.unknown = { sinceMs: this.unknown?.sinceMs ?? this.#now(), reason }
  }

  /** It belongs to the configuration no longer, or the gateway stops; it stays as it is. */
  close(): void {
    this.#endAttempt()
    this.#stops.release('shutting-down')
  }

  asMember(): Omit<Member, 'isKept'> {
    return {
      name: this.unit,
      holdsPlace: this.holdsPlace,
      isLeaving: this.holdsPlace && this.state !== 'ready' && this.state !== 'starting',
      drainsForOthers: this.#drainsForOthers,
      readySinceMs: this.#openRun?.readySinceMs,
      visits: this.visits,
      lastCallEndedMs: this.#run?.lastCallEndedMs,
      mayStopAtMs: this.#stops.mayBeginAtMs,
    }
  }

  describe(): Omit<ServiceState, 'waiting'> {
    const { unknown } = this
    return {
      ...this.#subject,
      ...this.#record.describe(this.mayStartAtMs - this.#now()),
      memoryBytes: phaseOf(this.#report) === 'down' ? undefined : this.#report?.memoryBytes,
      ...(unknown === undefined || unknown.reason === unreachable ? {} : { failure: unknown.reason }),
      stops: this.#stops.count,
    }
  }

  get #openRun(): ServiceRun | undefined {
    return this.state === 'ready' || this.state === 'draining' ? this.#run : undefined
  }

  get #drainsForOthers(): boolean {
    return this.state === 'draining' && this.#drainReason === 'group'
  }

  #now(): number {
    return this.#parts.clock.now()
  }

  #begin(reason: StartReason, before = this.#report): StartAttempt {
    this.startsNow = false
    const attempt: StartAttempt = new StartAttempt(reason, this.#now(), before, {
      clock: this.#parts.clock,
      isReady: () => this.#probe(attempt),
      isUp: () => phaseOf(this.#report) === 'up',
      onEnd: (result) => this.#onProbed(attempt, result),
    })
    this.#attempt = attempt
    this.#endRun()
    this.#outsideStop = undefined
    // A stop that somebody waits for has been overtaken: its unit was down in between.
    this.#stops.forget()
    this.#become('starting', reason)
    return attempt
  }

  /** Never rejects. What it got at an address that has changed meanwhile says nothing of the new one. */
  async #probe(attempt: StartAttempt): Promise<Readiness> {
    const origin = this.#owner.origin()
    const readiness = await this.#parts.isReady(this.#owner.name(), this.#report?.uid)
    if (origin !== this.#owner.origin()) return 'not-yet'
    // The stop that follows would cut them.
    return readiness === 'port-taken' && attempt.hasEarlierCalls ? 'not-yet' : readiness
  }

  /** It runs, and it was not this gateway that has started it. */
  #adopt(reason: 'adopted' | 'restart' = 'adopted', before?: UnitReport): void {
    this.#begin(reason, before)
    if (reason === 'adopted') this.#isOurs = false
    this.#judge(this.#report!, undefined)
  }

  #judge(report: UnitReport, last: UnitReport | undefined): void {
    const stops = this.#stops
    const [attempt, outsideStop, run] = [this.#attempt, this.#outsideStop, this.#run]
    const meaning = judgeReport({ stops, attempt, outsideStop, run }, report, this.#now())
    switch (meaning.kind) {
      case 'nothing':
        return
      case 'up':
        return attempt!.probes.begin()
      case 'stop_done':
        this.#onStopDone()
        if (meaning.isReplaced) this.#adopt()
        return
      case 'stopping':
        run!.isOver = true
        this.#drainReason = undefined
        this.#outsideStop = meaning
        return this.#become('stopping', 'outside')
      case 'stopped':
        return this.#becomeStopped('outside')
      case 'failed':
        return this.#fail(meaning.result)
      case 'restarted':
        return this.#adopt('restart', last)
      case 'unwanted':
        return this.beginStop('command')
      case 'started':
        return this.#adopt()
      default:
        meaning satisfies never
    }
  }

  #onStartAnswer(attempt: StartAttempt, refusal: string | undefined): void {
    if (refusal === undefined) attempt.accept(this.#now())
    else attempt.refuse()
    if (attempt !== this.#attempt) return
    // A command that was lost on its way may have been carried out: what has been seen to start goes on.
    const isLost = refusal === unreachable && attempt.isSeen
    if (refusal !== undefined && !isLost) this.#fail(refusal)
    this.#owner.onChanged()
  }

  #onProbed(attempt: StartAttempt, result: 'ready' | 'port-taken'): void {
    if (result === 'ready') this.#becomeReady(attempt)
    else this.#fail(result)
    this.#owner.onChanged()
  }

  #becomeReady(attempt: StartAttempt): void {
    const tookMs = this.#now() - attempt.sinceMs
    if (attempt.isOwn) this.#record.lastStartMs = tookMs
    this.#endAttempt()
    const [{ invocation }, { carried }] = [this.#report!, attempt]
    if (carried?.invocation === invocation) this.#run = carried
    else {
      if (carried !== undefined) carried.isOver = true
      this.#run = new ServiceRun(invocation, this.#runOwner)
      this.#earlierCalls.enter(this.#run)
    }
    this.#run.origin = this.#owner.origin()
    this.#become('ready', undefined, { tookMs })
  }

  /** Takes calls again, with the run that it has. */
  #reopen(reason: string): void {
    if (this.#isElsewhere) this.#probeNewAddress()
    else this.#become('ready', reason)
  }

  /** Calls go to an address where it has not answered. */
  get #isElsewhere(): boolean {
    const origin = this.#owner.origin()
    return origin !== undefined && origin !== this.#run!.origin
  }

  /** No call goes there before it has answered; those under way go on. */
  #probeNewAddress(): void {
    const run = this.#run!
    this.#begin('address').carried = run
    run.isOver = false
    this.#judge(this.#report!, undefined)
  }

  /** If calls of before it had another address are under way, it can only drain. */
  #resumeCarriedRun(): void {
    if (this.#attempt?.hasEarlierCalls !== true) return
    this.#run = this.#attempt.carried
    this.#endAttempt()
  }

  #endAttempt(): void {
    this.#attempt?.probes.end()
    this.#attempt = undefined
  }

  /** Who waits is refused, unless it may be started again at once. A unit that may still run is stopped, so that the manager's restarts leave the pause alone. */
  #fail(result: string): void {
    const mayRun = phaseOf(this.#report) !== 'down' || this.#attempt?.mayStillStart(this.#now()) === true
    const workedMs = this.#workedMs()
    this.#endRun()
    this.#endAttempt()
    const retryAfterMs = this.#backOff.fail(this.#now(), workedMs)
    this.#become('failed', result, { retryAfterMs })
    if (retryAfterMs > 0) this.#owner.onRefused(result, retryAfterMs)
    if (mayRun) this.#sendStop('failed')
    else this.#stops.release(undefined)
  }

  #becomeStopped(reason: StopReason | 'outside'): void {
    this.#backOff.end(this.#workedMs())
    this.#endRun()
    this.#endAttempt()
    this.#become('stopped', reason)
    this.#stops.release(undefined)
  }

  #workedMs(): number {
    return this.#run === undefined ? 0 : this.#now() - this.#run.readySinceMs
  }

  /** With one that an attempt carries. */
  #endRun(): void {
    for (const run of [this.#run, this.#attempt?.carried]) if (run !== undefined) run.isOver = true
    this.#run = undefined
    this.#outsideStop = undefined
    this.#drainReason = undefined
  }

  #sendStop(reason: StopReason): void {
    const stop = this.#stops.begin(reason, this.#report)
    void this.#parts.starter.stop(this.#owner.name(), this.unit).then((refusal) => {
      if (stop !== this.#stops.command) return
      if (refusal === undefined) stop.accept(this.#now())
      else this.#onStopRefused(refusal)
      this.#owner.onChanged()
    })
  }

  /** A unit that was ready still is, and one that was about to start still starts; what has failed is stopped later. */
  #onStopRefused(refusal: string): void {
    this.#stops.refuse(refusal, this.state === 'failed' ? this.#report?.invocation : undefined, this.#now())
    if (this.state !== 'stopping') return
    const [run, stopped] = [this.#run, this.#stoppedAttempt]
    this.#drainReason = undefined
    if (run !== undefined && phaseOf(this.#report) === 'up') {
      run.isOver = false
      this.#reopen(refusal)
    } else if (phaseOf(this.#report) !== 'down') this.#adopt()
    else if (stopped?.mayStillStart(this.#now()) === true) this.#begin('command').accept(this.#now())
    else this.#becomeStopped('command')
  }

  #onStopDone(): void {
    const { reason } = this.#stops.command!
    this.#stops.finish()
    if (this.state === 'stopping') this.#becomeStopped(reason)
    else this.#stops.release(undefined)
  }

  #onEmpty(run: ServiceRun): void {
    if (run === this.#run) this.#owner.onEmpty()
    else if (run === this.#attempt?.carried) this.#owner.onChanged()
  }

  #become(to: ServiceStateName, ...more: [reason?: string, details?: ServiceDetails]): void {
    this.#record.become(to, this.#subject, ...more)
  }

  get #subject() {
    const { name, group } = this.#owner
    return { provider: name(), unit: this.unit, group: group(), calls: this.#runOwner.calls }
  }
}
