// One service, which is one unit whatever the configuration calls it: the states that it passes through, by commands and by what the
// reports of its unit mean (judge-report.ts).
//
// The reports are the truth, but they may be older than a command: a start and a stop know which report they can trust
// (start-attempt.ts, stop-command.ts). What is due at which moment is in service-deadlines.ts.
import { isDeepStrictEqual } from 'node:util'
import type { ServiceConfig } from '../../config/service-types.ts'
import type { UnitReport } from '../../platform/unit-report.ts'
import { BackOff } from './back-off.ts'
import type { EarlierCalls } from './earlier-calls.ts'
import type { Member } from './group-policy.ts'
import { judgeReport } from './judge-report.ts'
import type { ServiceStateName } from './service-change.ts'
import { type Deadline, deadlines } from './service-deadlines.ts'
import { ServiceLine } from './service-line.ts'
import type { NewService, ServedProvider, ServiceParts } from './service-parts.ts'
import { type ServiceDetails, ServiceRecord } from './service-record.ts'
import { ServiceRun, type RunOwner } from './service-run.ts'
import type { NotStarted, ServiceState, ServiceVisit } from './services.ts'
import { StartAttempt, type StartReason } from './start-attempt.ts'
import { endsWithReport, unreachable } from './starter.ts'
import type { StopReason } from './stop-command.ts'
import { loadFaultOf, phaseOf } from './unit-phase.ts'
import { UnitStops } from './unit-stops.ts'

/** When a call that was refused by a command to stop may try again. */
const stoppedRetryMs = 1000

/** The group that a service is in. */
export interface ServiceWatcher {
  /** Something has changed that may concern all members. */
  readonly onChanged: (service: Service) => void
  /** The last visit has left. On the way of each call. */
  readonly onEmpty: (service: Service) => void
}

export class Service {
  readonly unit: string
  readonly line: ServiceLine
  /** Of the configuration. Undefined: it has none. */
  group: string | undefined
  readonly earlierCalls: EarlierCalls
  /** Since when nothing is known of its unit, and why, as the failure of a call that waits. Undefined: its last report counts. */
  unknown: { readonly sinceMs: number; readonly reason: string } | undefined
  /** Starts as soon as it is known not to run. */
  startsNow = false
  readonly #parts: ServiceParts
  readonly #watcher: ServiceWatcher
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
  /** While its unit stops without a command. `failure`: how it ended; undefined: it did not fail. */
  #outsideStop: { readonly failure: string | undefined } | undefined
  #provider: ServedProvider
  /** This gateway has started its unit, rather than found it running. */
  #isOurs = false
  #isRetired = false
  readonly #runOwner: RunOwner

  constructor({ provider, earlierCalls }: NewService, parts: ServiceParts, watcher: ServiceWatcher) {
    this.earlierCalls = earlierCalls
    this.unit = provider.service.unit
    this.#provider = provider
    this.#parts = parts
    this.#watcher = watcher
    const { now } = parts.clock
    this.#record = new ServiceRecord(parts)
    this.line = new ServiceLine(provider.service.unit, now, () => this.#onChanged())
    this.unknown = { sinceMs: now(), reason: unreachable }
    this.#runOwner = { calls: 0, now, onEmpty: (run) => this.#onEmpty(run) }
  }

  get name(): string {
    return this.#provider.name
  }

  get config(): ServiceConfig {
    return this.#provider.service
  }

  get state(): ServiceStateName {
    return this.#record.state
  }

  /** Whether its unit runs, starts or stops, or is about to. */
  get holdsPlace(): boolean {
    return (
      this.#stops.command !== undefined ||
      phaseOf(this.#report) !== 'down' ||
      (this.state !== 'stopped' && this.state !== 'failed')
    )
  }

  /** Of one that was retired: its unit is about to be down, or has calls that must not be cut if the service comes back. */
  get isLeaving(): boolean {
    if (!this.#isRetired || !this.holdsPlace || this.state === 'starting') return false
    return this.state !== 'ready' || this.#run!.visits > 0
  }

  /** Goes over to a configuration with the same unit, which may have it under another name, or start another command with it next time. */
  follow(provider: ServedProvider): void {
    const { origin, service } = this.#provider
    this.#provider = provider
    if (!isDeepStrictEqual(service.run, this.config.run)) this.forgetFailures()
    const wasRetired = this.#isRetired
    this.#isRetired = false
    if (wasRetired && this.state === 'draining' && this.#drainReason === 'removed') this.resume()
    if (origin !== provider.origin && this.state === 'ready') this.#probeNewAddress()
  }

  /** No call goes to its new address before the server has answered there; those under way go on. */
  #probeNewAddress(): void {
    const run = this.#run!
    this.#begin('address').carried = run
    run.isOver = false
    this.#judge(this.#report!, undefined)
  }

  /** If calls of before it had another address are under way, it can only drain. */
  #resumeCarriedRun(): void {
    const run = this.#attempt?.carried
    if (run === undefined || run.visits === 0) return
    this.#endAttempt()
    this.#run = run
  }

  /** The configuration has it no longer. A unit that this gateway has started is stopped once its calls have ended; another is left as it is. */
  retire(): void {
    this.#isRetired = true
    if (!this.holdsPlace || this.#stops.command !== undefined) return
    if (this.#isOurs) this.#resumeCarriedRun()
    if (!this.#isOurs && this.asMember().drainsForOthers) this.resume()
    else if (this.#isOurs && this.#run?.isOver === false) this.drain('removed')
    else if (this.#isOurs && this.state === 'starting') this.beginStop('removed')
  }

  /** @param isCall as `ServiceRun.enter`. */
  enterIfOpen(isCall = true): ServiceVisit | undefined {
    return this.state === 'ready' ? this.#run!.enter(isCall) : undefined
  }

  /** Why no call may wait for it. Undefined: one may. */
  refusal(): NotStarted | undefined {
    const waitMs = this.#backOff.untilMs - this.#now()
    return this.state === 'failed' && waitMs > 0 ? this.failure(this.#record.failure!, waitMs) : undefined
  }

  failure(result: string, retryAfterMs: number): NotStarted {
    return { unit: this.unit, result, retryAfterMs: Math.ceil(retryAfterMs) }
  }

  canStart(): boolean {
    if (!this.#isKnown || this.holdsPlace) return false
    return this.state === 'stopped' || this.#backOff.untilMs <= this.#now()
  }

  /** Only if it can. */
  start(reason: StartReason): void {
    const attempt = this.#begin(reason)
    this.#isOurs = true
    this.earlierCalls.forget()
    this.#record.countStart()
    void this.#parts.starter
      .start(this.name, this.unit)
      .then((refusal) => this.#onStartAnswer(attempt, refusal))
  }

  /** Its unit cannot be loaded, so no other member has to make room for it. */
  refuseIfUnloadable(): void {
    const fault = loadFaultOf(this.#report)
    if (fault !== undefined && this.canStart()) this.#fail(fault)
  }

  /** A person wants it to start, whatever has failed before. */
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
    this.#become('ready', 'resumed')
  }

  /** Calls that wait for it already are refused, so that it stays stopped until the next one. @returns why it was refused; undefined: it is stopped. */
  stopByCommand(): Promise<string | undefined> {
    this.line.endAll({ kind: 'not_started', failure: this.failure('stopped', stoppedRetryMs) })
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

  /** Does what is due first. The group calls it at `nextMs` and after each change. */
  tick(): void {
    const nowMs = this.#now()
    const due = this.#deadlines().find(([atMs]) => atMs <= nowMs)?.[1]
    switch (due) {
      case undefined:
        return
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

  /** When it is to be looked at again, in milliseconds of the monotonic clock. Infinity: never, if nothing happens. */
  nextMs(): number {
    return Math.min(...this.#deadlines().map(([atMs]) => atMs))
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
    if (this.state !== 'failed' || !endsWithReport.has(this.#record.failure!)) return
    this.#backOff.reset()
    if (!this.holdsPlace) this.#become('stopped')
  }

  /** Nothing is known until the next report. @param reason absent: the starter cannot be reached. */
  onLost(reason: string = unreachable): void {
    this.unknown = { sinceMs: this.unknown?.sinceMs ?? this.#now(), reason }
  }

  /** It belongs to the configuration no longer, or the gateway stops; its unit stays as it is. */
  close(): void {
    this.#endAttempt()
    this.#stops.release('shutting-down')
  }

  asMember(): Member {
    const isOpen = this.state === 'ready' || this.state === 'draining'
    return {
      name: this.unit,
      isKept: this.#isKept,
      holdsPlace: this.holdsPlace,
      isLeaving: this.holdsPlace && this.state !== 'ready' && this.state !== 'starting',
      drainsForOthers: this.state === 'draining' && this.#drainReason === 'group',
      readySinceMs: isOpen ? this.#run!.readySinceMs : undefined,
      visits: isOpen ? this.#run!.visits : 0,
      lastCallEndedMs: this.#run?.lastCallEndedMs,
      mayStopAtMs: this.#stops.mayBeginAtMs,
    }
  }

  describe(): ServiceState {
    return {
      ...this.#subject,
      ...this.#record.describe(this.#backOff.untilMs - this.#now()),
      waiting: this.line.calls,
      memoryBytes: phaseOf(this.#report) === 'down' ? undefined : this.#report?.memoryBytes,
      ...(this.#isKnown || this.unknown?.reason === unreachable ? {} : { failure: this.unknown?.reason }),
      stops: this.#stops.count,
    }
  }

  #now(): number {
    return this.#parts.clock.now()
  }

  get #isKept(): boolean {
    return this.config.isKept || this.#isRetired
  }

  get #isKnown(): boolean {
    return this.unknown === undefined
  }

  #onChanged(): void {
    this.#watcher.onChanged(this)
  }

  #begin(reason: StartReason, before = this.#report): StartAttempt {
    this.startsNow = false
    const attempt: StartAttempt = new StartAttempt(reason, this.#now(), before, {
      clock: this.#parts.clock,
      isReady: () => this.#parts.isReady(this.name, this.#report?.uid),
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

  /** Its unit runs, and it was not this gateway that has started it. */
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
    this.#onChanged()
  }

  #onProbed(attempt: StartAttempt, result: 'ready' | 'port-taken'): void {
    if (result === 'ready') this.#becomeReady(attempt)
    else this.#fail(result)
    this.#onChanged()
  }

  #becomeReady(attempt: StartAttempt): void {
    const tookMs = this.#now() - attempt.sinceMs
    if (attempt.isOwn) this.#record.lastStartMs = tookMs
    this.#endAttempt()
    const [{ invocation }, { carried }] = [this.#report!, attempt]
    if (carried?.invocation === invocation) this.#run = carried
    else {
      this.#run = new ServiceRun(invocation, this.#runOwner)
      this.earlierCalls.enter(this.#run)
    }
    this.#become('ready', undefined, { tookMs })
  }

  #endAttempt(): void {
    this.#attempt?.probes.end()
    this.#attempt = undefined
  }

  /** Who waits is refused, unless it may be started again at once. A unit that may still run is stopped, so that the manager's restarts leave the pause alone. */
  #fail(result: string): void {
    const mayRun = phaseOf(this.#report) !== 'down' || this.#attempt?.mayStillStart(this.#now()) === true
    const workedMs = this.#workedMs()
    this.#endAttempt()
    this.#endRun()
    const retryAfterMs = this.#backOff.fail(this.#now(), workedMs)
    this.#become('failed', result, { retryAfterMs })
    const failure = this.failure(result, retryAfterMs)
    if (retryAfterMs > 0) this.line.endAll({ kind: 'not_started', failure })
    if (mayRun) this.#sendStop('failed')
    else this.#stops.release(undefined)
  }

  #becomeStopped(reason: StopReason | 'outside'): void {
    this.#backOff.end(this.#workedMs())
    this.#endAttempt()
    this.#endRun()
    this.#become('stopped', reason)
    this.#stops.release(undefined)
  }

  #workedMs(): number {
    return this.#run === undefined ? 0 : this.#now() - this.#run.readySinceMs
  }

  #endRun(): void {
    if (this.#run !== undefined) this.#run.isOver = true
    this.#run = undefined
    this.#outsideStop = undefined
    this.#drainReason = undefined
  }

  #sendStop(reason: StopReason): void {
    const stop = this.#stops.begin(reason, this.#report)
    void this.#parts.starter.stop(this.name, this.unit).then((refusal) => {
      if (stop !== this.#stops.command) return
      if (refusal === undefined) stop.accept(this.#now())
      else this.#onStopRefused(refusal)
      this.#onChanged()
    })
  }

  /** A service that was ready still is, and one that was about to start still starts; what has failed is stopped later. */
  #onStopRefused(refusal: string): void {
    this.#stops.refuse(refusal, this.state === 'failed' ? this.#report?.invocation : undefined, this.#now())
    if (this.state !== 'stopping') return
    const [run, stopped] = [this.#run, this.#stoppedAttempt]
    this.#drainReason = undefined
    if (run !== undefined && phaseOf(this.#report) === 'up') {
      run.isOver = false
      this.#become('ready', refusal)
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

  #deadlines(): readonly Deadline[] {
    const { startTimeoutMs, stopAfterIdleMs } = this.config
    return deadlines({
      state: this.state,
      isKnown: this.#isKnown,
      report: this.#report,
      attempt: this.#attempt,
      run: this.#run,
      stops: this.#stops,
      mayStartAtMs: this.#backOff.untilMs,
      isAwaited: this.line.length > 0,
      startTimeoutMs,
      stopAfterIdleMs: this.#isKept ? undefined : stopAfterIdleMs,
    })
  }

  #onEmpty(run: ServiceRun): void {
    if (run === this.#run) this.#watcher.onEmpty(this)
    else if (run === this.#attempt?.carried) this.#onChanged()
  }

  #become(to: ServiceStateName, ...more: [reason?: string, details?: ServiceDetails]): void {
    this.#record.become(to, this.#subject, ...more)
  }

  get #subject() {
    return { provider: this.name, unit: this.unit, group: this.group, calls: this.#runOwner.calls }
  }
}
