// One service: the states that it passes through, and what the reports of its unit mean in each of them.
//
// The reports are the truth, but they may be older than a command: a start and a stop know which report they can trust
// (start-attempt.ts, stop-command.ts). What is done at which moment is decided in `tick`, which the group calls.
import type { ServiceConfig } from '../../config/service-types.ts'
import type { Clock } from '../../platform/clock.ts'
import type { UnitReport } from '../../platform/unit-report.ts'
import { BackOff } from './back-off.ts'
import type { Member } from './group-policy.ts'
import type { ServiceChange, ServiceStateName } from './service-change.ts'
import type { Readiness } from './readiness-probes.ts'
import { ServiceLine } from './service-line.ts'
import { ServiceRun, type RunOwner } from './service-run.ts'
import type { NotStarted, ServiceState, ServiceVisit } from './services.ts'
import { StartAttempt, type StartReason } from './start-attempt.ts'
import { endsWithReport, type Starter, unreachable } from './starter.ts'
import { StopCommand, type StopReason } from './stop-command.ts'
import { failureOf, phaseOf } from './unit-phase.ts'

export interface ServiceParts {
  readonly starter: Pick<Starter, 'start' | 'stop'>
  /** One probe of a provider's server. Never rejects. @param uid of its unit, as it is reported. */
  readonly isReady: (provider: string, uid: number | undefined) => Promise<Readiness>
  readonly clock: Clock
  readonly onChange?: ((change: ServiceChange) => void) | undefined
}

/** The group that a service is in. */
export interface ServiceWatcher {
  /** Something has changed that may concern all members. */
  readonly onMoved: (service: Service) => void
  /** The last visit has left. On the way of each call. */
  readonly onEmpty: (service: Service) => void
}

export class Service {
  readonly name: string
  readonly line: ServiceLine
  config: ServiceConfig
  /** Of the configuration. Undefined: it has none. */
  group: string | undefined
  /** Starts as soon as it is known not to run. */
  startsNow = false
  readonly #parts: ServiceParts
  readonly #watcher: ServiceWatcher
  readonly #backOff = new BackOff()
  readonly #stopBackOff = new BackOff()
  #state: ServiceStateName = 'stopped'
  #sinceMs: number
  #report: UnitReport | undefined
  /** The last report, or that there is none, cannot be relied on since this moment. Undefined: it can. */
  #unknownSinceMs: number | undefined
  #unknownReason = unreachable
  /** While it starts. */
  #attempt: StartAttempt | undefined
  /** The start that was under way when it was stopped last. */
  #stoppedAttempt: StartAttempt | undefined
  /** While it is ready or drains, and after it until its unit is down. */
  #run: ServiceRun | undefined
  /** From the command until the unit is down, while it stops or after it has failed. */
  #stop: StopCommand | undefined
  #drainReason: Exclude<StopReason, 'failed'> | undefined
  /** Of a unit that stops without a command: how it ended. Undefined: it did not fail. */
  #outsideFailure: string | undefined
  #failure: string | undefined
  #lastStartMs: number | undefined
  /** The invocation of a unit that has failed and could not be stopped. */
  #unstopped: string | undefined
  readonly #counts = { starts: 0, stops: 0, failures: 0 }
  /** Called when a stop has come to its end, with the reason if it was refused. */
  readonly #onStopped: ((refusal: string | undefined) => void)[] = []
  readonly #runOwner: RunOwner

  constructor(name: string, config: ServiceConfig, parts: ServiceParts, watcher: ServiceWatcher) {
    this.name = name
    this.config = config
    this.#parts = parts
    this.#watcher = watcher
    const { now, wallNow } = parts.clock
    this.line = new ServiceLine(name, now, () => this.#onMoved())
    this.#sinceMs = wallNow()
    this.#unknownSinceMs = now()
    this.#runOwner = { calls: 0, now, onEmpty: (run) => this.#onEmpty(run) }
  }

  get state(): ServiceStateName {
    return this.#state
  }

  /** Since when nothing is known of its unit, in milliseconds of the monotonic clock. */
  get unknownSinceMs(): number | undefined {
    return this.#unknownSinceMs
  }

  /** Why nothing is known of its unit, as the failure of a call that waits. */
  get unknownReason(): string {
    return this.#unknownReason
  }

  /** Whether its unit runs, starts or stops, or is about to. */
  get holdsPlace(): boolean {
    return (
      this.#stop !== undefined ||
      phaseOf(this.#report) !== 'down' ||
      (this.#state !== 'stopped' && this.#state !== 'failed')
    )
  }

  enterIfOpen(): ServiceVisit | undefined {
    return this.#state === 'ready' ? this.#run!.enter() : undefined
  }

  /** Why no call may wait for it. Undefined: one may. */
  refusal(): NotStarted | undefined {
    const waitMs = this.#backOff.untilMs - this.#now()
    return this.#state === 'failed' && waitMs > 0 ? this.failure(this.#failure!, waitMs) : undefined
  }

  failure(result: string, retryAfterMs: number): NotStarted {
    return { unit: this.config.unit, result, retryAfterMs: Math.ceil(retryAfterMs) }
  }

  canStart(): boolean {
    if (!this.#isKnown || this.holdsPlace) return false
    return this.#state === 'stopped' || this.#backOff.untilMs <= this.#now()
  }

  /** Only if it can. */
  start(reason: StartReason): void {
    const attempt = this.#begin(reason)
    this.#counts.starts += 1
    void this.#parts.starter.start(this.name).then((refusal) => this.#onStartAnswer(attempt, refusal))
  }

  /** A person wants it to start, whatever has failed before. */
  forgetFailures(): void {
    this.#backOff.reset()
  }

  /** Takes no further calls and stops when the last one has left. */
  drain(reason: 'group' | 'command'): void {
    this.#drainReason = reason
    if (this.#state !== 'draining') this.#become('draining', reason)
  }

  /** Goes on after it drained. */
  resume(): void {
    this.#drainReason = undefined
    this.#become('ready', 'resumed')
  }

  /** @returns why it was refused; undefined: it is stopped. */
  stopByCommand(): Promise<string | undefined> {
    if (!this.holdsPlace) return Promise.resolve(undefined)
    const end = new Promise<string | undefined>((resolve) => void this.#onStopped.push(resolve))
    if (this.#run !== undefined && !this.#run.isOver) this.drain('command')
    else if (this.#stop === undefined) this.stop('command')
    return end
  }

  /** At once: only without visits. */
  stop(reason: Exclude<StopReason, 'failed'>): void {
    this.#stoppedAttempt = this.#attempt
    this.#endAttempt()
    if (this.#run !== undefined) this.#run.isOver = true
    this.#become('stopping', reason)
    this.#commandStop(reason)
  }

  /** Does what is due. The group calls it at `nextMs` and after each change. */
  tick(): void {
    const nowMs = this.#now()
    if (nowMs >= this.#startEndMs()) this.#fail('timeout')
    else if (this.#isKnown && nowMs >= this.#refusedAtMs()) this.#fail('start-limit-hit')
    else if (this.#isKnown && nowMs >= this.#downAtMs()) this.#endStop(this.#stop!)
    else if (this.#state === 'draining' && this.#run!.visits === 0) this.stop(this.#drainReason!)
    else if (this.#isKnown && this.#run?.visits === 0 && nowMs >= this.#idleEndMs()) this.stop('idle')
    else if (nowMs >= this.#stopAgainMs()) this.#commandStop(this.#stop?.reason ?? 'failed')
    else if (this.line.length > 0 && this.#isLeftRunning()) this.#adopt()
  }

  /** When it is to be looked at again, in milliseconds of the monotonic clock. Infinity: never, if nothing happens. */
  nextMs(): number {
    if (!this.#isKnown) return this.#startEndMs()
    return Math.min(
      this.#startEndMs(),
      this.#refusedAtMs(),
      this.#idleEndMs(),
      this.#stopAgainMs(),
      this.#downAtMs(),
    )
  }

  onReport(report: UnitReport): void {
    const last = this.#report
    this.#report = report
    this.#becomeKnown()
    if (this.#stop !== undefined) this.#judgeStop(this.#stop, report)
    else if (this.#attempt !== undefined) this.#judgeStart(this.#attempt, report)
    else if (this.#state === 'stopping') this.#judgeOutsideStop(report, last)
    else if (this.#run !== undefined) this.#judgeRun(this.#run, report, last)
    else this.#judgeStopped(report)
  }

  /** All units were reported, and this one was not among them. */
  onMissing(): void {
    this.#becomeKnown()
  }

  /** Nothing is known until the next report. @param reason absent: the starter cannot be reached. */
  onLost(reason: string = unreachable): void {
    this.#unknownReason = reason
    this.#unknownSinceMs ??= this.#now()
  }

  /** It belongs to the configuration no longer, or the gateway stops; its unit stays as it is. */
  close(): void {
    this.#endAttempt()
    for (const resolve of this.#onStopped.splice(0)) resolve('shutting-down')
  }

  asMember(): Member {
    const isOpen = this.#state === 'ready' || this.#state === 'draining'
    return {
      name: this.name,
      isKept: this.config.isKept,
      holdsPlace: this.holdsPlace,
      isLeaving: this.holdsPlace && this.#state !== 'ready' && this.#state !== 'starting',
      drainsForOthers: this.#state === 'draining' && this.#drainReason === 'group',
      readySinceMs: isOpen ? this.#run!.readySinceMs : undefined,
      visits: isOpen ? this.#run!.visits : 0,
      lastCallEndedMs: this.#run?.lastCallEndedMs,
      mayStopAtMs: this.#stopBackOff.untilMs,
    }
  }

  describe(): ServiceState {
    const waitMs = this.#state === 'failed' ? this.#backOff.untilMs - this.#now() : 0
    return {
      provider: this.name,
      unit: this.config.unit,
      group: this.group,
      state: this.#state,
      sinceMs: this.#sinceMs,
      calls: this.#runOwner.calls,
      waiting: this.line.length,
      memoryBytes: phaseOf(this.#report) === 'down' ? undefined : this.#report?.memoryBytes,
      lastStartMs: this.#lastStartMs,
      failure: this.#isKnown || this.#unknownReason === unreachable ? this.#failure : this.#unknownReason,
      retryAtMs: waitMs > 0 ? Math.round(this.#parts.clock.wallNow() + waitMs) : undefined,
      ...this.#counts,
    }
  }

  #now(): number {
    return this.#parts.clock.now()
  }

  get #isKnown(): boolean {
    return this.#unknownSinceMs === undefined
  }

  #onMoved(): void {
    this.#watcher.onMoved(this)
  }

  #becomeKnown(): void {
    this.#unknownSinceMs = undefined
    if (this.#state !== 'failed' || !endsWithReport.has(this.#failure!)) return
    this.#backOff.reset()
    if (!this.holdsPlace) this.#become('stopped')
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
    this.#unstopped = undefined
    this.#become('starting', reason)
    return attempt
  }

  /** Its unit runs, and it was not this gateway that has started it. */
  #adopt(reason: 'adopted' | 'restart' = 'adopted', before?: UnitReport): void {
    this.#judgeStart(this.#begin(reason, before), this.#report!)
  }

  #onStartAnswer(attempt: StartAttempt, refusal: string | undefined): void {
    if (refusal === undefined) attempt.accept(this.#now())
    else attempt.refuse()
    if (attempt !== this.#attempt) return
    // A command that was lost on its way may have been carried out: what has been seen to start goes on.
    const isLost = refusal === unreachable && attempt.isSeen
    if (refusal !== undefined && !isLost) this.#fail(refusal)
    this.#onMoved()
  }

  #judgeStart(attempt: StartAttempt, report: UnitReport): void {
    const sign = attempt.judge(report)
    if (sign.kind === 'failed') this.#fail(sign.result)
    else if (sign.kind === 'stopped') this.#stopped('outside')
    else if (sign.kind === 'up') attempt.probes.begin()
  }

  #onProbed(attempt: StartAttempt, result: 'ready' | 'port-taken'): void {
    if (result === 'ready') this.#becomeReady(attempt)
    else this.#fail(result)
    this.#onMoved()
  }

  #becomeReady(attempt: StartAttempt): void {
    const tookMs = this.#now() - attempt.sinceMs
    if (attempt.isOwn) this.#lastStartMs = tookMs
    this.#endAttempt()
    this.#backOff.reset()
    this.#failure = undefined
    this.#run = new ServiceRun(this.#report!.invocation, this.#runOwner)
    this.#become('ready', undefined, { tookMs })
  }

  #endAttempt(): void {
    this.#attempt?.probes.end()
    this.#attempt = undefined
  }

  /** Who waits is refused, unless it may be started again at once. A unit that may still run is stopped, so that the manager's restarts leave the pause alone. */
  #fail(result: string): void {
    const mayRun = phaseOf(this.#report) !== 'down' || this.#attempt?.mayStillStart(this.#now()) === true
    const nowMs = this.#now()
    const workedMs = this.#run === undefined ? 0 : nowMs - this.#run.readySinceMs
    this.#endAttempt()
    this.#endRun()
    this.#counts.failures += 1
    this.#failure = result
    const retryAfterMs = this.#backOff.fail(nowMs, workedMs)
    this.#become('failed', result, { retryAfterMs })
    if (retryAfterMs > 0) this.#refuseWaiting(this.failure(result, retryAfterMs))
    if (mayRun) this.#commandStop('failed')
    else this.#stopEnded(undefined)
  }

  #refuseWaiting(failure: NotStarted): void {
    for (const waiting of this.line) this.line.end(waiting, { kind: 'not_started', failure })
  }

  #stopped(reason: StopReason | 'outside'): void {
    this.#endAttempt()
    this.#endRun()
    this.#become('stopped', reason)
    this.#stopEnded(undefined)
  }

  #endRun(): void {
    if (this.#run !== undefined) this.#run.isOver = true
    this.#run = undefined
    this.#drainReason = undefined
  }

  #commandStop(reason: StopReason): void {
    const stop = new StopCommand(reason, this.#report)
    this.#stop = stop
    void this.#parts.starter.stop(this.name).then((refusal) => {
      if (stop !== this.#stop) return
      if (refusal === undefined) stop.accept(this.#now())
      else this.#onStopRefused(refusal)
      this.#onMoved()
    })
  }

  /** A service that was ready still is, and one that was about to start still starts; what has failed is stopped later. */
  #onStopRefused(refusal: string): void {
    this.#stop = undefined
    this.#stopBackOff.fail(this.#now())
    this.#stopEnded(refusal)
    if (this.#state === 'failed') this.#unstopped = this.#report?.invocation
    if (this.#state !== 'stopping') return
    const [run, stopped] = [this.#run, this.#stoppedAttempt]
    this.#drainReason = undefined
    if (run !== undefined && phaseOf(this.#report) === 'up') {
      run.isOver = false
      this.#become('ready', refusal)
    } else if (phaseOf(this.#report) !== 'down') this.#adopt()
    else if (stopped?.mayStillStart(this.#now()) === true) this.#begin('command').accept(this.#now())
    else this.#stopped('command')
  }

  #stopEnded(refusal: string | undefined): void {
    for (const resolve of this.#onStopped.splice(0)) resolve(refusal)
  }

  #judgeStop(stop: StopCommand, report: UnitReport): void {
    const sign = stop.judge(report, this.#now())
    if (sign === 'pending') return
    this.#endStop(stop)
    if (sign === 'replaced') this.#adopt()
  }

  #endStop(stop: StopCommand): void {
    this.#stop = undefined
    this.#stopBackOff.reset()
    this.#counts.stops += 1
    if (this.#state === 'stopping') this.#stopped(stop.reason)
    else this.#stopEnded(undefined)
  }

  #judgeRun(run: ServiceRun, report: UnitReport, last: UnitReport | undefined): void {
    const phase = phaseOf(report)
    if (phase === 'up' && report.invocation === run.invocation) return
    run.isOver = true
    if (phase === 'going') {
      this.#outsideFailure = report.result === 'success' ? undefined : failureOf(report)
      this.#drainReason = undefined
      this.#become('stopping', 'outside')
    } else if (phase === 'down') this.#endedOutside(report)
    else if (this.#drainReason === 'command') this.stop('command')
    else this.#adopt('restart', last)
  }

  #judgeOutsideStop(report: UnitReport, last: UnitReport | undefined): void {
    const phase = phaseOf(report)
    if (phase === 'down') this.#endedOutside(report)
    else if (phase !== 'going') this.#adopt('restart', last)
  }

  /** A unit that was ready is down. One that somebody stops may end with any status. */
  #endedOutside(report: UnitReport): void {
    const isStopped = this.#state === 'stopping' && this.#outsideFailure === undefined
    if (isStopped || report.result === 'success') this.#stopped('outside')
    else this.#fail(failureOf(report))
  }

  #judgeStopped(report: UnitReport): void {
    const phase = phaseOf(report)
    if (phase !== 'up' && phase !== 'coming') return
    if (report.invocation !== this.#unstopped) this.#adopt()
  }

  /** When a start takes too long. */
  #startEndMs(): number {
    return this.#attempt === undefined ? Infinity : this.#attempt.sinceMs + this.config.startTimeoutMs
  }

  /** When a start has failed that the manager did not even try. */
  #refusedAtMs(): number {
    return this.#attempt?.refusedAtMs(this.#report) ?? Infinity
  }

  /** When a unit that is stopped and was not seen running is known not to run. */
  #downAtMs(): number {
    return this.#stop?.downAtMs ?? Infinity
  }

  /** When it has been idle for its time. While it has visits: the first moment that this can be, so that no timer moves with each of them. */
  #idleEndMs(): number {
    const { isKept, stopAfterIdleMs } = this.config
    if (this.#state !== 'ready' || isKept || stopAfterIdleMs === undefined) return Infinity
    const { readySinceMs, visits, lastCallEndedMs = readySinceMs } = this.#run!
    const sinceMs = visits > 0 ? this.#now() : lastCallEndedMs
    return Math.max(sinceMs + stopAfterIdleMs, this.#stopBackOff.untilMs)
  }

  /** When a unit is stopped again that should be down and is not. */
  #stopAgainMs(): number {
    const phase = phaseOf(this.#report)
    if (!this.#isKnown || phase === 'down' || phase === 'going') return Infinity
    if (this.#stop !== undefined) return this.#stop.againAtMs
    return this.#unstopped === undefined ? Infinity : this.#stopBackOff.untilMs
  }

  /** It has failed, its unit could not be stopped, and the time has come for the next start. */
  #isLeftRunning(): boolean {
    const mayRetry = this.#state === 'failed' && this.#backOff.untilMs <= this.#now()
    return mayRetry && this.#stop === undefined && phaseOf(this.#report) === 'up'
  }

  #onEmpty(run: ServiceRun): void {
    if (run === this.#run) this.#watcher.onEmpty(this)
  }

  #become(
    to: ServiceStateName,
    reason?: string,
    more?: Pick<ServiceChange, 'tookMs' | 'retryAfterMs'>,
  ): void {
    const from = this.#state
    this.#state = to
    this.#sinceMs = this.#parts.clock.wallNow()
    const { name: provider, group } = this
    const change = { provider, unit: this.config.unit, group, from, to, calls: this.#runOwner.calls, ...more }
    this.#parts.onChange?.(reason === undefined ? change : { ...change, reason })
  }
}
