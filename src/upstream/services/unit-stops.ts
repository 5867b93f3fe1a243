// The stops of one unit: the command under way, the callers that wait for its end, and when one that was refused is tried again.
import type { UnitReport } from '../../platform/unit-report.ts'
import { BackOff } from './back-off.ts'
import { StopCommand, type StopReason } from './stop-command.ts'
import { phaseOf } from './unit-phase.ts'

export class UnitStops {
  readonly #backOff = new BackOff()
  readonly #waiting: ((refusal: string | undefined) => void)[] = []
  #command: StopCommand | undefined
  #unstopped: string | undefined
  #count = 0

  /** From the command until the unit is down. */
  get command(): StopCommand | undefined {
    return this.#command
  }

  /** A caller waits for its end. */
  get isWanted(): boolean {
    return this.#waiting.length > 0
  }

  /** The invocation of a unit that has failed and could not be stopped. */
  get unstopped(): string | undefined {
    return this.#unstopped
  }

  /** How often the unit was stopped. */
  get count(): number {
    return this.#count
  }

  /** After a stop that was refused the next one is not due before, in milliseconds of the monotonic clock. */
  get mayBeginAtMs(): number {
    return this.#backOff.untilMs
  }

  /** When a unit that was not seen running is known not to run, in milliseconds of the monotonic clock. */
  get downAtMs(): number {
    return this.#command?.downAtMs ?? Infinity
  }

  /** When a unit that should be down and is not is stopped once more, in milliseconds of the monotonic clock. */
  againAtMs(report: UnitReport | undefined): number {
    const phase = phaseOf(report)
    if (phase === 'down' || phase === 'going') return Infinity
    if (this.#command !== undefined) return this.#command.againAtMs
    return this.#unstopped === undefined ? Infinity : this.#backOff.untilMs
  }

  /** Resolves at the end of the next stop, with the reason if it was refused. */
  ended(): Promise<string | undefined> {
    return new Promise((resolve) => void this.#waiting.push(resolve))
  }

  begin(reason: StopReason, report: UnitReport | undefined): StopCommand {
    this.#command = new StopCommand(reason, report)
    return this.#command
  }

  /** The unit is down, or somebody has started it anew. */
  finish(): void {
    this.#command = undefined
    this.#backOff.reset()
    this.#count += 1
  }

  /** @param failed the invocation of a unit that has failed, and is stopped later. */
  refuse(refusal: string, failed: string | undefined, nowMs: number): void {
    this.#command = undefined
    this.#backOff.fail(nowMs)
    this.#unstopped = failed ?? this.#unstopped
    this.release(refusal)
  }

  /** The unit starts: what was to be stopped is not there any more. */
  forget(): void {
    this.#unstopped = undefined
    this.release(undefined)
  }

  /** Ends all waits, with the reason if it was refused. */
  release(refusal: string | undefined): void {
    for (const resolve of this.#waiting.splice(0)) resolve(refusal)
  }
}
