// One stop of a unit by the gateway, until it is down: what reports mean that may be older than the command.
import type { UnitReport } from '../../platform/unit-report.ts'
import { certainAfterMs } from './start-attempt.ts'
import { isAutoRestart, phaseOf } from './unit-phase.ts'

/** `removed`: the configuration has it no longer. */
export type StopReason = 'idle' | 'group' | 'command' | 'failed' | 'removed'

/** A unit that then still runs as before is stopped once more. */
const againAfterMs = 10_000

export class StopCommand {
  readonly reason: StopReason
  #acceptedAtMs: number | undefined
  #isGoing = false
  /** It was not seen running: it may be about to start. */
  #wasDown: boolean
  #invocation: string | undefined

  constructor(reason: StopReason, last: UnitReport | undefined) {
    this.reason = reason
    this.#wasDown = phaseOf(last) === 'down'
    this.#invocation = last?.invocation
  }

  accept(nowMs: number): void {
    this.#acceptedAtMs = nowMs
  }

  /** When a unit that has not begun to stop is stopped once more, in milliseconds of the monotonic clock. */
  get againAtMs(): number {
    return this.#isGoing || this.#acceptedAtMs === undefined ? Infinity : this.#acceptedAtMs + againAfterMs
  }

  /** When a unit that was not seen running is known not to, in milliseconds of the monotonic clock, if it is not reported until then. */
  get downAtMs(): number {
    return this.#wasDown && this.#acceptedAtMs !== undefined ? this.#acceptedAtMs + certainAfterMs : Infinity
  }

  /** `replaced`: somebody has started it anew. */
  judge(report: UnitReport, nowMs: number): 'pending' | 'down' | 'replaced' {
    const phase = phaseOf(report)
    const acceptedAtMs = this.#acceptedAtMs ?? Infinity
    if (phase === 'down') return this.#wasDown && nowMs < this.downAtMs ? 'pending' : 'down'
    this.#wasDown = false
    if (phase === 'going') this.#isGoing = true
    else if (report.invocation !== this.#invocation && !isAutoRestart(report)) {
      if (this.#isGoing || nowMs - acceptedAtMs >= certainAfterMs) return 'replaced'
      this.#invocation = report.invocation
    }
    return 'pending'
  }
}
