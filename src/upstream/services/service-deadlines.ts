// What is due of a service without a report or a command, and when. Pure: what is so goes in, the service carries it out.
import type { UnitReport } from '../../platform/unit-report.ts'
import type { ServiceStateName } from './service-change.ts'
import type { ServiceRun } from './service-run.ts'
import type { StartAttempt } from './start-attempt.ts'
import { phaseOf } from './unit-phase.ts'
import type { UnitStops } from './unit-stops.ts'

/** As `UnitSituation` has it. Moments are in milliseconds of the monotonic clock. */
export interface DueSituation {
  readonly state: ServiceStateName
  /** The last report counts. */
  readonly isKnown: boolean
  readonly report: UnitReport | undefined
  readonly attempt: Pick<StartAttempt, 'endMs' | 'refusedAtMs'> | undefined
  readonly run: Pick<ServiceRun, 'visits' | 'idleSinceMs'> | undefined
  readonly stops: Pick<UnitStops, 'command' | 'mayBeginAtMs' | 'downAtMs' | 'againAtMs'>
  /** After a failure it is not started before. */
  readonly mayStartAtMs: number
}

/** What its configuration allows, in milliseconds, and its line. */
export interface DueTerms {
  /** Calls wait for it. */
  readonly isAwaited: boolean
  readonly startTimeoutMs: number
  /** Undefined: it is not stopped for being idle. */
  readonly stopAfterIdleMs: number | undefined
}

/**
 * `start_timeout`: its start takes too long. `start_refused`: the manager has refused it, as nothing else was reported. `stop_done`: a
 * unit that was not seen running does not run. `drained`: its last visit has left. `idle`: for its time. `stop_again`: its unit should be
 * down and is not. `left_running`: it has failed, its unit could not be stopped, and the time has come for the next start.
 */
export type Due =
  | 'start_timeout'
  | 'start_refused'
  | 'stop_done'
  | 'drained'
  | 'idle'
  | 'stop_again'
  | 'left_running'

export type Deadline = readonly [atMs: number, due: Due]

/** The first one that is due is seen to, the others after it. Infinity: never, if nothing happens; -Infinity: at once. */
export function deadlines(situation: DueSituation, terms: DueTerms): readonly Deadline[] {
  const { isKnown, report, attempt, stops } = situation
  const ifKnown = (atMs: number) => (isKnown ? atMs : Infinity)
  return [
    [attempt?.endMs(terms.startTimeoutMs) ?? Infinity, 'start_timeout'],
    [ifKnown(attempt?.refusedAtMs(report) ?? Infinity), 'start_refused'],
    [ifKnown(stops.downAtMs), 'stop_done'],
    [isDrained(situation) ? -Infinity : Infinity, 'drained'],
    [ifKnown(idleEndMs(situation, terms)), 'idle'],
    [ifKnown(stops.againAtMs(report)), 'stop_again'],
    [terms.isAwaited && isLeftRunning(situation) ? situation.mayStartAtMs : Infinity, 'left_running'],
  ]
}

function isDrained({ state, run }: DueSituation): boolean {
  return state === 'draining' && run!.visits === 0
}

/** While it has visits: the first moment that this can be, so that no timer moves with each of them. */
function idleEndMs({ state, run, stops }: DueSituation, { stopAfterIdleMs }: DueTerms): number {
  if (state !== 'ready' || stopAfterIdleMs === undefined) return Infinity
  return Math.max(run!.idleSinceMs + stopAfterIdleMs, stops.mayBeginAtMs)
}

function isLeftRunning({ state, stops, report }: DueSituation): boolean {
  return state === 'failed' && stops.command === undefined && phaseOf(report) === 'up'
}
