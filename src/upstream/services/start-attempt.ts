// One start of a unit, until it is ready or has failed: what reports mean that may be older than the command.
import type { UnitReport } from '../../platform/unit-report.ts'
import { type Probing, ReadinessProbes } from './readiness-probes.ts'
import type { ServiceRun } from './service-run.ts'
import { failureOf, isAutoRestart, phaseOf } from './unit-phase.ts'

/** Who has started it: the gateway, for a call, a command or at its own start; somebody else; or the manager, again. `address`: it runs, and has another address now. */
export type StartReason = 'call' | 'boot' | 'command' | 'adopted' | 'restart' | 'address'

/** `stopped`: somebody has stopped a unit that the gateway did not start. */
export type StartSign =
  | { readonly kind: 'pending' }
  | { readonly kind: 'up' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly result: string }

/** So long after a command that was accepted, reports are newer than it. */
export const certainAfterMs = 1000

export class StartAttempt {
  readonly reason: StartReason
  /** In milliseconds of the monotonic clock. */
  readonly sinceMs: number
  #acceptedAtMs: number | undefined
  #isRefused = false
  readonly probes: ReadinessProbes
  /** Of `address`: the run of before, whose calls go on. */
  carried: ServiceRun | undefined
  /** The last report before the command. */
  #before: UnitReport | undefined
  /** A report has shown the unit that this start is about. */
  #isSeen = false
  /** It was being stopped without having failed. */
  #isBeingStopped = false
  /** `NRestarts` of before. */
  #restarts: number | undefined

  /** @param before the last report of before it; for `restart`, of when the unit still was ready. */
  constructor(reason: StartReason, sinceMs: number, before: UnitReport | undefined, probing: Probing) {
    this.reason = reason
    this.sinceMs = sinceMs
    this.#before = before
    this.probes = new ReadinessProbes(sinceMs, probing)
    if (reason === 'restart') this.#restarts = before?.restarts
  }

  /** Whether the gateway has started it. */
  get isOwn(): boolean {
    return this.reason !== 'adopted' && this.reason !== 'restart' && this.reason !== 'address'
  }

  /** Calls of before it are under way. */
  get hasEarlierCalls(): boolean {
    return this.carried !== undefined && this.carried.visits > 0
  }

  /** When it takes too long, in milliseconds of the monotonic clock; not before the calls of before have ended. */
  endMs(timeoutMs: number): number {
    return this.hasEarlierCalls ? Infinity : this.sinceMs + timeoutMs
  }

  get isSeen(): boolean {
    return this.#isSeen
  }

  /** The manager has the command. */
  accept(nowMs: number): void {
    this.#acceptedAtMs = nowMs
  }

  refuse(): void {
    this.#isRefused = true
  }

  /** Whether a unit that is reported to be down may be about to start: the command is on its way, or newer than the report. */
  mayStillStart(nowMs: number): boolean {
    if (!this.isOwn || this.#isRefused) return false
    return !this.#isSeen || this.#acceptedAtMs === undefined || nowMs - this.#acceptedAtMs < certainAfterMs
  }

  /** When a unit that nothing was seen of has failed if this still is its report, in milliseconds of the monotonic clock. */
  refusedAtMs(report: UnitReport | undefined): number {
    const { isOwn } = this
    if (!isOwn || this.#isSeen || this.#acceptedAtMs === undefined) return Infinity
    return report?.result === 'start-limit-hit' ? this.#acceptedAtMs + certainAfterMs : Infinity
  }

  judge(report: UnitReport): StartSign {
    const phase = phaseOf(report)
    if (!this.#isSeen && phase === 'down' && this.isOwn && !this.#isNewEnd(report)) return { kind: 'pending' }
    this.#isSeen = true
    this.#restarts ??= report.restarts
    const failures = report.restarts - this.#restarts + (isAutoRestart(report) ? 1 : 0)
    // The manager's restart of a unit that has run is its own affair once.
    if (failures > (this.isOwn ? 0 : 1)) return { kind: 'failed', result: failureOf(report) }
    if (phase === 'up') return { kind: 'up' }
    if (phase !== 'down') {
      this.#isBeingStopped = phase === 'going' && report.result === 'success'
      return { kind: 'pending' }
    }
    if (report.result !== 'success') return { kind: 'failed', result: failureOf(report) }
    if (!this.isOwn) return { kind: 'stopped' }
    return { kind: 'failed', result: this.#isBeingStopped ? 'stopped' : failureOf(report) }
  }

  /** Whether a unit that is down has been started since the command: it has another invocation, or another failure. */
  #isNewEnd(report: UnitReport): boolean {
    const before = (this.#before ??= report)
    if (report.invocation !== '' && report.invocation !== before.invocation) return true
    return report.result !== 'success' && report.result !== before.result
  }
}
