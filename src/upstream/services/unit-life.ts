// The life of a service's unit: the states that it passes through, by commands and by what its reports mean (judge-report.ts).
//
// The reports are the truth, but they may be older than a command: a start and a stop know which report they can trust
// (start-attempt.ts, stop-command.ts). What is due at which moment is in service-deadlines.ts.
import type { UnitReport } from '../../platform/unit-report.ts'
import type { EarlierCalls } from './earlier-calls.ts'
import { judgeReport } from './judge-report.ts'
import type { Readiness } from './readiness-probes.ts'
import type { ServiceStateName } from './service-change.ts'
import type { Due } from './service-deadlines.ts'
import type { ServiceParts } from './service-parts.ts'
import type { ServiceDetails } from './service-record.ts'
import { ServiceRun, type RunOwner } from './service-run.ts'
import type { ServiceVisit } from './services.ts'
import { StartAttempt, type StartReason } from './start-attempt.ts'
import { endsWithReport, unreachable } from './starter.ts'
import type { StopReason } from './stop-command.ts'
import { loadFaultOf } from './unit-phase.ts'
import type { DrainReason, UnitSituation } from './unit-situation.ts'

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
  /** Starts as soon as it is known not to run. */
  startsNow = false
  readonly #unit: UnitSituation
  readonly #earlierCalls: EarlierCalls
  readonly #parts: ServiceParts
  readonly #owner: UnitOwner
  readonly #runOwner: RunOwner

  constructor(unit: UnitSituation, earlierCalls: EarlierCalls, parts: ServiceParts, owner: UnitOwner) {
    this.#unit = unit
    this.#earlierCalls = earlierCalls
    this.#parts = parts
    this.#owner = owner
    this.#runOwner = { calls: 0, now: parts.clock.now, onEmpty: (run) => this.#onEmpty(run) }
  }

  /** In all of its runs. */
  get calls(): number {
    return this.#runOwner.calls
  }

  /** Undefined: it is not ready. @param isCall as `ServiceRun.enter`. */
  enter(isCall: boolean): ServiceVisit | undefined {
    return this.#unit.state === 'ready' ? this.#unit.run!.enter(isCall) : undefined
  }

  /** Only if it can. */
  start(reason: StartReason): void {
    const attempt = this.#begin(reason)
    this.#unit.isOurs = true
    this.#earlierCalls.forget()
    this.#unit.record.countStart()
    void this.#parts.starter
      .start(this.#owner.name(), this.#unit.unit)
      .then((refusal) => this.#onStartAnswer(attempt, refusal))
  }

  /** It cannot be loaded, so no other unit has to make room for it. */
  refuseIfUnloadable(): void {
    const fault = loadFaultOf(this.#unit.report)
    if (fault !== undefined && this.#unit.canStart) this.#fail(fault)
  }

  /** It may be started again at once. */
  forgetFailures(): void {
    this.#unit.backOff.reset()
  }

  /** Takes no further calls and stops when the last one has left. */
  drain(reason: DrainReason): void {
    this.#unit.drainReason = reason
    if (this.#unit.state !== 'draining') this.#become('draining', reason)
  }

  /** Goes on after it drained. */
  resume(): void {
    this.#unit.drainReason = undefined
    this.#reopen('resumed')
  }

  /** The configuration has it no longer: one that this gateway has started is stopped once its calls have ended; another is left as it is. */
  onRemoved(): void {
    const { holdsPlace, stops, isOurs, drainsForOthers } = this.#unit
    if (!holdsPlace || stops.command !== undefined) return
    const hasEarlierCalls = this.#unit.resumeCarriedRun()
    if (!isOurs) {
      if (drainsForOthers || hasEarlierCalls) this.resume()
      return
    }
    if (this.#unit.run?.isOver === false) this.drain('removed')
    else if (this.#unit.state === 'starting') this.beginStop('removed')
  }

  /** The configuration has it: perhaps again, perhaps at another address. */
  onConfigured(): void {
    const { state, drainReason } = this.#unit
    if (state === 'draining' && drainReason === 'removed') this.resume()
    else if (state === 'ready' && this.#isElsewhere) this.#probeNewAddress()
  }

  /** Stops it once its calls have ended. @returns why it was refused; undefined: it is stopped. */
  stopByCommand(): Promise<string | undefined> {
    if (!this.#unit.holdsPlace) return Promise.resolve(undefined)
    const end = this.#unit.stops.ended()
    this.#unit.resumeCarriedRun()
    if (this.#unit.run?.isOver === false) this.drain('command')
    else if (this.#unit.stops.command === undefined) this.beginStop('command')
    return end
  }

  /** At once: only without visits. */
  beginStop(reason: Exclude<StopReason, 'failed'>): void {
    this.#unit.stoppedAttempt = this.#unit.attempt
    this.#unit.endAttempt()
    if (this.#unit.run !== undefined) this.#unit.run.isOver = true
    this.#unit.outsideStop = undefined
    this.#become('stopping', reason)
    this.#sendStop(reason)
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
        return this.beginStop(this.#unit.drainReason!)
      case 'idle':
        return this.beginStop('idle')
      case 'stop_again':
        return this.#sendStop(this.#unit.stops.command?.reason ?? 'failed')
      case 'left_running':
        return this.#adopt()
      default:
        due satisfies never
    }
  }

  onReport(report: UnitReport): void {
    const last = this.#unit.report
    this.#unit.report = report
    this.becomeKnown()
    this.#judge(report, last)
  }

  /** The starter has reported units, whether this one was among them or not. */
  becomeKnown(): void {
    this.#unit.unknown = undefined
    if (this.#unit.state !== 'failed' || !endsWithReport.has(this.#unit.failure!)) return
    this.#unit.backOff.reset()
    if (!this.#unit.holdsPlace) this.#become('stopped')
  }

  /** Nothing is known until the next report. @param reason absent: the starter cannot be reached. */
  onLost(reason: string = unreachable): void {
    this.#unit.unknown = { sinceMs: this.#unit.unknown?.sinceMs ?? this.#now(), reason }
  }

  /** It belongs to the configuration no longer, or the gateway stops; it stays as it is. */
  close(): void {
    this.#unit.endAttempt()
    this.#unit.stops.release('shutting-down')
  }

  #now(): number {
    return this.#parts.clock.now()
  }

  #begin(reason: StartReason, before = this.#unit.report): StartAttempt {
    this.startsNow = false
    const attempt: StartAttempt = new StartAttempt(reason, this.#now(), before, {
      clock: this.#parts.clock,
      isReady: () => this.#probe(attempt),
      isUp: () => this.#unit.phase === 'up',
      onEnd: (result) => this.#onProbed(attempt, result),
    })
    this.#unit.attempt = attempt
    this.#unit.endRun()
    // A stop that somebody waits for has been overtaken: its unit was down in between.
    this.#unit.stops.forget()
    this.#become('starting', reason)
    return attempt
  }

  /** Never rejects. What it got at an address that has changed meanwhile says nothing of the new one. */
  async #probe(attempt: StartAttempt): Promise<Readiness> {
    const origin = this.#owner.origin()
    const readiness = await this.#parts.isReady(this.#owner.name(), this.#unit.report?.uid)
    if (origin !== this.#owner.origin()) return 'not-yet'
    // The stop that follows would cut them.
    return readiness === 'port-taken' && attempt.hasEarlierCalls ? 'not-yet' : readiness
  }

  /** It runs, and it was not this gateway that has started it. */
  #adopt(reason: 'adopted' | 'restart' = 'adopted', before?: UnitReport): void {
    this.#begin(reason, before)
    if (reason === 'adopted') this.#unit.isOurs = false
    this.#judge(this.#unit.report!, undefined)
  }

  #judge(report: UnitReport, last: UnitReport | undefined): void {
    const { attempt, run } = this.#unit
    const meaning = judgeReport(this.#unit, report, this.#now())
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
        this.#unit.drainReason = undefined
        this.#unit.outsideStop = meaning
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
    if (attempt !== this.#unit.attempt) return
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
    if (attempt.isOwn) this.#unit.record.lastStartMs = tookMs
    this.#unit.endAttempt()
    const { invocation } = this.#unit.report!
    let run = attempt.carried
    if (run?.invocation !== invocation) {
      if (run !== undefined) run.isOver = true
      run = new ServiceRun(invocation, this.#runOwner)
      this.#earlierCalls.enter(run)
    }
    run.origin = this.#owner.origin()
    this.#unit.run = run
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
    return origin !== undefined && origin !== this.#unit.run!.origin
  }

  /** No call goes there before it has answered; those under way go on. */
  #probeNewAddress(): void {
    const run = this.#unit.run!
    this.#begin('address').carried = run
    run.isOver = false
    this.#judge(this.#unit.report!, undefined)
  }

  /** Who waits is refused, unless it may be started again at once. A unit that may still run is stopped, so that the manager's restarts leave the pause alone. */
  #fail(result: string): void {
    const mayRun = this.#unit.phase !== 'down' || this.#unit.attempt?.mayStillStart(this.#now()) === true
    const { workedMs } = this.#unit
    this.#unit.endRun()
    this.#unit.endAttempt()
    const retryAfterMs = this.#unit.backOff.fail(this.#now(), workedMs)
    this.#become('failed', result, { retryAfterMs })
    if (retryAfterMs > 0) this.#owner.onRefused(result, retryAfterMs)
    if (mayRun) this.#sendStop('failed')
    else this.#unit.stops.release(undefined)
  }

  #becomeStopped(reason: StopReason | 'outside'): void {
    this.#unit.backOff.end(this.#unit.workedMs)
    this.#unit.endRun()
    this.#unit.endAttempt()
    this.#become('stopped', reason)
    this.#unit.stops.release(undefined)
  }

  #sendStop(reason: StopReason): void {
    const stop = this.#unit.stops.begin(reason, this.#unit.report)
    void this.#parts.starter.stop(this.#owner.name(), this.#unit.unit).then((refusal) => {
      if (stop !== this.#unit.stops.command) return
      if (refusal === undefined) stop.accept(this.#now())
      else this.#onStopRefused(refusal)
      this.#owner.onChanged()
    })
  }

  /** A unit that was ready still is, and one that was about to start still starts; what has failed is stopped later. */
  #onStopRefused(refusal: string): void {
    const { state, phase, report, run, stoppedAttempt } = this.#unit
    this.#unit.stops.refuse(refusal, state === 'failed' ? report?.invocation : undefined, this.#now())
    if (state !== 'stopping') return
    this.#unit.drainReason = undefined
    if (run !== undefined && phase === 'up') {
      run.isOver = false
      this.#reopen(refusal)
    } else if (phase !== 'down') this.#adopt()
    else if (stoppedAttempt?.mayStillStart(this.#now()) === true) this.#begin('command').accept(this.#now())
    else this.#becomeStopped('command')
  }

  #onStopDone(): void {
    const { reason } = this.#unit.stops.command!
    this.#unit.stops.finish()
    if (this.#unit.state === 'stopping') this.#becomeStopped(reason)
    else this.#unit.stops.release(undefined)
  }

  #onEmpty(run: ServiceRun): void {
    if (run === this.#unit.run) this.#owner.onEmpty()
    else if (run === this.#unit.attempt?.carried) this.#owner.onChanged()
  }

  #become(to: ServiceStateName, ...more: [reason?: string, details?: ServiceDetails]): void {
    this.#unit.record.become(to, this.#subject, ...more)
  }

  get #subject() {
    const { name, group } = this.#owner
    return { provider: name(), unit: this.#unit.unit, group: group(), calls: this.calls }
  }
}
